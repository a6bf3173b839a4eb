"""Frames and label maps from image files: in natural order, decoded on access, and never half-read."""

import re
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dffkit.datasets.snippets import Frames
from dffkit.support.errors import DataError

IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".webp")


def natural(path: Path | str) -> list[tuple[bool, int | str]]:
    """Return a sort key that puts frame 10 after frame 9: digits count as numbers, letters without their case."""
    name = path.name if isinstance(path, Path) else path
    parts = re.split(r"([0-9]+)", name.lower())
    return [(True, int(part)) if part.isdecimal() else (False, part) for part in parts]


def list_images(folder: Path, endings: tuple[str, ...] = IMAGES) -> list[Path]:
    """Return the images of a folder in natural order.

    Raises:
        DataError: if there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; put the data set there, or name another folder")
    found = [path for path in folder.iterdir() if path.suffix.lower() in endings and not path.name.startswith(".")]
    if not found:
        raise DataError(f"{folder}: has no image ({', '.join(endings)}); is this the right folder?")
    return sorted(found, key=natural)


def read_frame(path: Path, upright: bool = False) -> Tensor:
    """Read an image file as a frame `(3, H, W)` uint8, RGB.

    Args:
        path: path of the image.
        upright: turn the image by its EXIF orientation. The labels of a data set belong to the pixels as stored.

    Raises:
        DataError: if the file is missing, no image, cut off, or has grey values that do not fit into 8 bits.
    """
    image = _open(path)
    if image.mode.startswith("I") or image.mode == "F":  # PIL would make white of all above 255
        raise DataError(f"{path}: expected 8 bits a colour, got mode {image.mode}; scale its values to 0..255 first")
    return channels_first(np.asarray((_upright(image) if upright else image).convert("RGB")))


def channels_first(pixels: np.ndarray) -> Tensor:
    """Copy pixels `(H, W, 3)` to a tensor `(3, H, W)`; a decoder may reuse its memory for the next frame."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def read_labels(path: Path, frame: Path | None = None) -> Tensor:
    """Read a label image as a label map `(H, W)` uint8: the values as stored, whatever a palette's colours are.

    Args:
        path: path of the label image.
        frame: path of its frame, which must have the same size; None to skip that check.

    Raises:
        DataError: if the file is missing, no image, cut off, of another size, or has more than one value a pixel.
    """
    image = _open(path)
    if image.mode not in ("L", "P", "1"):
        remedy = "is it a picture of labels' colours? Take that of their ids"
        raise DataError(f"{path}: expected a label image with one 8-bit value a pixel, got mode {image.mode}; {remedy}")
    if frame is not None and (size := image_size(frame)) != image.size[::-1]:
        expected, got = (f"{width}x{height}" for height, width in (size, image.size[::-1]))
        raise DataError(f"{path}: expected the size of {frame}, {expected}, got {got}; get both again")
    return torch.from_numpy(np.array(image, dtype=np.uint8))


def image_size(path: Path) -> tuple[int, int]:
    """Read (H, W) from the head of an image file, without decoding it.

    Raises:
        DataError: if the file is missing, or no image.
    """
    return _open(path, whole=False).size[::-1]


class ImageFrames(Frames):
    """The frames of a video that is stored as images, given by their paths in order; each is decoded on access."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)
        super().__init__(lambda i: read_frame(self.paths[i]), len(self.paths))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error):
        return image  # its notes are damaged, the picture is not


def _open(path: Path, whole: bool = True) -> Image.Image:
    """Return an image, decoded unless `whole` is False."""
    try:
        with path.open("rb") as file:
            image = Image.open(file)
            if whole:
                image.load()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the data set complete?") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: is no image that can be read; get the file again") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: is damaged: {error}; get the file again") from error
    return image
