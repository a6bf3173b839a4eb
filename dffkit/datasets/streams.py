"""Frames from a video file, a folder of images, or a camera."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
from torch import Tensor

from dffkit.datasets import video_files
from dffkit.datasets.images import channels_first, list_images, read_frame
from dffkit.support.errors import DataError

CAMERA = "camera:"


@dataclass(frozen=True)
class FrameStream(Iterable[Tensor]):
    """Frames `(3, H, W)` uint8 RGB one after another, only one of them in memory.

    Every loop starts at the first frame again; a camera's frames never end.

    Attributes:
        name: name of the source in messages.
        size: `(H, W)` of every frame, upright.
        fps: frames a second; None where the source has no rate, as images have none.
        count: number of frames that the source states; None where it states none.
        read: starts a loop over the frames.
    """

    name: str
    size: tuple[int, int]
    fps: Fraction | None
    count: int | None
    read: Callable[[], Iterator[Tensor]] = field(repr=False)

    def __iter__(self) -> Iterator[Tensor]:
        return self.read()


def frames(source: str | Path) -> FrameStream:
    """Open a video whose frames are decoded one by one.

    Frames are turned by a video file's rotation or an image's EXIF orientation, and come in the order in which they are
    shown. If the file is damaged or ends too early, or a frame has another size than the first, the frames before that
    come first.

    Args:
        source: a video file (what FFmpeg reads: mp4, avi, mkv, webm, ...), a folder of images, in natural order, or
            "camera:0".

    Raises:
        DataError: if there is no such source, or no frame in it; in the loop, if the next frame is damaged.
        ValueError: for a camera without a number.
    """
    if str(source).startswith(CAMERA):
        return _camera(str(source))
    path = Path(source)
    if path.is_dir():
        paths = list_images(path)
        return _stream(str(path), lambda: ((str(p), read_frame(p, upright=True)) for p in paths), count=len(paths))

    def read() -> Iterator[tuple[str, Tensor]]:
        return ((f"{path}: frame {index}", frame) for index, frame in enumerate(video_files.read(path)))

    return _stream(str(path), read, *video_files.facts(path))


def _stream(
    name: str,
    read: Callable[[], Iterator[tuple[str, Tensor]]],
    fps: Fraction | None = None,
    count: int | None = None,
) -> FrameStream:
    """Return a stream after reading its first frame, so that an empty source is refused at once.

    `read` starts a loop over pairs of a frame's name in messages and the frame; the rest is as in `FrameStream`.
    """
    first = next(read(), None)
    if first is None:
        raise DataError(f"{name}: has no frame; is this the right video?")
    size = tuple(first[1].shape[1:])

    def same_size() -> Iterator[Tensor]:
        for place, frame in read():
            if tuple(frame.shape[1:]) != size:
                got, expected = (f"{width}x{height}" for height, width in (frame.shape[1:], size))
                raise DataError(f"{place}: is {got}, those before it {expected}; scale them all to one size first")
            yield frame

    return FrameStream(name, size, fps, count, same_size)


def _camera(name: str) -> FrameStream:
    probe = _capture(name)
    fps = Fraction(probe.get(cv2.CAP_PROP_FPS)).limit_denominator(1001)
    probe.release()
    return _stream(name, partial(_from_camera, name), fps=fps if fps > 0 else None)


def _capture(name: str) -> cv2.VideoCapture:
    number = name.removeprefix(CAMERA)
    if not number.isdecimal():
        raise ValueError(f"source: expected a camera's number as in 'camera:0', got {name!r}")
    capture = cv2.VideoCapture(int(number))
    if not capture.isOpened():
        raise DataError(f"{name}: can't be opened; is it plugged in, allowed, and free? Or give a video file")
    return capture


def _from_camera(name: str) -> Iterator[tuple[str, Tensor]]:
    capture, index = _capture(name), 0
    try:
        while True:
            there, pixels = capture.read()
            if not there:
                raise DataError(f"{name}: gave no frame after {index} frames; was it unplugged?")
            yield f"{name}: frame {index}", channels_first(pixels[:, :, ::-1])  # OpenCV has BGR
            index += 1
    finally:
        capture.release()
