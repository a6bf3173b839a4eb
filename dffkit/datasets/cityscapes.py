"""Cityscapes: snippets of 30 frames at 17 frames a second, of which the 20th has a label map (Sec. 5).

The layout is the official one (https://github.com/mcordts/cityscapesScripts). The frames are those of the package
leftImg8bit_sequence_trainvaltest.zip, whose description is "30-frame snippets (17Hz) surrounding each left 8-bit image
(-19 | +10)" (quoted in https://github.com/NVIDIA/vid2vid/issues/33), the labels those of gtFine_trainvaltest.zip.
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from dffkit.datasets.images import ImageFrames, list_images, read_labels
from dffkit.datasets.snippets import OnDemand, Snippet
from dffkit.networks.segmentation import IGNORE
from dffkit.support.errors import DataError

FPS = 17.0
BEFORE, AFTER = 19, 10  # frames of a snippet around the labelled one

# Label id -> class, in the order of the train ids 0..18; the other label ids, up to 33, are ignored. From
# https://github.com/mcordts/cityscapesScripts/blob/master/cityscapesscripts/helpers/labels.py
CLASS_OF_LABEL_ID = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
LAST_LABEL_ID = 33
CLASSES = tuple(CLASS_OF_LABEL_ID.values())
_TRAIN_ID = torch.full((LAST_LABEL_ID + 1,), IGNORE, dtype=torch.uint8)
_TRAIN_ID[list(CLASS_OF_LABEL_ID)] = torch.arange(len(CLASSES), dtype=torch.uint8)

FRAME, LABELS = "leftImg8bit", "gtFine_labelIds"  # ends of file names
Position = tuple[str, int]  # number of a sequence, as it is written, and of a frame


def snippets(folder: Path | str, split: str) -> list[Snippet]:
    """Return the snippets of a split, one for each labelled frame, in the order of cities, sequences and frames.

    Targets are label maps `(H, W)` uint8 of the 19 `CLASSES`, 255 = ignore, from `..._gtFine_labelIds.png`. Folders are
    listed now, images are decoded on access.

    Args:
        folder: with `leftImg8bit_sequence` and `gtFine`.
        split: "train" (2975 snippets) or "val" (500).

    Raises:
        ValueError: for another split.
        DataError: if a folder, a frame or a label map is missing, or a name is not of the official form; on access, if
            an image is damaged, or a label map has a value that is not Cityscapes' or another size than its frame.
    """
    if split not in ("train", "val"):
        raise ValueError(f'split: expected "train" or "val", got {split!r}; the labels of "test" are dummies')
    videos, labels = Path(folder) / "leftImg8bit_sequence" / split, Path(folder) / "gtFine" / split
    if not videos.is_dir():
        raise DataError(
            f"{videos}: no such folder; unpack leftImg8bit_sequence_trainvaltest.zip there, on request from"
            " cityscapes-dataset.com; the single frames of leftImg8bit_trainvaltest.zip make no video"
        )
    if not labels.is_dir():
        raise DataError(f"{labels}: no such folder; unpack gtFine_trainvaltest.zip there")
    cities = sorted({city.name for part in (videos, labels) for city in part.iterdir() if city.is_dir()})
    found = [snippet for city in cities for snippet in _city(videos / city, labels / city)]
    if not found:
        raise DataError(f"{videos}: has no city; unpack leftImg8bit_sequence_trainvaltest.zip there")
    return found


def _city(videos: Path, labels: Path) -> list[Snippet]:
    """Return a city's snippets. Snippets of one sequence number may follow without a gap, so labels tell them apart."""
    frames = {_position(path, FRAME): path for path in list_images(videos, (".png",))}
    images = list_images(labels, (".png",))  # pictures of colours and instances as well
    annotated = {_position(path, LABELS): path for path in images if path.stem.endswith(LABELS)}
    found = [_snippet(position, frames, annotated[position]) for position in sorted(annotated)]
    covered = {(sequence, i) for sequence, frame in annotated for i in range(frame - BEFORE, frame + AFTER + 1)}
    for position in sorted(frames.keys() - covered):
        raise DataError(
            f"{frames[position]}: belongs to no labelled frame, expected one at most {BEFORE} frames later or {AFTER}"
            f" earlier; is the label missing from {labels}? unpack gtFine_trainvaltest.zip again"
        )
    return found


def _snippet(position: Position, frames: dict[Position, Path], label: Path) -> Snippet:
    """Return the frames around a label map as a snippet."""
    sequence, labelled = position
    numbers = range(labelled - BEFORE, labelled + AFTER + 1)
    for i in numbers:
        if (sequence, i) not in frames:
            raise DataError(
                f"{label}: has no frame {i} in leftImg8bit_sequence, expected {numbers[0]} to {numbers[-1]} of sequence"
                f" {sequence}; unpack leftImg8bit_sequence_trainvaltest.zip again"
            )
    name = frames[position].stem.removesuffix(f"_{FRAME}")
    targets = OnDemand(lambda _: _labels(label, frames[position]), (BEFORE,))
    return Snippet(name, FPS, ImageFrames([frames[sequence, i] for i in numbers]), targets)


def _position(path: Path, ending: str) -> Position:
    """Return the position of an image, read from its name."""
    match = re.fullmatch(rf"(?P<city>.+)_([0-9]+)_([0-9]+)_{ending}", path.stem)
    if match is None or match["city"] != path.parent.name:
        raise DataError(
            f"{path}: expected a name like {path.parent.name}_000000_000019_{ending}.png; rename or move it"
        )
    return match[2], int(match[3])


def _labels(path: Path, frame: Path) -> Tensor:
    """Read the label map of a frame as train ids `(H, W)` uint8, 255 = ignore."""
    labels = read_labels(path, frame)
    if (last := int(labels.max())) > LAST_LABEL_ID:
        remedy = "unpack gtFine_trainvaltest.zip again"
        raise DataError(f"{path}: expected label ids 0..{LAST_LABEL_ID}, got {last}; {remedy}")
    return _TRAIN_ID[labels.long()]
