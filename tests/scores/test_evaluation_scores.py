"""The paper's protocol: means over offsets, pooled scores, rows, chosen snippets, and what scores 1."""

import math

import pytest
import torch
from scored_snippets import CLASSES, SIZE, assert_close, data, detector, small, some_boxes, video
from torch import nn

from dffkit.baselines.without_flow import NoFlow
from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.scores import merge
from dffkit.scores.evaluation import evaluate


def test_a_durations_score_is_the_mean_over_its_offsets():
    result = evaluate(small(), data(), max_duration=3)
    scores = [values["mIoU", "all"] for values in result.values]
    assert result.score("mIoU", duration=1) == scores[0]
    assert result.score("mIoU", duration=3) == pytest.approx(sum(scores) / 3)
    fast = [values["mIoU", "fast"] for values in result.values]
    assert result.score("mIoU", "fast", duration=2) == pytest.approx(sum(fast[:2]) / 2)


def test_pooled_scores_take_all_pairs_as_images():
    result = evaluate(detector(), data(some_boxes), max_duration=3)
    together = merge(result.offsets[:2])
    assert int(together.boxes.sum()) == 2 * 3 * result.frames
    assert_close(result.pooled(2), together.values(), 0)
    assert_close(result.pooled(1), result.values[0], 0)
    assert result.pooled(3) != result.values[0]


def test_rows_hold_every_number():
    result = evaluate(detector(), data(some_boxes), max_duration=2)
    names = set(result.values[0])
    assert {("mAP", "all"), ("mAP vid", "all"), ("mAP", "slow"), ("mAP vid", "fast"), ("AP", "2")} <= names
    rows = result.by_duration(pooled=True)
    assert len(rows) == 2 * len(names)
    for row in rows:
        expected = result.score(row["metric"], row["subset"], duration=row["duration"])
        assert row["value"] == pytest.approx(expected, nan_ok=True)
        expected = result.pooled(row["duration"])[row["metric"], row["subset"]]
        assert row["pooled"] == pytest.approx(expected, nan_ok=True)
    assert list(result.by_duration()[0]) == ["duration", "metric", "subset", "value"]


def test_snippets_can_be_chosen_and_repeated():
    model, snippets = small(), data()
    result = evaluate(model, snippets, max_duration=3)
    assert_close(result.select(["b"]).values[1], evaluate(model, [snippets[1]], max_duration=3).values[1], 0)
    twice = result.select(["a", "d", "a"])
    assert twice.frames == 4
    assert torch.equal(twice.offsets[0].confusion, merge([result.snippets[i].offsets[0] for i in (0, 0, 2)]).confusion)


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
    for metric, subset in [("mAP", "all"), ("mAP vid", "all"), ("mAP", "slow"), ("mAP", "fast"), ("AP", "2")]:
        assert result.score(metric, subset, duration=3) == 1
    assert math.isnan(result.score("mAP", "medium", duration=3))


@pytest.mark.parametrize("duration", [0, 4])
def test_a_duration_that_was_not_evaluated_is_named(duration):
    result = evaluate(small(), data(), max_duration=3)
    for ask in (lambda: result.score("mIoU", duration=duration), lambda: result.pooled(duration)):
        with pytest.raises(ValueError, match=rf"duration: expected 1\.\.3, as evaluated, got {duration}"):
            ask()
