"""Frames and label maps from image files: in natural order, decoded when they are asked for, and never half-read."""

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dffkit.support.errors import DataError

IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".webp")


def natural(path: Path | str) -> list[tuple[bool, int | str]]:
    """A sort key under which frame 10 comes after frame 9: digits count as numbers, letters without their case."""
    name = path.name if isinstance(path, Path) else path
    parts = re.split(r"([0-9]+)", name.lower())
    return [(True, int(part)) if part.isdecimal() else (False, part) for part in parts]


def list_images(folder: Path, endings: Iterable[str] = IMAGES) -> list[Path]:
    """The images of a folder, in natural order.

    Raises:
        DataError: if there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; put the data set there, or name another folder")
    endings = tuple(endings)
    found = [path for path in folder.iterdir() if path.suffix.lower() in endings and not path.name.startswith(".")]
    if not found:
        raise DataError(f"{folder}: has no image ({', '.join(endings)}); is this the right folder?")
    return sorted(found, key=natural)


def read_frame(path: Path, upright: bool = False) -> Tensor:
    """An image file -> `(3, H, W)` uint8, RGB.

    Args:
        path: of the image.
        upright: turn it as its EXIF orientation says. Of a labelled set the pixels count as they are stored.

    Raises:
        DataError: if it is missing, no image, cut off, or has grey values that do not fit into 8 bits.
    """
    image = _open(path)
    if image.mode.startswith("I") or image.mode == "F":  # PIL would make white of all above 255
        raise DataError(f"{path}: expected 8 bits a colour, got mode {image.mode}; scale its values to 0..255 first")
    pixels = np.array((_upright(image) if upright else image).convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def read_labels(path: Path) -> Tensor:
    """A label image -> `(H, W)` uint8, the values as they are stored; a palette's colours do not matter.

    Raises:
        DataError: if it is missing, no image, cut off, or has more than one value a pixel.
    """
    image = _open(path)
    if image.mode not in ("L", "P", "1"):
        remedy = "is it a picture of labels' colours? Take that of their ids"
        raise DataError(f"{path}: expected a label image with one 8-bit value a pixel, got mode {image.mode}; {remedy}")
    return torch.from_numpy(np.array(image, dtype=np.uint8))


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) of an image, from the beginning of its file: nothing is decoded.

    Raises:
        DataError: if it is missing, or no image.
    """
    return _open(path, whole=False).size[::-1]


class ImageFrames(Sequence[Tensor]):
    """The frames of a video that is stored as images; each is decoded when it is asked for.

    Args:
        paths: the images, in the order of the frames.
        read: path -> frame.
    """

    def __init__(self, paths: Sequence[Path], read: Callable[[Path], Tensor] = read_frame) -> None:
        self.paths, self.read = list(paths), read

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return self.read(self.paths[index])


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error):
        return image  # its notes are damaged, the picture is not


def _open(path: Path, whole: bool = True) -> Image.Image:
    """An image, decoded unless only its head is wanted."""
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
