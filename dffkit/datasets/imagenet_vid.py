"""ImageNet VID, the paper's videos for detection, and the stills of ImageNet DET that join its training (Sec. 5).

The layout is that of ILSVRC2015: `Data/VID/train/ILSVRC2015_VID_train_000{0..3}/<video>/000000.JPEG`,
`Data/VID/val/<video>/000000.JPEG`, `Data/DET/...`, the same under `Annotations` with the ending .xml.

The authors' lists choose videos, frames and stills. They are at
https://github.com/msracver/Deep-Feature-Flow/tree/master/data/ILSVRC2015/ImageSets: VID_train_15frames.txt (57,834
frames, up to 15 a video), VID_val_videos.txt (555 videos) and DET_train_30classes.txt (53,639 lines, of which 402
repeat another: https://github.com/Scalsol/mega.pytorch/issues/23).
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from dffkit.datasets.images import ImageFrames, read_frame
from dffkit.datasets.snippets import REACH, Frames, OnDemand, Snippet, motion_iou, warn_skipped
from dffkit.datasets.vid_annotations import CLASSES, read_annotation
from dffkit.support.errors import DataError
from dffkit.support.files import read_lines

__all__ = ["CLASSES", "snippets", "stills"]

FPS = 30.0  # a round number: the videos come from many sources, and the data set does not give their rates
STILL_FPS = 1.0  # any rate fits a single frame
SOURCE = "the authors' lists are at https://github.com/msracver/Deep-Feature-Flow, data/ILSVRC2015/ImageSets"
# The forms of a list's lines, each with an example.
NAME, NUMBER = r"([\w-]+(?:/[\w-]+)+)", "([0-9]+)"
FRAMES_LINE = (NAME, NUMBER, NUMBER, NUMBER), "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000 1 10 300"
VIDEOS_LINE = (NAME, NUMBER, NUMBER, NUMBER), "val/ILSVRC2015_val_00000000 1 0 464"
STILLS_LINE = (NAME, NUMBER), "train/ILSVRC2013_train/n02687992/n02687992_10002 1"
REPEATED = "lines repeat others, and count once"

Listed = dict[str, tuple[Sequence[int], int]]  # video -> its annotated frames, and its length


def snippets(
    folder: Path | str, split: str, *, frames: Path | str | None = None, videos: Path | str | None = None
) -> list[Snippet]:
    """List the videos of a split that a list names. Folders and lists are read now, frames and boxes on access.

    Targets are those of `vid_annotations.read_annotation` for video. A frame without objects has an empty target; the
    authors' training skips such frames. Every annotated frame has `motion`. Boxes interpolated between frames count as
    in the authors' evaluation; the official one skips their frames.

    Args:
        folder: ILSVRC2015, with `Data` and `Annotations`.
        split: "train" (3862 videos) or "val" (555).
        frames: a list of the annotated frames, e.g. VID_train_15frames.txt; all other frames can be key frames.
        videos: instead of `frames`, a list of videos whose frames are all annotated, e.g. VID_val_videos.txt.

    Raises:
        ValueError: for another split, or unless exactly one list is given.
        DataError: if a folder or a frame is missing, or a line of a list is wrong; on access, if an image is damaged,
            or an annotation is missing, wrong, or of an image of another size.
    """
    if split not in ("train", "val"):
        raise ValueError(f'split: expected "train" or "val", got {split!r}; "test" has no public labels')
    if (frames is None) == (videos is None):
        raise ValueError(f"frames, videos: expected one list, got {'none' if frames is None else 'both'}; {SOURCE}")
    folder = Path(folder)
    data = _existing(folder / "Data" / "VID")
    _existing(folder / "Annotations" / "VID" / split)
    listed = _listed_videos(Path(videos), split) if frames is None else _listed_frames(Path(frames), split)
    for name, (_, length) in listed.items():
        if (count := _count(data / name)) != length:
            raise DataError(f"{data / name}: has {count} frames, but {frames or videos} says {length}; unpack it again")
    return [_video(folder, name, annotated, length) for name, (annotated, length) in listed.items()]


def stills(folder: Path | str, images: Path | str) -> list[Snippet]:
    """List images of DET, each a snippet of one frame, so that key frame and current frame are the same (i == k).

    Targets are those of `vid_annotations.read_annotation` for stills. A `SkippedRecords` warning tells at once of lines
    that the list repeats, and on access, once, that objects of other classes than VID's 30 are skipped.

    Args:
        folder: ILSVRC2015, with `Data` and `Annotations`.
        images: a list of the images, e.g. DET_train_30classes.txt; an image that the list repeats comes once.

    Raises:
        DataError: if a folder or the list is missing, or a line is wrong; on access, if an image is missing or
            damaged, or an annotation is missing, wrong, or of an image of another size.
    """
    data, notes = (_existing(Path(folder) / part / "DET") for part in ("Data", "Annotations"))
    names = [name for _, (name, _) in _lines(Path(images), STILLS_LINE)]
    once = dict.fromkeys(names)
    warn_skipped(Path(images), REPEATED, len(names) - len(once))
    return [_still(data, notes, name) for name in once]


def _video(folder: Path, name: str, annotated: Sequence[int], length: int) -> Snippet:
    images, notes = folder / "Data" / "VID" / name, folder / "Annotations" / "VID" / name

    def target(i: int) -> dict[str, Tensor]:
        return read_annotation(notes / f"{i:06d}.xml", True, images / f"{i:06d}.JPEG")[0]

    def motion(i: int) -> Tensor:
        first = max(0, i - REACH)
        # The overlap of boxes does not depend on the images, so 21 images need not be opened.
        around = [read_annotation(notes / f"{t:06d}.xml", True)[0] for t in range(first, min(length, i + REACH + 1))]
        tracks = [dict(zip(t["tracks"].tolist(), t["boxes"], strict=True)) for t in around]
        return torch.tensor(list(motion_iou(tracks, i - first).values()), dtype=torch.float32)

    frames = Frames(lambda i: read_frame(images / f"{i:06d}.JPEG"), length)
    return Snippet(name, FPS, frames, OnDemand(target, annotated), OnDemand(motion, annotated))


def _still(data: Path, notes: Path, name: str) -> Snippet:
    image = data / f"{name}.JPEG"

    def target(_: int) -> dict[str, Tensor]:
        found, skipped = read_annotation(notes / f"{name}.xml", False, image)
        if skipped:  # the total is unknown before all files are read, so the text has no number and comes once
            warn_skipped(notes, "objects of other classes than VID's 30 are skipped")
        return found

    return Snippet(name, STILL_FPS, ImageFrames([image]), OnDemand(target, range(1)))


def _count(folder: Path) -> int:
    """Return the number of frames of a video, which are numbered from 0 without a gap."""
    names = {name for name in os.listdir(_existing(folder)) if name.endswith(".JPEG") and not name.startswith(".")}
    for i in range(max(len(names), 1)):
        if f"{i:06d}.JPEG" not in names:
            raise DataError(f"{folder}: has {len(names)} frames but no {i:06d}.JPEG; unpack this video again")
    return len(names)


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; unpack ILSVRC2015 there, or name another folder")
    return folder


def _listed_frames(path: Path, split: str) -> Listed:
    """Read a list with a line "video 1 frame length" for each frame."""
    videos: dict[str, tuple[set[int], int]] = {}
    count = 0
    for line, (video, _, frame, length) in _lines(path, FRAMES_LINE, split):
        frames, known = videos.setdefault(video, (set(), int(length)))
        if int(length) != known:
            raise DataError(f"{line}: {video} has {length} frames here and {known} in a line above; {SOURCE}")
        if int(frame) >= known:
            raise DataError(f"{line}: expected a frame in 0..{known - 1}, got {frame}; {SOURCE}")
        frames.add(int(frame))
        count += 1
    warn_skipped(path, REPEATED, count - sum(len(frames) for frames, _ in videos.values()), stacklevel=4)
    return {video: (sorted(frames), length) for video, (frames, length) in videos.items()}


def _listed_videos(path: Path, split: str) -> Listed:
    """Read a list with a line "video number start length" for each video; number counts frames of all videos from 1."""
    videos: Listed = {}
    for line, (video, _, start, length) in _lines(path, VIDEOS_LINE, split):
        if video in videos or int(start) != 0:
            raise DataError(f"{line}: expected each video once, from frame 0; a list of frames is another; {SOURCE}")
        videos[video] = range(int(length)), int(length)
    return videos


def _lines(path: Path, form: tuple[tuple[str, ...], str], split: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield for each line its name in errors, "file, line number", and its fields."""
    fields, example = form
    lines = read_lines(path, SOURCE)
    if not lines:
        raise DataError(f"{path}: is empty; {SOURCE}")
    for number, line in lines:
        match = re.fullmatch(r"\s+".join(fields), line)
        if match is None or not match[1].startswith(f"{split}/" if split else ""):
            of_split = f' of split "{split}"' if split else ""
            raise DataError(
                f"{path}, line {number}: expected a line{of_split} like {example!r}, got {line!r}; {SOURCE}"
            )
        yield f"{path}, line {number}", match.groups()
