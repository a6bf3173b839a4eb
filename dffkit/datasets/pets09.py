"""PETS 2009, sequence S2.L1: pedestrians before a static camera, in one video with the boxes of MOTChallenge 2015."""

import math
import weakref
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dffkit.datasets import streams
from dffkit.datasets.resized import Size, clip_boxes, resized_frame
from dffkit.datasets.snippets import Frames, OnDemand, Snippet, motion_iou, warn_skipped
from dffkit.support.errors import DataError
from dffkit.support.files import read_text

CLASSES = ("person",)
PERSON = 1
FPS = 10.0  # the file's rate; the scene was filmed at about 7 frames a second
# MOTChallenge counts frames from 1: 1-400 for training, 401-500 for validation, 501-600 for test. The rest of the video
# has no boxes.
SPLITS = {"train": range(400), "val": range(400, 500), "test": range(500, 600)}
COUNT = 600
ANNOTATED = (576, 768)  # (H, W) of OpenCV's video, in which the boxes were drawn; a copy may be smaller
_COLUMNS = "frame, id, left, top, width, height, flag, x, y, z"
_Decoded = type("_Decoded", (list,), {})  # a plain list takes no weak references
_in_use: "weakref.WeakValueDictionary[tuple, list[Tensor]]" = weakref.WeakValueDictionary()


class Box(NamedTuple):
    """A box of a `gt.txt`."""

    line: int  # of the file, from 1
    frame: int  # index, from 0
    track: int  # number of the person
    corners: tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels of `ANNOTATED`, x2 and y2 exclusive
    counts: bool  # True for a person, False for a region to ignore


def snippets(folder: Path, split: str, *, size: Size | None = None) -> list[Snippet]:
    """Return the one snippet of a split.

    A target is {"boxes": (N, 4) float32 xyxy in pixels of the frame, x2 and y2 exclusive; "labels": (N,) int64, all 1;
    "tracks": (N,) int64; "ignore": (R, 4)}. A frame without boxes has no person. A `SkippedRecords` warning counts the
    regions to ignore. The video is decoded into memory, once for all snippets that are in use at the same time.

    Args:
        folder: OpenCV's sample video `vtest.avi` and MOTChallenge 2015's `gt.txt` of PETS09-S2L1.
        split: "train", "val" or "test".
        size: (H, W) to which frames and boxes are scaled; None for the video's own. At 360x480 people are about as wide
            as a cell of the feature map.

    Raises:
        DataError: if a file is missing, damaged or cut off; the message names the file and the line.
        ValueError: for another split.
    """
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    part, video, file = SPLITS[split], Path(folder) / "vtest.avi", Path(folder) / "gt.txt"
    pictures = _decoded(video)
    size = tuple(size or pictures[0].shape[1:])
    rows = _rows(file, size)
    targets = [_target(rows[frame]) for frame in part]
    # Regions have tracks too: a person to ignore in one frame may count in the next. And motion looks beyond the part.
    tracks = [{box.track: corners for box, corners in row} for row in rows]

    def motion(i: int) -> Tensor:
        iou = motion_iou(tracks, part[i])
        return torch.tensor([iou[track] for track in targets[i]["tracks"].tolist()])

    regions = sum(len(target["ignore"]) for target in targets)
    warn_skipped(video, "boxes are regions to be ignored (not to be scored)", regions)
    frames = Frames(lambda i: resized_frame(pictures[part[i]], size), len(part))
    annotated = range(len(part))
    name = f"{video.stem}[{part.start}:{part.stop}]"
    return [Snippet(name, FPS, frames, OnDemand(targets.__getitem__, annotated), OnDemand(motion, annotated))]


def _decoded(path: Path) -> list[Tensor]:
    """Return the annotated frames of the video, in memory as long as a snippet uses them."""
    stream = streams.frames(path)
    key = (path.resolve(), path.stat().st_mtime_ns)
    decoded = _in_use.get(key)
    if decoded is None:
        _in_use[key] = decoded = _Decoded(islice(stream, COUNT))
    if len(decoded) < COUNT:
        raise DataError(f"{path}: expected at least {COUNT} frames, got {len(decoded)}; get the file again")
    return decoded


def _rows(file: Path, size: Size) -> list[list[tuple[Box, Tensor]]]:
    """Return each frame's boxes, with their corners `(4,)` float32 xyxy in frames of `size`, x2 and y2 exclusive.

    MOT boxes go around the whole person, also beyond the edge of the picture; the kit's boxes end there.
    """
    found = read_boxes(file)
    corners, share = clip_boxes(torch.tensor([box.corners for box in found], dtype=torch.float64), ANNOTATED)
    ratio = torch.tensor([size[1] / ANNOTATED[1], size[0] / ANNOTATED[0]] * 2, dtype=torch.float64)
    rows = [[] for _ in range(COUNT)]
    for box, scaled, seen in zip(found, (corners * ratio).float(), share, strict=True):
        if seen == 0:
            picture = f"{ANNOTATED[1]}x{ANNOTATED[0]}"
            raise DataError(f"{file}:{box.line}: has a box outside the picture of {picture}; get the file again")
        rows[box.frame].append((box, scaled))
    return rows


def _target(row: list[tuple[Box, Tensor]]) -> dict[str, Tensor]:
    people, regions = (
        torch.stack([torch.zeros(4), *(corners for box, corners in row if box.counts == counts)])[1:]
        for counts in (True, False)
    )
    tracks = torch.tensor([box.track for box, _ in row if box.counts], dtype=torch.int64)
    return {"boxes": people, "labels": torch.full((len(people),), PERSON), "tracks": tracks, "ignore": regions}


def read_boxes(path: Path) -> list[Box]:
    """Read a `gt.txt`, in the order of its lines. MOT counts frames and pixels from 1, the kit from 0.

    Raises:
        DataError: if there is no such file, it ends early, or a line is cut off or no box.
    """
    boxes, lines = [], {}
    for number, line in enumerate(read_text(path, "is the data set complete? Get it again").splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = [float(part) for part in line.split(",")]
        except ValueError:
            values = []
        if not _is_box(values):
            expected = f"{_COLUMNS}: finite numbers, a frame of 1..{COUNT}, a whole id, some width and height"
            raise DataError(f"{path}:{number}: expected {expected}, got {line!r}; get the file again")
        frame, track, left, top, width, height, flag = values[:7]
        first = lines.setdefault((frame, track), number)
        if first != number:
            raise DataError(f"{path}:{number}: has frame {frame:g}, id {track:g} again, after line {first}; delete one")
        corners = (left - 1, top - 1, left - 1 + width, top - 1 + height)
        boxes.append(Box(number, int(frame) - 1, int(track), corners, flag != 0))
    last = max((box.frame + 1 for box in boxes), default=0)
    if last < COUNT:
        raise DataError(f"{path}: expected boxes up to frame {COUNT}, got {last} as the last; get the file again")
    return boxes


def _is_box(values: list[float]) -> bool:
    if len(values) != len(_COLUMNS.split()) or not all(map(math.isfinite, values)):
        return False
    frame, track, _, _, width, height = values[:6]
    return frame == int(frame) and track == int(track) and 1 <= frame <= COUNT and min(width, height) > 0
