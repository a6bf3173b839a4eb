"""Frames from a video file, a folder of images, or a camera."""

import itertools
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
from torch import Tensor

from dffkit.datasets import video_files
from dffkit.datasets.frame_times import TimedFrame, at_rate
from dffkit.datasets.images import STILLS, channels_first, list_images, read_frame
from dffkit.support.errors import DataError

CAMERA = "camera:"
FPS = 25  # frames a second of a folder of images without another rate


@dataclass(frozen=True)
class FrameStream(Iterable[Tensor]):
    """Frames `(3, H, W)` uint8 RGB one after another, only one of them in memory.

    Every loop starts at the first frame again; a camera's frames never end.
    """

    name: str  # name of the source in messages
    size: tuple[int, int]  # `(H, W)` of every frame, upright
    fps: Fraction | None  # nominal frames a second; None where the source has no rate, as images have none
    count: int | None  # number of frames that the source states; None where it states none
    timed: Callable[[], Iterator[TimedFrame]] = field(repr=False)  # starts a loop over the frames with their times
    has_sound: bool = False  # whether the source has sound too, which nothing here reads

    def __iter__(self) -> Iterator[Tensor]:
        return (timed.frame for timed in self.timed())


def frames(source: str | Path, fps: Fraction | float | None = None) -> FrameStream:
    """Open a video whose frames are decoded one by one, upright, in the order in which they are shown.

    Args:
        source: a video file that FFmpeg reads, a folder of images, in natural order, or "camera:0".
        fps: frames a second of a folder of images, 25 unless given, or of a camera, else timed by the clock.

    Raises:
        DataError: if there is no such source, or no frame in it; in the loop, after the frames before that, if the file
            is damaged or ends too early, or a frame has another size than the first.
        ValueError: for a camera without a number, or a rate for a video file or not above 0.
    """
    if fps is not None and not 0 < fps < float("inf"):
        raise ValueError(f"fps: expected more than 0 frames a second, got {fps!r}")
    fps = fps and Fraction(fps).limit_denominator(10**6)
    if str(source).startswith(CAMERA):
        return _camera(str(source), fps)
    if not str(source):
        raise ValueError("source: expected a video file, a folder of images, or camera:0, got an empty name")
    if re.match("[a-z][a-z0-9+.-]+://", str(source), re.IGNORECASE):
        remedy = f"save a part as a file first: ffmpeg -i {shlex.quote(str(source))} -t 60 clip.mp4"
        raise DataError(f"{source}: is an address, which is not read from; {remedy}")
    path = Path(source)
    facts = None if path.is_dir() or path.suffix.lower() in STILLS else video_files.facts(path)
    if facts is None:
        paths = list_images(path) if path.is_dir() else [path]
        return _stream(
            str(path), lambda: at_rate((read_frame(p, upright=True) for p in paths), fps or FPS), fps, len(paths),
            place=lambda index: str(paths[index]),
        )  # fmt: skip
    if fps is not None:
        raise ValueError(f"fps: {path} is no folder of images and has its own times; leave the rate out")
    return _stream(str(path), partial(video_files.read, path), *facts)


def _stream(
    name: str,
    read: Callable[[], Iterator[TimedFrame]],
    fps: Fraction | None = None,
    count: int | None = None,
    has_sound: bool = False,
    place: Callable[[int], str] | None = None,
) -> FrameStream:
    """Return a stream of what `read` yields, unless it is empty; `place` names a frame in messages."""
    first = next(read(), None)
    if first is None:
        raise DataError(f"{name}: has no frame; is this the right video?")
    size = tuple(first.frame.shape[1:])

    def same_size() -> Iterator[TimedFrame]:
        for timed in read():
            if tuple(timed.frame.shape[1:]) != size:
                got, expected = (f"{width}x{height}" for height, width in (timed.frame.shape[1:], size))
                where = place(timed.index) if place else f"{name}: frame {timed.index}"
                raise DataError(f"{where}: is {got}, those before it {expected}; scale them all to one size first")
            yield timed

    return FrameStream(name, size, fps, count, same_size, has_sound)


def _camera(name: str, fps: Fraction | None) -> FrameStream:
    probe = _capture(name)
    stated = Fraction(probe.get(cv2.CAP_PROP_FPS)).limit_denominator(1001)
    probe.release()
    return _stream(name, partial(_from_camera, name, fps), fps or (stated if stated > 0 else None))


def _capture(name: str) -> cv2.VideoCapture:
    number = name.removeprefix(CAMERA)
    if not number.isdecimal():
        raise ValueError(f"source: expected a camera's number as in 'camera:0', got {name!r}")
    capture = cv2.VideoCapture(int(number))
    if not capture.isOpened():
        raise DataError(f"{name}: can't be opened; is it plugged in, allowed, and free? Or give a video file")
    return capture


def _from_camera(name: str, fps: Fraction | None) -> Iterator[TimedFrame]:
    capture, start = _capture(name), None
    try:
        for index in itertools.count():
            there, pixels = capture.read()
            if not there:
                raise DataError(f"{name}: gave no frame after {index} frames; was it unplugged?")
            start = time.monotonic_ns() if start is None else start
            seconds = index / fps if fps else Fraction(time.monotonic_ns() - start, 10**9)
            frame = channels_first(pixels[:, :, ::-1])  # OpenCV has BGR
            yield TimedFrame(index, frame, seconds, 1 / fps if fps else None)
    finally:
        capture.release()
