"""The images of a folder that are a video's frames, when other images stand beside them."""

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
    ("pictures", "mode", "labels", "label_mode"),
    [
        (numbered("{:04}.jpg"), "RGB", numbered("{:04}.png"), "L"),
        (numbered("{:04}.jpg", range(30)), "RGB", ["0019.png"], "P"),
        (numbered("{:04}.png"), "RGB", numbered("{:04}.bmp"), "L"),
        (numbered("{:04}.jpg"), "L", numbered("{:04}.png"), "RGB"),  # infrared, and labels by colour
        (numbered("{}.png"), "RGB", numbered("{}_mask.png"), "RGB"),
        (numbered("{}.gif"), "P", numbered("{}_labels.png"), "L"),
        (numbered("{:04}_rgb.png"), "RGB", numbered("{:04}.png"), "L"),
        (numbered("rgb_{:04}.png"), "RGB", numbered("seg_{}.png"), "L"),
        (numbered("Image{:04}.png"), "RGB", numbered("Depth{:04}.png"), "I;16"),
        (numbered("ulm_000002_{:06}_leftImg8bit.png"), "RGB", numbered("ulm_000002_{:06}_gtFine_labelIds.png"), "L"),
        (numbered("seq05_{:04}.png"), "RGB", numbered("seq05_{:04}L.png"), "RGB"),
        (["7.jpg", "8.jpg"], "RGB", ["7_mask_1.png", "7_mask_2.png"], "RGB"),
        (numbered("cam0_{:04}.png"), "RGB", numbered("semantic_{}.png", (20, 21)), "P"),
        (["a.png", "b.png"], "RGB", ["a_labels.png", "b_labels.png"], "RGB"),
        (["a.png", "b.png"], "L", ["a.labels.png"], "L"),
        (numbered("{}.jpg"), "RGB", ["2.JPG"], "RGB"),
        (numbered("{}.png"), "RGB", ["2.jpg"], "RGB"),
    ],
)
def test_label_maps_and_copies_beside_frames_are_left_out(tmp_path, pictures, mode, labels, label_mode):
    fill(tmp_path, *pictures, mode=mode)
    fill(tmp_path, *labels, mode=label_mode)
    with pytest.warns(SkippedRecords, match=f"{len(labels)} images such as .* stand beside frames such as"):
        assert sorted(path.name for path in list_images(tmp_path)) == sorted(pictures)


@pytest.mark.parametrize(
    "names",
    [
        ["0.jpg", "1.jpeg", "2.JPG", "3.png"],
        ["night_bridge.jpg", "night_street.jpg"],
        ["1.jpg", "title.jpg"],
        numbered("left_{}.png", (0, 2)) + numbered("right_{}.png", (1, 3)),
    ],
)
def test_images_of_different_numbers_are_all_frames(tmp_path, names):
    fill(tmp_path, *names)
    assert sorted(path.name for path in list_images(tmp_path)) == sorted(names)


@pytest.mark.parametrize(
    "names", [["walk.png", "walk_1.png", "walk_2.png"], ["7.jpg", "8.jpg", "7_overlay_1.jpg"], ["a.png", "a_x.png"]]
)
def test_a_name_that_begins_with_another_is_told(tmp_path, names):
    fill(tmp_path, *names)
    with pytest.warns(SkippedRecords, match=f"{names[-1][:5]}.* is taken as a frame, though|walk_1.png is taken"):
        assert sorted(path.name for path in list_images(tmp_path)) == sorted(names)


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
    fill(tmp_path / "iphone", "IMG_2.jpg")
    with pytest.warns(SkippedRecords, match=r"1 images such as IMG_2\.HEIC"):
        assert len(list_images(tmp_path / "iphone")) == 2


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
