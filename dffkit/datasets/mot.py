"""MOTChallenge: videos of people with boxes, as folders of images or as a video file with a `gt.txt` beside it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from dffkit.datasets.crops import clip_boxes
from dffkit.datasets.mot_files import Annotation, images, read_boxes, video
from dffkit.datasets.resized import Size, resized_frame
from dffkit.datasets.snippets import Frames, OnDemand, Snippet, motion_iou, warn_skipped
from dffkit.support.errors import DataError

CLASSES = ("person",)
PERSON = 1

# MOTChallenge counts frames from 1: 1-400 for training, 401-500 for validation, 501-600 for test. The rest of the video
# has no boxes.
PETS09_SPLITS = {"train": range(400), "val": range(400, 500), "test": range(500, 600)}
PETS09_ANNOTATED = (576, 768)  # (H, W) of OpenCV's video, in which the boxes were drawn; a copy may be smaller


def snippet(
    source: Path,
    *,
    frames: range | None = None,
    annotated_size: Size | None = None,
    size: Size | None = None,
    outside: str = "raise",
) -> Snippet:
    """Return a sequence of MOTChallenge data, or a part of it, as a snippet.

    A target is {"boxes": (N, 4) float32 xyxy in pixels of the frame, x2 and y2 exclusive; "labels": (N,) int64, all 1;
    "tracks": (N,) int64; "ignore": (R, 4)}. The frames up to the last one with a box are annotated; an annotated frame
    without boxes has no person. A `SkippedRecords` warning counts regions to ignore, boxes of other things, and frames
    after the last box. Images are read on access. A video file is decoded into memory, once for all snippets that are
    in use at the same time.

    Args:
        source: a sequence's folder (`img1/`, `gt/gt.txt`, `seqinfo.ini`), or a video file with its `gt.txt` beside it.
        frames: the part of the video that becomes the snippet, as indices from 0; None for all frames.
        annotated_size: (H, W) of the picture in which the boxes were drawn; None for the size in `seqinfo.ini`, or a
            video file's own.
        size: (H, W) to which frames and boxes are scaled; None for their own.
        outside: "raise" an error for a box outside the picture, or "drop" the box with a warning.

    Raises:
        DataError: if something is missing, damaged or inconsistent; the message names the file and the line.
        ValueError: for a wrong option, or a part that the video does not have.
    """
    if outside not in ("raise", "drop"):
        raise ValueError(f"outside: expected 'raise' or 'drop', got {outside!r}")
    source = Path(source)
    is_folder = source.is_dir()
    pictures, fps, drawn_in = images(source) if is_folder else video(source)
    whole = range(len(pictures))
    # A dot in a folder's name is no ending: seq.1 and seq.2 are two sequences.
    name = source.absolute().name if is_folder else source.stem
    if frames is not None:
        if len(frames) == 0 or frames.step != 1 or frames[0] < 0 or frames[-1] not in whole:
            raise ValueError(f"frames: expected a part of {whole} without steps, got {frames}")
        name = f"{name}[{frames.start}:{frames.stop}]"
    part = whole if frames is None else frames
    size = tuple(size or pictures[0].shape[1:])
    file = source / "gt" / "gt.txt" if is_folder else source.parent / "gt.txt"
    rows, others, dropped = _rows(file, len(pictures), annotated_size or drawn_in, size, outside)
    annotated = [i for i, frame in enumerate(part) if frame < len(rows)]
    targets = [_target(rows[part[i]]) for i in annotated]
    # Regions have tracks too: a person to ignore in one frame may count in the next. And motion looks beyond the part.
    tracks = [{annotation.track: box for annotation, box in row} for row in rows]

    def motion(i: int) -> Tensor:
        iou = motion_iou(tracks, part[i])
        return torch.tensor([iou[track] for track in targets[i]["tracks"].tolist()])

    skipped = {
        "boxes are regions to be ignored (not to be scored, or of what looks like people)": sum(
            len(target["ignore"]) for target in targets
        ),
        "boxes of other things than people are left out": sum(others[frame] for frame in part),
        "frames after the last box have no target": len(part) - len(annotated),
    }
    warn_skipped(source, skipped | dropped)
    scaled = Frames(lambda i: resized_frame(pictures[part[i]], size), len(part))
    return Snippet(name, fps, scaled, OnDemand(targets.__getitem__, annotated), OnDemand(motion, annotated))


def _rows(
    file: Path, count: int, annotated: Size, size: Size, outside: str
) -> tuple[list[list[tuple[Annotation, Tensor]]], Counter[int], dict[str, int]]:
    """Read the boxes of a video of `count` frames, drawn in pictures of size `annotated`, for frames of `size`.

    MOT boxes go around the whole person, also beyond the edge of the picture; the kit's boxes end there.

    Returns:
        For each annotated frame its people and regions, with their boxes `(4,)` float32 xyxy, x2 and y2 exclusive;
        for each frame the number of other things; and the number of boxes outside the picture, with a text.
    """
    annotations = read_boxes(file)
    for annotation in annotations:
        if annotation.frame >= count:
            raise DataError(
                f"{file}:{annotation.line}: names frame {annotation.frame + 1}, but the video has {count}; do they "
                "belong together, and is the video whole?"
            )
    others = Counter(annotation.frame for annotation in annotations if annotation.kind == "other")
    annotations = [annotation for annotation in annotations if annotation.kind != "other"]
    boxes, share = clip_boxes(torch.tensor([each.box for each in annotations], dtype=torch.float64), annotated)
    boxes = (boxes * torch.tensor([size[1] / annotated[1], size[0] / annotated[0]] * 2, dtype=torch.float64)).float()
    kept = [(each, box) for each, box, seen in zip(annotations, boxes, share, strict=True) if seen > 0]
    dropped, what = len(boxes) - len(kept), f"boxes outside the picture of {annotated[1]}x{annotated[0]}"
    if outside == "raise" and dropped:
        first = annotations[share.tolist().index(0)]
        remedy = "is annotated_size right? Then leave them out by outside='drop'"
        raise DataError(f"{file}:{first.line}: has the first of {dropped} {what}; {remedy}")
    rows = [[] for _ in range(1 + max((annotation.frame for annotation, _ in kept), default=-1))]
    for annotation, box in kept:
        rows[annotation.frame].append((annotation, box))
    return rows, others, {f"{what} are left out": dropped}


def _target(row: Sequence[tuple[Annotation, Tensor]]) -> dict[str, Tensor]:
    def stacked(kind: str) -> Tensor:
        boxes = [box for annotation, box in row if annotation.kind == kind]
        return torch.stack(boxes) if boxes else torch.zeros(0, 4)

    boxes = stacked("person")
    tracks = [annotation.track for annotation, _ in row if annotation.kind == "person"]
    return {
        "boxes": boxes,
        "labels": torch.full((len(boxes),), PERSON),
        "tracks": torch.tensor(tracks, dtype=torch.int64),
        "ignore": stacked("region"),
    }


def pets09_snippets(folder: Path, split: str, *, size: Size | None = None) -> list[Snippet]:
    """Return the one snippet of a split of PETS 2009, sequence S2.L1: pedestrians before a static camera.

    Its rate is the file's 10 frames a second; the scene was filmed at about 7.

    Args:
        folder: OpenCV's sample video `vtest.avi` and MOTChallenge 2015's `gt.txt` of PETS09-S2L1.
        split: "train", "val" or "test".
        size: (H, W) to which frames and boxes are scaled; None for the video's own. At 360x480 people are about as wide
            as a cell of the feature map.

    Raises:
        DataError: as `snippet`.
        ValueError: for another split.
    """
    if split not in PETS09_SPLITS:
        raise ValueError(f"split: expected one of {', '.join(PETS09_SPLITS)}, got {split!r}")
    part = PETS09_SPLITS[split]
    return [snippet(Path(folder) / "vtest.avi", frames=part, annotated_size=PETS09_ANNOTATED, size=size)]
