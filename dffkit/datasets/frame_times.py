"""The time of each frame of a video: when viewers see it, and for how long."""

import shlex
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from torch import Tensor

from dffkit.support.errors import DataError

EMPTY = 16  # bytes; MPEG-4 stores so few to say that nothing has changed, and no frame comes of it
BACK = Fraction(1, 10)  # second; files joined end to end jump back further
FINE = Fraction(1, 1000)  # second; coarser ticks, as of GIF, do not come from rounding a constant rate


class TimedFrame(NamedTuple):
    """A frame and when a viewer sees it."""

    index: int  # its number, from 0
    frame: Tensor  # `(3, H, W)` uint8 RGB, upright, square pixels
    seconds: Fraction  # start of the frame after the start of the first frame
    duration: Fraction | None  # seconds for which the frame is shown; None where the source does not know, as a camera


def at_rate(frames: Iterable[Tensor], fps: Fraction | int) -> Iterator[TimedFrame]:
    """Yield the frames with their times at a constant rate."""
    return (TimedFrame(i, frame, i / Fraction(fps), 1 / Fraction(fps)) for i, frame in enumerate(frames))


def ffmpeg_command(path: Path, options: str = "") -> str:
    """Return the command that converts a video to a file that is surely read."""
    return " ".join(filter(None, ("ffmpeg -i", shlex.quote(str(path)), options, "converted.mp4")))


class Clock:
    """Tells when the frames of a video file are shown, by the time stamp of each.

    Time counts from the first frame, exactly where the file states a constant rate.
    """

    def __init__(self, path: Path, stream: av.VideoStream) -> None:
        self.path, self.stream, self.tick, self.rate = path, stream, stream.time_base, stream.average_rate
        self.end = Fraction(0)  # end of what was shown, in the file's own seconds
        self.stored: int | None = None  # start of what was read last, in ticks
        self._waiting: set[int] = set()  # time stamps of what was read and not shown, in ticks
        self._index, self._last, self._next, self._zero = 0, None, Fraction(0), None

    def read(self, packet: av.Packet) -> None:
        """Note the time stamp of data that are read from the file, before they are decoded."""
        if packet.dts is not None:
            if self.stored is not None and (packet.dts - self.stored) * self.tick < -BACK:
                where = f"{self.path}: its time stamps start again near {float(self._next):.2f} s"
                raise DataError(f"{where}; put them in order: {ffmpeg_command(self.path)}")
            self.stored = packet.dts
        if packet.pts is not None and not packet.is_discard and packet.size > EMPTY:
            self._waiting.add(packet.pts)

    def show(self, frame: av.VideoFrame) -> TimedFrame:
        """Return the next frame in the order of showing, with the duration that the file states."""
        # AVI has no times of showing: where frames wait for others, those of storage in order are right.
        sorts = self.stream.container.format.name == "avi" and self.stream.codec_context.has_b_frames
        stamp = min(self._waiting, default=None) if sorts else frame.pts
        duration = self._exact((frame.duration or 0) * self.tick) or None
        if stamp is None:  # it follows the one before at the stated rate
            duration = duration or (self.rate and 1 / self.rate)
            start = self._next
        else:
            self._zero = stamp * self.tick if self._zero is None else self._zero
            start = self._exact(stamp * self.tick - self._zero)
            self._waiting = {late for late in self._waiting if late > stamp}
            self.end = max(self.end, stamp * self.tick + (duration or 0))
        if self._last is not None and start <= self._last:
            start = self._last + self.tick
        timed = TimedFrame(self._index, frame, start, duration)
        self._index, self._last, self._next = timed.index + 1, start, start + (duration or 0)
        return timed

    def _exact(self, seconds: Fraction) -> Fraction:
        """Return the time at the stated rate that the seconds were rounded from, or the seconds."""
        exact = round(seconds * self.rate) / self.rate if self.rate and self.tick <= FINE else seconds
        return exact if abs(exact - seconds) <= self.tick else seconds
