"""Frames and label maps from image files: in natural order, decoded on access, and never half-read."""

import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dffkit.datasets.snippets import Frames
from dffkit.support.errors import DataError

Read = TypeVar("Read")
EXACT = ("PNG", "PPM", "TIFF", "BMP", "GIF")  # formats that keep the values of a label map, by Pillow's names
STRETCHED = {"L;2": 85, "L;4": 17}  # Pillow's name for grey of 2 and 4 bits -> factor by which it multiplies the values
ORIENTATION = 0x0112  # EXIF's number of that note
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
        path: path of the label image: PNG, PGM, TIFF, BMP or GIF.
        frame: path of its frame, which must have the same size; None to skip that check.

    Raises:
        DataError: if the file is missing, no image, cut off, or of another size; if it has more than one value a pixel,
            values above 255, or a form in which decoders change values, such as JPEG.
    """
    values = _open(path, lambda image: _stored_values(path, image))
    if frame is not None and (size := image_size(frame)) != values.shape:
        expected, got = (f"{width}x{height}" for height, width in (size, values.shape))
        raise DataError(f"{path}: expected the size of {frame}, {expected}, got {got}; get both again")
    if values.min() < 0 or values.max() > 255:
        remedy = "do they count instances? Take the file of class ids, or save id // 1000 (Cityscapes), // 256 (KITTI)"
        raise DataError(f"{path}: expected class ids in 0..255, got {values.min()} to {values.max()}; {remedy}")
    return torch.from_numpy(values.astype(np.uint8))


def _stored_values(path: Path, image: Image.Image) -> np.ndarray:
    """Decode a label image to its values `(H, W)` as stored: Pillow stretches those of few bits over 0..255.

    Raises:
        DataError: if the image is of a form whose stored values can't be told.
    """
    again = "export it again as an 8-bit PNG whose values are the class ids"
    own, ids = repr(str(path)), repr(str(path.with_name(f"{path.stem}_ids.png")))
    kind = "JPEG" if "jpeg" in str(image.info.get("compression")) else image.format
    if kind not in EXACT:
        expected = f"expected a label map as {', '.join(EXACT)}, got {kind}"
        raise DataError(f"{path}: {expected}; lossy formats invent ids where two classes meet: {again}")
    if image.mode not in ("L", "P", "1", "I") and not image.mode.startswith("I;"):
        remedy = "is it a picture of labels' colours? Take that of their ids; if each channel holds the ids, run\n"
        remedy += f'python -c "from PIL import Image; Image.open({own}).getchannel(0).save({ids})"'
        raise DataError(f"{path}: expected a label image with one 8-bit value a pixel, got mode {image.mode}; {remedy}")
    if getattr(image, "is_animated", False):
        raise DataError(f"{path}: expected one label map, got several pictures in a file; save each as a PNG")
    tile = image.tile[0]
    form, *numbers = tile[3] if isinstance(tile[3], tuple) else (tile[3],)  # Pillow's name for the form of the pixels
    if form == "1;I" or (kind, form) == ("BMP", "1"):
        remedy = f'to make white 1, run\npython -c "import cv2; cv2.imwrite({ids}, cv2.imread({own}, 0) // 255)"'
        raise DataError(f"{path}: is black and white, without saying which is 0; {remedy}")
    partial = kind == "GIF" and tile[1] != (0, 0, *image.size)
    packed = kind == "BMP" and form == "L" and numbers[0] < image.width  # grey of 4 bits, which Pillow calls damaged
    if partial or packed or not re.fullmatch("8|1|L|L;[24]|P|P;[124]|I|I;.*", str(form)):
        raise DataError(f"{path}: {kind} of form {form}: decoders change the values of this form; {again}")
    if image.format == "PPM" and numbers:  # Pillow stretches 0..maxval to 8 or 16 bits, unless that is the maxval
        image.tile = [type(tile)(*tile[:3], (form, 255 if numbers[-1] < 256 else 65535))]
    if (turn := image.getexif().get(ORIENTATION, 1)) != 1:  # asked before Pillow turns a TIFF
        raise DataError(f"{path}: has EXIF orientation {turn}, so programs differ in which pixel is where; {again}")
    image.load()
    return np.asarray(image) // STRETCHED.get(form, 1)


def image_size(path: Path) -> tuple[int, int]:
    """Read (H, W) from the head of an image file, without decoding it.

    Raises:
        DataError: if the file is missing, or no image.
    """
    return _open(path, lambda image: image.size[::-1])


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


def _decoded(image: Image.Image) -> Image.Image:
    image.load()
    return image


def _open(path: Path, read: Callable[[Image.Image], Read] = _decoded) -> Read:
    """Return what `read` makes of an image while its file is open."""
    try:
        with path.open("rb") as file:
            return read(Image.open(file))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the data set complete?") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: is no image that can be read; get the file again") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: is damaged: {error}; get the file again") from error
