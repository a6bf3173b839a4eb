"""Scores of boxes: mean average precision at IoU 0.5 (the paper's mAP), also by motion class.

The measure is the area under the precision-recall curve, whose precision is made monotone, as ImageNet VID has it. (VID
also lowers the IoU for boxes under about 24 pixels, by an allowance of 10 pixels; here it is 0.5 for all boxes.) By
motion class the measure is FGFA's, from its `imagenet_vid_eval_motion.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

from dffkit.datasets.snippets import MOTION_CLASSES, NO_MOTION, motion_class
from dffkit.networks.proposals import covered

OVERLAP = 0.5  # IoU from which on a detection has found a box
UNMATCHED, IGNORED = -1, -2
UNKNOWN = len(MOTION_CLASSES)  # the motion class of boxes that have none; they count in the overall mAP only


@dataclass(frozen=True)
class DetectionScores:
    """All detections of some frames, in the order of the frames and by falling score in each, and the boxes' number.

    Attributes:
        scores: `(D,)` float32.
        labels: `(D,)` int16.
        matched: `(D,)` int8: motion class of the box that was found, 3 if unknown; -1 for a false alarm; -2 for a
            detection that found no box in a region without labels, and does not count.
        weights: `(3, D)` float32: weight of the detection in each motion class if it is a false alarm. NaN for frames
            without boxes, whose weight depends on all other frames.
        boxes: `(C + 1, 4)` int64, number of boxes by label and motion class (3: unknown).
    """

    scores: Tensor
    labels: Tensor
    matched: Tensor
    weights: Tensor
    boxes: Tensor

    @classmethod
    def of(
        cls,
        prediction: dict[str, Tensor],
        target: dict[str, Tensor],
        motion: Tensor | None = None,
        *,
        num_classes: int,
    ) -> "DetectionScores":
        """Return the scores of one frame.

        Args:
            prediction: `boxes` (M, 4) xyxy in pixels, x2 and y2 exclusive, `labels` (M,) in 1..C, `scores` (M,).
            target: `boxes` (N, 4) and `labels` (N,); optionally `ignore` (R, 4), regions without labels: a detection
                that found no box and lies in such a region by half or more does not count. Other keys are not read.
            motion: motion IoU of the target's boxes `(N,)`, NaN where unknown; None if all are unknown.
            num_classes: C.

        Raises:
            ValueError: if a tensor is not as described, or holds NaN.
        """
        _check("prediction", prediction, ("boxes", "labels", "scores"), num_classes)
        _check("target", target, ("boxes", "labels"), num_classes)
        prediction = {name: prediction[name].cpu() for name in ("boxes", "labels", "scores")}
        boxes, labels = target["boxes"].cpu().double(), target["labels"].cpu().long()
        classes = _motion_classes(motion, len(boxes))
        order = prediction["scores"].argsort(descending=True, stable=True)
        predicted = prediction["labels"][order].long()
        iou = box_iou(prediction["boxes"][order].double(), boxes)
        matched = _match(iou * ((predicted[:, None] == labels) & (iou >= OVERLAP)))
        found = torch.cat([classes, torch.tensor([UNMATCHED])])[matched]
        if "ignore" in target:
            unlabelled = covered(prediction["boxes"][order].double(), target["ignore"].cpu().double())
            found = torch.where((found == UNMATCHED) & unlabelled, IGNORED, found)
        counts = torch.bincount(labels * (UNKNOWN + 1) + classes, minlength=(num_classes + 1) * (UNKNOWN + 1))
        return cls(
            scores=prediction["scores"][order].float(),
            labels=predicted.to(torch.int16),
            matched=found.char(),
            weights=_weights(iou, classes),
            boxes=counts.view(-1, UNKNOWN + 1),
        )

    @classmethod
    def merge(cls, scores: Iterable["DetectionScores"]) -> "DetectionScores":
        """Return the scores of all frames together; their order decides between detections of equal score."""
        scores = list(scores)
        names = ("scores", "labels", "matched", "weights")
        joined = {name: torch.cat([getattr(each, name) for each in scores], dim=-1) for name in names}
        return cls(**joined, boxes=torch.stack([each.boxes for each in scores]).sum(0))

    def values(self) -> dict[tuple[str, str], float]:
        """Return fractions by (metric, subset): ("mAP", "all" | "slow" | "medium" | "fast"), ("AP", label).

        A mean is over the classes that have boxes in the subset, NaN if no class has; classes without boxes have an AP
        of NaN. (The official code gives them -1 and averages that in.)
        """
        by_class = self._precisions()  # (C, subsets)
        subsets = zip(("all", *MOTION_CLASSES), by_class.nanmean(0), strict=True)
        values = {("mAP", subset): float(mean) for subset, mean in subsets}
        return values | {("AP", str(label)): float(each) for label, each in enumerate(by_class[:, 0], start=1)}

    def _precisions(self) -> Tensor:
        """Return the average precision by label and subset (all, slow, medium, fast): `(C, 4)` float64."""
        order = self.scores.argsort(descending=True, stable=True)
        order = order[self.labels[order].argsort(stable=True)]
        counts = self.labels.long().bincount(minlength=len(self.boxes)).tolist()
        # A frame without boxes could be of any motion: it counts as much as the subset's share of all boxes.
        share = self.boxes[:, :UNKNOWN].sum(0) / self.boxes.sum()
        precisions = []
        for positives, found in zip(self.boxes, order.split(counts), strict=True):
            matched, weights = self.matched[found], self.weights[:, found].double()
            weights = torch.where(weights.isnan(), share[:, None], weights)
            weights = torch.cat([torch.ones_like(weights[:1]), weights])
            true = torch.stack([matched >= 0, *(matched == motion for motion in range(UNKNOWN))])
            false = (matched == UNMATCHED) * weights
            subsets = torch.cat([positives.sum()[None], positives[:UNKNOWN]])
            precisions.append(average_precision(true, false, subsets))
        return torch.stack(precisions[1:])


def average_precision(true: Tensor, false: Tensor, positives: Tensor) -> Tensor:
    """Return the area under the precision-recall curve; precision is the best one at this recall or a higher one.

    Args:
        true: `(..., D)`, 1 for detections that found a box, by falling score.
        false: `(..., D)`, weight of each detection as false alarm, 0..1; detections that are 0 in both are ignored.
        positives: `(...)`, number of boxes there were.

    Returns:
        `(...)` float64 in 0..1; NaN where there were no boxes.
    """
    true, false = true.double(), false.double()
    found = true.cumsum(-1)
    precision = found / (found + false.cumsum(-1)).clamp(min=1e-9)  # 0 as long as all are ignored
    if true.shape[-1]:
        precision = precision.flip(-1).cummax(-1).values.flip(-1)
    return (true * precision).sum(-1) / positives  # recall rises by 1 / positives at each box that is found


def _match(iou: Tensor) -> Tensor:
    """Return the index `(M,)` of the box that each detection has found, -1 for none.

    A detection finds the box that it overlaps most among the boxes that no better detection has found.

    Args:
        iou: `(M, N)`, the best detection first, 0 where a detection may not find a box.
    """
    found = torch.full((len(iou),), UNMATCHED)
    taken = set()
    candidates = (iou > 0).any(1).nonzero()[:, 0]  # few: only these need the loop
    for detection, overlaps in zip(candidates.tolist(), iou[candidates].tolist(), strict=True):
        free = [box for box, overlap in enumerate(overlaps) if overlap > 0 and box not in taken]
        if free:
            found[detection] = best = max(free, key=overlaps.__getitem__)
            taken.add(best)
    return found


def _weights(iou: Tensor, classes: Tensor) -> Tensor:
    """Return the weight of each detection in each motion class if it is a false alarm: `(3, M)` float32.

    The weight is 1 if the box that the detection overlaps most, of any label, is of the motion class, else 0. On a tie,
    mostly of a detection that overlaps no box, it is the share of the frame's boxes that are of the motion class. (The
    official code takes the share of the boxes that are not, which seems to be inverted.) NaN in frames without boxes.
    """
    if not len(classes):
        return torch.full((UNKNOWN, len(iou)), torch.nan)
    inside = classes == torch.arange(UNKNOWN)[:, None]  # (3, N)
    nearest_inside, nearest_outside = (
        torch.where(mask[:, None], iou, -1.0).amax(-1) for mask in (inside, ~inside)
    )  # (3, M)
    share = inside.double().mean(1, keepdim=True)
    nearer = (nearest_inside > nearest_outside).double()
    return torch.where(nearest_inside == nearest_outside, share, nearer).float()


def _motion_classes(motion: Tensor | None, boxes: int) -> Tensor:
    """Return the motion class of each box `(N,)` int64, 3 where it is not known."""
    # A motion IoU of just 0.7 or 0.9 is medium; the official code's ranges are closed and count it twice.
    if motion is None:
        return torch.full((boxes,), UNKNOWN)
    if motion.shape != (boxes,):
        raise ValueError(f"motion: expected motion IoU ({boxes},), one for each box, got {tuple(motion.shape)}")
    classes = motion_class(motion.cpu()).long()
    return torch.where(classes == NO_MOTION, UNKNOWN, classes)


def _check(argument: str, given: dict[str, Tensor], names: tuple[str, ...], num_classes: int) -> None:
    boxes, labels, *_ = (given[name] for name in names)
    shapes = [tuple(given[name].shape) for name in names]
    if shapes != [(len(boxes), 4), *[(len(boxes),)] * (len(names) - 1)]:
        expected = ", ".join(f"{name} {'(N, 4)' if name == 'boxes' else '(N,)'}" for name in names)
        raise ValueError(f"{argument}: expected {expected}, got {shapes}")
    if any(given[name].isnan().any() for name in names):
        raise ValueError(f"{argument}: expected numbers, got NaN")
    if ((labels < 1) | (labels > num_classes)).any():
        raise ValueError(f"{argument}: expected labels in 1..{num_classes}, got {labels.tolist()}")
