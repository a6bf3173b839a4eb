"""The time of each frame of a video: when viewers see it, for how long, and what number it has."""

import shlex
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from torch import Tensor

from dffkit.datasets.snippets import warn_skipped
from dffkit.support.errors import DataError

HELD_BACK = 16  # frames; a decoder of H.264 holds back at most so many to sort them
EMPTY = 16  # bytes; MPEG-4 stores so few to say that nothing has changed, and no frame comes of it
BACK, FAR = Fraction(1, 10), 10  # seconds; files joined end to end jump back further, or far ahead at a sign of damage
FINE = Fraction(1, 1000)  # second; coarser ticks, as of GIF, do not come from rounding a constant rate


class TimedFrame(NamedTuple):
    """A frame and when a viewer sees it."""

    index: int  # the source's own number of the frame, from 0; lost frames leave a gap
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
    """Numbers the frames of a video file and tells when they are shown, by the time stamp of each.

    Time counts from the first frame, exactly where the file states a constant rate. A frame counts as lost where its
    data gave no picture, or where FFmpeg has reported damage nearby and its time is missing. Without damage a gap is no
    loss: recorders leave out frames that show nothing new.
    """

    def __init__(self, path: Path, stream: av.VideoStream) -> None:
        self.path, self.stream, self.tick, self.rate = path, stream, stream.time_base, stream.average_rate
        self.end = Fraction(0)  # end of what was shown, in the file's own seconds
        self.stored: int | None = None  # start of what was read last, in ticks
        self.damage: str | None = None  # what FFmpeg reported last
        self._failed, self._doubt = 0, 0  # reports since the last frame; number of frames that a report still concerns
        self._waiting: dict[int, int] = {}  # time stamp -> duration of what was read and not shown, in ticks
        self._bad: set[int] = set()  # time stamps at which FFmpeg reported damage
        self._plain = 0  # frames in a row before which everything that was read gave a picture
        self._index, self._last, self._next, self._zero = 0, None, Fraction(0), None

    def read(self, packet: av.Packet) -> None:
        """Note the time stamp of data that are read from the file, before they are decoded."""
        if packet.dts is not None:
            ahead = 0 if self.stored is None else (packet.dts - self.stored) * self.tick
            if ahead < -BACK or (self._doubt and ahead > FAR):
                where = f"{self.path}: its time stamps start again near {float(self._next):.2f} s"
                raise DataError(f"{where}; put them in order: {ffmpeg_command(self.path)}")
            self.stored = packet.dts
        if packet.pts is not None and not packet.is_discard and packet.size > EMPTY:
            self._waiting[packet.pts] = packet.duration or 0

    def fail(self, damage: str) -> None:
        """Note that FFmpeg reports damage."""
        self.damage, self._failed, self._doubt = damage, self._failed + 1, HELD_BACK
        self._bad.update(list(self._waiting)[-1:])  # what was read last

    def breaks_off(self) -> bool:
        """Return whether there was damage after the last frame."""
        return self._failed > 0 or (self._doubt > 0 and len(self._waiting) > 0)

    def show(self, frame: av.VideoFrame) -> TimedFrame:
        """Return the next frame in the order of showing, with the duration that the file states; warn of lost ones."""
        # AVI has no times of showing: where frames wait for others, those of storage in order are right.
        sorts = self.stream.container.format.name == "avi" and self.stream.codec_context.has_b_frames
        stamp = min(self._waiting.keys() - self._bad, default=None) if sorts else frame.pts
        duration = self._exact((frame.duration or self._waiting.get(stamp, 0)) * self.tick) or None
        if stamp is None:  # it follows the one before at the stated rate
            duration = duration or (self.rate and 1 / self.rate)
            lost, start = self._failed, self._next + self._failed * (duration or 0)
        else:
            passed = [early for early in self._waiting if early < stamp]
            if self._zero is None:
                self._zero = min([stamp, *(passed if self._doubt else ())]) * self.tick
            start = self._exact(stamp * self.tick - self._zero)
            lost = self._lost(passed, start)
            self._plain = 0 if passed else self._plain + 1
            self._waiting = {late: ticks for late, ticks in self._waiting.items() if late > stamp}
            self._bad &= self._waiting.keys()
            self.end = max(self.end, stamp * self.tick + (duration or 0))
        if self._last is not None and start <= self._last:
            start = self._last + self.tick
        if lost:
            which = f"frames {self._index} to {self._index + lost - 1}" if lost > 1 else f"frame {self._index}"
            reason = f"can't be decoded ({self.damage or 'no picture in its data'}); the next may show traces of it"
            warn_skipped(self.path, f"{which}, at {float(self._next):.2f} s, {reason}")
        timed = TimedFrame(self._index + lost, frame, start, duration)
        self._index, self._last, self._next = timed.index + 1, start, start + (duration or 0)
        self._failed, self._doubt = 0, max(0, self._doubt - 1)
        return timed

    def _exact(self, seconds: Fraction) -> Fraction:
        """Return the time at the stated rate that the seconds were rounded from, or the seconds."""
        exact = round(seconds * self.rate) / self.rate if self.rate and self.tick <= FINE else seconds
        return exact if abs(exact - seconds) <= self.tick else seconds

    def _lost(self, passed: list[int], start: Fraction) -> int:
        """Return the number of frames lost before `start`: those that gave no picture, and those without any data.

        Nothing is lost with second fields, which come with every frame, and with hidden frames, which take no time.
        """
        step = self._next - self._last if self._last is not None else 0
        silent = passed and step and self._plain > 1 and start - self._next > step / 2
        if not self._doubt and not silent:
            return 0
        gap = start - self._next - sum(self._waiting[early] for early in passed) * self.tick
        return len(passed) + (max(0, round(gap / step)) if step else 0)
