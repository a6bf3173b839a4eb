"""Frames and label maps from image files, and errors for other files."""

import numpy as np
import pytest
import torch
from PIL import Image

from dffkit.datasets.images import ImageFrames, list_images, natural, read_frame, read_labels
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


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_photograph_is_turned_upright_on_request(tmp_path, orientation, turns):
    path, exif = tmp_path / "a.png", Image.Exif()
    exif[0x0112] = orientation
    pixels = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, exif=exif)
    stored = torch.from_numpy(pixels).permute(2, 0, 1)
    assert torch.equal(read_frame(path), stored)
    assert torch.equal(read_frame(path, upright=True), torch.rot90(stored, turns, (1, 2)))


def test_photograph_with_damaged_exif_is_read(tmp_path):
    pixels = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=b"Exif\0\0no notes")
    frame = read_frame(tmp_path / "a.png", upright=True)
    assert torch.equal(frame, torch.from_numpy(pixels).permute(2, 0, 1))


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
        DataError, match=rf"a.png: expected a label image with one 8-bit value a pixel, got mode {mode}; is it .*Take"
    ):
        read_labels(tmp_path / "a.png")


@pytest.mark.parametrize("ending", ["png", "jpg", "ppm"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_cut_file_is_refused(tmp_path, ending, share):
    path = tmp_path / f"a.{ending}"
    picture(path, size=(60, 80))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=r"a\.\w+: is (damaged|no image)"):
        read_frame(path)


def test_missing_file_or_other_file_is_refused(tmp_path):
    (tmp_path / "a.png").write_text("not an image")
    with pytest.raises(DataError, match=r"a\.png: is no image"):
        read_frame(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"b\.png: no such file"):
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
