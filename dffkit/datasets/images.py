"""Frames and label maps from image files: in natural order, decoded on access, and never half-read."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from dffkit.datasets.snippets import Frames, warn_skipped
from dffkit.support.errors import DataError

Read = TypeVar("Read")
# Formats that keep the values of a label map, by Pillow's names. (Writers of GIF leave out colours that no pixel has,
# and give the others new numbers.)
EXACT = ("PNG", "PPM", "TIFF", "BMP")
STRETCHED = {"L;2": 85, "L;4": 17}  # Pillow's name for grey of 2 and 4 bits -> factor by which it multiplies the values
# Endings, and formats by Pillow's names, of pictures; EPS, for example, is none and would start another program.
IMAGES = tuple(e for e, name in Image.registered_extensions().items() if Image.MIME.get(name, "").startswith("image/"))
FORMATS = [name for name in Image.OPEN if Image.MIME.get(name, "").startswith("image/")]
UNREADABLE = (".heic", ".heif", ".jxl", ".exr", ".dng", ".cr2", ".cr3", ".nef", ".arw")
STILLS = {*IMAGES, *UNREADABLE} - {".gif", ".png", ".apng", ".avifs"}  # files with the other endings may be videos
ORIENTATION = 0x0112  # EXIF's number of that note
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
NUMBER = re.compile("[0-9]+(?![0-9]|[a-z]{2})")  # in names in lower case; "leftImg8bit" has none
LABELS = re.compile("annot|depth|gt|instance|label|mask|seg|trainid")


def natural(path: Path | str) -> list[tuple[bool, int | str]]:
    """Return a sort key that puts frame 10 after frame 9: digits count as numbers, letters without their case."""
    name = path.name if isinstance(path, Path) else path
    parts = re.split(r"([0-9]+)", name.lower())
    return [(True, int(part)) if part.isdecimal() else (False, part) for part in parts]


def list_images(folder: Path, endings: Iterable[str] | None = None) -> list[Path]:
    """Return the images of a folder in natural order, without hidden files.

    Args:
        folder: the folder.
        endings: endings of the images' names, with the dot. None takes all that Pillow reads, but of images with the
            same number only one: label maps and copies beside the frames are left out with a `SkippedRecords` warning.

    Raises:
        DataError: if there is no such folder, or no image in it, or, without `endings`, one in a format like HEIC.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; put the data set there, or name another folder")
    wanted = (*IMAGES, *UNREADABLE) if endings is None else tuple(map(str.lower, endings))
    paths = (path for path in folder.iterdir() if path.suffix.lower() in wanted and not path.name.startswith("."))
    found = sorted(sorted(path for path in paths if not path.is_dir()), key=natural)
    if not found:
        known = "that can be read" if endings is None else f"({', '.join(wanted)})"
        raise DataError(f"{folder}: has no image {known}; is this the right folder?")
    if endings is not None:
        return found
    frames = _frames(found)
    if path := next((path for path in frames if path.suffix.lower() in UNREADABLE), None):
        raise DataError(f"{path}: {path.suffix[1:].upper()} can't be read; {_conversion(path)}")
    return frames


def _frames(images: list[Path]) -> list[Path]:
    """Leave out the images that stand beside a video's frames, such as label maps.

    Names that differ only in their numbers are of one kind: "#.jpg", "#.png" and "#_mask.png" are three. Of kinds with
    numbers in common, the one is taken that looks most like pictures. No kind is taken that looks like label maps,
    unless all do.
    """
    kinds, stems = defaultdict(list), {path.stem.lower() for path in images}
    for path in images:
        stem = path.stem.lower()
        key = tuple(map(int, NUMBER.findall(stem)))
        if not key:  # "street_mask" stands beside "street", but "night_street" not beside "night_bridge"
            starts = (stem[: at.start()] for at in re.finditer("[_. -][a-z]", stem))
            key = (next((start for start in starts if start in stems), stem),)
            stem = stem.removeprefix(key[0])
        kinds[NUMBER.sub("#", stem) + path.suffix].append((key, path))
    if len(kinds) == 1:
        return images
    ranks = {kind: _unlikeness(kind, [path for _, path in kinds[kind]]) for kind in kinds}
    first, *others = sorted(kinds, key=ranks.__getitem__)
    taken, left = dict(kinds[first]), {}
    for kind in others:
        shorter = (key[:end] for key, _ in kinds[kind] for end in range(1, len(key) + 1))  # 7_mask_1, 7_mask_2 beside 7
        beside = next((taken[key] for key in shorter if key in taken), None)
        if beside is None and any(ranks[kind][:2]) and not any(ranks[first][:2]):
            beside = kinds[first][0][1]
        if beside is None:
            taken |= dict(kinds[kind])
        else:
            left |= {path: beside for _, path in kinds[kind]}
    for path, frame in list(left.items())[:1]:
        said = f"images such as {path.name} are left out, since they stand beside frames such as {frame.name}"
        remedy = "if they are frames too, put them into a folder of their own"
        warn_skipped(path.parent, f"{said}; {remedy}", len(left), stacklevel=4)
    return [path for path in images if path not in left]


def _unlikeness(kind: str, images: list[Path]) -> tuple[bool | int | str, ...]:
    """Return a sort key of a kind of images: frames come first; one of the first two values is true for label maps."""
    ending = images[0].suffix.lower()
    try:
        mode = _open(images[0], lambda image: image.mode)
    except DataError:
        mode = "RGB"  # an error when it is read
    lossless = ending not in (".jpg", ".jpeg", ".jpe", ".jfif")  # as label maps have to be
    grey = mode in ("1", "L", "LA", "P", "PA") or mode[0] in "IF"
    like_labels = LABELS.search(kind) is not None, lossless and grey
    return *like_labels, -len(images), ending in UNREADABLE, lossless, len(kind), kind


