"""The files of MOTChallenge: a sequence's frames, as images or as a video file, and the boxes in its `gt.txt`."""

import configparser
import math
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from dffkit.datasets import streams
from dffkit.datasets.images import ImageFrames, image_size, list_images, read_frame
from dffkit.datasets.resized import Size
from dffkit.support.errors import DataError

MEMORY = 4 * 2**30  # bytes: a longer video file is refused, since training reads its frames in any order

# Classes of MOT16 to MOT20. Boxes of what looks like people count neither way, as in TrackEval, which is the
# benchmark's own scoring; nor do crowds, in which nobody has boxed each person. Vehicles and occluders are background.
NO_CLASS, PEDESTRIAN, CROWD, LAST_CLASS = -1, 1, 13, 13
LIKE_PEOPLE = (2, 7, 8, 12)  # person on a vehicle, static person, distractor, reflection
# Number of fields in a line -> True if the eighth is a class; in MOT15 it is a coordinate.
_FIELDS = {7: False, 8: True, 9: True, 10: False}


class Annotation(NamedTuple):
    """A box of a `gt.txt`.

    Attributes:
        line: line of the file, from 1.
        frame: index, from 0.
        track: number of the person.
        box: x1, y1, x2, y2 in pixels of the annotated picture, x2 and y2 exclusive; it may reach out of the picture.
        kind: "person"; "region" for a region to ignore; "other" for another thing, which is background.
    """

    line: int
    frame: int
    track: int
    box: tuple[float, float, float, float]
    kind: str


def images(folder: Path) -> tuple[Sequence[Tensor], float, Size]:
    """Return the frames, the frames a second, and the size of the annotated pictures of a sequence's folder."""
    paths = list_images(folder / "img1")
    for number, path in enumerate(paths, 1):
        # Boxes name frames by number: behind a gap all would be wrong.
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
        raise DataError(f"{file}: lacks a valid entry: {error}; get the file again") from error
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
    """The frames of a video file in memory; a plain list takes no weak references."""


_in_use: "weakref.WeakValueDictionary[tuple, _Decoded]" = weakref.WeakValueDictionary()


def video(path: Path) -> tuple[Sequence[Tensor], float, Size]:
    """Return the frames, the frames a second, and the size of a video file.

    The file is decoded into memory, once for all snippets that are in use at the same time.
    """
    stream = streams.frames(path)
    if stream.fps is None:
        raise DataError(f"{path}: does not say how many frames a second it has; is it a video?")
    key = (path.resolve(), path.stat().st_mtime_ns)
    decoded = _in_use.get(key)
    if decoded is None:
        decoded = _Decoded()
        for frame in stream:
            decoded.append(frame)
            if max(len(decoded), stream.count or 0) * frame.numel() > MEMORY:
                remedy = "store its frames as images, in the layout of MOTChallenge"
                raise DataError(f"{path}: needs more than {MEMORY / 2**30:.3g} GiB of memory; {remedy}")
        _in_use[key] = decoded
    return decoded, float(stream.fps), stream.size


def read_boxes(path: Path) -> list[Annotation]:
    """Read a `gt.txt`, in the order of its lines. MOT counts frames and pixels from 1, the kit from 0.

    A box with flag 0, or of a class that looks like people, is a region to ignore.

    Raises:
        DataError: if there is no such file, it has no person, or a line is cut off or no box.
    """
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the data set complete?") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text: {error}; get the file again") from error
    annotations, seen, fields = [], {}, 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        values = _values(place, line, fields)
        fields = len(values)
        key = int(values[0]), int(values[1])
        if key in seen:
            raise DataError(f"{place}: has frame {key[0]}, id {key[1]} again, after line {seen[key]}; delete one")
        seen[key] = number
        annotations.append(_annotation(place, number, values))
    if all(annotation.kind == "other" for annotation in annotations):
        raise DataError(f"{path}: has no box of a person; get the file again")
    return annotations


def _values(place: str, line: str, fields: int) -> list[float]:
    """Return the numbers of a line, which must have `fields` of them; 0 allows each usual number."""
    parts = line.split(",")
    if len(parts) not in _FIELDS:
        expected = "frame, id, left, top, width, height, flag, and perhaps class and visibility, or x, y, z"
        raise DataError(f"{place}: expected {expected}, got {len(parts)} fields; get the file again")
    if fields and len(parts) != fields:
        raise DataError(f"{place}: expected {fields} fields as in the lines before, got {len(parts)}; get it again")
    values = []
    for part in parts:
        try:
            values.append(float(part))
        except ValueError:
            raise DataError(f"{place}: expected numbers, got {part.strip()!r}; correct it") from None
    if not all(map(math.isfinite, values)) or any(value != int(value) for value in values[:2]) or values[0] < 1:
        raise DataError(f"{place}: expected a frame from 1 on, a whole id and finite numbers, got {line!r}; correct it")
    return values


def _annotation(place: str, number: int, values: list[float]) -> Annotation:
    frame, track, left, top, width, height, flag = values[:7]
    if width <= 0 or height <= 0:
        raise DataError(f"{place}: expected a box of some width and height, got {width:g}x{height:g}; delete it")
    label = int(values[7]) if _FIELDS[len(values)] else NO_CLASS
    if label != NO_CLASS and not 1 <= label <= LAST_CLASS:
        raise DataError(
            f"{place}: expected a class of 1..{LAST_CLASS}, or {NO_CLASS} for none, got {label}; correct it"
        )
    if label in (NO_CLASS, PEDESTRIAN):
        kind = "region" if flag == 0 else "person"
    else:
        kind = "region" if label in (CROWD, *LIKE_PEOPLE) else "other"
    box = (left - 1, top - 1, left - 1 + width, top - 1 + height)
    return Annotation(number, int(frame) - 1, int(track), box, kind)
