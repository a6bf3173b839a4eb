"""Frames and label maps from image files, and errors for other files."""

import struct
import subprocess
import sys
import zlib
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from dffkit.datasets.images import ImageFrames, list_images, natural, read_frame, read_labels
from dffkit.datasets.snippets import SkippedRecords
from dffkit.support.errors import DataError

RNG = np.random.default_rng(0)


def picture(path, size=(6, 8), mode="RGB"):
    shape = size if mode in ("L", "P") else (*size, len(mode))
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return pixels


def test_frame_ten_comes_after_frame_nine():
    names = ["frame10.png", "frame9.png", "Frame1.png", "frame09b.png", "a.png", "10.png", "9.png"]
    assert sorted(names, key=natural) == [
        "9.png", "10.png", "a.png", "Frame1.png", "frame9.png", "frame09b.png", "frame10.png"
    ]  # fmt: skip


def test_images_are_listed_in_natural_order_without_other_files(tmp_path):
    for name in ("10.jpg", "9.JPG", "100.png", "notes.txt", ".hidden.png"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in list_images(tmp_path)] == ["9.JPG", "10.jpg", "100.png"]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_folder_without_images_is_reported(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=rf"{name}: (no such folder|has no image)"):
        list_images(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.ppm", "a.bmp"])
def test_frame_has_the_pixels_of_its_file(tmp_path, name):
    pixels = picture(tmp_path / name)
    frame = read_frame(tmp_path / name)
    assert frame.dtype == torch.uint8
    assert frame.is_contiguous()
    assert torch.equal(frame, torch.from_numpy(pixels).permute(2, 0, 1))


def test_grey_image_becomes_a_frame(tmp_path):
    pixels = picture(tmp_path / "a.png", mode="L")
    assert torch.equal(read_frame(tmp_path / "a.png"), torch.from_numpy(pixels).expand(3, -1, -1))


@pytest.mark.parametrize(
    ("kind", "ending", "mode"), [("uint16", "png", "I;16"), ("int32", "tif", "I"), ("float32", "tif", "F")]
)
def test_grey_values_of_more_than_8_bits_are_refused(tmp_path, kind, ending, mode):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.full((6, 8), 300, dtype=kind)).save(path)
    with pytest.raises(DataError, match=rf"a\.{ending}: expected 8 bits a colour, got mode {mode}; scale its values"):
        read_frame(path)


# EXIF orientation -> the sides of the scene at which the file's first row and first column lie (EXIF 2.3, table 6).
SIDES = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip


def as_stored(scene, orientation):
    row, column = SIDES[orientation]
    stored = scene.transpose(1, 0, 2) if row in ("left", "right") else scene
    stored = stored[::-1] if row in ("bottom", "right") else stored
    return np.ascontiguousarray(stored[:, ::-1] if column in ("bottom", "right") else stored)


@pytest.mark.parametrize(("ending", "options"), [("png", {}), ("tif", {}), ("webp", {"lossless": True})])
@pytest.mark.parametrize("orientation", SIDES)
def test_photograph_is_upright_on_request(tmp_path, ending, options, orientation):
    path, exif = tmp_path / f"a.{ending}", Image.Exif()
    exif[0x0112] = orientation
    scene = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    stored = as_stored(scene, orientation)
    Image.fromarray(stored).save(path, exif=exif, **options)
    assert torch.equal(read_frame(path, upright=True), torch.from_numpy(scene).permute(2, 0, 1))
    if ending == "tif":
        return  # Pillow turns it always
    with pytest.warns(SkippedRecords, match="EXIF orientation, which is ignored") if orientation > 1 else nullcontext():
        assert torch.equal(read_frame(path), torch.from_numpy(stored).permute(2, 0, 1))


def test_photograph_with_damaged_exif_is_read(tmp_path):
    pixels = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=b"Exif\0\0no notes")
    frame = read_frame(tmp_path / "a.png", upright=True)
    assert torch.equal(frame, torch.from_numpy(pixels).permute(2, 0, 1))


