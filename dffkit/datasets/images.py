"""Frames and label maps from image files: in natural order, decoded on access, and never half-read."""

import contextlib
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from dffkit.datasets.snippets import Frames, warn_skipped
from dffkit.support.errors import DataError

# Formats, by Pillow's names, and endings of pictures; EPS, for example, is none and would start another program.
IMAGES = tuple(e for e, name in Image.registered_extensions().items() if Image.MIME.get(name, "").startswith("image/"))
FORMATS = [name for name in Image.OPEN if Image.MIME.get(name, "").startswith("image/")]
UNREADABLE = (".heic", ".heif", ".jxl", ".exr", ".dng", ".cr2", ".cr3", ".nef", ".arw")
STILLS = {*IMAGES, *UNREADABLE} - {".gif", ".png", ".apng", ".avifs"}  # files with the other endings may be videos
# Label maps: formats that keep the values, and the forms of their pixels, by Pillow's names. A form's factor is what
# Pillow multiplies the values by; it changes the values of other forms in other ways.
EXACT = ("PNG", "PPM", "TIFF")
FACTORS = {**dict.fromkeys(("1", "L", "P", "P;1", "P;2", "P;4", "I", "I;16", "I;16B"), 1), "L;2": 85, "L;4": 17}
ORIENTATION = 0x0112  # EXIF's number of that note
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
JPEG = (".jpg", ".jpeg")
LABELS = re.compile("annot|depth|gt|instance|label|mask|seg|trainid")


def natural(path: Path | str) -> list[tuple[bool, int | str]]:
    """Return a sort key that puts frame 10 after frame 9: digits count as numbers, letters without their case."""
    name = path.name if isinstance(path, Path) else path
    parts = re.split(r"([0-9]+)", name.lower())
    return [(True, int(part)) if part.isdecimal() else (False, part) for part in parts]


