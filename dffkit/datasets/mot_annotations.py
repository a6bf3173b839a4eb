"""The boxes of a MOTChallenge `gt.txt`: read line by line, checked, and brought into the kit's conventions."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dffkit.support.errors import DataError

# Classes of MOT16 to MOT20. What looks like people counts neither way, as in TrackEval, which is the benchmark's own
# scoring; nor do crowds, in which nobody has boxed each person. Vehicles and what people hide behind are background.
PEDESTRIAN, CROWD, LAST_CLASS = 1, 13, 13
LIKE_PEOPLE = (2, 7, 8, 12)  # person on a vehicle, static person, distractor, reflection
NO_CLASS = -1
LEAST = 1.0  # pixels: what is left of a box in the picture has to be that wide and high
_FIELDS = {
    7: False,
    8: True,
    9: True,
    10: False,
}  # fields a line -> is the eighth a class? In MOT15 it is a coordinate.


class Annotation(NamedTuple):
    """A box of a person, or of a region to be ignored.

    Attributes:
        line: of the file, from 1.
        frame: index, from 0.
        track: whose box it is.
        box: x1, y1, x2, y2 in pixels of the annotated picture, x2 and y2 exclusive; it may reach out of the picture.
        ignore: whether it is a region.
    """

    line: int
    frame: int
    track: int
    box: tuple[float, float, float, float]
    ignore: bool


def read(path: Path) -> tuple[list[Annotation], list[Annotation]]:
    """The boxes of a `gt.txt`, in the order of the file: those of people and regions, and those of other things.

    MOT counts frames and pixels from 1, the kit from 0. A box whose flag is 0, and one of a class that looks like
    people, becomes a region to be ignored; one of any other class is background.

    Raises:
        DataError: if there is no such file, it has no person, or a line is cut off or no box.
    """
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the data set complete?") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text: {error}; get the file again") from error
    annotations, others, seen, fields = [], [], {}, 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        values = _values(path, number, line, fields)
        fields = len(values)
        annotation, is_other = _annotation(path, number, values)
        place = int(values[0]), int(values[1])
        if place in seen:
            raise DataError(
                f"{path}:{number}: has frame {place[0]}, id {place[1]} again, after line {seen[place]}; delete one"
            )
        seen[place] = number
        (others if is_other else annotations).append(annotation)
    if not annotations:
        raise DataError(f"{path}: has no box of a person; get the file again")
    return annotations, others


def _values(path: Path, number: int, line: str, fields: int) -> list[float]:
    parts = line.split(",")
    if len(parts) not in _FIELDS:
        expected = "frame, id, left, top, width, height, flag, and perhaps class and visibility, or x, y, z"
        raise DataError(f"{path}:{number}: expected {expected}, got {len(parts)} fields; get the file again")
    if fields and len(parts) != fields:
        raise DataError(
            f"{path}:{number}: expected {fields} fields as in the lines before, got {len(parts)}; get the file again"
        )
    values = []
    for part in parts:
        try:
            values.append(float(part))
        except ValueError:
            raise DataError(f"{path}:{number}: expected numbers, got {part.strip()!r}; correct it") from None
    if not all(map(math.isfinite, values)) or any(value != int(value) for value in values[:2]) or values[0] < 1:
        raise DataError(
            f"{path}:{number}: expected a frame from 1 on, a whole id and finite numbers, got {line!r}; correct it"
        )
    return values


def _annotation(path: Path, number: int, values: list[float]) -> tuple[Annotation, bool]:
    """The box of a line, and whether it is of something that neither is a person nor looks like one."""
    frame, track, left, top, width, height, flag = values[:7]
    if width <= 0 or height <= 0:
        raise DataError(
            f"{path}:{number}: expected a box of some width and height, got {width:g}x{height:g}; delete it"
        )
    kind = int(values[7]) if _FIELDS[len(values)] else NO_CLASS
    if kind != NO_CLASS and not 1 <= kind <= LAST_CLASS:
        raise DataError(
            f"{path}:{number}: expected a class of 1..{LAST_CLASS}, or {NO_CLASS} for none, got {kind}; correct it"
        )
    ignore = flag == 0 or kind not in (NO_CLASS, PEDESTRIAN)
    box = (left - 1, top - 1, left - 1 + width, top - 1 + height)
    is_other = kind not in (NO_CLASS, PEDESTRIAN, CROWD, *LIKE_PEOPLE)
    return Annotation(number, int(frame) - 1, int(track), box, ignore), is_other


def clipped(
    annotations: Sequence[Annotation], annotated: tuple[int, int], size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """The boxes in a frame of `size` (H, W), if they were drawn in a picture of size `annotated`.

    MOT boxes go around the whole person, also where the picture ends; here they end there.

    Returns:
        `(N, 4)` float32 xyxy, x2 and y2 exclusive; and `(N,)` bool, false for boxes that lie outside the picture.
    """
    boxes = torch.tensor([annotation.box for annotation in annotations], dtype=torch.float64).view(-1, 4)
    boxes = boxes.clamp(min=0).minimum(torch.tensor([annotated[1], annotated[0]] * 2))
    inside = (boxes[:, 2:] - boxes[:, :2] >= LEAST).all(1)
    scale = torch.tensor([size[1] / annotated[1], size[0] / annotated[0]] * 2, dtype=torch.float64)
    return (boxes * scale).float(), inside
