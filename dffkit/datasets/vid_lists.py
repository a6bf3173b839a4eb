"""The authors' list files: which videos of ImageNet VID, which of their frames and which stills of DET are used.

They are at https://github.com/msracver/Deep-Feature-Flow/tree/master/data/ILSVRC2015/ImageSets: VID_train_15frames.txt
(57,834 frames, up to 15 a video), VID_val_videos.txt (555 videos) and DET_train_30classes.txt (53,639 lines).
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from dffkit.datasets.skipped_records import tell
from dffkit.support.errors import DataError

SOURCE = "the authors' lists are at https://github.com/msracver/Deep-Feature-Flow, data/ILSVRC2015/ImageSets"
NAME = r"([\w-]+(?:/[\w-]+)+)"
NUMBER = "([0-9]+)"
FRAMES_LINE = "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000 1 10 300"
VIDEOS_LINE = "val/ILSVRC2015_val_00000000 1 0 464"
REPEATED = "lines repeat others, and count once"
STILLS_LINE = "train/ILSVRC2013_train/n02687992/n02687992_10002 1"


def read_frames(path: Path, split: str) -> dict[str, tuple[Sequence[int], int]]:
    """A list with a line a frame, "video 1 frame length" -> for each video its listed frames and its length.

    Args:
        path: of the list.
        split: which all its videos belong to.

    Raises:
        DataError: if the list is missing or empty, or a line is not of that form or contradicts another.
    """
    videos: dict[str, tuple[set[int], int]] = {}
    count = 0
    for line, (video, _, frame, length) in _lines(path, [NAME, NUMBER, NUMBER, NUMBER], FRAMES_LINE, split):
        frames, known = videos.setdefault(video, (set(), int(length)))
        if int(length) != known:
            raise DataError(f"{line}: {video} has {length} frames here and {known} in a line above; {SOURCE}")
        if int(frame) >= known:
            raise DataError(f"{line}: expected a frame in 0..{known - 1}, got {frame}; {SOURCE}")
        frames.add(int(frame))
        count += 1
    tell(path, {REPEATED: count - sum(len(frames) for frames, _ in videos.values())}, stacklevel=4)
    return {video: (sorted(frames), length) for video, (frames, length) in videos.items()}


def read_videos(path: Path, split: str) -> dict[str, tuple[Sequence[int], int]]:
    """A list with a line a video, "video number start length", where the number counts the frames of all videos from 1
    -> for each video its frames, which are all listed, and its length.

    Args:
        path: of the list.
        split: which all its videos belong to.

    Raises:
        DataError: if the list is missing or empty, a line is not of that form, a video comes twice, or does not start
            at 0.
    """
    videos: dict[str, tuple[Sequence[int], int]] = {}
    for line, (video, _, start, length) in _lines(path, [NAME, NUMBER, NUMBER, NUMBER], VIDEOS_LINE, split):
        if video in videos or int(start) != 0:
            raise DataError(f"{line}: expected each video once, from frame 0; a list of frames is another; {SOURCE}")
        videos[video] = range(int(length)), int(length)
    return videos


def read_stills(path: Path) -> list[str]:
    """A list with a line an image, "image 1" -> the images, each once.

    402 of the 53,639 lines of the authors' list repeat another (https://github.com/Scalsol/mega.pytorch/issues/23).

    Raises:
        DataError: if the list is missing or empty, or a line is not of that form.
    """
    images = [image for _, (image, _) in _lines(path, [NAME, NUMBER], STILLS_LINE)]
    once = list(dict.fromkeys(images))
    tell(path, {REPEATED: len(images) - len(once)}, stacklevel=4)
    return once


def _lines(path: Path, form: list[str], example: str, split: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """The fields of each line, with what an error is to name: the file and the line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; {SOURCE}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is no list that can be read: {error}; {SOURCE}") from error
    if not lines:
        raise DataError(f"{path}: is empty; {SOURCE}")
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(" ".join(form), line.strip())
        if match is None or not match[1].startswith(f"{split}/" if split else ""):
            of_split = f' of split "{split}"' if split else ""
            raise DataError(
                f"{path}, line {number}: expected a line{of_split} like {example!r}, got {line!r}; {SOURCE}"
            )
        yield f"{path}, line {number}", match.groups()
