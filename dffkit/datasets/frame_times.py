"""The time of each frame of a video: when viewers see it, for how long, and what number it has."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import av
from torch import Tensor

HELD_BACK = 16  # frames; a decoder of H.264 holds back at most so many to sort them
RESTART = 1  # second; time stamps that jump back further start again, others are faulty
FINE = Fraction(1, 1000)  # second; coarser ticks, as of GIF, do not come from rounding a constant rate


class TimedFrame(NamedTuple):
    """A frame and when a viewer sees it.

    Attributes:
        index: the source's own number of the frame, from 0; lost frames leave a gap.
        frame: `(3, H, W)` uint8 RGB, upright, square pixels.
        seconds: start of the frame after the start of the first frame.
        duration: seconds for which the frame is shown; None where the source does not know, as a camera.
    """

    index: int
    frame: Tensor
    seconds: Fraction
    duration: Fraction | None


def at_rate(frames: Iterable[Tensor], fps: Fraction | int) -> Iterator[TimedFrame]:
    """Yield the frames with their times at a constant rate."""
    return (TimedFrame(i, frame, i / Fraction(fps), 1 / Fraction(fps)) for i, frame in enumerate(frames))


class Clock:
    """Numbers the frames of a video file and tells when they are shown, by the time stamp of each.

    Time counts from the first frame. Time stamps that are rounded from the constant rate that the file states give
    exact times. A frame without a time stamp follows the one before at the stated rate.

    A frame counts as lost where FFmpeg has reported damage nearby and the frame's data gave no picture, or its time is
    missing. Without damage a gap is no loss: recorders leave out frames that show nothing new.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        self.stream, self.tick, self.rate = stream, stream.time_base, stream.average_rate
        self.end = self.stored = Fraction(0)  # end of what was shown, start of what was read, as stored
        self._waiting: dict[int, int] = {}  # time stamp -> duration of what was read and not shown, in ticks
        self.damage: str | None = None  # what FFmpeg reported last
        self._failed, self._doubt = 0, 0  # reports since the last frame; number of frames that a report still concerns
        self.next = Fraction(0)  # end of the last frame, in seconds
        self._index, self._last, self._zero = 0, None, None

    def read(self, packet: av.Packet) -> None:
        """Note the time stamp of data that are read from the file."""
        if packet.pts is not None and not packet.is_discard:
            self._waiting[packet.pts] = packet.duration or 0
        self.stored = max(self.stored, (packet.dts or 0) * self.tick)

    def fail(self, damage: str) -> None:
        """Note that FFmpeg reports damage."""
        self.damage, self._failed, self._doubt = damage, self._failed + 1, HELD_BACK

    def breaks_off(self) -> bool:
        """Return whether there was damage after the last frame."""
        return self._failed > 0 or (self._doubt > 0 and len(self._waiting) > 0)

    def show(self, frame: av.VideoFrame) -> tuple[TimedFrame, int]:
        """Return the next frame in the order of showing with its time, and the number of frames lost before it.

        The duration is the one that the file states, None where it states none.
        """
        # AVI has no times of showing: where frames wait for others, those of storage in order are right.
        sorts = self.stream.container.format.name == "avi" and self.stream.codec_context.has_b_frames
        stamp = min(self._waiting, default=None) if sorts else frame.pts
        duration = (frame.duration or 0) * self.tick or (stamp is None and self.rate and 1 / self.rate) or None
        if stamp is None:
            lost, start = self._failed, self.next + self._failed * (duration or 0)
        else:
            passed = [early for early in self._waiting if early < stamp]
            if self._zero is None:
                self._zero = min([stamp, *(passed if self._doubt else ())]) * self.tick
            start = self._start(stamp)
            lost = self._lost(passed, start) if self._doubt else 0
            self._waiting = {late: ticks for late, ticks in self._waiting.items() if late > stamp}
            self.end = max(self.end, stamp * self.tick + (duration or 0))
        self._index += lost
        timed = TimedFrame(self._index, frame, start, duration)
        self._index, self._last, self.next = self._index + 1, start, start + (duration or 0)
        self._failed, self._doubt = 0, max(0, self._doubt - 1)
        return timed, lost

    def _start(self, stamp: int) -> Fraction:
        """Return the start of a frame in seconds after the first one, later than the frame before."""
        start = stamp * self.tick - self._zero
        if self.rate and self.tick <= FINE:
            exact = round(start * self.rate) / self.rate
            start = exact if abs(exact - start) <= self.tick else start
        if self._last is None or start > self._last:
            return start
        if self._last - start < RESTART:
            return self._last + self.tick
        self._zero += start - self.next
        return self.next

    def _lost(self, passed: list[int], start: Fraction) -> int:
        """Return the number of frames lost before `start`: those without a picture, and those without any data."""
        step = self.next - self._last if self._last is not None else 0
        gap = start - self.next - sum(self._waiting[early] for early in passed) * self.tick
        return len(passed) + (max(0, round(gap / step)) if step else 0)