def warn_of_gaps(images: list[Path]) -> None:
    """Warn once if the numbers of a video's images jump, as where images were lost; one step may be any number."""
    numbers = [tuple(map(int, NUMBER.findall(path.stem.lower()))) for path in images]
    steps = [b[-1] - a[-1] if a and a[:-1] == b[:-1] != b else 0 for a, b in pairwise(numbers)]  # 0: another sequence
    common, times = Counter(steps).most_common(1)[0] if steps else (0, 0)
    gaps = [at for at, step in enumerate(steps) if step > common]
    if gaps and common > 0 and times > len(steps) / 2:
        first, last = images[gaps[0]], images[gaps[0] + 1]
        said = f"numbers are missing, the first between {first.name} and {last.name}; frames there count as neighbours"
        warn_skipped(first.parent, said, sum(steps[at] // common - 1 for at in gaps), stacklevel=4)


def read_frame(path: Path, upright: bool = False) -> Tensor:
    """Read an image file as a frame `(3, H, W)` uint8, RGB. Transparent pixels are blended over black.

    Colour profiles are ignored. Colours of more than 8 bits are reduced to 8. A file of a photograph and further
    pictures (MPO) is read as the photograph.

    Args:
        path: path of the image.
        upright: turn or mirror the image by its EXIF orientation. The labels of a data set belong to the pixels as
            stored. (Pillow turns TIFF always.)

    Raises:
        DataError: if the file is missing, no image, cut off, animated, or has grey values that do not fit into 8 bits.
    """
    image = _open(path)
    if image.mode[0] in "IF":  # PIL would make white of all above 255
        remedy = f"scale its values to 0..255 first, or {_conversion(path)}"
        raise DataError(f"{path}: expected 8 bits a colour, got mode {image.mode}; {remedy}")
    turn = _turn(image)
    if turn is not None and upright:
        image = image.transpose(turn)
    elif turn is not None:
        said = "images have an EXIF orientation, which is ignored, since labels belong to pixels as they are stored"
        warn_skipped(path.parent, said)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            warn_skipped(path.parent, "images have transparent pixels, which are blended over black")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return channels_first(np.asarray(image.convert("RGB")))


def channels_first(pixels: np.ndarray) -> Tensor:
    """Copy pixels `(H, W, 3)` to a tensor `(3, H, W)`; a decoder may reuse its memory for the next frame."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def read_labels(path: Path, frame: Path | None = None) -> Tensor:
    """Read a label image as a label map `(H, W)` uint8: the values as stored, whatever a palette's colours are.

    Args:
        path: path of the label image: PNG, PGM, TIFF or BMP.
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
        why = "lossy formats invent ids where two classes meet, and GIF gives ids new numbers"
        raise DataError(f"{path}: {expected}; {why}: {again}")
    if image.mode not in ("L", "P", "1", "I") and not image.mode.startswith("I;"):
        remedy = "is it a picture of labels' colours? Take that of their ids; if each channel holds the ids, run\n"
        remedy += f'python -c "from PIL import Image; Image.open({own}).getchannel(0).save({ids})"'
        raise DataError(f"{path}: expected a label image with one 8-bit value a pixel, got mode {image.mode}; {remedy}")
    tile = image.tile[0]
    form, *numbers = tile[3] if isinstance(tile[3], tuple) else (tile[3],)  # Pillow's name for the form of the pixels
    if form == "1;I" or (kind, form) == ("BMP", "1"):
        remedy = f'to make white 1, run\npython -c "import cv2; cv2.imwrite({ids}, cv2.imread({own}, 0) // 255)"'
        raise DataError(f"{path}: is black and white, without saying which is 0; {remedy}")
    packed = kind == "BMP" and form == "L" and numbers[0] < image.width  # grey of 4 bits, which Pillow calls damaged
    if packed or not re.fullmatch("8|1|L|L;[24]|P|P;[124]|I|I;.*", str(form)):
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


def _turn(image: Image.Image) -> Image.Transpose | None:
    try:
        return UPRIGHT.get(image.getexif().get(ORIENTATION))
    except Exception:  # its notes are damaged in any way, the picture is not
        return None


def _conversion(path: Path) -> str:
    source, target = (shlex.quote(str(name)) for name in (path, path.with_name(f"{path.stem}_8bit.png")))
    return f"convert it, for example by ImageMagick: magick {source} -coalesce -depth 8 {target}"


def _decoded(image: Image.Image) -> Image.Image:
    # Pillow compares the one transparent colour of such a PNG with changed values.
    if "transparency" in image.info and image.tile[0][3] in ("1", "L;2", "L;4", "RGB;16B"):
        raise ValueError("its transparent colour can't be told")
    image.load()
    return image


def _open(path: Path, read: Callable[[Image.Image], Read] = _decoded) -> Read:
    """Return what `read` makes of an image while its file is open."""
    try:
        with path.open("rb") as file:
            image = Image.open(file, formats=FORMATS)
            if getattr(image, "is_animated", False) and image.format != "MPO":
                raise DataError(f"{path}: has several pictures, an animation or pages; {_conversion(path)}")
            return read(image)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the data set complete?") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: is no image that can be read; get the file again, or {_conversion(path)}") from None
    except Image.DecompressionBombError:
        most = f"expected at most {2 * Image.MAX_IMAGE_PIXELS:,} pixels"
        raise DataError(f"{path}: is too large, {most}; scale it down first") from None
    except Exception as error:  # decoders raise exceptions of all kinds on damaged files
        raise DataError(f"{path}: can't be read: {error}; get the file again, or {_conversion(path)}") from error
