"""ImageNet VID and DET: videos, stills, the authors' lists, and errors for incomplete data."""

import warnings

import pytest
import torch
from PIL import Image
from vid_tree import (
    AIRPLANE,
    CROQUET_BALL,
    SIZE,
    STILL,
    TRAIN,
    VAL,
    brightness,
    listed,
    thing,
    write_annotation,
    write_image,
    write_still,
    write_video,
)

from dffkit.datasets.imagenet_vid import snippets, stills
from dffkit.datasets.snippets import SkippedRecords, motion_iou
from dffkit.support.errors import DataError
from dffkit.training.pairs import Pairs


def read_video(root, name=TRAIN, length=12):
    """Read one video, all of whose frames are annotated."""
    (snippet,) = snippets(root, name.partition("/")[0], videos=listed(root, f"{name} 1 0 {length}"))
    return snippet


@pytest.mark.parametrize(("split", "name"), [("train", TRAIN), ("val", VAL)])
def test_frames_of_a_video_come_in_order(tmp_path, split, name):
    snippet = read_video(write_video(tmp_path, name), name)
    assert (snippet.name, snippet.fps, len(snippet.frames)) == (name, 30.0, 12)
    assert snippet.frames[0].shape == (3, *reversed(SIZE))
    assert [brightness(frame) for frame in snippet.frames] == list(range(12))
    assert list(snippet.targets) == list(snippet.motion) == list(range(12))
    assert snippet.targets[10]["boxes"].tolist() == [[20, 5, 30, 15], [40, 10, 50, 20]]
    assert snippet.targets[10]["labels"].tolist() == [1, 9]


def test_motion_compares_the_frames_around(tmp_path):
    snippet = read_video(write_video(tmp_path, length=26), length=26)
    boxes = [dict(zip(t["tracks"].tolist(), t["boxes"], strict=True)) for t in snippet.targets.values()]
    for i in (0, 3, 13, 25):
        expected = motion_iou(boxes, i)
        assert snippet.motion[i].tolist() == pytest.approx([expected[track] for track in boxes[i]])
    airplane, dog = snippet.motion[13]
    assert airplane < 0.7
    assert dog == 1
    assert snippet.motion[13].dtype == torch.float32


@pytest.mark.parametrize(("moved", "expected"), [(9, 1), (10, 19 / 20), (30, 19 / 20), (31, 1)])
def test_motion_reaches_ten_frames_to_both_sides(moved, expected):
    here, elsewhere = torch.tensor([0.0, 0, 10, 10]), torch.tensor([20.0, 0, 30, 10])
    tracks = [{1: elsewhere if t == moved else here} for t in range(41)]
    assert motion_iou(tracks, 20)[1] == pytest.approx(expected)


def test_empty_frame_has_no_motion(tmp_path):
    write_video(tmp_path)
    write_annotation(tmp_path / "Annotations" / "VID" / TRAIN / "000004.xml")
    snippet = read_video(tmp_path)
    assert snippet.targets[4]["boxes"].shape == (0, 4)
    assert snippet.motion[4].shape == (0,)


def test_files_are_read_on_access_only(tmp_path):
    write_video(tmp_path)
    for path in [*tmp_path.rglob("*.JPEG"), *tmp_path.rglob("*.xml")]:
        path.write_bytes(b"broken")
    snippet = read_video(tmp_path)
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


def test_cut_image_and_missing_annotation_are_reported_on_access(tmp_path):
    write_video(tmp_path)
    image = tmp_path / "Data" / "VID" / TRAIN / "000003.JPEG"
    image.write_bytes(image.read_bytes()[:-30])
    (tmp_path / "Annotations" / "VID" / TRAIN / "000007.xml").unlink()
    snippet = read_video(tmp_path)
    with pytest.raises(DataError, match=r"000003.JPEG: can't be read.*get the file again"):
        snippet.frames[3]
    with pytest.raises(DataError, match=r"000007.xml: no such file"):
        snippet.targets[7]


def test_annotation_of_an_image_of_another_size_is_reported_on_access(tmp_path):
    write_still(write_video(tmp_path), STILL, thing(track=None))
    image, still = tmp_path / "Data" / "VID" / TRAIN / "000003.JPEG", tmp_path / "Data" / "DET" / f"{STILL}.JPEG"
    for path in (image, still):
        Image.new("RGB", (32, 64)).save(path)
    snippet = read_video(tmp_path)
    assert len(snippet.targets[2]["boxes"]) == 2
    with pytest.raises(DataError, match=r"000003.xml: is of an image of 64x32, but .*000003.JPEG has 32x64"):
        snippet.targets[3]
    (snippet,) = stills(tmp_path, listed(tmp_path, f"{STILL} 1"))
    with pytest.raises(DataError, match=r"10034.xml: is of an image of 64x32, but .*10034.JPEG has 32x64"):
        snippet.targets[0]


