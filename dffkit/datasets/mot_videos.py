"""Where MOTChallenge's frames are: in a sequence's folder of images, or in a video file."""

import configparser
import weakref
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from dffkit.datasets import streams
from dffkit.datasets.images import ImageFrames, image_size, list_images, natural, read_frame
from dffkit.support.errors import DataError

Size = tuple[int, int]  # height, width
MEMORY = 4 * 2**30  # bytes: a longer video is refused, since training asks for its frames in any order


def sequences(source: Path) -> list[Path]:
    """The sequences in a folder, or the one that it is itself, as a video file is.

    Raises:
        DataError: if there is none, or one without its images.
    """
    if not source.is_dir() or (source / "img1").is_dir():
        return [source]
    found = sorted((path.parent for path in source.glob("*/img1")), key=natural)
    if not found:
        raise DataError(f"{source}: has no img1, nor a folder that has; name a sequence's folder, or a video file")
    # Boxes without frames: left out, a part of the data set would be missing, and nobody told.
    parts = {path.parent for part in ("gt", "seqinfo.ini") for path in source.glob(f"*/{part}")}
    for folder in sorted(parts - set(found), key=natural):
        raise DataError(f"{folder}: is a sequence that has no img1; get its images again, or move it elsewhere")
    return found


def images(folder: Path) -> tuple[Sequence[Tensor], float, Size]:
    """Frames, frames a second, and the size of the pictures in which the boxes were drawn."""
    paths = list_images(folder / "img1")
    for number, path in enumerate(paths, 1):
        # The boxes are found by the frames' numbers: behind a gap all would be wrong.
        if not path.stem.isdecimal() or int(path.stem) != number:
            raise DataError(f"{path}: expected frame number {number} in its place; get the images again")
    file, parser = folder / "seqinfo.ini", configparser.ConfigParser()
    try:
        with file.open() as lines:
            parser.read_file(lines)
        fps = parser.getfloat("Sequence", "frameRate")
        length, height, width = (parser.getint("Sequence", key) for key in ("seqLength", "imHeight", "imWidth"))
    except FileNotFoundError:
        raise DataError(f"{file}: no such file; is the data set complete?") from None
    except (configparser.Error, ValueError) as error:
        raise DataError(f"{file}: does not say what it should: {error}; get the file again") from error
    if length != len(paths):
        raise DataError(f"{folder / 'img1'}: has {len(paths)} images, but seqinfo.ini says {length}; get them again")
    if min(fps, height, width) <= 0:
        raise DataError(f"{file}: expected numbers above 0, got {fps:g} Hz, {width}x{height}; get the file again")
    size = image_size(paths[0])

    def frame(path: Path) -> Tensor:
        pixels = read_frame(path)
        if pixels.shape[1:] != size:
            got, expected = (f"{width}x{height}" for height, width in (pixels.shape[1:], size))
            raise DataError(f"{path}: is {got}, the first frame {expected}; get the images again")
        return pixels

    return ImageFrames(paths, frame), fps, (height, width)


class _Decoded(list[Tensor]):
    """The frames of a video file in memory."""


_in_use: "weakref.WeakValueDictionary[tuple, _Decoded]" = weakref.WeakValueDictionary()


def video(path: Path) -> tuple[Sequence[Tensor], float, Size]:
    """As `images`, of a video file. It is decoded into memory, once for all that use it at the same time."""
    stream = streams.frames(path)
    if stream.fps is None:
        raise DataError(f"{path}: does not say how many frames a second it has; is it a video?")
    name = (path.resolve(), path.stat().st_mtime_ns)
    decoded = _in_use.get(name)
    if decoded is None:
        decoded = _Decoded()
        for frame in stream:
            decoded.append(frame)
            if max(len(decoded), stream.count or 0) * frame.numel() > MEMORY:
                remedy = "store its frames as images, in the layout of MOTChallenge"
                raise DataError(f"{path}: needs more than {MEMORY / 2**30:.3g} GiB of memory; {remedy}")
        _in_use[name] = decoded
    return decoded, float(stream.fps), stream.size
