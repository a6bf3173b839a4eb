"""Scores of label maps: the mean IoU over classes (the paper's mIoU), also by motion class."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from dffkit.datasets.snippets import MOTION_CLASSES, NO_MOTION
from dffkit.networks.segmentation import IGNORE

# Motion classes of pixels, after those of objects: no object, and frames whose motion is not known.
NO_OBJECT = len(MOTION_CLASSES)
UNKNOWN = NO_OBJECT + 1


@dataclass(frozen=True)
class SegmentationScores:
    """The confusion matrices of some frames, one for each motion class.

    Attributes:
        confusion: `(5, C, C)` int64, pixels by motion class (slow, medium, fast, no object, frame without
            motion), label in the target and label predicted.
    """

    confusion: Tensor

    @classmethod
    def of(
        cls, prediction: Tensor, target: Tensor, motion: Tensor | None = None, *, num_classes: int
    ) -> "SegmentationScores":
        """Return the scores of one frame, or of a batch.

        Args:
            prediction: label map `(H, W)`, of the classes 0..C-1.
            target: label map of the same shape; pixels that are 255 do not count.
            motion: motion map of the same shape: 0 slow, 1 medium, 2 fast, 255 no object; None if it is not known.
            num_classes: C.

        Raises:
            ValueError: if the shapes differ or a value is not one of the above.
        """
        prediction, target = prediction.long(), target.to(prediction.device).long()
        motion = torch.full_like(target, UNKNOWN) if motion is None else _motion(motion.to(prediction.device).long())
        for name, given in (("target", target), ("motion", motion)):
            if given.shape != prediction.shape:
                raise ValueError(
                    f"{name}: expected the prediction's shape {tuple(prediction.shape)}, got {tuple(given.shape)}"
                )
        labelled = target != IGNORE
        prediction, target, motion = prediction[labelled], target[labelled], motion[labelled]
        for name, given in (("prediction", prediction), ("target", target)):
            wrong = given[(given < 0) | (given >= num_classes)]
            if len(wrong):
                raise ValueError(f"{name}: expected labels 0..{num_classes - 1}, got {int(wrong[0])}")
        cells = (motion * num_classes + target) * num_classes + prediction
        counts = torch.bincount(cells, minlength=(UNKNOWN + 1) * num_classes**2)
        return cls(counts.view(-1, num_classes, num_classes).cpu())

    @classmethod
    def merge(cls, scores: Iterable["SegmentationScores"]) -> "SegmentationScores":
        """Return the scores of all frames together."""
        return cls(torch.stack([each.confusion for each in scores]).sum(0))

    def values(self) -> dict[tuple[str, str], float]:
        """Return fractions by (metric, subset): ("mIoU", "all" | "slow" | "medium" | "fast"), ("IoU", label).

        A class's IoU is over all pixels of all frames; the mean is over the classes that occur in the targets, NaN if
        no class occurs. Classes that do not occur have an IoU of NaN.

        By motion class, the mean is over the classes that have pixels of this motion class, and only pixels of objects
        of this motion class and of no object count. Pixels of other objects are ignored, with or without a motion
        class. A false alarm outside of every object is neither slow nor fast: it counts for each motion class.
        """
        iou = intersection_over_union(self.confusion.sum(0))
        values = {("mIoU", "all"): float(iou.nanmean())}
        objects = self.confusion[:NO_OBJECT]
        surroundings = self.confusion[NO_OBJECT].clone()
        surroundings[objects.sum((0, 2)) > 0] = 0
        for name, confusion in zip(MOTION_CLASSES, objects, strict=True):
            moving = confusion.sum(1) > 0
            values["mIoU", name] = float(intersection_over_union(confusion + surroundings)[moving].nanmean())
        return values | {("IoU", str(label)): float(value) for label, value in enumerate(iou)}


def intersection_over_union(confusion: Tensor) -> Tensor:
    """Return each class's IoU, `(..., C, C)` by target and prediction -> `(..., C)` float64; NaN if in no target."""
    confusion = confusion.double()
    common, targets = confusion.diagonal(dim1=-2, dim2=-1), confusion.sum(-1)
    iou = common / (targets + confusion.sum(-2) - common)
    return torch.where(targets > 0, iou, torch.nan)


def _motion(motion: Tensor) -> Tensor:
    wrong = motion[(motion != NO_MOTION) & ((motion < 0) | (motion >= len(MOTION_CLASSES)))]
    if len(wrong):
        raise ValueError(f"motion: expected 0..{len(MOTION_CLASSES) - 1} or {NO_MOTION}, got {int(wrong[0])}")
    return torch.where(motion == NO_MOTION, NO_OBJECT, motion)