@pytest.mark.parametrize("orientation", [0, 9])
def test_unknown_orientation_is_ignored(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_frame(tmp_path / "a.png", upright=True), torch.from_numpy(pixels).permute(2, 0, 1))


def blended(name):
    with pytest.warns(SkippedRecords, match="transparent pixels, which are blended over black"):
        return read_frame(name)


@pytest.mark.parametrize(
    ("mode", "ending"), [("RGBA", "png"), ("LA", "png"), ("RGBA", "tif"), ("RGBA", "webp"), ("RGBA", "tga")]
)
def test_transparent_pixels_are_blended_over_black(tmp_path, mode, ending):
    path, pixels = tmp_path / f"a.{ending}", RNG.integers(0, 256, (6, 8, len(mode)), dtype=np.uint8)
    pixels[:3, :, -1] = 0
    Image.fromarray(pixels).save(path, **({"lossless": True, "exact": True} if ending == "webp" else {}))
    colours, opacity = pixels[..., :-1].astype(int), pixels[..., -1:].astype(int)
    expected = np.broadcast_to(np.round(colours * opacity / 255), (6, 8, 3)).transpose(2, 0, 1)
    assert np.abs(blended(path).numpy() - expected).max() <= 1
    pixels[..., -1] = 255  # opaque: exact, and nothing is said
    Image.fromarray(pixels).save(path, **({"lossless": True} if ending == "webp" else {}))
    assert np.array_equal(read_frame(path), np.broadcast_to(pixels[..., :-1], (6, 8, 3)).transpose(2, 0, 1))


@pytest.mark.parametrize(("mode", "colour"), [("P", 1), ("L", 200), ("RGB", (9, 8, 7))])
def test_transparent_colour_becomes_black(tmp_path, mode, colour):
    image = Image.new(mode, (8, 6), colour)
    if mode == "P":
        image.putpalette([0, 0, 0, 200, 100, 50])
    image.save(tmp_path / "a.png", transparency=colour)
    assert not blended(tmp_path / "a.png").any()


