"""Copied features, and per-frame recognition on smaller frames, at any size and as a recipe."""

import dataclasses
from functools import partial

import pytest
import torch
from hand_made import DETECTION, SEGMENTATION, SIZE, label_map, recipe, snippets
from torch.nn import functional as F

from dffkit.baselines.without_flow import LowResolution, NoFlow
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.segmentation import ScoreMaps
from dffkit.scores.evaluation import evaluate
from dffkit.training.assembly import build
from dffkit.training.jobs import make_job


def test_it_is_the_network_on_averaged_frames():
    torch.manual_seed(0)
    whole = FeatureNetwork(14, width=1 / 16).eval()
    small = LowResolution(14, width=1 / 16, shrink=2).eval()
    small.load_state_dict(whole.state_dict())
    frames = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    halved = F.avg_pool2d(frames.float(), 2).round().to(torch.uint8)
    with torch.inference_mode():
        assert torch.equal(small(frames), whole(halved))
        assert small(frames).shape == (2, small.channels, 2, 3)


@pytest.mark.parametrize("task", [ScoreMaps, partial(RFCN, num_classes=2, bins=1)])
@pytest.mark.parametrize(("shrink", "size"), [(1, (17, 33)), (2, (33, 95)), (2, (64, 97)), (3, (49, 97))])
def test_odd_sizes_fit_from_frames_to_answers(task, shrink, size):
    features = LowResolution(14, width=1 / 16, shrink=shrink)
    task = task(in_channels=features.channels, feature_stride=16 * shrink)
    model = DeepFeatureFlow(features, NoFlow(16 * shrink), task).eval()
    frames = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    with torch.inference_mode():
        maps = model(frames, frames.flip(0))
        assert maps.shape[2:] == tuple(-(-side // (16 * shrink)) for side in size)
        assert torch.equal(maps, model(frames.flip(0)))  # a copy of the key frame's
        assert len(task.decode(maps, size)) == 2


def test_a_wrong_shrink_is_named():
    with pytest.raises(ValueError, match="shrink: expected a whole number of at least 1, got 0"):
        LowResolution(14, shrink=0)


@pytest.mark.parametrize("task", [SEGMENTATION, DETECTION])
def test_it_trains_and_answers_in_the_frames_own_pixels(task):
    halved = recipe("frames", task, shrink=2, flow="none", flow_width=0)
    job = make_job(halved, 0, snippets(task[0]))
    batch = job.batch(range(4))
    losses = job.loss(job.forward(batch), batch)
    assert all(value.isfinite() for value in losses.values())
    model = job.module.eval()
    with torch.inference_mode():
        maps = model(batch.frames)
        (first, *_) = model.task_network.decode(maps, SIZE)
    assert maps.shape[2:] == (1, 2)  # cells of 32 x 32 pixels
    if task is SEGMENTATION:
        assert first.shape == label_map(0).shape
    else:
        assert (first["boxes"] <= torch.tensor([SIZE[1], SIZE[0]] * 2)).all()


def test_its_features_can_be_copied_to_later_frames():
    data = snippets(count=1)
    model = build(recipe("frames", SEGMENTATION, shrink=2, flow="none", flow_width=0))
    scores = evaluate(model, data, max_duration=3, history=10)
    assert scores.max_duration == 3


def test_the_same_weights_serve_both_resolutions():
    whole = recipe("frames", SEGMENTATION, flow="none", flow_width=0)
    half = build(dataclasses.replace(whole, shrink=2))
    half.load_state_dict(build(whole).state_dict())