@pytest.mark.parametrize("frame", [0, 5])
def test_missing_frame_is_reported(tmp_path, frame):
    write_video(tmp_path)
    (tmp_path / "Data" / "VID" / TRAIN / f"{frame:06d}.JPEG").unlink()
    with pytest.raises(DataError, match=rf"00000000: has 11 frames but no {frame:06d}.JPEG; unpack this video again"):
        read_video(tmp_path)


def test_video_without_frames_is_reported(tmp_path):
    write_video(tmp_path)
    (tmp_path / "Data" / "VID" / "train" / "ILSVRC2015_VID_train_0000" / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: has 0 frames but no 000000.JPEG"):
        read_video(tmp_path, "train/ILSVRC2015_VID_train_0000/empty")


@pytest.mark.parametrize("missing", ["Data/VID", "Data/VID/train", "Annotations/VID/train"])
def test_missing_folder_is_reported(tmp_path, missing):
    write_video(tmp_path)
    (tmp_path / missing).rename(tmp_path / "away")
    with pytest.raises(DataError, match=rf"{missing.replace('/', '.')}.*: no such folder; unpack ILSVRC2015"):
        read_video(tmp_path)


def test_other_splits_and_other_numbers_of_lists_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^split: expected .*got 'test'; \"test\" has no public labels"):
        snippets(tmp_path, "test")
    for lists, got in (({"frames": "a", "videos": "b"}, "both"), ({}, "none")):
        with pytest.raises(ValueError, match=f"^frames, videos: expected one list, got {got}"):
            snippets(tmp_path, "train", **lists)


def test_list_by_another_editor_is_read(tmp_path):
    write_video(tmp_path)
    lines = f"\ufeff{TRAIN}\t1  11 12 \r\n\r\n{TRAIN} 1 2 12\r\n \r\n"
    (tmp_path / "list.txt").write_bytes(lines.encode())
    (snippet,) = snippets(tmp_path, "train", frames=tmp_path / "list.txt")
    assert list(snippet.targets) == [2, 11]


def test_list_of_frames_chooses_current_frames_and_leaves_all_key_frames(tmp_path):
    write_video(tmp_path)
    write_video(tmp_path, f"{TRAIN}-not-listed")
    path = listed(tmp_path, f"{TRAIN} 1 11 12", f"{TRAIN} 1 2 12", f"{TRAIN} 1 2 12")
    with pytest.warns(SkippedRecords, match=r"list\.txt: 1 lines repeat others, and count once$") as caught:
        (snippet,) = snippets(tmp_path, "train", frames=path)
    assert caught[0].filename == __file__
    assert (len(snippet.frames), list(snippet.targets), list(snippet.motion)) == (12, [2, 11], [2, 11])
    drawn = [Pairs([snippet], 0).sample(number) for number in range(200)]
    assert {sample.frame for sample in drawn} == {2, 11}
    assert {sample.key for sample in drawn} == set(range(12))


def test_list_of_videos_annotates_all_their_frames(tmp_path):
    other = f"{VAL[:-1]}1"
    for name, length in ((VAL, 3), (other, 4), (f"{VAL[:-1]}2", 2)):
        write_video(tmp_path, name, length)
    found = snippets(tmp_path, "val", videos=str(listed(tmp_path, f"{other} 4 0 4", f"{VAL} 1 0 3")))
    assert {snippet.name: list(snippet.targets) for snippet in found} == {other: [0, 1, 2, 3], VAL: [0, 1, 2]}


FRAMES, VIDEOS, STILLS = "frames", "videos", "stills"


def read(tmp_path, kind, path):
    return stills(tmp_path, path) if kind == STILLS else snippets(tmp_path, "train", **{kind: path})


@pytest.mark.parametrize(
    ("kind", "line", "said"),
    [
        (FRAMES, f"{TRAIN} 1 2", "expected a line of split .train. like .*got"),
        (FRAMES, f"{TRAIN} 1 two 12", "expected a line.*got"),
        (FRAMES, f"{TRAIN} 1 -2 12", "expected a line.*got"),
        (FRAMES, f"../{TRAIN} 1 2 12", "expected a line.*got"),
        (FRAMES, f"/{TRAIN} 1 2 12", "expected a line.*got"),
        (FRAMES, f"{VAL} 1 2 12", "expected a line of split .train. like .*got"),
        (FRAMES, f"{TRAIN} 1 12 12", r"expected a frame in 0\.\.11, got 12"),
        (FRAMES, f"{TRAIN} 1 3 13", "train/.* has 13 frames here and 12 in a line above"),
        (VIDEOS, f"{TRAIN} 1 0 12", "expected each video once, from frame 0"),
        (VIDEOS, f"{TRAIN}-2 1 5 12", "expected each video once, from frame 0"),
        (STILLS, STILL, "expected a line like .*got"),
        (STILLS, f"{STILL} 1 2 12", "expected a line like .*got"),
        (STILLS, f"{STILL}.JPEG 1", "expected a line like .*got"),
    ],
)
def test_wrong_line_is_reported(tmp_path, kind, line, said):
    write_still(write_video(tmp_path))
    right = {FRAMES: f"{TRAIN} 1 2 12", VIDEOS: f"{TRAIN} 1 0 12", STILLS: f"{STILL} 1"}[kind]
    path = listed(tmp_path, right, line, right)
    with pytest.raises(DataError, match=rf"list.txt, line 2: {said}.*; the authors' lists are at https"):
        read(tmp_path, kind, path)


