"""The boxes of ImageNet VID and DET: one XML file a frame, in the form of PASCAL VOC.

What is said of the files is from the development kit's readme, its map_vid.txt and its eval_vid_detection.m (copies in
https://github.com/fanyix/STMN, external/VID_devkit and external/VID_devkit_data), and from the authors' reader,
https://github.com/msracver/Deep-Feature-Flow/blob/master/lib/dataset/imagenet_vid.py.
"""

import math
import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import torch
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse
from torch import Tensor

from dffkit.datasets.images import image_size
from dffkit.support.errors import DataError

# WordNet id -> class, in the order of the labels 1..30: map_vid.txt, and the authors' list.
CLASS_OF_SYNSET = {
    "n02691156": "airplane", "n02419796": "antelope", "n02131653": "bear", "n02834778": "bicycle", "n01503061": "bird",
    "n02924116": "bus", "n02958343": "car", "n02402425": "cattle", "n02084071": "dog", "n02121808": "domestic_cat",
    "n02503517": "elephant", "n02118333": "fox", "n02510455": "giant_panda", "n02342885": "hamster",
    "n02374451": "horse", "n02129165": "lion", "n01674464": "lizard", "n02484322": "monkey", "n03790512": "motorcycle",
    "n02324045": "rabbit", "n02509815": "red_panda", "n02411705": "sheep", "n01726692": "snake",
    "n02355227": "squirrel", "n02129604": "tiger", "n04468005": "train", "n01662784": "turtle",
    "n04530566": "watercraft", "n02062744": "whale", "n02391049": "zebra",
}  # fmt: skip
CLASSES = tuple(CLASS_OF_SYNSET.values())
TOO_LARGE = 2**63  # for an int64
_LABEL = {synset: label for label, synset in enumerate(CLASS_OF_SYNSET, start=1)}


def read_annotation(path: Path, video: bool, image: Path | None = None) -> dict[str, Tensor]:
    """The objects of a frame.

    Args:
        path: the XML file. It is parsed without document types and entities, so it can't make the parser blow up or
            read other files.
        video: VID, where every object is of the 30 classes and has a track; in DET others are left out.
        image: the frame, whose size is to be the annotation's; None to leave that open.

    Returns:
        `boxes` (N, 4) float32 xyxy in pixels, x2 and y2 exclusive; `labels` (N,) int64 in 1..30; `clipped` (N,) bool,
        boxes that reached beyond the frame and were cut to it; `others` (M,) int64, numbers of the synsets of objects
        that were left out, 7846 for n00007846. For video also `tracks` (N,) int64, `occluded` (N,) bool, and
        `generated` (N,) bool: interpolated between frames, not drawn by a person.

    Raises:
        DataError: if the file is missing, damaged, no annotation, says what can't be, or is of another size
            than `image`.
    """
    try:
        root = parse(path, forbid_dtd=True).getroot()
        target = _target(root, video)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the data set complete?") from None
    except ParseError as error:
        raise DataError(f"{path}: is damaged or no XML: {error}; get the file again") from error
    except DefusedXmlException as error:
        raise DataError(f"{path}: has a document type or entities, unlike ILSVRC's; get the official file") from error
    except (OSError, LookupError, ValueError) as error:
        raise DataError(f"{path}: {error}; compare it with the official file") from error
    if image is not None and (found := image_size(image)) != _size(root):
        expected, got = (f"{width}x{height}" for height, width in (_size(root), found))
        raise DataError(
            f"{path}: is of an image of {expected}, but {image} has {got}, so the boxes do not fit it; get both again"
        )
    return target


def _target(root: Element, video: bool) -> dict[str, Tensor]:
    if root.tag != "annotation":
        raise ValueError(f"expected the root <annotation>, got <{root.tag}>")
    height, width = _size(root)
    known, others = [], []
    for node in root.findall("object"):
        name = _text(node, "name")
        if name in _LABEL:
            known.append((node, _LABEL[name], *_box(node, width, height)))
        elif video or not re.fullmatch("n[0-9]{8}", name):
            raise ValueError(f"<name>: expected one of VID's 30 synsets{'' if video else ' or another'}, got {name!r}")
        else:
            others.append(int(name[1:]))
    target = {
        "boxes": torch.tensor([box for _, _, box, _ in known], dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor([label for _, label, _, _ in known], dtype=torch.int64),
        "clipped": torch.tensor([clipped for *_, clipped in known], dtype=torch.bool),
        "others": torch.tensor(others, dtype=torch.int64),
    }
    return target | _tracks([node for node, *_ in known]) if video else target


def _size(root: Element) -> tuple[int, int]:
    """(H, W) of the image in which the boxes were drawn."""
    size = _child(root, "size")
    return _number(size, "height", int), _number(size, "width", int)


def _tracks(nodes: list[Element]) -> dict[str, Tensor]:
    """What only video has."""
    tracks = torch.tensor([_number(node, "trackid", int) for node in nodes], dtype=torch.int64)
    if len(tracks.unique()) < len(tracks):
        raise ValueError(f"<trackid>: expected another for each object, got {tracks.tolist()}")
    flags = {
        name: torch.tensor([_number(node, name, int) for node in nodes], dtype=torch.bool)
        for name in ("occluded", "generated")
    }
    return {"tracks": tracks, **flags}


def _box(node: Element, width: int, height: int) -> tuple[tuple[float, ...], bool]:
    """An object's box, and whether it was clipped."""
    box = _child(node, "bndbox")
    x1, y1, x2, y2 = (_number(box, side) for side in ("xmin", "ymin", "xmax", "ymax"))
    # The corners are pixels of the box, counted from 0: the authors take them as they are and clip at 0 and width - 1,
    # and the development kit's boxes are xmax - xmin + 1 wide. Ours end behind their last pixel.
    whole = (x1, y1, x2 + 1, y2 + 1)
    inside = (max(whole[0], 0.0), max(whole[1], 0.0), min(whole[2], width), min(whole[3], height))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        corners = " ".join(f"{side:g}" for side in (x1, y1, x2, y2))
        raise ValueError(f"<bndbox>: expected a box in the frame of {width} x {height}, got {corners}")
    return inside, inside != whole


def _child(node: Element, name: str) -> Element:
    child = node.find(name)
    if child is None:
        raise ValueError(f"<{node.tag}>: expected a <{name}> in it")
    return child


def _text(node: Element, name: str) -> str:
    return (_child(node, name).text or "").strip()


def _number(node: Element, name: str, kind: type = float) -> Any:
    text = _text(node, name)
    try:
        number = kind(text)
    except ValueError:
        number = math.nan
    if kind is int and abs(number) >= TOO_LARGE:  # `isfinite` and tensors can't hold it
        raise ValueError(f"<{name}>: expected a number below 2**63, got one of {len(text)} characters")
    if not math.isfinite(number):
        raise ValueError(f"<{name}>: expected a{' whole' if kind is int else ''} number, got {text!r}")
    return number
