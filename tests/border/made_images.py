"""Images and label maps made by their properties, and files of forms that Pillow does not write.

A new kind is a line in one of the tables below.
"""

import itertools
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from made_videos import EXIF, HEIGHT, INVERSE, ORIENTATIONS, WIDTH, picture
from pairwise import pairwise
from PIL import Image

ORIENTATION = 0x0112  # EXIF's number of the note
CLEAR = np.s_[HEIGHT // 2 + 6 :, : WIDTH // 2]  # the pixels that are transparent, of blue
HALF = np.s_[: HEIGHT // 2 - 6, WIDTH // 2 :]  # those that are half transparent where that is possible, of green

# Ending: options of the writer; whether all values are kept; modes that it has.
FORMATS: dict[str, tuple[dict, bool, tuple[str, ...]]] = {
    "png": ({}, True, ("RGB", "L", "1", "P", "RGBA", "LA")),
    "jpg": ({"quality": 95}, False, ("RGB", "L", "CMYK")),
    "webp": ({"lossless": True, "exact": True}, True, ("RGB", "RGBA")),
    "lossy.webp": ({"quality": 95}, False, ("RGB", "RGBA")),
    "tif": ({}, True, ("RGB", "L", "1", "P", "RGBA", "CMYK")),
    "lzw.tiff": ({"compression": "tiff_lzw"}, True, ("RGB", "L", "RGBA")),
    "bmp": ({}, True, ("RGB", "L", "1", "P")),
    "gif": ({}, True, ("P", "L")),
    "ppm": ({}, True, ("RGB", "L", "1")),
    "jp2": ({}, True, ("RGB", "L", "RGBA")),
    "avif": ({"quality": 95}, False, ("RGB", "RGBA")),
    "tga": ({}, True, ("RGB", "L", "RGBA")),
}
WITH_EXIF = ("png", "jpg", "webp", "lossy.webp", "tif", "lzw.tiff", "avif")
# Name -> modes and endings that can be so; None for all.
TRANSPARENCY: dict[str, tuple[tuple[str, ...], tuple[str, ...] | None]] = {
    "opaque": (("RGB", "L", "1", "P", "CMYK"), None),
    "hidden colours": (("RGBA", "LA"), None),
    "opaque channel": (("RGBA", "LA"), None),
    "colour of a palette": (("P",), ("png", "gif")),
    "one colour": (("RGB", "L"), ("png",)),
}


class Picture(NamedTuple):
    """What an image is like: a value of each property."""

    ending: str
    mode: str
    transparency: str
    exif: int

    def __str__(self) -> str:
        return "-".join(map(str, self)).replace(" ", "_")


def pictures() -> list[Picture]:
    """Return images with every pair of values of two properties that an image can have."""
    possible = []
    for ending, (_, _, modes) in FORMATS.items():
        for mode, (transparency, (those, endings)), exif in itertools.product(modes, TRANSPARENCY.items(), range(9)):
            can_turn = ending in WITH_EXIF or exif == 0  # 0: no note
            if mode in those and (endings is None or ending in endings) and can_turn:
                possible.append(Picture(ending, mode, transparency, exif))
    return pairwise(possible)


def truth(kind: Picture, number: int) -> np.ndarray:
    """Return the picture `(HEIGHT, WIDTH, 3)` that a viewer sees on black."""
    pixels = _opaque(kind.mode, number)
    if kind.transparency in ("one colour", "colour of a palette"):
        pixels[(pixels == pixels[CLEAR][0, 0]).all(2)] = 0
    if kind.transparency == "hidden colours":
        pixels[CLEAR] = 0
        pixels[HALF] = np.round(pixels[HALF] * 128.0 / 255)
    return pixels


def make_picture(kind: Picture, number: int, path: Path) -> Path:
    """Write a numbered picture of this kind."""
    options, _, _ = FORMATS[kind.ending]
    pixels = _opaque(kind.mode, number)
    turn, _ = ORIENTATIONS[INVERSE.get(name := EXIF[kind.exif or 1], name)]
    image = Image.fromarray(np.ascontiguousarray(turn(pixels)))
    if kind.mode == "P":
        image = image.quantize(8)
    elif kind.mode in ("LA", "RGBA"):
        alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
        if kind.transparency == "hidden colours":
            alpha[CLEAR], alpha[HALF] = 0, 128
        image = image.convert(kind.mode)
        image.putalpha(Image.fromarray(np.ascontiguousarray(turn(alpha))))
    else:
        image = image.convert(kind.mode)
    if kind.transparency in ("colour of a palette", "one colour"):
        clear = np.zeros((HEIGHT, WIDTH), bool)
        clear[CLEAR] = True
        row, column = np.argwhere(turn(clear))[0].tolist()
        options = {**options, "transparency": image.getpixel((column, row))}
    if kind.exif:
        exif = Image.Exif()
        exif[ORIENTATION] = kind.exif
        options = {**options, "exif": exif}
    image.save(path, **options)
    return path


def _opaque(mode: str, number: int) -> np.ndarray:
    """Return a numbered picture as the mode can show it."""
    pixels = picture(number)
    if mode in ("L", "LA"):
        pixels = np.asarray(Image.fromarray(pixels).convert("L").convert("RGB")).copy()
    if mode == "1":
        pixels = np.repeat(255 * (pixels[:, :, :1] > 0), 3, 2).astype(np.uint8)
    return pixels


# Label maps: the values as they are stored, and files of forms that Pillow does not write.

VALUES = {1: [0, 1], 2: [0, 1, 3], 4: [0, 1, 3, 11], 8: [0, 1, 3, 11, 200, 255], 16: [0, 1, 3, 300]}


class Labels(NamedTuple):
    """A label map: what writes it, with which values, and the bits of each."""

    container: str
    mode: str
    bits: int

    def __str__(self) -> str:
        return "-".join(map(str, self)).replace(" ", "_")


def label_values(bits: int) -> np.ndarray:
    """Return a label map `(6, 9)`; rows do not end at a byte for any number of bits below 8."""
    values = VALUES[bits]
    return np.array([values[i // 2 % len(values)] for i in range(54)], np.uint16).reshape(6, 9)


def packed(values: np.ndarray, bits: int) -> list[bytes]:
    """Return the rows of an image as bytes, the first pixel in the highest bits; two bytes are big-endian."""
    rows = []
    for row in values.tolist():
        text = "".join(f"{value:0{bits}b}" for value in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    return rows


def png(values: np.ndarray, mode: str, bits: int) -> bytes:
    """Return a PNG file of grey values or of indices into a palette."""
    height, width = values.shape
    palette = b"".join(bytes([255 - i, i, i // 2]) for i in range(2 ** min(bits, 8)))
    chunks = [(b"IHDR", struct.pack(">2I5B", width, height, bits, {"grey": 0, "palette": 3}[mode], 0, 0, 0))]
    chunks += [(b"PLTE", palette)] if mode == "palette" else []
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in packed(values, bits)))), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n"
    for name, part in chunks:
        content += struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
    return content


def tiff(values: np.ndarray, mode: str, bits: int) -> bytes:
    """Return a TIFF file of grey values, of grey values whose 0 is white, or of indices into a palette."""
    height, width = values.shape
    rows = b"".join(packed(values, bits))
    form = {"grey": 1, "white is 0": 0, "palette": 3}[mode]
    colours = [257 * (255 - i) for _ in range(3) for i in range(2**bits)] if mode == "palette" else []
    count = 9 + bool(colours)
    start = 8 + 2 + 12 * count + 4  # of the pixels
    short, long = ">HHIHH", ">HHII"
    entries = [(short, 256, 3, 1, width, 0), (short, 257, 3, 1, height, 0), (short, 258, 3, 1, bits, 0)]
    entries += [(short, 259, 3, 1, 1, 0), (short, 262, 3, 1, form, 0), (long, 273, 4, 1, start)]
    entries += [(short, 277, 3, 1, 1, 0), (short, 278, 3, 1, height, 0), (long, 279, 4, 1, len(rows))]
    entries += [(long, 320, 3, len(colours), start + len(rows))] if colours else []
    head = b"MM\0*" + struct.pack(">IH", 8, count) + b"".join(struct.pack(*entry) for entry in entries) + bytes(4)
    return head + rows + struct.pack(f">{len(colours)}H", *colours)


def bmp(values: np.ndarray, mode: str, bits: int) -> bytes:
    """Return a BMP file of indices into a palette, grey or coloured."""
    height, width = values.shape
    count = 2**bits
    shades = [255 * i // (count - 1) for i in range(count)]
    palette = b"".join(bytes([shade, shade, shade if mode == "grey" else 255 - shade, 0]) for shade in shades)
    rows = b"".join(row + bytes(-len(row) % 4) for row in reversed(packed(values, bits)))
    start = 14 + 40 + len(palette)
    header = struct.pack("<2sIHHI", b"BM", start + len(rows), 0, 0, start)
    return header + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(rows), 0, 0, 0, 0) + palette + rows


def pgm(values: np.ndarray, mode: str, bits: int) -> bytes:
    """Return a PGM file of bytes or of text, whose largest value is that of the bits."""
    height, width = values.shape
    most = 2**bits - 1 - (mode == "odd maximum")
    if mode == "text":
        return f"P2\n# made\n{width} {height}\n{most}\n{' '.join(map(str, values.ravel().tolist()))}\n".encode()
    return f"P5 {width} {height} {most}\n".encode() + values.astype(">u2" if most > 255 else "u1").tobytes()


def pbm(values: np.ndarray, mode: str, bits: int) -> bytes:
    """Return a PBM file, whose 1 is black."""
    height, width = values.shape
    if mode == "text":
        return f"P1\n{width} {height}\n{' '.join(map(str, values.ravel().tolist()))}\n".encode()
    return f"P4 {width} {height}\n".encode() + b"".join(packed(values, bits))


# Writers by their containers, each with its modes and numbers of bits.
WRITERS: dict[str, tuple[Callable[[np.ndarray, str, int], bytes], tuple[str, ...], tuple[int, ...]]] = {
    "png": (png, ("grey", "palette"), (1, 2, 4, 8, 16)),
    "tif": (tiff, ("grey", "white is 0", "palette"), (1, 2, 4, 8, 16)),
    "bmp": (bmp, ("grey", "palette"), (1, 4, 8)),
    "pgm": (pgm, ("bytes", "text", "odd maximum"), (2, 4, 8, 16)),
    "pbm": (pbm, ("bytes", "text"), (1,)),
}
# Pillow writes the others: values of 8 bits by the ending and the mode.
BY_PILLOW = {
    "gif": ("L", "P"), "png": ("RGB", "RGBA", "LA", "I;16"), "tif": ("L", "P", "I", "F", "I;16", "RGB"),
    "bmp": ("RGB",), "jpg": ("L", "RGB"), "webp": ("RGB",), "jp2": ("L",), "avif": ("RGB",),
    "tga": ("L", "P"), "ppm": ("L", "RGB"), "pcx": ("L", "P"), "sgi": ("L",),
}  # fmt: skip


def label_maps() -> list[Labels]:
    """Return every kind of label map."""
    made = [
        Labels(container, mode, bits)
        for container, (_, modes, depths) in WRITERS.items()
        for mode in modes
        for bits in depths
        if not (mode == "palette" and bits == 16)
    ]
    return made + [Labels(ending, f"Pillow {mode}", 8) for ending, modes in BY_PILLOW.items() for mode in modes]


def make_labels(kind: Labels, path: Path) -> np.ndarray:
    """Write a label map of this kind; return the values stored."""
    values = label_values(kind.bits)
    if kind.mode == "odd maximum":
        values[values == 2**kind.bits - 1] = 0
    if not kind.mode.startswith("Pillow "):
        writer, _, _ = WRITERS[kind.container]
        path.write_bytes(writer(values, kind.mode, kind.bits))
        return values
    mode = kind.mode.removeprefix("Pillow ")
    image = Image.fromarray(values.astype(np.uint8))
    if mode == "P":
        image.putpalette(b"".join(bytes([255 - i, i, i // 2]) for i in range(256)))
    elif mode == "I;16":
        image = Image.fromarray(values)
    elif mode != "L":
        image = image.convert(mode)
    image.save(path)
    return values
