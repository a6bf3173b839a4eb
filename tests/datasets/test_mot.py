"""mot.py: boxes lie around what they label, at every size, and tracks tell how fast it moves."""

import math

import pytest
import torch
from mot_tree import HEIGHT, WIDTH, assert_square_in_box, film, sequence, square

from dffkit.datasets import mot

# Most sequences here have boxes in some of their frames only. What is said of that has tests of its own.
pytestmark = pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")


def test_boxes_go_around_what_they_label(tmp_path):
    (snippet,) = mot.snippets(sequence(tmp_path / "walk"))
    assert (snippet.name, snippet.fps, len(snippet.frames), list(snippet.targets)) == ("walk", 14, 12, list(range(12)))
    for i, frame in enumerate(snippet.frames):
        target = snippet.targets[i]
        assert frame.dtype == torch.uint8
        assert_square_in_box(frame, target)
        assert target["boxes"].dtype == target["ignore"].dtype == torch.float32
        assert (target["labels"].tolist(), target["tracks"].tolist()) == ([1], [7])
        assert target["labels"].dtype == torch.int64
        assert target["ignore"].shape == (0, 4)


def test_a_video_file_has_its_boxes_beside_it(tmp_path):
    (snippet,) = mot.snippets(film(tmp_path))
    assert (snippet.name, snippet.fps, len(snippet.frames), list(snippet.targets)) == ("walk", 10, 12, list(range(12)))
    for i, frame in enumerate(snippet.frames):
        assert_square_in_box(frame, snippet.targets[i])


@pytest.mark.parametrize("zoom", [0.5, 1.6])
def test_boxes_of_a_picture_of_another_size_are_scaled(tmp_path, zoom):
    lines = [square(i, zoom) for i in range(12)]
    annotated = (zoom * WIDTH, zoom * HEIGHT)
    (from_folder,) = mot.snippets(sequence(tmp_path / "walk", lines, annotated=[round(side) for side in annotated]))
    (from_file,) = mot.snippets(film(tmp_path, lines), annotated_size=annotated[::-1])
    for snippet in (from_folder, from_file):
        for i in (0, 11):
            expected = [4 + 2 * i, 10, 12 + 2 * i, 18]
            assert snippet.targets[i]["boxes"][0].tolist() == pytest.approx(expected, abs=0.3 if zoom == 1.6 else 1e-4)


def test_frames_and_boxes_are_scaled_together(tmp_path):
    (snippet,) = mot.snippets(sequence(tmp_path / "walk"), size=(2 * HEIGHT, 3 * WIDTH))
    for i in (0, 5):
        assert snippet.frames[i].shape == (3, 2 * HEIGHT, 3 * WIDTH)
        assert snippet.frames[i].dtype == torch.uint8
        assert_square_in_box(snippet.frames[i], snippet.targets[i])
    (small,) = mot.snippets(tmp_path / "walk", size=(HEIGHT // 2, WIDTH // 2))
    assert_square_in_box(small.frames[0], small.targets[0])


def test_a_box_ends_where_the_picture_ends(tmp_path):
    lines = ["1,1,-9,-4,20,10,1", f"2,1,{WIDTH - 1},{HEIGHT - 3},20,10,1", "3,1,1,1,48,32,1"]
    (snippet,) = mot.snippets(sequence(tmp_path / "walk", lines))
    expected = [[0, 0, 10, 5], [WIDTH - 2, HEIGHT - 4, WIDTH, HEIGHT], [0, 0, WIDTH, HEIGHT]]
    assert [snippet.targets[i]["boxes"][0].tolist() for i in range(3)] == expected


def test_motion_is_that_of_the_tracks(tmp_path):
    """The square moves 2 of its 8 pixels a frame: its box overlaps the neighbour's by 6 of 10."""
    lines = [line for i in range(3) for line in (f"{i + 1},3,20,2,9,9,{int(i == 1)}", square(i))]
    folder = sequence(tmp_path / "walk", lines)
    (whole,), (part,) = mot.snippets(folder), mot.snippets(folder, frames=range(1, 2))
    for snippet, frame in ((whole, 1), (part, 0)):  # the part knows what was before and after it
        assert snippet.targets[frame]["tracks"].tolist() == [3, 7]
        assert snippet.motion[frame].tolist() == pytest.approx([1, 0.6])
    assert whole.motion[0].tolist() == pytest.approx([(0.6 + 4 / 12) / 2])
    assert list(whole.motion) == [0, 1, 2]


def test_who_is_seen_once_has_no_motion(tmp_path):
    (snippet,) = mot.snippets(sequence(tmp_path / "walk", [square(0)]))
    assert math.isnan(snippet.motion[0][0])
