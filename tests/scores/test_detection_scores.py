"""Mean average precision: against torchmetrics, against the definition in loops, and each branch by hand."""

import math

import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import box_iou

from dffkit.scores import DetectionScores, average_precision

CLASSES = 3
NAN = math.nan
RANGES = {"slow": (0.9, 1), "medium": (0.7, 0.9), "fast": (0, 0.7)}


def boxes(count, generator, low=5, high=80):
    """Random boxes in a frame of 200 x 200."""
    corner = torch.rand(count, 2, generator=generator) * 120
    side = low + torch.rand(count, 2, generator=generator) * (high - low)
    return torch.cat([corner, corner + side], dim=1)


def scene(seed, low=5, high=80, most=300):
    """A prediction, a target and motion IoU: some detections near boxes, some anywhere, some frames without boxes."""
    generator = torch.Generator().manual_seed(seed)
    count = int(torch.randint(0, 6, (1,), generator=generator))
    found = boxes(count, generator, low, high)
    near = found.repeat(3, 1)
    side = (near[:, 2:] - near[:, :2]).repeat(1, 2)
    near = near + 0.15 * side * torch.randn(3 * count, 4, generator=generator).clamp(-2, 2)
    predicted = torch.cat([near, boxes(10, generator, low, high)])[:most]
    labels = torch.randint(1, CLASSES + 1, (count,), generator=generator)
    guesses = torch.cat([labels.repeat(3), torch.randint(1, CLASSES + 1, (10,), generator=generator)])[:most]
    motion = 0.5 + 0.5 * torch.rand(count, generator=generator)
    motion[:1] = NAN
    scores = torch.rand(len(predicted), generator=generator)
    return {"boxes": predicted, "labels": guesses, "scores": scores}, {"boxes": found, "labels": labels}, motion


merge = DetectionScores.merge


def of(prediction, target, motion=None):
    """Scores of one frame; boxes as (x1, y1, x2, y2, label[, score]) or as dicts."""
    if isinstance(prediction, list):
        rows = torch.tensor(prediction, dtype=torch.float64).view(-1, 6)
        prediction = {"boxes": rows[:, :4].float(), "labels": rows[:, 4].long(), "scores": rows[:, 5].float()}
    if isinstance(target, list):
        rows = torch.tensor(target, dtype=torch.float64).view(-1, 5)
        target = {"boxes": rows[:, :4].float(), "labels": rows[:, 4].long()}
    motion = torch.tensor(motion) if isinstance(motion, list) else motion
    return DetectionScores.of(prediction, target, motion, num_classes=CLASSES)


def in_loops(scenes, subset):
    """The evaluation as FGFA's code has it, one motion range at a time, but for ties and classes without boxes."""
    low, high = RANGES.get(subset, (0, 1))
    motions = [[0.95 if subset == "all" else value for value in motion.tolist()] for *_, motion in scenes]
    in_range = [[low <= value <= high for value in motion] for motion in motions]
    share = sum(map(sum, in_range)) / max(1, sum(map(len, in_range)))
    rows, positives = [], dict.fromkeys(range(1, CLASSES + 1), 0)
    for (prediction, target, _), inside in zip(scenes, in_range, strict=True):
        for label, counts in zip(target["labels"].tolist(), inside, strict=True):
            positives[label] += counts
        iou = box_iou(prediction["boxes"].double(), target["boxes"].double()).tolist()
        taken = set()
        for d in prediction["scores"].argsort(descending=True).tolist():
            best, found, nearest = -1, None, {True: -1, False: -1}
            for g, label in enumerate(target["labels"].tolist()):
                if label == prediction["labels"][d] and g not in taken and iou[d][g] >= 0.5 and iou[d][g] > best:
                    best, found = iou[d][g], g
                nearest[inside[g]] = max(nearest[inside[g]], iou[d][g])
            true = false = 0
            if found is not None:
                taken.add(found)
                true = int(inside[found])
            elif nearest[True] != nearest[False]:
                false = int(nearest[True] > nearest[False])
            else:
                false = sum(inside) / len(inside) if inside else share
            rows.append((float(prediction["scores"][d]), int(prediction["labels"][d]), true, false))
    rows.sort(key=lambda row: -row[0])
    return [area([row for row in rows if row[1] == label], n) for label, n in positives.items() if n]


