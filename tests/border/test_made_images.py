"""Every image that is made is read as a viewer sees it, and every label map as its values, or it is refused."""

import made_images
import numpy as np
import pytest
from made_images import FORMATS, Labels, Picture, make_labels, make_picture, truth
from made_videos import number_of
from PIL import Image

from dffkit.datasets import streams
from dffkit.datasets.images import read_frame, read_labels
from dffkit.support.errors import DataError


def assert_shows(frame, kind: Picture, number: int) -> None:
    pixels, expected = frame.permute(1, 2, 0).numpy(), truth(kind, number)
    assert pixels.shape == expected.shape
    if FORMATS[kind.ending][1]:
        assert np.abs(pixels.astype(int) - expected).max() <= 1  # a half is rounded either way
    else:
        assert np.abs(pixels - expected.astype(float)).mean() < 8
        assert number_of(pixels) == number


@pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")
@pytest.mark.parametrize("kind", made_images.pictures(), ids=str)
def test_made_image_is_read_as_a_viewer_sees_it(tmp_path, kind: Picture):
    paths = [make_picture(kind, number, tmp_path / f"frame {number}.{kind.ending}") for number in (9, 10)]
    assert_shows(read_frame(paths[0], upright=True), kind, 9)
    for frame, number in zip(streams.frames(tmp_path), (9, 10), strict=True):
        assert_shows(frame, kind, number)
    (alone,) = streams.frames(paths[1])
    assert_shows(alone, kind, 10)


# Frames of a folder, and what lies beside them: other images, and files that are none.
BESIDE = {
    "label maps": ("{}.jpg", ["{}.png"]),
    "masks": ("frame{}.jpg", ["frame{}_mask.png"]),
    "masks of a prefix": ("img_{}.png", ["mask_{}.png"]),
    "two of each": ("{}.jpg", ["{}_labels.png", "{}_instances.png"]),
    "pictures of label maps": ("{}.png", ["{}_color_mask.png"]),
    "trained ids": ("ulm_{}_leftImg8bit.png", ["ulm_{}_gtFine_labelIds.png", "ulm_{}_gtFine_color.png"]),
    "hidden files": ("{}.png", [".{}.png", "._{}.png"]),
    "no images": ("{}.png", ["{}.txt", "{}.xml", "{}.json", "Thumbs.db", "{}.npz"]),
    "folders": ("{}.png", ["labels/{}.png", "{}.png.d/a.png"]),
    "nothing": ("{:06d}.JPG", []),
}


@pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")
@pytest.mark.parametrize("beside", BESIDE)
def test_what_lies_beside_the_frames_is_no_frame(tmp_path, beside):
    frame, others = BESIDE[beside]
    labels = Image.fromarray(np.full((48, 64), 3, np.uint8))
    for number in (8, 9, 10, 11):
        Image.fromarray(made_images.picture(number)).save(tmp_path / frame.format(number))
        for other in others:
            path = tmp_path / other.format(number)
            path.parent.mkdir(exist_ok=True)
            if path.suffix == ".png":
                labels.save(path)
            else:
                path.write_bytes(b"no image")
    found = list(streams.frames(tmp_path))
    assert [number_of(each.permute(1, 2, 0).numpy()) for each in found] == [8, 9, 10, 11]


@pytest.mark.parametrize("kind", made_images.label_maps(), ids=str)
def test_made_label_map_has_the_stored_values_or_is_refused(tmp_path, kind: Labels):
    path = tmp_path / f"labels.{kind.container}"
    values = make_labels(kind, path)
    try:
        labels = read_labels(path)
    except DataError as error:
        refusal = str(error)
    else:
        assert np.array_equal(labels, values)
        refusal = ""
    # The forms that tools for label maps write are read.
    is_usual = kind.container in ("png", "pgm") and kind.mode in ("grey", "palette", "bytes") and kind.bits <= 8
    assert not (refusal and is_usual)
    assert "labels." in refusal or not refusal
