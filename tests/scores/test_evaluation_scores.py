"""The paper's protocol: means over offsets, and models that score 1."""

import math

import pytest
import torch
from scored_snippets import CLASSES, SIZE, data, small, some_boxes, video
from torch import nn

from dffkit.baselines.without_flow import NoFlow
from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.scores.evaluation import evaluate


def test_a_durations_score_is_the_mean_over_its_offsets():
    result = evaluate(small(), data(), max_duration=3)
    scores = [values["mIoU", "all"] for values in result.values]
    assert result.score("mIoU", duration=1) == scores[0]
    assert result.score("mIoU", duration=3) == pytest.approx(sum(scores) / 3)
    fast = [values["mIoU", "fast"] for values in result.values]
    assert result.score("mIoU", "fast", duration=2) == pytest.approx(sum(fast[:2]) / 2)


def test_a_perfect_model_scores_1():
    class Colours(nn.Module):
        channels = 3

        def forward(self, frames):
            return nn.functional.avg_pool2d(frames.float(), 16)

    class Brightest(nn.Module):
        out_channels = num_classes = 3

        def forward(self, features):
            return features

        def decode(self, maps, size):
            return maps.argmax(1).repeat_interleave(16, 1).repeat_interleave(16, 2).to(torch.uint8)

    target = torch.randint(0, 3, (3, 4)).repeat_interleave(16, 0).repeat_interleave(16, 1).to(torch.uint8)
    still = (nn.functional.one_hot(target.long(), 3) * 200).permute(2, 0, 1).to(torch.uint8)
    model = DeepFeatureFlow(Colours(), NoFlow(), Brightest())
    standing = Snippet("standing", 10.0, [still] * 5, {4: target}, {4: torch.zeros(SIZE, dtype=torch.uint8)})
    for values in evaluate(model, [standing], max_duration=4).values:
        assert values["mIoU", "all"] == values["mIoU", "slow"] == 1
    # If the world moves by a cell a frame, a copy is right at offset 0 only.
    rolled = [still.roll(16 * (i - 4), 2) for i in range(5)]
    moving = evaluate(model, [Snippet("moving", 10.0, rolled, {4: target})], max_duration=4)
    assert moving.score("mIoU", duration=1) == 1 > moving.score("mIoU", duration=2)


def test_a_perfect_detector_scores_1():
    class Perfect(nn.Module):
        in_channels, out_channels, num_classes = 64, 64, CLASSES

        def forward(self, features):
            return features

        def decode(self, maps, size):
            return [{**target, "scores": torch.rand(3)} for _ in maps]

    target, motion = some_boxes(torch.Generator().manual_seed(0))
    model = small(task=Perfect())
    snippet = Snippet("a", 10.0, video("a", []).frames, dict.fromkeys([3, 4], target), dict.fromkeys([3, 4], motion))
    result = evaluate(model, [snippet], max_duration=3)
    for metric, subset in [("mAP", "all"), ("mAP", "slow"), ("mAP", "fast"), ("AP", "2")]:
        assert result.score(metric, subset, duration=3) == 1
    assert math.isnan(result.score("mAP", "medium", duration=3))


@pytest.mark.parametrize("duration", [0, 4])
def test_a_duration_that_was_not_evaluated_is_named(duration):
    result = evaluate(small(), data(), max_duration=3)
    with pytest.raises(ValueError, match=rf"duration: expected 1\.\.3, as evaluated, got {duration}"):
        result.score("mIoU", duration=duration)