def area(rows, positives):
    """All-point interpolated area, by its definition: at each recall the best precision from there on."""
    found, alarms, points = 0, 0, []
    for *_, true, false in rows:
        found, alarms = found + true, alarms + false
        points.append((found, found / (found + alarms) if found else 0))
    best = [max((p for f, p in points if f >= level), default=0) for level in range(1, positives + 1)]
    return sum(best) / positives


@pytest.mark.parametrize("low", [2, 30])
def test_equal_to_the_definition_in_loops(low):
    scenes = [scene(seed, low) for seed in range(40)]
    values = merge([of(*each) for each in scenes]).values()
    for subset in ("all", "slow", "medium", "fast"):
        expected = in_loops(scenes, subset)
        assert len(expected) == CLASSES
        assert values["mAP", subset] == pytest.approx(sum(expected) / CLASSES, abs=1e-6), subset
    assert 0.1 < values["mAP", "fast"] < 0.9
    assert [values["AP", str(label)] for label in (1, 2, 3)] == pytest.approx(in_loops(scenes, "all"))


def test_equal_to_torchmetrics():
    scenes = [scene(seed) for seed in range(40)]
    recalls = torch.linspace(0, 1, 10001).tolist()
    metric = MeanAveragePrecision(
        iou_thresholds=[0.5],
        rec_thresholds=recalls,
        max_detection_thresholds=[1, 10, 1000],
        class_metrics=True,
        backend="faster_coco_eval",
    )
    metric.update([each[0] for each in scenes], [each[1] for each in scenes])
    expected = metric.compute()
    values = merge([of(*each) for each in scenes]).values()
    # Its curve is read at 10,001 recalls, and each is a whole step of 1/10,000 off at most.
    assert values["mAP", "all"] == pytest.approx(float(expected["map_50"]), abs=2e-4)
    by_class = [values["AP", str(label)] for label in (1, 2, 3)]
    assert by_class == pytest.approx(expected["map_per_class"].tolist(), abs=2e-4)


