"""MOTChallenge: videos of people with boxes, as a folder of images or as a video file with a `gt.txt` beside it."""

import configparser
import math
import weakref
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dffkit.datasets import streams
from dffkit.datasets.images import ImageFrames, list_images
from dffkit.datasets.resized import Size, clip_boxes, resized_frame
from dffkit.datasets.snippets import Frames, OnDemand, Snippet, motion_iou, warn_skipped
from dffkit.support.errors import DataError
from dffkit.support.files import read_lines

CLASSES = ("person",)
PERSON = 1
MEMORY = 4 * 2**30  # bytes: a longer video file is refused, since training reads its frames in any order
# Classes of MOT16 to MOT20. Boxes of what looks like people count neither way, as in TrackEval, which is the
# benchmark's own scoring; nor do crowds, in which nobody has boxed each person. Vehicles and occluders are background.
NO_CLASS, PEDESTRIAN, CROWD, LAST_CLASS = -1, 1, 13, 13
LIKE_PEOPLE = (2, 7, 8, 12)  # person on a vehicle, static person, distractor, reflection
# Number of fields in a line -> True if the eighth is a class; in MOT15 it is a coordinate.
FIELDS = {7: False, 8: True, 9: True, 10: False}
COLUMNS = (
    "frame, id, left, top, width, height, flag, and perhaps class and visibility, or x, y, z: finite numbers, a frame "
    "from 1 on, a whole id, some width and height, a flag of 0..1, a class of 1..13 or -1"
)
# PETS 2009, sequence S2.L1, in MOTChallenge's count from 1: frames 1-400 for training, 401-500 for validation, 501-600
# for test. The rest of the video has no boxes.
PETS09_SPLITS = {"train": range(400), "val": range(400, 500), "test": range(500, 600)}
PETS09_ANNOTATED = (576, 768)  # (H, W) of OpenCV's video, in which the boxes were drawn; a copy may be smaller
_Decoded = type("_Decoded", (list,), {})  # a plain list takes no weak references
_in_use: "weakref.WeakValueDictionary[tuple, _Decoded]" = weakref.WeakValueDictionary()


class Box(NamedTuple):
    """A box of a `gt.txt`, which may reach out of the picture."""

    line: int  # of the file, from 1
    frame: int  # index, from 0
    track: int  # number of the person
    corners: tuple[float, float, float, float]  # xyxy in pixels of the annotated picture, x2 and y2 exclusive
    kind: str  # "person"; "region" for a region to ignore; "other" for another thing, which is background


def pets09_snippets(folder: Path, split: str, *, size: Size | None = None) -> list[Snippet]:
    """Return the one snippet of a split of PETS 2009, sequence S2.L1: pedestrians before a static camera.

    Its rate is the file's 10 frames a second; the scene was filmed at about 7.

    Args:
        folder: OpenCV's sample video `vtest.avi` and MOTChallenge 2015's `gt.txt` of PETS09-S2L1.
        split: "train", "val" or "test".
        size: (H, W) to which frames and boxes are scaled; None for the video's own.

    Raises:
        DataError: as `snippet`.
        ValueError: for another split.
    """
    if split not in PETS09_SPLITS:
        raise ValueError(f"split: expected one of {', '.join(PETS09_SPLITS)}, got {split!r}")
    part = PETS09_SPLITS[split]
    return [snippet(Path(folder) / "vtest.avi", frames=part, annotated_size=PETS09_ANNOTATED, size=size)]


