"""CamVid: labelled stills of street scenes, and one consecutive clip with a label map for every frame.

The layout is that of the public SegNet tutorial, whose label maps have 11 classes and one value for pixels without a
label. The kit trains and chooses on the stills and tests on the clip, because only the clip has both key frames and
labels of one video.
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from dffkit.datasets.images import IMAGES, ImageFrames, list_images, natural, read_labels
from dffkit.datasets.snippets import OnDemand, Snippet
from dffkit.networks.segmentation import IGNORE
from dffkit.support.errors import DataError

# In the order of the label maps' values: `label_colours` in the SegNet tutorial's Scripts/test_segmentation_camvid.py.
CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
VOID = len(CLASSES)  # the files' value for "no label"
SPLITS = ("train", "val", "test")
HELD_OUT = 67  # the last stills in natural order: for validation, not for training
CLIP_FPS, CLIP_STEP = 15.0, 2  # the clip has every second frame of a video of 30 Hz
STILL_FPS = 1.0
_NUMBER = re.compile(r"(.*?)([0-9]+)$")


def snippets(folder: Path, split: str) -> list[Snippet]:
    """Return the snippets of a split: "train" and "val" have one for each still, "test" is the clip.

    Args:
        folder: has `train`, `trainannot`, `val` and `valannot`; images of any format, label maps `(H, W)` uint8. The
            tutorial's own folder `val` is the kit's "test".
        split: "train", "val" or "test".

    Returns:
        Snippets whose frames and label maps are read on access. Reading raises DataError for a label map with another
        value than 0..11, or of another size than its image.

    Raises:
        DataError: if a folder, an image or a label map is missing, or the clip has a gap.
        ValueError: for another split.
    """
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    if split == "test":
        images, labels = _paired(folder, "val")
        _check_steps(images)
        return [_snippet(f"val/{images[0].stem}", CLIP_FPS, images, labels)]
    images, labels = _paired(folder, "train")
    if len(images) <= HELD_OUT:
        raise DataError(f"{folder / 'train'}: expected more than {HELD_OUT} images, got {len(images)}; get them again")
    part = slice(None, -HELD_OUT) if split == "train" else slice(-HELD_OUT, None)
    stills = zip(images[part], labels[part], strict=True)
    return [_snippet(f"train/{image.stem}", STILL_FPS, [image], [label]) for image, label in stills]


def _paired(folder: Path, name: str) -> tuple[list[Path], list[Path]]:
    """Return the images and their label maps."""
    folders = folder / name, folder / f"{name}annot"
    images, labels = ({path.stem: path for path in list_images(part, IMAGES)} for part in folders)
    for these, others, place in ((images, labels, f"{name}annot"), (labels, images, name)):
        alone = sorted(these.keys() - others.keys(), key=natural)
        if alone:
            count = f", and {len(alone) - 1} more" if len(alone) > 1 else ""
            raise DataError(f"{these[alone[0]]}{count}: nothing of that name in {folder / place}; get the data again")
    return list(images.values()), [labels[stem] for stem in images]


def _check_steps(images: list[Path]) -> None:
    """Raise `DataError` if the frames have a gap or are of several videos: they would be no video."""
    before = None
    for path in images:
        match = _NUMBER.fullmatch(path.stem)
        if match is None:
            raise DataError(f"{path}: expected a name that ends in the frame's number; is this CamVid's clip?")
        if before and (match[1] != before[1] or int(match[2]) - int(before[2]) != CLIP_STEP):
            raise DataError(
                f"{path}: expected the frame {CLIP_STEP} after {before[0]}, since the clip has no gaps; get it again"
            )
        before = match


def _snippet(name: str, fps: float, images: list[Path], label_maps: list[Path]) -> Snippet:
    def target(i: int) -> Tensor:
        path = label_maps[i]
        labels = read_labels(path, images[i])
        wrong = labels[labels > VOID].unique().tolist()
        if wrong:
            raise DataError(f"{path}: expected label ids 0..{VOID}, got {wrong}; are these CamVid's 11 classes?")
        return torch.where(labels == VOID, IGNORE, labels)

    return Snippet(name, fps, ImageFrames(images), OnDemand(target, range(len(images))))
