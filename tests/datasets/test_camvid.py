"""CamVid: splits, labels, and errors for incomplete data."""

import numpy as np
import pytest
import torch
from PIL import Image

from dffkit.datasets import camvid
from dffkit.support.errors import DataError

SIZE = (6, 8)
RNG = np.random.default_rng(0)


def image(path, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)


def label_map(path, size=SIZE, ids=range(12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.resize(np.array(ids, np.uint8), size)
    Image.fromarray(values).save(path)
    return torch.from_numpy(values)


@pytest.fixture
def folder(tmp_path):
    """69 stills, and a clip of four frames whose numbers pass from one digit to two."""
    for number in range(69):
        image(tmp_path / "train" / f"street_{number}.png")
        label_map(tmp_path / "trainannot" / f"street_{number}.png")
    for number in (7, 9, 11, 13):
        image(tmp_path / "val" / f"street_{number}.jpg")
        label_map(tmp_path / "valannot" / f"street_{number}.png")
    return tmp_path


def test_last_67_stills_are_held_out(folder):
    train, val = camvid.snippets(folder, "train"), camvid.snippets(folder, "val")
    assert [snippet.name for snippet in train] == ["train/street_0", "train/street_1"]
    assert [snippet.name for snippet in val] == [f"train/street_{number}" for number in range(2, 69)]
    for snippet in (*train, *val):
        assert (snippet.fps, len(snippet.frames), list(snippet.targets), snippet.flow) == (1, 1, [0], None)


def test_clip_is_one_snippet_with_a_label_for_every_frame(folder):
    (clip,) = camvid.snippets(folder, "test")
    assert (clip.fps, len(clip.frames), list(clip.targets)) == (15, 4, [0, 1, 2, 3])
    assert [path.name for path in clip.frames.paths] == [f"street_{number}.jpg" for number in (7, 9, 11, 13)]
    assert all(frame.shape == (3, *SIZE) and frame.dtype == torch.uint8 for frame in clip.frames)


def test_void_is_ignored_and_every_class_has_a_name(folder):
    values = label_map(folder / "valannot" / "street_9.png")
    (clip,) = camvid.snippets(folder, "test")
    labels = clip.targets[1]
    assert labels.dtype == torch.uint8
    assert torch.equal(labels[values < 11], values[values < 11])
    assert (labels[values == 11] == 255).all()
    assert len(camvid.CLASSES) == 11


def test_files_are_read_on_access_only(folder):
    for part in ("val", "valannot"):
        for path in (folder / part).iterdir():
            path.write_bytes(b"broken")
    (clip,) = camvid.snippets(folder, "test")
    with pytest.raises(DataError, match=r"street_9\.jpg: is no image"):
        clip.frames[1]
    with pytest.raises(DataError, match=r"street_9\.png: is no image"):
        clip.targets[1]
    with pytest.raises(KeyError):
        clip.targets[4]


def test_cut_image_is_refused(folder):
    path = folder / "val" / "street_7.jpg"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"street_7\.jpg: can't be read"):
        camvid.snippets(folder, "test")[0].frames[0]


@pytest.mark.parametrize(("split", "part"), [("train", "train"), ("val", "train"), ("test", "val")])
@pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")  # an image of another format beside one
def test_image_without_label_map_and_the_reverse_are_reported(folder, split, part):
    image(folder / part / "street_10.jpg")
    (folder / f"{part}annot" / "street_10.png").unlink(missing_ok=True)
    with pytest.raises(DataError, match=rf"{part}/street_10\.\w+: nothing of that name in .*annot; get the data"):
        camvid.snippets(folder, split)
    for path in (folder / part).glob("street_1*"):
        path.unlink()
    with pytest.raises(DataError, match=rf"annot/street_1\w*\.png, and \d+ more: nothing .* in .*{part}; get the data"):
        camvid.snippets(folder, split)


@pytest.mark.parametrize("part", ["train", "trainannot"])
def test_missing_folder_is_reported(folder, part):
    (folder / part).rename(folder / "elsewhere")
    with pytest.raises(DataError, match=rf"{part}: no such folder"):
        camvid.snippets(folder, "train")


def test_label_ids_of_another_set_of_classes_are_reported(folder):
    path = folder / "valannot" / "street_9.png"
    label_map(path, ids=[0, 11, 12, 31])
    (clip,) = camvid.snippets(folder, "test")
    with pytest.raises(DataError, match=rf"{path.name}: expected label ids 0\.\.11, got \[12, 31\]"):
        clip.targets[1]


def test_label_map_of_another_size_is_refused(folder):
    label_map(folder / "valannot" / "street_9.png", size=(8, 6))
    (clip,) = camvid.snippets(folder, "test")
    with pytest.raises(DataError, match=r"street_9\.png: expected the size of .*street_9\.jpg, 8x6, got 6x8; get both"):
        clip.targets[1]


@pytest.mark.parametrize("name", ["street_12", "street_15", "road_11"])
def test_clip_with_a_gap_is_refused(folder, name):
    for part, ending in (("val", "jpg"), ("valannot", "png")):
        (folder / part / f"street_11.{ending}").rename(folder / part / f"{name}.{ending}")
        (folder / part / f"street_13.{ending}").unlink()
    with pytest.raises(DataError, match=r"\.jpg: expected the frame 2 after \w+, since the clip has no gaps"):
        camvid.snippets(folder, "test")


def test_frame_without_a_number_is_refused(folder):
    for part, ending in (("val", "jpg"), ("valannot", "png")):
        (folder / part / f"street_9.{ending}").rename(folder / part / f"street.{ending}")
    with pytest.raises(DataError, match=r"street\.jpg: expected a name that ends in the frame's number"):
        camvid.snippets(folder, "test")


def test_too_few_stills_are_reported(folder):
    for part in ("train", "trainannot"):
        for number in (0, 1):
            (folder / part / f"street_{number}.png").unlink()
    with pytest.raises(DataError, match="train: expected more than 67 images, got 67"):
        camvid.snippets(folder, "val")


def test_unknown_split_is_reported(folder):
    with pytest.raises(ValueError, match="split: expected one of train, val, test, got 'trainval'"):
        camvid.snippets(folder, "trainval")


def test_real_camvid(real_data):
    splits = {split: camvid.snippets(real_data("camvid"), split) for split in camvid.SPLITS}
    assert [len(splits[split]) for split in camvid.SPLITS] == [300, 67, 1]
    names = [snippet.name for split in camvid.SPLITS for snippet in splits[split]]
    assert len(set(names)) == len(names)
    (clip,) = splits["test"]
    assert (len(clip.frames), len(clip.targets)) == (101, 101)
    assert clip.frames[100].shape == (3, 360, 480)
    assert set(clip.targets[50].unique().tolist()) == {*range(11), 255}
    # The order of the classes: the sky is above the buildings, and these above the road.
    rows = [torch.nonzero(clip.targets[50] == camvid.CLASSES.index(name))[:, 0].float().mean() for name in
            ("sky", "building", "road")]  # fmt: skip
    assert rows == sorted(rows)
