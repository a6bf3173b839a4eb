"""The form of every data set: a sequence of snippets of video, with targets for some of their frames."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_iou

from dffkit.support.machine import is_first_process

SLOW, FAST = 0.9, 0.7  # motion IoU above 0.9 is slow, below 0.7 fast, between them medium (FGFA's evaluation)
MOTION_CLASSES = ("slow", "medium", "fast")
REACH = 10  # frames before and after a frame that its motion IoU compares (FGFA)
NO_MOTION = 255  # in a motion map: pixels of no object


@dataclass(frozen=True)
class Snippet:
    """A short video; labels are sparse, so only some of its frames have a target.

    Attributes:
        name: unique in its data set, and the same in every run.
        fps: frames a second.
        frames: frame i is a `(3, H, W)` uint8 RGB tensor, decoded or rendered on access.
        targets: frame index -> target, made on access; the keys are the annotated frames, in order.
            Segmentation: a label map `(H, W)` uint8, 255 = ignore. Detection: a dict of "boxes" `(N, 4)` float32 xyxy
            in pixels, x2 and y2 exclusive, "labels" `(N,)` int64 in 1..C, and optionally "ignore" `(R, 4)`, regions
            in which nobody has labelled anything.
        motion: frame index -> speed of the objects, for scores by motion class. For boxes motion IoU `(N,)`, NaN where
            unknown; for label maps `(H, W)` uint8, index into `MOTION_CLASSES`, 255 for pixels of no object. Empty
            where the data set has no tracks.
        flow: exact flow from frame i to frame k, `flow(i, k)`: `(2, H, W)` float32 in pixels, x then y, and `(H, W)`
            bool, true where frame k hides the pixel's point. None where it is unknown, as in real video.
        times: start of each frame in seconds after the video's first frame; empty where the rate is constant.
    """

    name: str
    fps: float
    frames: Sequence[Tensor]
    targets: Mapping[int, Any]
    motion: Mapping[int, Tensor] = field(default_factory=dict)
    flow: Callable[[int, int], tuple[Tensor, Tensor]] | None = None
    times: Sequence[float] = ()


class Frames(Sequence[Tensor]):
    """The frames of a snippet, `length` in number, each made on access by `make`: index -> `(3, H, W)` uint8."""

    def __init__(self, make: Callable[[int], Tensor], length: int) -> None:
        self._make, self._length = make, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> Tensor:
        if not -self._length <= i < self._length:
            raise IndexError(f"frame: expected 0..{self._length - 1}, got {i}")
        return self._make(i % self._length)


class OnDemand(Mapping[int, Any]):
    """The targets, or the motion, of the `annotated` frames, in order; `make`, index -> value, makes each on access."""

    def __init__(self, make: Callable[[int], Any], annotated: Sequence[int]) -> None:
        self._make, self._annotated = make, annotated

    def __len__(self) -> int:
        return len(self._annotated)

    def __iter__(self) -> Iterator[int]:
        return iter(self._annotated)

    def __contains__(self, i: object) -> bool:
        return i in self._annotated  # `Mapping` would make the value to find out

    def __getitem__(self, i: int) -> Any:
        if i not in self._annotated:
            raise KeyError(i)
        return self._make(i)


def motion_class(motion_iou: Tensor) -> Tensor:
    """Return motion IoU `(N,)` as classes `(N,)` uint8: 0 slow, 1 medium, 2 fast, 255 where it is NaN."""
    classes = torch.where(motion_iou > SLOW, 0, torch.where(motion_iou < FAST, 2, 1))
    return torch.where(motion_iou.isnan(), NO_MOTION, classes).to(torch.uint8)


def motion_iou(tracks: Sequence[Mapping[int, Tensor]], frame: int, reach: int = REACH) -> dict[int, float]:
    """Return the mean IoU of each object's box with its own boxes in the frames around (FGFA's motion IoU).

    Args:
        tracks: for every frame, track id -> box `(4,)` xyxy; an object that is not in a frame has no entry there.
        frame: index of the frame whose objects count.
        reach: number of frames before, and after, to compare with; frames without the object are skipped.

    Returns:
        Track id -> motion IoU in 0..1, NaN for an object that only this frame shows.
    """
    around = [t for t in range(max(0, frame - reach), min(len(tracks), frame + reach + 1)) if t != frame]
    motion = {}
    for track, box in tracks[frame].items():
        others = [tracks[t][track] for t in around if track in tracks[t]]
        motion[track] = float(box_iou(box[None], torch.stack(others)).mean()) if others else float("nan")
    return motion


class SkippedRecords(UserWarning):
    """Part of a data set does not count. Silence it by `warnings.simplefilter("ignore", SkippedRecords)`."""


def warn_skipped(source: Path, text: str, count: int | None = None, stacklevel: int = 3) -> None:
    """Warn once about records that a reader skips, in the first process only.

    Python shows a warning once for each text, so several readers of one source repeat nothing.

    Args:
        source: the file or folder.
        text: kind of record, in the plural, with the reason.
        count: number of these records, named before the text; 0 warns of nothing, None is an unknown number.
        stacklevel: of the code that the warning points at, as `warnings.warn` counts; 3 is the caller's caller.
    """
    if count != 0 and is_first_process():
        number = "" if count is None else f"{count:,} "
        warnings.warn(f"{source}: {number}{text}", SkippedRecords, stacklevel)
