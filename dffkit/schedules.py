"""Key frame schedules: `is_key_frame` of Algorithm 1. The paper takes every l-th frame (Sec. 3).

A schedule is any callable `schedule(index, frame) -> bool`, called once for each frame, in order. It may keep values of
earlier frames; index 0 begins a new video. The first frame is a key frame whatever the schedule returns.
"""

from numbers import Integral

import torch.nn.functional as F
from torch import Tensor


class FixedInterval:
    """Every `duration`-th frame is a key frame: the paper's schedule, key frame duration *l*.

    Raises:
        ValueError: unless `duration` is a whole number of at least 1.
    """

    def __init__(self, duration: int) -> None:
        if not isinstance(duration, Integral) or isinstance(duration, bool) or duration < 1:
            raise ValueError(f"duration: expected a whole number of frames, at least 1, got {duration!r}")
        self.duration = int(duration)

    def __call__(self, index: int, frame: Tensor) -> bool:
        """Return True if frame `index` is a key frame; the frame itself does not matter."""
        return index % self.duration == 0


class FrameDifference:
    """A key frame as soon as the picture has changed enough since the last key frame: a schedule by content.

    The paper leaves "better key frame scheduling" to future work (Sec. 3); this is the simplest schedule of that kind.

    Args:
        threshold: mean absolute difference of 8x8 block means to the last key frame, in grey levels 0..255.
        longest: largest number of frames from one key frame to the next.

    Raises:
        ValueError: if the threshold is negative or `longest` below 1.
    """

    def __init__(self, threshold: float, *, longest: int = 30) -> None:
        if not threshold >= 0:
            raise ValueError(f"threshold: expected a mean difference of at least 0, got {threshold!r}")
        if not longest >= 1:
            raise ValueError(f"longest: expected at least 1 frame, got {longest!r}")
        self.threshold, self.longest = threshold, longest

    def __call__(self, index: int, frame: Tensor) -> bool:
        """Return True if frame `index`, `(3, H, W)` uint8, differs enough from the last key frame."""
        blocks = F.avg_pool2d(frame.float(), 8, ceil_mode=True)
        due = index == 0 or index - self.key_index >= self.longest
        if due or (blocks - self.key_blocks).abs().mean().item() > self.threshold:
            self.key_index, self.key_blocks = index, blocks
            return True
        return False
