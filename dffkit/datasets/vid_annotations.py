"""The boxes of ImageNet VID and DET: one XML file a frame, in the form of PASCAL VOC.

The form is that of the development kit's readme, map_vid.txt and eval_vid_detection.m (copies in
https://github.com/fanyix/STMN, external/VID_devkit and external/VID_devkit_data) and of the authors' reader,
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
_LABEL = {synset: label for label, synset in enumerate(CLASS_OF_SYNSET, start=1)}


def read_annotation(path: Path, video: bool, image: Path | None = None) -> tuple[dict[str, Tensor], int]:
    """Read the objects of a frame.

    Args:
        path: the XML file. Document types and entities are refused, so that no file can make the parser use up the
            memory or read other files.
        video: True for VID, where every object is of the 30 classes and has a track; False for DET, where objects of
            other classes are skipped.
        image: the frame, whose size must be the annotation's; None to skip that check.

    Returns:
        The target, and the number of skipped objects. The target has "boxes" `(N, 4)` float32 xyxy in pixels, x2 and
        y2 exclusive, clipped to the frame, "labels" `(N,)` int64 in 1..30, and for VID "tracks" `(N,)` int64.

    Raises:
        DataError: if the file is missing, damaged, no annotation, inconsistent, or of another size than `image`.
    """
    try:
        root = parse(path, forbid_dtd=True).getroot()
        target, skipped = _target(root, video)
        size = _size(root)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the data set complete?") from None
    except ParseError as error:
        raise DataError(f"{path}: is damaged or no XML: {error}; get the file again") from error
    except DefusedXmlException as error:
        raise DataError(f"{path}: has a document type or entities, unlike ILSVRC's; get the official file") from error
    except (OSError, LookupError, ValueError) as error:
        raise DataError(f"{path}: {error}; compare it with the official file") from error
    if image is not None and (found := image_size(image)) != size:
        expected, got = (f"{width}x{height}" for height, width in (size, found))
        raise DataError(
            f"{path}: is of an image of {expected}, but {image} has {got}, so the boxes do not fit it; get both again"
        )
    return target, skipped


def _target(root: Element, video: bool) -> tuple[dict[str, Tensor], int]:
    if root.tag != "annotation":
        raise ValueError(f"expected the root <annotation>, got <{root.tag}>")
    nodes = root.findall("object")
    names = [_text(node, "name") for node in nodes]
    for name in names:
        if name not in _LABEL and (video or not re.fullmatch("n[0-9]{8}", name)):
            raise ValueError(f"<name>: expected one of VID's 30 synsets{'' if video else ' or another'}, got {name!r}")
    known = [(node, _LABEL[name]) for node, name in zip(nodes, names, strict=True) if name in _LABEL]
    boxes = [_box(node, *_size(root)) for node, _ in known]
    target = {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor([label for _, label in known], dtype=torch.int64),
    }
    if video:
        target["tracks"] = torch.tensor([_number(node, "trackid", int) for node, _ in known], dtype=torch.int64)
        if len(target["tracks"].unique()) < len(known):
            raise ValueError(f"<trackid>: expected another for each object, got {target['tracks'].tolist()}")
    return target, len(nodes) - len(known)


def _size(root: Element) -> tuple[int, int]:
    """Return the (H, W) of the image in which the boxes were drawn."""
    size = _child(root, "size")
    return _number(size, "height", int), _number(size, "width", int)


def _box(node: Element, height: int, width: int) -> tuple[float, ...]:
    """Return an object's box xyxy in pixels, clipped to the frame, x2 and y2 exclusive."""
    box = _child(node, "bndbox")
    x1, y1, x2, y2 = (_number(box, side) for side in ("xmin", "ymin", "xmax", "ymax"))
    # The corners are pixels of the box, counted from 0: the authors clip them at 0 and width - 1, and the development
    # kit's boxes are xmax - xmin + 1 wide. The kit's boxes end behind their last pixel.
    clipped = (max(x1, 0.0), max(y1, 0.0), min(x2 + 1, width), min(y2 + 1, height))
    shares = max(x2, y2) <= 1 and any(side % 1 for side in (x1, y1, x2, y2))
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1] or shares:
        corners = " ".join(f"{side:g}" for side in (x1, y1, x2, y2)) + (", which are no pixels" if shares else "")
        raise ValueError(f"<bndbox>: expected a box in the frame of {width} x {height}, got {corners}")
    return clipped


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
    if not abs(number) < 2**63:  # too large for an int64, or NaN
        raise ValueError(f"<{name}>: expected a{' whole' if kind is int else ''} number, got {text[:80]!r}")
    return number
