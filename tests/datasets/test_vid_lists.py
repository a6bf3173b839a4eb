"""vid_lists.py: the authors' lists say which frames are annotated, and what is said of wrong lines."""

import pytest
from vid_tree import STILL, TRAIN, VAL, listed, write_still, write_video

from dffkit.datasets.imagenet_vid import snippets, stills
from dffkit.datasets.snippets import SkippedRecords
from dffkit.support.errors import DataError
from dffkit.training.pairs import Pairs


def test_a_list_of_frames_says_which_are_annotated_and_all_can_be_key_frames(tmp_path):
    write_video(tmp_path)
    write_video(tmp_path, f"{TRAIN}-not-listed")
    path = listed(tmp_path, f"{TRAIN} 1 11 12", f"{TRAIN} 1 2 12", f"{TRAIN} 1 2 12")
    with pytest.warns(SkippedRecords, match=r"list\.txt: 1 lines repeat others, and count once$") as told:
        (snippet,) = snippets(tmp_path, "train", frames=path)
    assert told[0].filename == __file__
    assert (len(snippet.frames), list(snippet.targets), list(snippet.motion)) == (12, [2, 11], [2, 11])
    drawn = [Pairs([snippet], 0).sample(number) for number in range(200)]
    assert {sample.frame for sample in drawn} == {2, 11}
    assert {sample.key for sample in drawn} == set(range(12))


def test_a_list_of_videos_annotates_all_their_frames(tmp_path):
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
        (FRAMES, "", "expected a line.*got ''"),
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
def test_a_wrong_line_is_named(tmp_path, kind, line, said):
    write_still(write_video(tmp_path))
    right = {FRAMES: f"{TRAIN} 1 2 12", VIDEOS: f"{TRAIN} 1 0 12", STILLS: f"{STILL} 1"}[kind]
    path = listed(tmp_path, right, line, right)
    with pytest.raises(DataError, match=rf"list.txt, line 2: {said}.*; the authors' lists are at https"):
        read(tmp_path, kind, path)


@pytest.mark.parametrize("kind", [FRAMES, VIDEOS, STILLS])
def test_a_list_that_is_none_is_named(tmp_path, kind):
    write_still(write_video(tmp_path))
    (tmp_path / "empty.txt").touch()
    (tmp_path / "image.txt").write_bytes(b"\xff\xd8\xff\xe0")
    for name, said in (("missing", "no such file"), ("empty", "is empty"), ("image", "is no list that can be read")):
        with pytest.raises(DataError, match=rf"{name}.txt: {said}.*; the authors' lists are at"):
            read(tmp_path, kind, tmp_path / f"{name}.txt")


def test_a_video_that_is_not_as_long_as_the_list_says_is_named(tmp_path):
    write_video(tmp_path)
    with pytest.raises(DataError, match=r"00000000: has 12 frames, but .*list.txt says 300; unpack it again"):
        snippets(tmp_path, "train", frames=listed(tmp_path, f"{TRAIN} 1 10 300"))
    with pytest.raises(DataError, match=r"train_00001000: no such folder"):
        snippets(tmp_path, "train", frames=listed(tmp_path, f"{TRAIN[:-4]}1000 1 10 300"))
