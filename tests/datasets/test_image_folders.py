"""Folders of images: those of a video's frames, those that have other images beside them, and formats."""

import warnings

import pytest
from PIL import Image

from dffkit.datasets.images import IMAGES, list_images
from dffkit.datasets.snippets import SkippedRecords
from dffkit.datasets.streams import frames
from dffkit.support.errors import DataError


def fill(folder, *names, mode="RGB"):
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new(mode, (8, 6)).save(folder / name)


def numbered(form, numbers=range(4)):
    return [form.format(number) for number in numbers]


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (numbered("{:04}.jpg") + numbered("{:04}.png"), "8 #, 4 of them again with another ending"),
        (["0.jpg", "1.jpg", "1.JPG"], "3 #, 1 of them again"),
        (numbered("{}.png") + numbered("{}_mask.png"), "4 #, 4 #_mask, 0 of them again"),
        (numbered("rgb_{:04}.png") + numbered("seg_{}.png", (20, 21)), "4 rgb_#, 2 seg_#, 0"),
        (["7.jpg", "8.jpg", "7_mask_1.png"], "2 #, 1 #_mask_#"),
        (["a.png", "a_labels.png"], "1 a, 1 a_labels"),
    ],
)
def test_label_maps_and_copies_beside_frames_are_refused(tmp_path, names, named):
    fill(tmp_path, *names)
    with pytest.raises(DataError, match=f"differ only in their numbers, got {named}.*; put the video's frames into a"):
        list_images(tmp_path)
    assert len(list_images(tmp_path, [".png", ".jpg"])) == len(names)


def test_images_with_several_endings_are_frames_if_their_numbers_differ(tmp_path):
    names = ["0.jpg", "1.jpeg", "2.JPG", "3.png"]
    fill(tmp_path, *names)
    assert [path.name for path in list_images(tmp_path)] == names


def test_hidden_files_folders_and_other_files_are_no_frames(tmp_path):
    fill(tmp_path, "0.jpg", "._0.jpg")
    fill(tmp_path / "thumbnails.png", "0.jpg")
    (tmp_path / "Thumbs.db").write_bytes(b"")
    assert [frame.shape for frame in frames(tmp_path)] == [(3, 6, 8)]


def test_formats_of_pillow_are_read_and_others_named(tmp_path):
    assert {".tif", ".tiff", ".gif", ".jp2", ".jfif", ".jpe", ".pgm", ".pbm", ".pnm", ".tga"} < set(IMAGES)
    assert not {".eps", ".ps", ".pdf", ".wmf", ".h5"} & set(IMAGES)
    for ending in (".tif", ".gif", ".jp2", ".jfif", ".pgm", ".tga"):
        fill(tmp_path / ending[1:], f"0{ending}", mode="L")
        assert len(list(frames(tmp_path / ending[1:]))) == 1
    fill(tmp_path / "iphone", "IMG_1.jpg")
    (tmp_path / "iphone" / "IMG_2.HEIC").write_bytes(b"")
    with pytest.raises(DataError, match=r"IMG_2\.HEIC: HEIC can't be read; convert it, .*magick .*IMG_2.HEIC .*\.png"):
        list_images(tmp_path / "iphone")


@pytest.mark.parametrize("ending", ["avif", "ico", "jp2", "tga", "webp", "png", "gif"])
def test_single_image_is_a_video_of_one_frame(tmp_path, ending):
    if f".{ending}" not in IMAGES:
        pytest.skip("this Pillow has no AVIF")
    Image.new("RGBA", (16, 16), (0, 200, 0, 0)).save(tmp_path / f"a.{ending}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkippedRecords)  # transparent pixels are blended over black
        (frame,) = frames(tmp_path / f"a.{ending}")
    assert frame.shape == (3, 16, 16)
    assert frame.max() < 10


def test_single_image_of_another_format_is_refused_with_the_command(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match=r"a\.heic: is no image that can be read; .*magick .*a\.heic"):
        frames(tmp_path / "a.heic")