def list_images(folder: Path, endings: Iterable[str] | None = None) -> list[Path]:
    """Return the images of a folder in natural order, without hidden files.

    The names end in one of `endings`, with the dot. None takes all that Pillow reads, but of images with the same
    number only one: label maps and copies beside the frames are left out with a `SkippedRecords` warning.

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
    """Leave out the images that stand beside a video's frames, such as label maps, and warn of them.

    Names that differ only in their numbers are of one kind: "#.jpg", "#.png" and "#_mask.png" are three. The kind that
    looks least like label maps is taken, and of equals the one with the most images. Another kind is taken too, unless
    it looks more like label maps or some of its names end with the same number.
    """
    kinds = defaultdict(dict)
    for path in images:
        stem = path.stem.lower()
        numbers = re.findall("[0-9]+", stem)
        kinds[re.sub("[0-9]+", "#", stem) + path.suffix][path] = int(numbers[-1]) if numbers else stem
    if len(kinds) == 1:
        return images
    ranks = {kind: _rank(kind, list(paths)) for kind, paths in kinds.items()}
    first, *others = sorted(kinds, key=ranks.get)
    taken, left = kinds[first], []
    for kind in others:
        if ranks[kind][0] > ranks[first][0] or not set(taken.values()).isdisjoint(kinds[kind].values()):
            left += kinds[kind]
        else:
            taken |= kinds[kind]
    stems, breaks = {path.stem for path in taken}, re.compile("[_. -]")
    longer = (path for path in taken if any(path.stem[: at.start()] in stems for at in breaks.finditer(path.stem)))
    if path := next(longer, None):
        said = f"{path.name} is taken as a frame, though another image has the beginning of its name"
        warn_skipped(path.parent, f"{said}; if it is none, move such images to a folder of their own", stacklevel=4)
    if left:
        why = f"since they stand beside frames such as {next(iter(taken)).name}"
        remedy = "if they are frames too, put them into a folder of their own"
        warn_skipped(images[0].parent, f"images such as {left[0].name} are left out, {why}; {remedy}", len(left), 4)
    return [path for path in images if path in taken]


def _rank(kind: str, images: list[Path]) -> tuple[int | str, ...]:
    """Return a sort key of a kind of images; its first value is the number of signs that they are label maps."""
    grey = False
    with contextlib.suppress(DataError), _open(images[0]) as image:  # an error comes when the image is read
        grey = image.mode[0] in "1LPIF" and image.format != "JPEG"
    return (LABELS.search(kind) is not None) + grey, -len(images), not kind.lower().endswith(JPEG), len(kind), kind


def read_frame(path: Path, upright: bool = False) -> Tensor:
    """Read an image file as a frame `(3, H, W)` uint8, RGB. Transparent pixels are blended over black.

    Colour profiles are ignored. Colours of more than 8 bits are reduced to 8. A file of a photograph and further
    pictures (MPO) is read as the photograph. With `upright`, the image is turned or mirrored by its EXIF orientation;
    the labels of a data set belong to the pixels as stored. (Pillow turns TIFF always.)

    Raises:
        DataError: if the file is missing, no image, cut off, animated, or has grey values that do not fit into 8 bits.
    """
    with _open(path) as image:
        # Pillow compares the one transparent colour of such a PNG with changed values.
        if "transparency" in image.info and image.tile[0][3] in ("1", "L;2", "L;4", "RGB;16B"):
            raise DataError(f"{path}: has a transparent colour that can't be told; {_conversion(path)}")
        image.load()
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

    The label image is a PNG, PGM or TIFF. If the path of its frame is given, both must have the same size.

    Raises:
        DataError: if the file is missing, no image, cut off, or of another size; if it has more than one value a pixel,
            values above 255, or a form in which decoders change values, such as JPEG.
    """
    with _open(path) as image:
        values = _stored_values(path, image)
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
    kind = "JPEG" if "jpeg" in str(image.info.get("compression")) else image.format
    tile = image.tile[0] if kind in EXACT else None
    form, *numbers = tile[3] if tile and isinstance(tile[3], tuple) else (tile and tile[3],)
    turn = image.getexif().get(ORIENTATION, 1)  # Pillow forgets it of a TIFF, and the form, when it decodes
    if form not in FACTORS or turn != 1:
        expected = "expected a label image with one 8-bit value a pixel, as PNG, PGM or TIFF without EXIF orientation"
        got = f"{kind}, mode {image.mode}{f', form {form}' if form else ''}, orientation {turn}"
        why = "colours are no ids, JPEG invents ids, GIF numbers them anew, black may be 0 or 1"
        remedy = "export it as an 8-bit PNG whose values are the ids"
        if image.mode in ("RGB", "RGBA", "LA"):
            own, ids = repr(str(path)), repr(str(path.with_name(f"{path.stem}_ids.png")))
            remedy += "; if each channel holds the ids, run\n"
            remedy += f'python -c "from PIL import Image; Image.open({own}).getchannel(0).save({ids})"'
        raise DataError(f"{path}: {expected}, got {got}; {why}: {remedy}")
    if kind == "PPM" and numbers:  # Pillow stretches 0..maxval to 8 or 16 bits, unless that is the maxval
        image.tile = [type(tile)(*tile[:3], (form, 255 if numbers[-1] < 256 else 65535))]
    image.load()
    return np.asarray(image) // FACTORS[form]


def image_size(path: Path) -> tuple[int, int]:
    """Read (H, W) from the head of an image file, without decoding it.

    Raises:
        DataError: if the file is missing, or no image.
    """
    with _open(path) as image:
        return image.size[::-1]


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


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Yield an image, not yet decoded, with its file open; errors of the block become `DataError` too."""
    try:
        with path.open("rb") as file:
            image = Image.open(file, formats=FORMATS)
            if getattr(image, "is_animated", False) and image.format != "MPO":
                raise DataError(f"{path}: has several pictures, an animation or pages; {_conversion(path)}")
            yield image
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