def test_a_second_detection_of_a_box_is_a_false_alarm():
    target = [(0, 0, 50, 50, 1), (100, 100, 150, 150, 1)]
    twice = [(0, 0, 50, 50, 1, 0.9), (1, 1, 50, 50, 1, 0.8), (100, 100, 150, 150, 1, 0.7)]
    assert of(twice, target).matched.tolist() == [3, -1, 3]
    assert of(twice, target).values()["AP", "1"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_detection_takes_the_free_box_that_it_overlaps_most():
    target = [(0, 0, 50, 50, 1), (0, 10, 50, 60, 1)]
    motion = [0.95, 0.5]  # slow, fast: so it shows which of them was found
    assert of([(0, 9, 50, 59, 1, 0.9)], target, motion).matched.tolist() == [2]
    both = [(0, 9, 50, 59, 1, 0.9), (0, 8, 50, 58, 1, 0.8), (0, 7, 50, 57, 1, 0.7)]
    assert of(both, target, motion).matched.tolist() == [2, 0, -1]  # the best one is taken: the next best will do


def test_a_detection_in_a_region_to_ignore_counts_for_nothing_unless_it_found_a_box():
    boxes = torch.tensor([[0.0, 0, 20, 20], [50, 50, 70, 70]])
    target = {"boxes": boxes[:1], "labels": torch.tensor([1])}
    prediction = {"boxes": boxes, "labels": torch.tensor([1, 1]), "scores": torch.tensor([0.5, 0.9])}
    regions = {"half": [[50.0, 50, 60, 80]], "less": [[50.0, 50, 59, 80]], "object": [[0.0, 0, 30, 30]], "none": []}
    precisions = {
        name: of(prediction, target | {"ignore": torch.tensor(region).view(-1, 4)}, None).values()["mAP", "all"]
        for name, region in regions.items()
    }
    assert precisions == pytest.approx({"half": 1, "less": 0.5, "object": 0.5, "none": 0.5})


def test_a_box_of_another_class_is_not_found():
    assert of([(0, 0, 50, 50, 2, 0.9)], [(0, 0, 50, 50, 1)]).matched.tolist() == [-1]


def test_the_threshold_itself_is_enough():
    assert of([(0, 0, 10, 5, 1, 0.9)], [(0, 0, 10, 10, 1)]).matched.tolist() == [3]
    assert of([(0, 0, 10, 4.9, 1, 0.9)], [(0, 0, 10, 10, 1)]).matched.tolist() == [-1]
    assert of([(0, 0, 64, 32, 1, 0.9)], [(0, 0, 64, 64, 1)]).matched.tolist() == [3]


def test_a_found_box_of_another_motion_class_is_ignored():
    target, motion = [(0, 0, 50, 50, 1), (100, 100, 150, 150, 1)], [0.95, 0.5]
    values = of([(0, 0, 50, 50, 1, 0.9), (100, 100, 150, 150, 1, 0.1)], target, motion).values()
    assert values["mAP", "slow"] == values["mAP", "fast"] == 1
    assert math.isnan(values["mAP", "medium"])


def test_all_boxes_compete_those_of_other_motion_classes_too():
    target, motion = [(0, 0, 50, 50, 1), (0, 10, 50, 60, 1)], [0.95, 0.5]
    values = of([(0, 9, 50, 59, 1, 0.9)], target, motion).values()  # overlaps both enough, the fast one more
    assert (values["mAP", "slow"], values["mAP", "fast"]) == (0, 1)


@pytest.mark.parametrize(
    ("detection", "weights"),
    [
        ((0, 0, 50, 20, 1, 0.9), [1, 0, 0]),  # nearest to the slow box
        ((100, 100, 150, 120, 2, 0.9), [0, 0, 1]),  # nearest to a fast one, although of another class
        ((60, 0, 90, 90, 1, 0.9), [0.25, 0, 0.5]),  # meets none: the share of the frame's boxes
    ],
)
def test_false_alarms_weigh_in_the_motion_class_of_the_nearest_box(detection, weights):
    target = [(0, 0, 50, 50, 1), (100, 100, 150, 150, 1), (0, 100, 50, 150, 1), (150, 0, 200, 50, 1)]
    scores = of([detection], target, [0.95, 0.5, 0.6, NAN])
    assert scores.matched.tolist() == [-1]
    assert scores.weights[:, 0].tolist() == weights


def test_in_frames_without_boxes_false_alarms_weigh_as_much_as_the_subsets_share():
    empty = of([(0, 0, 50, 50, 1, 0.9)], [])
    others = of([(0, 0, 50, 50, 1, 0.8)], [(0, 0, 50, 50, 1), *[(0, 0, 9, 9, 2)] * 3], [0.5, 0.95, 0.95, 0.95])
    values = merge([empty, others]).values()
    assert values["AP", "1"] == 1 / 2
    assert values["mAP", "fast"] == pytest.approx(1 / (1 + 1 / 4))
    assert empty.weights.isnan().all()


def test_a_class_without_boxes_is_left_out_of_the_mean():
    values = of([(0, 0, 50, 50, 1, 0.9), (0, 0, 50, 50, 3, 0.9)], [(0, 0, 50, 50, 1)]).values()
    assert values["mAP", "all"] == 1
    assert [math.isnan(values["AP", str(label)]) for label in (1, 2, 3)] == [False, True, True]


def test_without_detections_the_score_is_0_and_without_boxes_there_is_none():
    assert of([], [(0, 0, 50, 50, 1)]).values()["mAP", "all"] == 0
    assert of([], [(0, 0, 50, 50, 1)], [0.5]).values()["mAP", "fast"] == 0
    for prediction in ([], [(0, 0, 50, 50, 1, 0.9)]):
        assert all(math.isnan(value) for value in of(prediction, []).values().values())


def test_of_equal_scores_the_first_comes_first():
    right, wrong = (0, 0, 50, 50, 1, 0.5), (100, 100, 150, 150, 1, 0.5)
    target = [(0, 0, 50, 50, 1)]
    assert of([right, wrong], target).values()["AP", "1"] == 1
    assert of([wrong, right], target).values()["AP", "1"] == 1 / 2
    assert merge([of([right], target), of([wrong], [])]).values()["AP", "1"] == 1
    assert merge([of([wrong], []), of([right], target)]).values()["AP", "1"] == 1 / 2
    assert of([wrong] * 40 + [right], target).values()["AP", "1"] == pytest.approx(1 / 41)  # a stable sort


def test_frames_joined_in_any_way_are_the_same():
    parts = [of(*scene(seed)) for seed in range(6)]
    whole, pairwise = merge(parts), merge([merge(parts[:2]), merge([parts[2], merge(parts[3:])])])
    for name in ("scores", "labels", "matched", "weights", "boxes"):
        torch.testing.assert_close(getattr(whole, name), getattr(pairwise, name), rtol=0, atol=0, equal_nan=True)


def test_average_precision_by_hand():
    # Precision 1, 1/2, 2/3, 1/2, made monotone: the two boxes found, of four, are read at 1 and 2/3.
    true, false = torch.tensor([1, 0, 1, 0]), torch.tensor([0, 1, 0, 1])
    assert average_precision(true, false, torch.tensor(4)) == pytest.approx((1 + 2 / 3) / 4)
    # An ignored detection first has no precision; half a false alarm counts half.
    true, false = torch.tensor([0, 0, 1]), torch.tensor([0, 0.5, 0])
    assert average_precision(true, false, torch.tensor(1)) == pytest.approx(1 / 1.5)
    # The later, better precision counts for the earlier recall.
    assert average_precision(torch.tensor([0, 1, 1]), torch.tensor([1, 0, 0]), torch.tensor(2)) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("prediction", "boxes", torch.zeros(2, 3)), r"prediction: expected boxes \(N, 4\), labels \(N,\), scores"),
        (("prediction", "scores", torch.zeros(1)), r"prediction: expected .*, got \[\(2, 4\), \(2,\), \(1,\)\]"),
        (("prediction", "scores", torch.tensor([0.5, NAN])), "prediction: expected numbers, got NaN"),
        (("prediction", "boxes", torch.full((2, 4), NAN)), "prediction: expected numbers, got NaN"),
        (("prediction", "labels", torch.tensor([1, 4])), r"prediction: expected labels in 1..3, got \[1, 4\]"),
        (("target", "labels", torch.tensor([1])), r"target: expected .*, got \[\(2, 4\), \(1,\)\]"),
        (("target", "boxes", torch.full((2, 4), NAN)), "target: expected numbers, got NaN"),
        (("target", "labels", torch.tensor([0, 1])), r"target: expected labels in 1..3, got \[0, 1\]"),
    ],
)
def test_wrong_boxes_are_named(change, message):
    frame = {"boxes": torch.tensor([[0.0, 0, 9, 9]] * 2), "labels": torch.tensor([1, 2]), "scores": torch.ones(2)}
    given = {"prediction": dict(frame), "target": dict(frame)}
    given[change[0]][change[1]] = change[2]
    with pytest.raises(ValueError, match=message):
        of(given["prediction"], given["target"])


def test_motion_of_another_number_of_boxes_is_named():
    with pytest.raises(ValueError, match=r"motion: expected motion IoU \(1,\), one for each box, got \(2,\)"):
        of([], [(0, 0, 50, 50, 1)], [0.5, 0.5])
