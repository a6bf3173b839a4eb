"""Label images of every bit depth, mode and container: the values as stored, or a refusal."""

import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from dffkit.datasets.images import read_labels
from dffkit.support.errors import DataError

GREY, PALETTE = "grey", "palette"


def packed(values, bits, align=8):
    """Return rows of `bits` bits a value, the highest first, each filled up to a multiple of `align` bits."""
    rows = ["".join(f"{value:0{bits}b}" for value in row) for row in values]
    rows = [row + "0" * (-len(row) % align) for row in rows]
    return [int(row, 2).to_bytes(len(row) // 8, "big") for row in rows]


def png(values, bits, mode):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    colours = chunk(b"PLTE", bytes(3 * i % 256 for i in range(3 * 2**bits))) if mode == PALETTE else b""
    head = struct.pack(">IIBBBBB", *values.shape[::-1], bits, 3 if mode == PALETTE else 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + row for row in packed(values, bits)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + colours + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff(values, bits, mode, photometric=1, orientation=1):
    pixels = b"".join(packed(values, bits))
    if bits == 16:
        pixels = values.astype("<u2").tobytes()
    colours = struct.pack(f"<{3 * 2 ** min(bits, 8)}H", *(i % 65536 for i in range(3 * 2 ** min(bits, 8))))
    pixels += b"\0" * (len(pixels) % 2)
    height, width = values.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 274: orientation, 277: 1, 278: height}
    tags |= {279: len(pixels)}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items())]
    if mode == PALETTE:
        entries[4] = struct.pack("<HHII", 262, 4, 1, 3)
        entries.append(struct.pack("<HHII", 320, 3, 3 * 2**bits, 8 + len(pixels)))
    start = 8 + len(pixels) + len(colours)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", start) + pixels + colours + directory


def pgm(values, bits, plain=False):
    """Write the largest value of the image as its maxval, so that any number may be that."""
    most = max(1, int(values.max()))
    if plain:
        return f"P2 {values.shape[1]} {values.shape[0]} {most}\n{' '.join(map(str, values.ravel()))}\n".encode()
    return b"P5 %d %d %d\n" % (*values.shape[::-1], most) + values.astype(">u2" if most > 255 else "u1").tobytes()


WRITERS = {
    **{f"png {mode} {bits}": (png, bits, mode) for mode in (GREY, PALETTE) for bits in (1, 2, 4, 8)},
    **{f"tiff {mode} {bits}": (tiff, bits, mode) for mode in (GREY, PALETTE) for bits in (1, 4, 8)},
    "tiff grey 2": (tiff, 2, GREY), "png grey 16": (png, 16, GREY), "tiff grey 16": (tiff, 16, GREY),
    **{f"pgm {bits}": (pgm, bits) for bits in (1, 2, 4, 8, 16)},
    **{f"pgm plain {bits}": (pgm, bits, True) for bits in (1, 2, 4, 8, 16)},
}  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), height=st.integers(1, 5), width=st.integers(1, 19))
def test_values_are_those_stored_or_refused(tmp_path_factory, writer, data, height, width):
    write, bits, *options = WRITERS[writer]
    most = data.draw(st.sampled_from([2**bits - 1, min(255, 2**bits - 1)]))
    values = data.draw(arrays(np.int64, (height, width), elements=st.integers(0, most)))
    path = tmp_path_factory.mktemp("labels") / "a"
    path.write_bytes(write(values, bits, *options))
    if values.max() > 255:
        with pytest.raises(DataError, match=r"a: expected class ids in 0\.\.255, got .*; do they count instances"):
            read_labels(path)
    else:
        assert read_labels(path).tolist() == values.tolist()


def test_values_above_a_files_own_maximum_are_not_cut(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 3 1 1\n" + bytes([0, 1, 11]))
    assert read_labels(tmp_path / "a.pgm").tolist() == [[0, 1, 11]]


@pytest.mark.parametrize("ending", ["jpg", "webp", "avif", "jp2", "tga", "bmp", "tif"])
def test_formats_that_may_change_ids_are_refused_by_name(tmp_path, ending):
    if f".{ending}" not in Image.registered_extensions():
        pytest.skip(f"this Pillow does not write {ending}")
    path = tmp_path / f"a.{ending}"
    options = {"compression": "jpeg"} if ending == "tif" else {}
    Image.fromarray(np.full((8, 8), 3, np.uint8)).save(path, **options)
    with pytest.raises(DataError, match=r"a\.\w+: expected .* as PNG, PGM or TIFF .*, got [A-Z0-9]+, .*8-bit PNG"):
        read_labels(path)


VALUES = np.array([[0, 1, 1, 0, 1], [1, 0, 0, 1, 1]])
UNTOLD = {
    "PPM, mode 1, form 1;I": [b"P1 5 2\n0 1 1 0 1 1 0 0 1 1\n", b"P4 5 2\n\x68\x98"],
    "TIFF, mode ., form .*;.?I": [tiff(VALUES, bits, GREY, 0) for bits in (1, 2, 4, 8)],
    "TIFF, mode L, form L, orientation 6": [tiff(VALUES, 8, GREY, orientation=6)],
}


@pytest.mark.parametrize(("got", "content"), [(key, each) for key, found in UNTOLD.items() for each in found])
def test_forms_that_decoders_invert_or_turn_are_refused(tmp_path, got, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match=f"a: .*got {got}"):
        read_labels(tmp_path / "a")


@pytest.mark.parametrize("ending", ["png", "gif", "tif"])
def test_several_pictures_in_a_file_are_refused(tmp_path, ending):
    first, *others = (Image.fromarray(np.full((6, 8), i, np.uint8)) for i in range(3))
    first.save(tmp_path / f"a.{ending}", save_all=True, append_images=others)
    with pytest.raises(DataError, match="has several pictures, an animation or pages"):
        read_labels(tmp_path / f"a.{ending}")
    if ending != "gif":
        first.save(tmp_path / f"one.{ending}")
        assert not read_labels(tmp_path / f"one.{ending}").any()


def test_gif_whose_writer_gives_ids_new_numbers_is_refused(tmp_path):
    Image.fromarray(np.array([[0, 1, 3, 11, 255]], np.uint8)).save(tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        assert np.asarray(image).tolist() != [[0, 1, 3, 11, 255]]
    with pytest.raises(DataError, match=r"got GIF, .* GIF numbers them anew"):
        read_labels(tmp_path / "a.gif")


def test_transparent_palette_gives_the_palettes_numbers(tmp_path):
    values = np.arange(48, dtype=np.uint8).reshape(6, 8) % 5
    image = Image.fromarray(values)
    image.putpalette([9, 200, 7] * 4 + [1, 2, 3])
    image.save(tmp_path / "a.png", transparency=1)
    assert torch.equal(read_labels(tmp_path / "a.png"), torch.from_numpy(values))