@pytest.mark.parametrize("kind", [FRAMES, VIDEOS, STILLS])
def test_missing_empty_or_binary_list_is_reported(tmp_path, kind):
    write_still(write_video(tmp_path))
    (tmp_path / "empty.txt").touch()
    (tmp_path / "image.txt").write_bytes(b"\xff\xd8\xff\xe0")
    for name, said in (("missing", "no such file"), ("empty", "is empty"), ("image", "is no text in UTF-8")):
        with pytest.raises(DataError, match=rf"{name}.txt: {said}.*; the authors' lists are at"):
            read(tmp_path, kind, tmp_path / f"{name}.txt")


def test_video_of_another_length_than_in_the_list_is_reported(tmp_path):
    write_video(tmp_path)
    with pytest.raises(DataError, match=r"00000000: has 12 frames, but .*list.txt says 300; unpack it again"):
        snippets(tmp_path, "train", frames=listed(tmp_path, f"{TRAIN} 1 10 300"))
    with pytest.raises(DataError, match=r"train_00001000: no such folder"):
        snippets(tmp_path, "train", frames=listed(tmp_path, f"{TRAIN[:-4]}1000 1 10 300"))


def test_still_is_its_own_key_frame(tmp_path):
    write_still(tmp_path, STILL, thing(track=None), brightness=200)
    (snippet,) = stills(tmp_path, listed(tmp_path, f"{STILL} 1"))
    assert (snippet.name, len(snippet.frames), list(snippet.targets), dict(snippet.motion)) == (STILL, 1, [0], {})
    assert brightness(snippet.frames[0]) == 20
    assert snippet.targets[0]["labels"].tolist() == [1]
    assert Pairs([snippet], 0).batch(range(6)).same.all()


def test_image_that_a_list_repeats_comes_once(tmp_path):
    write_still(tmp_path)
    path = listed(tmp_path, *[f"{STILL} 1"] * 3)
    with pytest.warns(SkippedRecords, match=r"list\.txt: 2 lines repeat others, and count once$") as caught:
        assert len(stills(tmp_path, path)) == 1
    assert caught[0].filename == __file__


def test_objects_of_other_classes_give_one_warning(tmp_path):
    names = [f"{STILL}-{i}" for i in range(3)]
    for name, objects in zip(names, ([], [CROQUET_BALL], [CROQUET_BALL, AIRPLANE]), strict=True):
        write_still(tmp_path, name, *(thing(name=each, track=None) for each in objects))
    found = stills(tmp_path, listed(tmp_path, *(f"{name} 1" for name in names)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        assert [len(snippet.targets[0]["boxes"]) for snippet in found] == [0, 0, 1]
    (warning,) = caught
    assert warning.category is SkippedRecords
    where, _, said = str(warning.message).partition(": ")
    assert where == str(tmp_path / "Annotations" / "DET")
    assert said == "objects of other classes than VID's 30 are skipped"


def test_stills_are_read_on_access(tmp_path):
    write_still(tmp_path)
    path = listed(tmp_path, f"{STILL} 1", "val/ILSVRC2012_val_00000001 1")
    found = stills(tmp_path, path)
    with pytest.raises(DataError, match=r"val_00000001.JPEG: no such file"):
        found[1].frames[0]
    with pytest.raises(DataError, match=r"val_00000001.xml: no such file"):
        found[1].targets[0]
    write_image(tmp_path / "Data" / "DET" / "val" / "ILSVRC2012_val_00000001.JPEG", 0)
    assert brightness(found[1].frames[0]) == 0


@pytest.mark.parametrize("part", ["Data", "Annotations"])
def test_missing_folder_of_stills_is_reported(tmp_path, part):
    write_still(tmp_path)
    (tmp_path / part / "DET").rename(tmp_path / "away")
    with pytest.raises(DataError, match=rf"{part}.DET: no such folder"):
        stills(tmp_path, listed(tmp_path, f"{STILL} 1"))
