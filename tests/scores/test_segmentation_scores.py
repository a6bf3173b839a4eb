"""Mean IoU: against torchmetrics, by motion class on a map that is worked by hand, joined in any way."""

import math

import pytest
import torch
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from dffkit.scores import SegmentationScores

CLASSES = 6


def scene(seed, absent=5):
    """A prediction and a target with ignored pixels; class `absent` is in no target."""
    generator = torch.Generator().manual_seed(seed)
    prediction, target = torch.randint(0, CLASSES, (2, 20, 30), dtype=torch.uint8, generator=generator)
    target = torch.where(torch.rand(20, 30, generator=generator) < 0.5, prediction, target)
    target[target == absent] = 255
    return prediction, target


merge = SegmentationScores.merge


def of(prediction, target, motion=None, classes=CLASSES):
    """Scores of small tensors or nested lists."""
    given = [value if value is None else torch.as_tensor(value) for value in (prediction, target, motion)]
    return SegmentationScores.of(*given, num_classes=classes)


def test_confusion_and_iou_are_those_of_torchmetrics():
    scenes = [scene(seed) for seed in range(5)]
    predictions, targets = (torch.stack(maps).long() for maps in zip(*scenes, strict=True))
    ours = merge([of(*each) for each in scenes])
    expected = MulticlassConfusionMatrix(CLASSES, ignore_index=255)(predictions, targets)
    assert torch.equal(ours.confusion.sum(0), expected)
    jaccard = MulticlassJaccardIndex(CLASSES, average="none", ignore_index=255)(predictions, targets)
    values = ours.values()
    for label in range(CLASSES - 1):
        assert values["IoU", str(label)] == pytest.approx(float(jaccard[label]), abs=1e-6)
    assert math.isnan(values["IoU", "5"])
    assert values["mIoU", "all"] == pytest.approx(float(jaccard[:-1].mean()), abs=1e-6)


def test_a_class_that_is_only_predicted_is_no_class_of_its_own_but_costs_the_others():
    values = of([[0, 1, 2]], [[0, 1, 1]]).values()
    assert values["mIoU", "all"] == (1 + 1 / 2) / 2


def test_frames_joined_are_one_frame():
    scenes = [scene(seed) for seed in range(3)]
    motions = [torch.randint(0, 3, (20, 30), dtype=torch.uint8), None, None]
    one, two, three = (of(*each, motion) for each, motion in zip(scenes, motions, strict=True))
    batch = of(torch.stack([scenes[1][0], scenes[2][0]]), torch.stack([scenes[1][1], scenes[2][1]]))
    assert torch.equal(merge([one, two, three]).confusion, merge([one, batch]).confusion)
    assert torch.equal(merge([one, two, three]).confusion, merge([three, merge([one, two])]).confusion)


def test_by_motion_class_objects_of_the_others_are_ignored():
    # Road 0; cars 1: a slow one of 4 pixels, a fast one of 2; a person 2, fast, of 2.
    target = [[0, 0, 1, 1, 1, 1, 1, 1, 2, 2]]
    motion = [[255, 255, 0, 0, 0, 0, 2, 2, 2, 2]]
    predicted = [[0, 1, 1, 1, 1, 0, 1, 0, 2, 1]]
    values = of(predicted, target, motion, classes=3).values()
    assert values["mIoU", "slow"] == 3 / 5  # car: 3 of 4 found; the false alarm on the road counts
    assert values["mIoU", "fast"] == pytest.approx((1 / 4 + 1 / 2) / 2)  # car: 1 of 2, alarms: road, person
    assert math.isnan(values["mIoU", "medium"])
    assert values["mIoU", "all"] == pytest.approx((1 / 4 + 4 / 8 + 1 / 2) / 3)


def test_objects_without_motion_class_count_in_the_overall_score_only():
    known = of([[1, 1, 0]], [[1, 1, 0]], [[2, 2, 255]])
    for unknown in (of([[0, 0]], [[1, 1]], [[255, 255]]), of([[0, 0]], [[1, 1]])):
        values = merge([known, unknown]).values()
        assert values["mIoU", "fast"] == 1
        assert values["IoU", "1"] == 1 / 2


def test_without_motion_maps_there_are_no_scores_by_motion_class():
    values = of(*scene(0)).values()
    assert all(math.isnan(values["mIoU", name]) for name in ("slow", "medium", "fast"))


def test_all_ignored_is_no_score():
    assert math.isnan(of([[1]], [[255]]).values()["mIoU", "all"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([[0, 1]], [[0]]), r"target: expected the prediction's shape \(1, 2\), got \(1, 1\)"),
        (([[0]], [[0]], [[0, 1]]), r"motion: expected the prediction's shape \(1, 1\), got \(1, 2\)"),
        (([[0]], [[6]]), r"target: expected labels 0..5, got 6"),
        (([[0]], [[-1]]), r"target: expected labels 0..5, got -1"),
        (([[6]], [[0]]), r"prediction: expected labels 0..5, got 6"),
        (([[-1]], [[0]]), r"prediction: expected labels 0..5, got -1"),
        (([[0]], [[0]], [[3]]), r"motion: expected 0..2 or 255, got 3"),
        (([[0]], [[0]], [[-1]]), r"motion: expected 0..2 or 255, got -1"),
    ],
)
def test_wrong_maps_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        of(*given)
