"""CamVid: labelled stills of street scenes, and one consecutive clip with a label map for every frame.

The layout is that of the public SegNet tutorial, whose label maps have 11 classes and one for what has no label. The
kit trains and chooses on the stills, and tests on the clip, since only there are key frames and labels of one video.
"""

import re
from pathlib import Path

import torch
from torch import Tensor

from dffkit.datasets.images import ImageFrames, image_size, list_images, natural, read_labels
from dffkit.datasets.snippets import OnDemand, Snippet
from dffkit.networks.segmentation import IGNORE
from dffkit.support.errors import DataError

# In the order of the label maps' values: `label_colours` in the SegNet tutorial's Scripts/test_segmentation_camvid.py.
CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
VOID = len(CLASSES)  # as the files say "no label"
SPLITS = ("train", "val", "test")
HELD_OUT = 67  # of the stills, the last ones in natural order: they choose, and do not train
CLIP_FPS, CLIP_STEP = 15.0, 2  # the clip has every second frame of a video of 30 Hz
STILL_FPS = 1.0
_NUMBER = re.compile(r"(.*?)([0-9]+)$")


def snippets(folder: Path, split: str) -> list[Snippet]:
    """The snippets of a split: "train" and "val" have one for each still, "test" is the clip.

    Args:
        folder: has `train`, `trainannot`, `val` and `valannot`; images of any format, label maps `(H, W)` uint8. The
            tutorial's own folder `val` is the kit's "test".
        split: "train", "val" or "test".

    Returns:
        Snippets whose frames and label maps are read when they are asked for. Reading a label map that has another
        value than 0..11, or another size than its image, raises DataError.

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
    """The images and the label maps that belong to them."""
    images, labels = ({path.stem: path for path in list_images(folder / part)} for part in (name, f"{name}annot"))
    for these, others, place in ((images, labels, f"{name}annot"), (labels, images, name)):
        alone = sorted(these.keys() - others.keys(), key=natural)
        if alone:
            count = f", and {len(alone) - 1} more" if len(alone) > 1 else ""
            raise DataError(f"{these[alone[0]]}{count}: nothing of that name in {folder / place}; get the data again")
    return list(images.values()), [labels[stem] for stem in images]


def _check_steps(images: list[Path]) -> None:
    """A gap, or images of another video between, would make the frames no video."""
    found = [_NUMBER.fullmatch(path.stem) for path in images]
    for path, match in zip(images, found, strict=True):
        if match is None:
            raise DataError(f"{path}: expected a name that ends in the frame's number; is this CamVid's clip?")
    for path, one, other in zip(images[1:], found, found[1:], strict=False):
        if other[1] != one[1] or int(other[2]) - int(one[2]) != CLIP_STEP:
            raise DataError(
                f"{path}: expected the frame {CLIP_STEP} after {one[0]}, for the clip has no gaps; get the data again"
            )


def _snippet(name: str, fps: float, images: list[Path], labels: list[Path]) -> Snippet:
    return Snippet(
        name, fps, ImageFrames(images), OnDemand(lambda i: _labels(labels[i], images[i]), range(len(images)))
    )


def _labels(path: Path, image: Path) -> Tensor:
    labels = read_labels(path)
    wrong = labels[labels > VOID].unique().tolist()
    if wrong:
        raise DataError(f"{path}: expected label ids 0..{VOID}, got {wrong}; are these CamVid's 11 classes?")
    size = image_size(image)
    if tuple(labels.shape) != size:
        raise DataError(f"{path}: expected the size {size} of {image.name}, got {tuple(labels.shape)}; get both again")
    return torch.where(labels == VOID, IGNORE, labels)
