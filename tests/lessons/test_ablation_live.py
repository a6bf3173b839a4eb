"""ablation_live.py: rows put together from the shipped weights are the rows' networks."""

import pytest
import torch

from dffkit import weights
from dffkit.datasets import toytown
from dffkit.lessons.ablation_live import LIVE, by_what_is_seen, compose, live
from dffkit.training.assembly import build
from dffkit.training.recipes import find


def assert_same(one, other):
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_a_row_has_the_parts_that_its_recipe_names(task):
    frame, flow = weights.load(f"toytown/{task}/frame"), weights.load("toytown/flow")["flow_network"]
    separate = compose(task, "DFF separate")
    for part in ("feature_network", "task_network"):
        assert_same(getattr(separate, part), getattr(frame, part))
    assert_same(separate.flow_network, flow)
    assert separate.state_dict().keys() == build(find(f"toytown/{task}/separate")).state_dict().keys()
    assert not separate.training


def test_live_scores_are_in_the_order_of_what_they_know():
    scores = live("segmentation", ("Frame", "DFF", "copy"), streets=2).set_index("row").score
    assert scores["Frame"] > scores["DFF"] > scores["copy"] > 50


def test_the_exact_flow_is_of_the_snippets():
    snippets = toytown.snippets("val", "detection", 1)
    model = compose("detection", "exact flow", snippets)
    frames = [snippets[0].frames[index][None] for index in (19, 15)]
    field, scale = model.flow_network(*frames)
    assert scale is None
    assert field.abs().max() > 0.1


def test_exact_flow_fails_where_the_key_frame_shows_nothing_and_nowhere_else():
    found = by_what_is_seen(("Frame", "exact flow", "DFF"), gap=9, streets=2).set_index("row")
    assert found.seen["exact flow"] > 85
    assert found.new["exact flow"] < 50 < found.new["DFF"] < found.new["Frame"]


def test_rows_that_need_other_weights_are_named():
    with pytest.raises(ValueError, match=r"row: expected one of .*'DFF separate'.*, got 'DFF without S'"):
        compose("segmentation", "DFF without S")
    assert "DFF without S" not in LIVE
