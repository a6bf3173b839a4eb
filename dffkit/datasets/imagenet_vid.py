"""ImageNet VID, the paper's videos for detection, and the stills of ImageNet DET that join its training (Sec. 5).

The layout is that of ILSVRC2015: `Data/VID/train/ILSVRC2015_VID_train_000{0..3}/<video>/000000.JPEG`,
`Data/VID/val/<video>/000000.JPEG`, `Data/DET/...`, the same under `Annotations` with the ending .xml.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from dffkit.datasets.images import natural, read_frame
from dffkit.datasets.on_demand import Frames, OnDemand
from dffkit.datasets.skipped_records import say
from dffkit.datasets.snippets import Snippet, motion_iou
from dffkit.datasets.vid_annotations import CLASSES, read_annotation
from dffkit.datasets.vid_lists import read_frames, read_stills, read_videos
from dffkit.support.errors import DataError

__all__ = ["CLASSES", "census", "snippets", "stills"]

FPS = 30.0  # a round number: the videos come from many sources, and the data set does not say
STILL_FPS = 1.0  # of a single frame, whatever it may be
OTHERS = "objects of other classes than VID's 30 are left out; imagenet_vid.census(stills(...)) counts them"
REACH = 10  # frames before and after that motion IoU looks at (FGFA)


def snippets(
    folder: Path | str, split: str, *, frames: Path | str | None = None, videos: Path | str | None = None
) -> list[Snippet]:
    """The videos of a split. Only folders and lists are read now; frames and boxes when they are asked for.

    Targets are as `vid_annotations.read_annotation` gives them for video; a frame without objects has empty ones, where
    the authors' training leaves it out. `motion` is there for every annotated frame. The official evaluation leaves out
    frames with a generated box, the authors' does not.

    Args:
        folder: ILSVRC2015, with `Data` and `Annotations`.
        split: "train" (3862 videos) or "val" (555).
        frames: a list of the annotated frames, e.g. VID_train_15frames.txt; all others can still be key frames.
        videos: a list of the videos, e.g. VID_val_videos.txt. Without a list all frames of all videos are annotated.

    Raises:
        ValueError: for another split, or with both lists.
        DataError: if a folder or a frame is missing, or a line of a list is wrong; on access, if an image is damaged or
            an annotation is missing, wrong, or of an image of another size.
    """
    if split not in ("train", "val"):
        raise ValueError(f'split: expected "train" or "val", got {split!r}; "test" has no public labels')
    if frames is not None and videos is not None:
        raise ValueError("frames, videos: expected at most one list, got both")
    folder = Path(folder)
    data = _existing(folder / "Data" / "VID")
    _existing(folder / "Annotations" / "VID" / split)
    if frames is not None:
        listed = read_frames(Path(frames), split)
    elif videos is not None:
        listed = read_videos(Path(videos), split)
    else:
        found = {name: _count(data / name) for name in _videos(data, split)}
        return [_video(folder, name, range(length), length) for name, length in found.items()]
    for name, (_, length) in listed.items():
        if (count := _count(data / name)) != length:
            raise DataError(f"{data / name}: has {count} frames, but {frames or videos} says {length}; unpack it again")
    return [_video(folder, name, annotated, length) for name, (annotated, length) in listed.items()]


def stills(folder: Path | str, images: Path | str) -> list[Snippet]:
    """Images of DET, each a snippet of one frame, so that key frame and current frame are the same (i == k).

    Targets are as `vid_annotations.read_annotation` gives them for stills: objects of other classes than VID's 30 are
    left out; `census` counts them. A `SkippedRecords` warning tells of them, when the first is met, and at once
    of lines that the list repeats.

    Args:
        folder: ILSVRC2015, with `Data` and `Annotations`.
        images: a list of them, e.g. DET_train_30classes.txt; an image that it repeats comes once.

    Raises:
        DataError: if a folder or the list is missing, or a line is wrong; on access, if an image is missing or damaged,
            or an annotation is missing, wrong, or of an image of another size.
    """
    data, notes = (_existing(Path(folder) / part / "DET") for part in ("Data", "Annotations"))
    return [_still(data, notes, name) for name in read_stills(Path(images))]


def census(data: Iterable[Snippet]) -> Counter[str]:
    """What is in the targets, and what is not. All annotations are read.

    Returns:
        How many "frames" are annotated, how many "frames without objects" among them, how many "objects" they have, how
        many "clipped boxes" reached beyond the frame, and, as "left out: n00007846", how many objects of other classes
        there are.
    """
    counts: Counter[str] = Counter()
    for target in (target for snippet in data for target in snippet.targets.values()):
        counts["frames"] += 1
        counts["frames without objects"] += not len(target["boxes"])
        counts["objects"] += len(target["boxes"])
        counts["clipped boxes"] += int(target["clipped"].sum())
        counts.update(f"left out: n{synset:08d}" for synset in target["others"].tolist())
    return counts


def _video(folder: Path, name: str, annotated: Sequence[int], length: int) -> Snippet:
    images, notes = folder / "Data" / "VID" / name, folder / "Annotations" / "VID" / name

    def frame(i: int) -> Tensor:
        return read_frame(images / f"{i:06d}.JPEG")

    def target(i: int) -> dict[str, Tensor]:
        return read_annotation(notes / f"{i:06d}.xml", True, images / f"{i:06d}.JPEG")

    def motion(i: int) -> Tensor:
        first = max(0, i - REACH)
        # How boxes overlap does not depend on the images, so 21 of them need not be opened.
        around = [read_annotation(notes / f"{t:06d}.xml", True) for t in range(first, min(length, i + REACH + 1))]
        tracks = [dict(zip(t["tracks"].tolist(), t["boxes"], strict=True)) for t in around]
        return torch.tensor(list(motion_iou(tracks, i - first, REACH).values()), dtype=torch.float32)

    return Snippet(name, FPS, Frames(frame, length), OnDemand(target, annotated), OnDemand(motion, annotated))


def _still(data: Path, notes: Path, name: str) -> Snippet:
    def frame(_: int) -> Tensor:
        return read_frame(data / f"{name}.JPEG")

    def target(_: int) -> dict[str, Tensor]:
        found = read_annotation(notes / f"{name}.xml", False, data / f"{name}.JPEG")
        if len(found["others"]):
            say(notes, OTHERS)  # how many in all is not known before all files are read
        return found

    return Snippet(name, STILL_FPS, Frames(frame, 1), OnDemand(target, range(1)))


def _videos(data: Path, split: str) -> list[str]:
    """The videos of a split as lists name them; those of "train" are in four folders."""
    parts = [data / split] if split == "val" else _folders(data / split)
    return [video.relative_to(data).as_posix() for part in parts for video in _folders(part)]


def _folders(folder: Path) -> list[Path]:
    found = sorted((path for path in _existing(folder).iterdir() if path.is_dir()), key=natural)
    if not found:
        raise DataError(f"{folder}: has no folder with videos; unpack the data set again")
    return found


def _count(folder: Path) -> int:
    """How many frames a video has; they are numbered from 0 without a gap."""
    names = {name for name in os.listdir(_existing(folder)) if name.endswith(".JPEG") and not name.startswith(".")}
    for i in range(max(len(names), 1)):
        if f"{i:06d}.JPEG" not in names:
            raise DataError(f"{folder}: has {len(names)} frames but no {i:06d}.JPEG; unpack this video again")
    return len(names)


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; unpack ILSVRC2015 there, or name another folder")
    return folder