@pytest.mark.parametrize(("bits", "kind", "colour"), [(1, 0, ">H"), (2, 0, ">H"), (4, 0, ">H"), (16, 2, ">HHH")])
def test_transparent_colour_that_pillow_mistakes_is_refused(tmp_path, bits, kind, colour):
    """In PNGs of these depths Pillow compares the colour as stored with values that it has scaled to 8 bits."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", 1, 1, bits, kind, 0, 0, 0)
    row = zlib.compress(bytes(1 + (6 if kind == 2 else 1)))
    parts = chunk(b"IHDR", head), chunk(b"tRNS", struct.pack(colour, *[0] * (len(colour) - 1))), chunk(b"IDAT", row)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))
    with pytest.raises(DataError, match=r"has a transparent colour that can't be told; convert it"):
        read_frame(tmp_path / "a.png")


@pytest.mark.parametrize(("mode", "ending"), [("CMYK", "jpg"), ("CMYK", "tif"), ("LAB", "tif"), ("P", "gif")])
def test_other_colour_spaces_become_rgb(tmp_path, mode, ending):
    path, image = tmp_path / f"a.{ending}", Image.new("RGB", (16, 16), (200, 30, 40))
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    (image if mode == "LAB" else image.convert(mode, palette=Image.Palette.ADAPTIVE)).save(path)
    with Image.open(path) as stored:
        assert stored.mode == mode
    assert (read_frame(path)[:, 8, 8].int() - torch.tensor([200, 30, 40])).abs().max() <= 3


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tif"])
def test_file_of_several_pictures_is_refused(tmp_path, ending):
    pictures = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    pictures[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=pictures[1:])
    for read in (read_frame, read_labels):
        with pytest.raises(DataError, match=rf"a\.{ending}: has several pictures.*: magick .*a\.{ending} -coal"):
            read(tmp_path / f"a.{ending}")


def test_photograph_with_further_pictures_is_read(tmp_path):
    pictures = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]  # of a stereo camera or telephone
    pictures[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=pictures[1:])
    assert read_frame(tmp_path / "a.jpg")[0].min() > 250


def test_labels_are_palette_values_not_colours(tmp_path):
    pixels = RNG.integers(0, 12, (6, 8), dtype=np.uint8)
    grey, palette = Image.fromarray(pixels), Image.fromarray(pixels, mode=None)
    palette.putpalette([value for index in range(256) for value in (255 - index, index, 7)])
    grey.save(tmp_path / "grey.png")
    palette.save(tmp_path / "palette.png")
    with Image.open(tmp_path / "palette.png") as stored:
        assert stored.mode == "P"
    for name in ("grey.png", "palette.png"):
        assert torch.equal(read_labels(tmp_path / name), torch.from_numpy(pixels))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_coloured_labels_are_refused(tmp_path, mode):
    picture(tmp_path / "a.png", mode=mode)
    with pytest.raises(
        DataError, match=rf"a.png: expected a label image with one 8-bit value .* mode {mode}, .*; colours are no ids"
    ):
        read_labels(tmp_path / "a.png")


def test_ids_in_every_channel_become_a_label_map_by_the_printed_command(tmp_path):
    ids = Image.new("L", (4, 3), 7)
    Image.merge("RGB", [ids] * 3).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="if each channel holds the ids, run") as error:
        read_labels(tmp_path / "a.png")
    code = str(error.value).partition('python -c "')[2].removesuffix('"')
    subprocess.run([sys.executable, "-c", code], check=True)
    assert read_labels(tmp_path / "a_ids.png").unique().tolist() == [7]


@pytest.mark.parametrize("ending", ["png", "jpg", "ppm"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_cut_file_is_refused(tmp_path, ending, share):
    path = tmp_path / f"a.{ending}"
    picture(path, size=(60, 80))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"a\.\w+: (can't be read|is no image)"):
        read_frame(path)


def test_missing_file_or_other_file_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("not an image")
    with pytest.raises(DataError, match=r"a\.png: is no image"):
        read_frame(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"b\.png: no such file"):
        read_frame(tmp_path / "b.png")


def test_postscript_is_never_run(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", pytest.fail)
    Image.new("RGB", (8, 6)).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg: is no image"):
        read_frame(tmp_path / "a.jpg")


def test_wrong_ending_does_not_matter(tmp_path):
    pixels = picture(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert torch.equal(read_frame(tmp_path / "a.jpg"), torch.from_numpy(pixels).permute(2, 0, 1))


def test_whole_files_that_pillow_cannot_decode_are_not_called_damaged(tmp_path, monkeypatch):
    picture(tmp_path / "a.jpg")
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    content[content.index(b"\xff\xc0") + 4] = 12  # bits a colour
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.jpg: is no image that can be read; get the file again, or convert it"):
        read_frame(tmp_path / "a.jpg")
    picture(tmp_path / "b.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(DataError, match=r"b\.png: is too large, expected at most 40 pixels; scale it down first"):
        read_frame(tmp_path / "b.png")


def test_frames_are_decoded_on_access(tmp_path):
    pixels = [picture(tmp_path / f"{i}.png") for i in range(3)]
    (tmp_path / "3.png").write_text("broken")
    frames = ImageFrames(list_images(tmp_path))
    assert len(frames) == 4
    assert torch.equal(frames[1], torch.from_numpy(pixels[1]).permute(2, 0, 1))
    assert torch.equal(frames[-2], torch.from_numpy(pixels[2]).permute(2, 0, 1))
    with pytest.raises(DataError, match="is no image"):
        frames[3]
    with pytest.raises(IndexError):
        frames[4]
