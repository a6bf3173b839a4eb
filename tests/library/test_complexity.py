"""Counted costs: Table 2's cells, the three equations, and the formulas behind the counter."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dffkit import complexity
from dffkit.complexity import Costs, cost_ratio, cost_ratio_approximate, count_costs, count_flops, speedup, warp_flops
from dffkit.dff import DeepFeatureFlow
from dffkit.lessons import nb04_complexity
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet, flownet_inception
from dffkit.networks.segmentation import ScoreMaps


def build(depth=101, make=flownet, task=None, **options):
    """The paper's network, on the meta device."""
    with torch.device("meta"):
        return DeepFeatureFlow(FeatureNetwork(depth), make(), task or ScoreMaps(num_classes=19), **options)


def test_table_2_comes_out_of_the_real_networks():
    table = complexity.table2().set_index(["features", "flow"])
    assert table.inverse.to_dict() == {
        ("ResNet-50", "FlowNet"): 9.20,
        ("ResNet-50", "FlowNet Half"): 33.56,
        ("ResNet-50", "FlowNet Inception"): 68.97,  # by construction
        ("ResNet-101", "FlowNet"): 12.71,
        ("ResNet-101", "FlowNet Half"): 46.30,
        ("ResNet-101", "FlowNet Inception"): 95.24,  # by construction
    }
    assert table.ratio.tolist() == [0.1087, 0.0298, 0.0145, 0.0787, 0.0216, 0.0105]


@pytest.mark.parametrize(("depth", "gmac"), [(50, 118.667), (101, 164.010)])
def test_n_feat_has_the_expected_costs(depth, gmac):
    assert count_costs(build(depth)).features / 2e9 == pytest.approx(gmac, abs=5e-4)


def test_other_conventions_do_not_fit():
    table = nb04_complexity.other_conventions()
    printed = complexity.table2().inverse.tolist()
    off = {
        name: max(abs(ours / theirs - 1) for ours, theirs in zip(group.inverse, printed, strict=True))
        for name, group in table.groupby("convention")
    }
    assert off.pop("the rule that fits") == 0
    assert off.pop("no biases") < 0.005
    assert min(off.values()) > 0.01
    stride_8 = table[table.convention.str.contains("stride 8")].inverse.tolist()
    assert stride_8[0] == pytest.approx(8.29, abs=0.005)


def test_a_convolution_by_hand():
    layer = nn.Conv2d(3, 8, 5, stride=2, padding=2)
    x = torch.zeros(2, 3, 20, 30)
    outputs = 2 * 8 * 10 * 15
    assert count_flops(layer, x) == 2 * outputs * 3 * 25 + outputs
    assert count_flops(layer, x, biases=False) == 2 * outputs * 3 * 25
    assert count_flops(nn.Conv2d(3, 8, 5, stride=2, padding=2, bias=False), x) == 2 * outputs * 3 * 25


def test_a_deconvolution_counts_at_its_inputs_resolution():
    layer = nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1)
    assert count_flops(layer, torch.zeros(1, 4, 5, 7)) == 2 * (5 * 7) * 4 * 6 * 16 + 6 * 10 * 14


def test_the_formula_of_the_warp():
    # Four rows of C values are weighted and added for each cell, then scaled.
    assert warp_flops(1024, 38, 63) == 1024 * 38 * 63 * (4 + 4 + 1)


def test_costs_add_up_over_split_points():
    whole = count_costs(build())
    for split, channels in ((5, 2048), (12, 1024), (21, 1024)):
        with torch.device("meta"):
            flow = flownet(scale_channels=channels)
            model = DeepFeatureFlow(FeatureNetwork(101), flow, ScoreMaps(num_classes=19), split=split)
        costs = count_costs(model)
        assert costs.features + costs.task == whole.features + whole.task
        assert costs.task > whole.task
        assert costs.warp == warp_flops(channels, 38, 63)


def test_counting_does_not_change_the_model():
    model = DeepFeatureFlow(
        FeatureNetwork(14, width=0.125), flownet(width=0.0625, scale_channels=128), ScoreMaps(in_channels=128)
    ).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_costs(model, (64, 64))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training


def test_equation_5_and_6():
    costs = Costs(features=900, flow=100, warp=10, task=100)
    assert cost_ratio(costs) == 210 / 1000
    assert cost_ratio_approximate(costs) == 100 / 900


def test_score_maps_are_as_cheap_as_equation_6_assumes_but_r_fcn_is_not():
    segmentation = count_costs(build(101, flownet_inception))
    assert cost_ratio(segmentation) / cost_ratio_approximate(segmentation) < 1.05
    with torch.device("meta"):
        detector = RFCN(num_classes=30)
    detection = count_costs(build(101, flownet_inception, detector))
    assert detection.task > detection.flow
    assert cost_ratio(detection) / cost_ratio_approximate(detection) > 2


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (0.1087, [1.80, 2.46, 3.48, 5.05, 5.95, 6.52]),
        (0.0787, [1.85, 2.59, 3.80, 5.85, 7.14, 8.02]),
        (0.0105, [1.98, 2.94, 4.80, 9.14, 13.08, 16.67]),
    ],
)
def test_equation_7(ratio, expected):
    assert [round(speedup(duration, ratio), 2) for duration in (2, 3, 5, 10, 15, 20)] == expected


@given(st.integers(1, 1000), st.floats(0, 2))
def test_speedup_lies_between_1_and_both_bounds(duration, ratio):
    s = speedup(duration, ratio)
    assert s <= duration * (1 + 1e-12)
    assert s * ratio <= max(1.0, ratio) * (1 + 1e-12)  # never more than 1/r, once r < 1
    assert (s >= 1 - 1e-12) == (ratio <= 1 or duration == 1) or ratio == pytest.approx(1)


def test_bad_durations_and_ratios_are_named():
    with pytest.raises(ValueError, match="duration: expected at least 1 frame, got 0"):
        speedup(0, 0.1)
    with pytest.raises(ValueError, match=r"ratio: expected r >= 0, got -0\.1"):
        speedup(10, -0.1)