def snippet(
    source: Path, *, frames: range | None = None, annotated_size: Size | None = None, size: Size | None = None
) -> Snippet:
    """Return a sequence of MOTChallenge data, or a part of it, as a snippet.

    A target is {"boxes": (N, 4) float32 xyxy in pixels of the frame, x2 and y2 exclusive; "labels": (N,) int64, all 1;
    "tracks": (N,) int64; "ignore": (R, 4)}. The frames up to the last one with a box are annotated. `SkippedRecords`
    warnings count regions to ignore, boxes of other things, and frames after the last box. Images are read on access; a
    video file is decoded into memory, once for all snippets in use.

    Args:
        source: a sequence's folder (`img1/`, `gt/gt.txt`, `seqinfo.ini`), or a video file with its `gt.txt` beside it.
        frames: the part of the video that becomes the snippet, as indices from 0; None for all frames.
        annotated_size: (H, W) of the picture in which the boxes were drawn; None for `seqinfo.ini`'s or the video's.
        size: (H, W) to which frames and boxes are scaled; None for their own.

    Raises:
        DataError: if something is missing, damaged or inconsistent; the message names the file and the line.
        ValueError: for a part that the video does not have.
    """
    source = Path(source)
    is_folder = source.is_dir()
    pictures, fps, drawn_in, starts = _images(source) if is_folder else _video(source)
    file = source / "gt" / "gt.txt" if is_folder else source.parent / "gt.txt"
    # A dot in a folder's name is no ending: seq.1 and seq.2 are two sequences.
    name = source.absolute().name if is_folder else source.stem
    part = whole = range(len(pictures))
    if frames is not None:
        if len(frames) == 0 or frames.step != 1 or frames[0] < 0 or frames[-1] not in whole:
            raise ValueError(f"frames: expected a part of {whole} without steps, got {frames}")
        part, name = frames, f"{name}[{frames.start}:{frames.stop}]"
    size = tuple(size or pictures[0].shape[1:])
    rows, others = _rows(file, len(pictures), annotated_size or drawn_in, size)
    annotated = [i for i, frame in enumerate(part) if frame < len(rows)]
    targets = [_target(rows[part[i]]) for i in annotated]
    # Regions have tracks too: a person to ignore in one frame may count in the next. And motion looks beyond the part.
    tracks = [{box.track: corners for box, corners in row} for row in rows]

    def motion(i: int) -> Tensor:
        iou = motion_iou(tracks, part[i])
        return torch.tensor([iou[track] for track in targets[i]["tracks"].tolist()])

    regions = sum(len(target["ignore"]) for target in targets)
    warn_skipped(source, "boxes are regions to be ignored (not to be scored, or of what looks like people)", regions)
    warn_skipped(source, "boxes of other things than people are left out", sum(others[frame] for frame in part))
    warn_skipped(source, "frames after the last box have no target", len(part) - len(annotated))
    shown = Frames(lambda i: resized_frame(pictures[part[i]], size), len(part))
    times = starts and [starts[i] for i in part]
    return Snippet(name, fps, shown, OnDemand(targets.__getitem__, annotated), OnDemand(motion, annotated), times=times)


def _images(folder: Path) -> tuple[Sequence[Tensor], float, Size, list[float]]:
    """Return a folder's frames, frames a second, annotated size, and no starts, since the rate is constant."""
    paths, file, parser = list_images(folder / "img1"), folder / "seqinfo.ini", configparser.ConfigParser()
    for number, path in enumerate(paths, 1):
        # Boxes name frames by number: behind a gap all would be wrong.
        if not path.stem.isdecimal() or int(path.stem) != number:
            raise DataError(f"{path}: expected frame number {number} in its place; get the images again")
    try:
        parser.read_file(line for _, line in read_lines(file, "is the data set complete? Get it again"))
        fps = parser.getfloat("Sequence", "frameRate")
        length, height, width = (parser.getint("Sequence", key) for key in ("seqLength", "imHeight", "imWidth"))
    except (configparser.Error, ValueError) as error:
        raise DataError(f"{file}: lacks a valid entry: {error}; get the file again") from error
    if length != len(paths) or not min(fps, height, width) > 0 or fps == math.inf:
        got = f"seqLength {length}, {fps:g} Hz, {width}x{height}"
        raise DataError(f"{file}: expected seqLength {len(paths)}, as img1 has, and numbers above 0, got {got}")
    return ImageFrames(paths), fps, (height, width), []


def _video(path: Path) -> tuple[Sequence[Tensor], float, Size, list[float]]:
    """Return as `_images`, with the starts of the frames; the frames stay in memory as long as a snippet uses them."""
    stream = streams.frames(path)
    key = (path.resolve(), path.stat().st_mtime_ns)
    decoded = _in_use.get(key)
    if decoded is None:
        decoded = _Decoded()
        for timed in stream.timed():
            if timed.index != len(decoded):
                lost = f"frame {len(decoded) + 1} is lost, and boxes name frames by number"
                raise DataError(f"{path}: {lost}; get the file again")
            decoded.append(timed)
            if len(decoded) * timed.frame.numel() > MEMORY:
                remedy = "store its frames as images, in the layout of MOTChallenge"
                raise DataError(f"{path}: needs more than {MEMORY / 2**30:.3g} GiB of memory; {remedy}")
        _in_use[key] = decoded
    end = decoded[-1].seconds + (decoded[-1].duration or 0)
    pictures = Frames(lambda i: decoded[i].frame, len(decoded))
    return pictures, float(len(decoded) / end if end else streams.FPS), stream.size, [float(t.seconds) for t in decoded]


