"""how_it_works.py: the steps are those of Algorithm 1, and the panels say which part runs."""

import numpy as np
import pytest
import torch

from dffkit import DeepFeatureFlow, FeatureNetwork, FixedInterval, flownet, recognize
from dffkit.networks.detection import RFCN
from dffkit.paper import how_it_works, moving_panels
from dffkit.paper.feature_maps import best_filter
from dffkit.training.toytown_recipes import DETECTION


@pytest.fixture(scope="module")
def clip():
    return list(torch.randint(0, 256, (5, 3, 64, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    task = RFCN(in_channels=64, **dict(DETECTION[1]))
    features = FeatureNetwork(14, width=1 / 16)
    return DeepFeatureFlow(features, flownet(width=1 / 16, scale_channels=64), task).eval()


def test_the_steps_are_those_of_algorithm_1(model, clip):
    steps = how_it_works.steps(model, clip, 3)
    assert [step.key_frame for step in steps] == [0, 0, 0, 3, 3]
    assert [step.flow is None for step in steps] == [True, False, False, True, False]
    for step, found in zip(steps, recognize(model, clip, FixedInterval(3)), strict=True):
        assert torch.allclose(step.boxes["scores"], found.output["scores"], atol=1e-5)
        if step.flow is None:
            assert torch.equal(step.features, model.feature_network(clip[step.frame][None])[0])


def test_the_best_filter_has_the_map_of_the_thing(model, clip):
    maps = torch.stack([step.features for step in how_it_works.steps(model, clip[:2], 2)])
    assert best_filter(maps, 2 * maps[:, 7] + 1) == 7


def test_the_panels_say_what_runs(model, clip, monkeypatch):
    monkeypatch.setattr(moving_panels, "frame", lambda number, index: clip[index - how_it_works.FIRST])
    key, current = (how_it_works._panels(step, 0, 1.0, 1.0) for step in how_it_works.steps(model, clip[:2], 2))
    assert [panel.is_key_frame for panel in key] == [True, False, True, False]
    assert not any(panel.is_key_frame for panel in current)
    assert "N_feat runs" in key[0].caption
    assert "N_feat" not in "".join(panel.caption for panel in current)
    assert "F runs" in current[1].caption
    assert "carried from 0" in current[2].caption
    assert all(panel.image.size == moving_panels.PANEL for panel in (*key, *current))
    assert len(np.unique(np.asarray(current[1].image))) > 5  # colours of a flow, and their wheel
