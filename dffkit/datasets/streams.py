"""Frames from anywhere: a video file, a folder of images, a list of arrays, a camera."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from dffkit.datasets import video_files
from dffkit.datasets.images import list_images, read_frame
from dffkit.datasets.video_files import channels_first
from dffkit.support.errors import DataError

CAMERA = "camera:"
Source = str | Path | Sequence[np.ndarray | Tensor]


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


def frames(source: Source, *, damaged: str = "raise") -> FrameStream:
    """Open a video whose frames are decoded one by one.

    Frames are turned by a video file's rotation or an image's EXIF orientation, and come in the order in which they are
    shown. If the file is damaged or ends too early, or a frame has another size than the first, the frames before that
    come first.

    Args:
        source: a video file (what FFmpeg reads: mp4, avi, mkv, webm, ...), a folder of images, in natural order,
            "camera:0", or a list of `(H, W, 3)` uint8 arrays or `(3, H, W)` uint8 tensors.
        damaged: "raise", or "stop" to end the stream there with a warning.

    Raises:
        DataError: at once, there is no such source, or no frame in it; in the loop, the next frame is damaged.
        ValueError: a wrong option, or a list of something else.
    """
    if damaged not in ("raise", "stop"):
        raise ValueError(f"damaged: expected 'raise' or 'stop', got {damaged!r}")
    if isinstance(source, str) and source.startswith(CAMERA):
        stream = _camera(source)
    elif isinstance(source, str | Path):
        stream = _folder(Path(source)) if Path(source).is_dir() else _video(Path(source))
    else:
        stream = _list(source)
    return stream if damaged == "raise" else replace(stream, read=partial(_until_damaged, stream.read))


def _until_damaged(read: Callable[[], Iterator[Tensor]]) -> Iterator[Tensor]:
    try:
        yield from read()
    except DataError as error:
        warnings.warn(f"the frames end early: {error}", stacklevel=2)


def _stream(
    name: str,
    read: Callable[[], Iterator[tuple[str, Tensor]]],
    fps: Fraction | None = None,
    count: int | None = None,
    error: type[Exception] = DataError,
) -> FrameStream:
    """Return the stream of a source after reading its first frame, so that an empty source is refused at once.

    Args:
        name: name of the source in messages.
        read: starts a loop over pairs of a frame's name in messages and the frame.
        fps: frames a second, if known.
        count: number of frames, if known.
        error: class of the errors.
    """
    first = next(read(), None)
    if first is None:
        raise error(f"{name}: has no frame; is this the right video?")
    size = tuple(first[1].shape[1:])

    def same_size() -> Iterator[Tensor]:
        for place, frame in read():
            if tuple(frame.shape[1:]) != size:
                sizes = [f"{width}x{height}" for height, width in (frame.shape[1:], size)]
                raise error(f"{place}: is {sizes[0]}, those before it {sizes[1]}; scale them all to one size first")
            yield frame

    return FrameStream(name, size, fps, count, same_size)


def _list(source: Sequence[np.ndarray | Tensor]) -> FrameStream:
    if not isinstance(source, Sequence | np.ndarray | Tensor):
        raise ValueError(f"source: expected a path, 'camera:0' or a list of frames, got {type(source).__name__}")

    def read() -> Iterator[tuple[str, Tensor]]:
        for index, frame in enumerate(source):
            yield f"source[{index}]", _tensor(frame, index)

    return _stream("source", read, count=len(source), error=ValueError)


def _tensor(frame: np.ndarray | Tensor, index: int) -> Tensor:
    if isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3:
        return channels_first(frame)
    if isinstance(frame, Tensor) and frame.dtype == torch.uint8 and frame.ndim == 3 and frame.shape[0] == 3:
        return frame
    got = f"{tuple(frame.shape)} {frame.dtype}" if isinstance(frame, np.ndarray | Tensor) else type(frame).__name__
    raise ValueError(f"source[{index}]: expected an array (H, W, 3) or a tensor (3, H, W), both uint8, got {got}")


def _folder(folder: Path) -> FrameStream:
    paths = list_images(folder)
    return _stream(
        str(folder), lambda: ((str(path), read_frame(path, upright=True)) for path in paths), count=len(paths)
    )


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


def _video(path: Path) -> FrameStream:
    fps, count = video_files.facts(path)

    def read() -> Iterator[tuple[str, Tensor]]:
        return ((f"{path}: frame {index}", frame) for index, frame in enumerate(video_files.read(path)))

    return _stream(str(path), read, fps, count)