def _rows(file: Path, count: int, annotated: Size, size: Size) -> tuple[list[list[tuple[Box, Tensor]]], Counter[int]]:
    """Read the boxes of a video of `count` frames, drawn in pictures of size `annotated`, for frames of `size`.

    MOT boxes go around the whole person, also beyond the edge of the picture; the kit's boxes end there.

    Returns:
        For each annotated frame its people and regions, with their corners `(4,)` float32 xyxy, x2 and y2 exclusive;
        and for each frame the number of other things.
    """
    found = read_boxes(file)
    others = Counter(box.frame for box in found if box.kind == "other")
    kept = [box for box in found if box.kind != "other"]
    if last := next((box for box in found if box.frame >= count), None):
        cause = "do they belong together, and is the video whole?"
        raise DataError(f"{file}:{last.line}: names frame {last.frame + 1}, but the video has {count}; {cause}")
    corners, share = clip_boxes(torch.tensor([box.corners for box in kept], dtype=torch.float64), annotated)
    if (outward := int((share < 0.9).sum())) > len(kept) / 2:
        text = "boxes reach far out of the picture; are their columns width and height, and not right and bottom?"
        warn_skipped(file, text, outward, stacklevel=4)
    ratio = torch.tensor([size[1] / annotated[1], size[0] / annotated[0]] * 2, dtype=torch.float64)
    rows = [[] for _ in range(1 + max(box.frame for box in kept))]
    for box, scaled, seen in zip(kept, (corners * ratio).float(), share, strict=True):
        if seen == 0:
            picture = f"{annotated[1]}x{annotated[0]}"
            cause = "is annotated_size right?" if max(box.corners) >= 1 else "are its numbers shares and not pixels?"
            raise DataError(f"{file}:{box.line}: has a box outside the picture of {picture}; {cause}")
        rows[box.frame].append((box, scaled))
    return rows, others


def _target(row: list[tuple[Box, Tensor]]) -> dict[str, Tensor]:
    people, regions = (
        torch.stack([torch.zeros(4), *(corners for box, corners in row if box.kind == kind)])[1:]
        for kind in ("person", "region")
    )
    tracks = torch.tensor([box.track for box, _ in row if box.kind == "person"], dtype=torch.int64)
    return {"boxes": people, "labels": torch.full((len(people),), PERSON), "tracks": tracks, "ignore": regions}


def read_boxes(path: Path) -> list[Box]:
    """Read a `gt.txt`, in the order of its lines. MOT counts frames and pixels from 1, the kit from 0.

    A box with flag 0, or of a class that looks like people, is a region to ignore.

    Raises:
        DataError: if there is no such file, it has no person, or a line is cut off or no box.
    """
    boxes, lines, fields = [], {}, tuple(FIELDS)
    for number, line in read_lines(path, "is the data set complete? Get it again"):
        place = f"{path}:{number}"
        try:
            values = [float(part) for part in line.split(",")]
        except ValueError:
            values = []
        if len(values) not in fields or not _is_box(values):
            expected = f"{' or '.join(map(str, fields))} fields, {COLUMNS}"
            raise DataError(f"{place}: expected {expected}, got {line!r}; get the file again, or correct the line")
        fields = (len(values),)  # a file has one form
        frame, track, left, top, width, height, flag = values[:7]
        first = lines.setdefault((frame, track), number)
        if first != number:
            raise DataError(f"{place}: has frame {frame:g}, id {track:g} again, after line {first}; delete one")
        corners = (left - 1, top - 1, left - 1 + width, top - 1 + height)
        boxes.append(Box(number, int(frame) - 1, int(track), corners, _kind(flag, _label(values))))
    if all(box.kind == "other" for box in boxes):
        raise DataError(f"{path}: has no box of a person; get the file again")
    return boxes


def _label(values: Sequence[float]) -> float:
    return values[7] if FIELDS[len(values)] else NO_CLASS


def _kind(flag: float, label: float) -> str:
    if label in (NO_CLASS, PEDESTRIAN):
        return "region" if flag == 0 else "person"
    return "region" if label in (CROWD, *LIKE_PEOPLE) else "other"


def _is_box(values: Sequence[float]) -> bool:
    frame, track, _, _, width, height, flag = values[:7]
    if not all(map(math.isfinite, values)) or frame != int(frame) or track != int(track):
        return False
    # Decimals with a comma make more fields, and then the flag is seldom one.
    right = frame >= 1 and abs(track) < 2**63 and min(width, height) > 0 and 0 <= flag <= 1
    return right and _label(values) in (NO_CLASS, *range(1, LAST_CLASS + 1))
