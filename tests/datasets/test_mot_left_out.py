"""Which boxes of MOTChallenge count, which are regions to ignore, and what is told of the rest."""

import pytest
from mot_tree import WIDTH, sequence, square, told

from dffkit.datasets import mot
from dffkit.support import processes
from dffkit.support.errors import DataError
from dffkit.training.pairs import flip_target

# What is left out is looked at where a test asks for it.
pytestmark = pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")


def test_flagged_boxes_are_regions_to_ignore(tmp_path):
    lines = [square(0), "1,8,1,1,4,5,0", square(1), "3,8,11,12,4,5,0"]
    (snippet,) = mot.snippets(sequence(tmp_path / "walk", lines))
    assert len(snippet.targets[0]["boxes"]) == 1
    assert snippet.targets[0]["ignore"].tolist() == [[0, 0, 4, 5]]
    assert snippet.targets[1]["ignore"].shape == (0, 4)
    assert snippet.targets[2]["boxes"].shape == (0, 4)  # a frame without people is annotated too
    assert snippet.targets[2]["ignore"].tolist() == [[10, 11, 14, 16]]
    assert list(snippet.targets) == [0, 1, 2]
    mirrored = flip_target(snippet.targets[2], WIDTH)
    assert mirrored["ignore"].tolist() == [[WIDTH - 14, 11, WIDTH - 10, 16]]


@pytest.mark.parametrize(
    ("kind", "flag", "found"),
    [(1, 1, "boxes"), (1, 0, "ignore"), (-1, 1, "boxes"), (-1, 0, "ignore"), (2, 1, "ignore"), (7, 1, "ignore"),
     (8, 0, "ignore"), (12, 1, "ignore"), (13, 1, "ignore"), (3, 1, None), (3, 0, None), (9, 0, None), (11, 1, None)],
)  # fmt: skip
def test_classes_of_mot17(tmp_path, kind, flag, found):
    lines = [square(i, rest="1,1,0.5") for i in range(2)] + [f"2,8,1,1,4,5,{flag},{kind},0.5"]
    (snippet,) = mot.snippets(sequence(tmp_path / "walk", lines))
    target = snippet.targets[1]
    assert (len(target["boxes"]), len(target["ignore"])) == (1 + (found == "boxes"), int(found == "ignore"))
    assert len(target["labels"]) == len(target["tracks"]) == len(target["boxes"])


def test_world_coordinates_of_mot15_are_no_class(tmp_path):
    lines = [square(0, rest="1,-4.15,-7.35,0"), square(1, rest="1,3.02,8,0")]
    (snippet,) = mot.snippets(sequence(tmp_path / "walk", lines))
    assert [len(snippet.targets[i]["boxes"]) for i in range(2)] == [1, 1]


@pytest.mark.parametrize("box", ["49,1,5,5", "1,33,5,5", "-9,1,10,5", "1,-9,5,10", "48.2,1,5,5"])
def test_a_box_outside_the_picture_is_named_or_dropped(tmp_path, box):
    folder = sequence(tmp_path / "walk", [square(0), square(1), f"2,8,{box},1", f"3,8,{box},0"])
    with pytest.raises(DataError, match=r"gt\.txt:3: has the first of 2 boxes outside the picture of 48x32.*annotated"):
        mot.snippets(folder)
    with pytest.warns(UserWarning, match=r"walk: .*2 boxes outside the picture of 48x32 are left out"):
        (snippet,) = mot.snippets(folder, outside="drop")
    assert [len(snippet.targets[i]["boxes"]) for i in snippet.targets] == [1, 1]
    (folder / "gt" / "gt.txt").write_text(f"1,1,{box},1\n")
    with pytest.warns(UserWarning, match="1 boxes outside"):
        assert not mot.snippets(folder, outside="drop")[0].targets
    with pytest.raises(ValueError, match="outside: expected 'raise' or 'drop', got 'clip'"):
        mot.snippets(folder, outside="clip")


def test_what_does_not_count_is_told_with_how_much_of_it(tmp_path):
    lines = [square(i, rest="1,1,1") for i in range(10)]
    lines += ["2,8,1,1,4,5,0,1,1", "3,8,1,1,4,5,1,7,1", "4,9,1,1,4,5,1,13,1"]  # regions
    lines += ["4,10,1,1,4,5,0,3,1", "9,10,1,1,4,5,1,11,1"]
    sequence(tmp_path / "a", lines)
    sequence(tmp_path / "b", lines[:10])
    sequence(tmp_path / "c", [*map(square, range(12))])
    regions = "boxes are regions to be ignored (not to be scored, or of what looks like people)"
    others, after = "boxes of other things than people are left out", "frames after the last box have no target"
    assert told(lambda: mot.snippets(tmp_path / "a")) == [f"3 {regions}; 2 {others}; 2 {after}"]
    assert told(lambda: mot.snippets(tmp_path)) == [f"3 {regions}; 2 {others}; 4 {after}"]  # of all, in one line
    assert told(lambda: mot.snippets(tmp_path / "b")) == [f"2 {after}"]
    assert told(lambda: mot.snippets(tmp_path / "c")) == []


@pytest.mark.parametrize(
    ("part", "found"),
    [(range(2), "1 boxes are regions"), (range(2, 4), "1 boxes of other"), (range(8, 12), "3 frames after the last")],
)
def test_parts_of_a_video_tell_of_themselves(tmp_path, part, found):
    lines = [square(i, rest="1,1,1") for i in range(9)] + ["2,8,1,1,4,5,0,1,1", "4,10,1,1,4,5,0,3,1"]
    folder = sequence(tmp_path / "walk", lines)
    (said,) = told(lambda: mot.snippets(folder, frames=part))
    assert said.startswith(found)
    assert ";" not in said
    assert told(lambda: mot.snippets(folder, frames=range(4, 9))) == []


def test_of_several_processes_the_first_tells(tmp_path, monkeypatch):
    folder = sequence(tmp_path / "walk", [square(0)])
    monkeypatch.setattr(processes, "rank_and_count", lambda: (1, 2))
    assert told(lambda: mot.snippets(folder)) == []
    monkeypatch.setattr(processes, "rank_and_count", lambda: (0, 2))
    assert len(told(lambda: mot.snippets(folder))) == 1
