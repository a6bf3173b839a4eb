"""imagenet_vid.py: videos from the official layout, and what is said of those that are incomplete."""

import pytest
import torch
from PIL import Image
from vid_tree import SIZE, STILL, TRAIN, VAL, brightness, listed, thing, write_annotation, write_still, write_video

from dffkit.datasets.imagenet_vid import snippets, stills
from dffkit.datasets.snippets import motion_iou
from dffkit.support.errors import DataError
from dffkit.training.pairs import Pairs


@pytest.mark.parametrize(("split", "name"), [("train", TRAIN), ("val", VAL)])
def test_a_video_is_its_frames_in_order(tmp_path, split, name):
    (snippet,) = snippets(write_video(tmp_path, name), split)
    assert (snippet.name, snippet.fps, len(snippet.frames)) == (name, 30.0, 12)
    assert snippet.frames[0].shape == (3, *reversed(SIZE))
    assert [brightness(frame) for frame in snippet.frames] == list(range(12))
    assert list(snippet.targets) == list(snippet.motion) == list(range(12))
    assert snippet.targets[10]["boxes"].tolist() == [[20, 5, 30, 15], [40, 10, 50, 20]]
    assert snippet.targets[10]["labels"].tolist() == [1, 9]


def test_videos_come_in_natural_order_from_all_four_folders(tmp_path):
    names = [f"train/ILSVRC2015_VID_train_000{part}/video_{i}" for part in range(4) for i in (9, 10)]
    for name in reversed(names):
        write_video(tmp_path, name, length=1)
    assert [snippet.name for snippet in snippets(tmp_path, "train")] == names


def test_motion_is_that_of_the_frames_around(tmp_path):
    (snippet,) = snippets(write_video(tmp_path, length=26), "train")
    boxes = [dict(zip(t["tracks"].tolist(), t["boxes"], strict=True)) for t in snippet.targets.values()]
    for i in (0, 3, 13, 25):
        expected = motion_iou(boxes, i)
        assert snippet.motion[i].tolist() == pytest.approx([expected[track] for track in boxes[i]])
    airplane, dog = snippet.motion[13]
    assert airplane < 0.7
    assert dog == 1
    assert snippet.motion[13].dtype == torch.float32


def test_an_empty_frame_has_no_motion(tmp_path):
    write_video(tmp_path)
    write_annotation(tmp_path / "Annotations" / "VID" / TRAIN / "000004.xml")
    (snippet,) = snippets(tmp_path, "train")
    assert snippet.targets[4]["boxes"].shape == (0, 4)
    assert snippet.motion[4].shape == (0,)


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    write_video(tmp_path)
    for path in [*tmp_path.rglob("*.JPEG"), *tmp_path.rglob("*.xml")]:
        path.write_bytes(b"broken")
    (snippet,) = snippets(tmp_path, "train")
    assert 5 in snippet.targets
    assert 12 not in snippet.targets
    Pairs([snippet], 0).sample(0)
    with pytest.raises(DataError, match=r"000005.JPEG: is no image"):
        snippet.frames[5]
    with pytest.raises(DataError, match=r"000005.xml: is damaged"):
        snippet.targets[5]
    with pytest.raises(DataError, match=r"000000.xml: is damaged"):
        snippet.motion[5]
    with pytest.raises(IndexError):
        snippet.frames[12]
    with pytest.raises(KeyError):
        snippet.targets[12]


def test_a_cut_image_and_a_missing_annotation_are_named_on_access(tmp_path):
    write_video(tmp_path)
    image = tmp_path / "Data" / "VID" / TRAIN / "000003.JPEG"
    image.write_bytes(image.read_bytes()[:-30])
    (tmp_path / "Annotations" / "VID" / TRAIN / "000007.xml").unlink()
    (snippet,) = snippets(tmp_path, "train")
    with pytest.raises(DataError, match=r"000003.JPEG: is damaged.*get the file again"):
        snippet.frames[3]
    with pytest.raises(DataError, match=r"000007.xml: no such file"):
        snippet.targets[7]


def test_an_annotation_of_an_image_of_another_size_is_named_on_access(tmp_path):
    write_still(write_video(tmp_path), STILL, thing(track=None))
    image, still = tmp_path / "Data" / "VID" / TRAIN / "000003.JPEG", tmp_path / "Data" / "DET" / f"{STILL}.JPEG"
    for path in (image, still):
        Image.new("RGB", (32, 64)).save(path)
    (snippet,) = snippets(tmp_path, "train")
    assert len(snippet.targets[2]["boxes"]) == 2
    with pytest.raises(DataError, match=r"000003.xml: is of an image of 64x32, but .*000003.JPEG has 32x64"):
        snippet.targets[3]
    (snippet,) = stills(tmp_path, listed(tmp_path, f"{STILL} 1"))
    with pytest.raises(DataError, match=r"10034.xml: is of an image of 64x32, but .*10034.JPEG has 32x64"):
        snippet.targets[0]


@pytest.mark.parametrize("frame", [0, 5])
def test_a_missing_frame_is_named(tmp_path, frame):
    write_video(tmp_path)
    (tmp_path / "Data" / "VID" / TRAIN / f"{frame:06d}.JPEG").unlink()
    with pytest.raises(DataError, match=rf"00000000: has 11 frames but no {frame:06d}.JPEG; unpack this video again"):
        snippets(tmp_path, "train")


def test_a_video_without_frames_is_named(tmp_path):
    write_video(tmp_path)
    (tmp_path / "Data" / "VID" / "train" / "ILSVRC2015_VID_train_0000" / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: has 0 frames but no 000000.JPEG"):
        snippets(tmp_path, "train")


@pytest.mark.parametrize("missing", ["Data/VID", "Data/VID/train", "Annotations/VID/train"])
def test_a_missing_folder_is_named(tmp_path, missing):
    write_video(tmp_path)
    (tmp_path / missing).rename(tmp_path / "away")
    with pytest.raises(DataError, match=rf"{missing.replace('/', '.')}: no such folder; unpack ILSVRC2015"):
        snippets(tmp_path, "train")


def test_a_split_without_videos_is_named(tmp_path):
    write_video(tmp_path)
    for part in ("Data", "Annotations"):
        (tmp_path / part / "VID" / "val").mkdir()
    with pytest.raises(DataError, match=r"val: has no folder with videos"):
        snippets(tmp_path, "val")


def test_other_splits_and_two_lists_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^split: expected .*got 'test'; \"test\" has no public labels"):
        snippets(tmp_path, "test")
    with pytest.raises(ValueError, match=r"^frames, videos: expected at most one list"):
        snippets(tmp_path, "train", frames="a", videos="b")
