"""The cost of aggregation: the formula, the count of each part, and the count of a whole frame agree."""

import pytest
import torch
from small_aggregation import small

from dffkit.aggregation.cost import count_costs, count_frame, steps
from dffkit.aggregation.model import FULL_SIZE, fgfa
from dffkit.aggregation.stream import aggregate
from dffkit.paper import ledger


@pytest.mark.parametrize("options", [{}, {"embed_first": True}, {"embedding": None}], ids=str)
@pytest.mark.parametrize("reach", [0, 1, 3])
def test_the_formula_is_the_count(options, reach):
    model = small(**options)
    costs = count_costs(model, (48, 64))
    assert costs.frame(reach) - 2 * reach * costs.warp == count_frame(model, (48, 64), reach)


@torch.no_grad()
def test_the_steps_that_are_timed_compute_what_they_say():
    model, frame = small(), torch.full((1, 3, 48, 64), 128, dtype=torch.uint8)
    per_frame, aggregated = steps(model, (48, 64), 2)
    torch.testing.assert_close(per_frame(), model.task_network(model.feature_network(frame)))
    model.task_network.decode = lambda maps, size: maps
    found = [each.output for each in aggregate(model, [frame[0]] * 5, 2)]
    torch.testing.assert_close(aggregated()[0], found[2])


def test_the_warp_is_four_products_and_sums_for_each_value():
    first, later = (count_costs(small(embed_first=embed), (48, 64)) for embed in (True, False))
    assert later.warp == 8 * 64 * 3 * 4
    assert first.warp == 3 * later.warp  # the embedding has twice the channels


def test_full_size_costs_are_near_the_talks_times():
    with torch.device("meta"):
        model = fgfa()
    costs, reach = count_costs(model), FULL_SIZE["paper"][0]
    inverse = ledger.printed("inverse_ratio")["ResNet-101", "FlowNet"]
    # The printed ratio counts the scale field too, which FGFA does not have.
    assert 0.97 * (1 + 20 / inverse) < costs.ratio_approximate(reach) < 1 + 20 / inverse
    assert 0.97 * (1 + 21 / inverse) < costs.ratio_approximate(reach, own_flow=True) < 1 + 21 / inverse
    assert costs._replace(embed_first=True).ratio(reach) == pytest.approx(733 / 288, rel=0.01)
    assert costs.ratio(reach) > 3.5  # an embedding for each neighbour costs almost as much as its flow
