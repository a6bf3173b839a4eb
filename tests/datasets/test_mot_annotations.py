"""mot_annotations.py: a wrong line of boxes, and a file without any, is named."""

import pytest
from mot_tree import sequence, square

from dffkit.datasets import mot
from dffkit.support.errors import DataError

# Most sequences here have boxes in some of their frames only. What is said of that has tests of its own.
pytestmark = pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("3,1,5,5", "expected frame, id, left, .*got 4 fields; get the file again"),
        ("3,1,5,5,4,4,1,1", "expected 7 fields as in the lines before, got 8"),
        ("3,1,5,5,4,4,1,1,1,1,1", "got 11 fields"),
        ("3,1,5,5,four,4,1", "expected numbers, got 'four'; correct it"),
        ("3,1,5,5,,4,1", "expected numbers, got ''"),
        ("3,1,5,5,nan,4,1", "finite numbers.*; correct it"),
        ("3,1,inf,5,4,4,1", "finite numbers"),
        ("0,1,5,5,4,4,1", "expected a frame from 1 on"),
        ("2.5,1,5,5,4,4,1", "expected a frame from 1 on"),
        ("3,1.5,5,5,4,4,1", "a whole id"),
        ("3,1,5,5,0,4,1", "expected a box of some width and height, got 0x4; delete it"),
        ("3,1,5,5,4,-4,1", "expected a box of some width and height, got 4x-4"),
        ("2,7,5,5,4,4,1", "has frame 2, id 7 again, after line 2; delete one"),
        ("13,1,5,5,4,4,1", "names frame 13, but the video has 12; do they belong together"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, named):
    folder = sequence(tmp_path / "walk", [square(0), square(1), "", line, square(4)])
    with pytest.raises(DataError, match=rf"gt\.txt:4: .*{named}"):
        mot.snippets(folder)


def test_an_unknown_class_is_named(tmp_path):
    folder = sequence(tmp_path / "walk", [square(0, rest="1,14,1")])
    with pytest.raises(DataError, match=r"gt\.txt:1: expected a class of 1\.\.13, or -1 for none, got 14; correct it"):
        mot.snippets(folder)


def test_a_box_of_another_thing_in_a_frame_that_is_not_there_is_named(tmp_path):
    folder = sequence(tmp_path / "walk", [square(0, rest="1,1,1"), "13,1,5,5,4,4,1,3,1"])
    with pytest.raises(DataError, match=r"gt\.txt:2: names frame 13, but the video has 12"):
        mot.snippets(folder)


def test_a_gt_file_without_boxes_or_text_is_named(tmp_path):
    folder = sequence(tmp_path / "walk", [""])
    for content in ("", "1,1,5,5,4,4,1,3,1\n"):  # nothing, or a car
        (folder / "gt" / "gt.txt").write_text(content)
        with pytest.raises(DataError, match=r"gt\.txt: has no box of a person"):
            mot.snippets(folder)
    (folder / "gt" / "gt.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"gt\.txt: is no text"):
        mot.snippets(folder)
