"""What a data set is to the rest of the kit: snippets of video with labels for some of their frames."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_iou

SLOW, FAST = 0.9, 0.7  # motion IoU above 0.9 is slow, below 0.7 fast, between them medium (FGFA's evaluation)
MOTION_CLASSES = ("slow", "medium", "fast")
NO_MOTION = 255  # in a motion map: pixels of no object


@dataclass(frozen=True)
class Snippet:
    """A short video; labels are sparse, so only some of its frames have a target.

    Attributes:
        name: unique in its data set, and the same in every run.
        fps: frames a second.
        frames: frame i is a `(3, H, W)` uint8 RGB tensor, decoded or rendered when it is asked for.
        targets: frame index -> target, made when it is asked for; the keys are the annotated frames, in order.
            Segmentation: a label map `(H, W)` uint8, 255 = ignore. Detection: a dict of "boxes" `(N, 4)` float32 xyxy
            in pixels, x2 and y2 exclusive, "labels" `(N,)` int64 in 1..C, and where there are regions in which nobody
            has labelled anything, "ignore" `(R, 4)`, boxes of these.
        motion: frame index -> how fast things move there, for scores by motion class. For boxes `(N,)` motion IoU,
            NaN where unknown; for label maps `(H, W)` uint8, index into `MOTION_CLASSES`, 255 for pixels of no object.
            Empty where a data set does not say.
        flow: exact flow from frame i to frame k, `flow(i, k)`: `(2, H, W)` float32 in pixels, x then y, and `(H, W)`
            bool, true where the pixel's point can't be seen in k. None where it is not known, as of real video.
    """

    name: str
    fps: float
    frames: Sequence[Tensor]
    targets: Mapping[int, Any]
    motion: Mapping[int, Tensor] = field(default_factory=dict)
    flow: Callable[[int, int], tuple[Tensor, Tensor]] | None = None


def motion_class(motion_iou: Tensor) -> Tensor:
    """Motion IoU `(N,)` -> `(N,)` uint8: 0 slow, 1 medium, 2 fast, 255 where it is NaN."""
    classes = torch.where(motion_iou > SLOW, 0, torch.where(motion_iou < FAST, 2, 1))
    return torch.where(motion_iou.isnan(), NO_MOTION, classes).to(torch.uint8)


def motion_iou(tracks: Sequence[Mapping[int, Tensor]], frame: int, reach: int = 10) -> dict[int, float]:
    """How much an object's box overlaps its own boxes of the frames around: the mean IoU, frame itself left out.

    Args:
        tracks: for every frame, track id -> box `(4,)` xyxy; an object that is not in a frame has no entry there.
        frame: whose objects are asked for.
        reach: frames before and after that are compared; those beyond the snippet, and those without the object, are
            skipped.

    Returns:
        Track id -> motion IoU in 0..1, NaN for an object seen in this frame only.
    """
    around = [t for t in range(max(0, frame - reach), min(len(tracks), frame + reach + 1)) if t != frame]
    motion = {}
    for track, box in tracks[frame].items():
        others = [tracks[t][track] for t in around if track in tracks[t]]
        motion[track] = float(box_iou(box[None], torch.stack(others)).mean()) if others else float("nan")
    return motion
