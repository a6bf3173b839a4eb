"""Boxes of MOTChallenge and PETS09 lie around what they label, and skipped records are counted."""

import math

import numpy as np
import pytest
import torch
from mot_tree import HEIGHT, WIDTH, assert_square_in_box, film, sequence, skipped_warnings, square

from dffkit.datasets import mot
from dffkit.datasets.snippets import SkippedRecords
from dffkit.support import machine
from dffkit.support.errors import DataError
from dffkit.training.pairs import flip_target

pytestmark = pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")


def test_boxes_surround_the_bright_square(tmp_path):
    snippet = mot.snippet(sequence(tmp_path / "walk"))
    assert (snippet.name, snippet.fps, len(snippet.frames), list(snippet.targets)) == ("walk", 14, 12, list(range(12)))
    for i, frame in enumerate(snippet.frames):
        target = snippet.targets[i]
        assert frame.dtype == torch.uint8
        assert_square_in_box(frame, target)
        assert target["boxes"].dtype == target["ignore"].dtype == torch.float32
        assert (target["labels"].tolist(), target["tracks"].tolist()) == ([1], [7])
        assert target["labels"].dtype == torch.int64
        assert target["ignore"].shape == (0, 4)


def test_video_file_takes_its_boxes_from_the_file_beside_it(tmp_path):
    snippet = mot.snippet(film(tmp_path))
    assert (snippet.name, snippet.fps, len(snippet.frames), list(snippet.targets)) == ("walk", 10, 12, list(range(12)))
    for i, frame in enumerate(snippet.frames):
        assert_square_in_box(frame, snippet.targets[i])


@pytest.mark.parametrize("zoom", [0.5, 1.6])
def test_boxes_of_a_picture_of_another_size_are_scaled(tmp_path, zoom):
    lines = [square(i, zoom) for i in range(12)]
    annotated = (zoom * WIDTH, zoom * HEIGHT)
    from_folder = mot.snippet(sequence(tmp_path / "walk", lines, annotated=[round(side) for side in annotated]))
    from_file = mot.snippet(film(tmp_path, lines), annotated_size=annotated[::-1])
    for snippet in (from_folder, from_file):
        for i in (0, 11):
            expected = [4 + 2 * i, 10, 12 + 2 * i, 18]
            assert snippet.targets[i]["boxes"][0].tolist() == pytest.approx(expected, abs=0.3 if zoom == 1.6 else 1e-4)


def test_frames_and_boxes_are_scaled_together(tmp_path):
    snippet = mot.snippet(sequence(tmp_path / "walk"), size=(2 * HEIGHT, 3 * WIDTH))
    for i in (0, 5):
        assert snippet.frames[i].shape == (3, 2 * HEIGHT, 3 * WIDTH)
        assert snippet.frames[i].dtype == torch.uint8
        assert_square_in_box(snippet.frames[i], snippet.targets[i])
    small = mot.snippet(tmp_path / "walk", size=(HEIGHT // 2, WIDTH // 2))
    assert_square_in_box(small.frames[0], small.targets[0])


def test_box_is_clipped_to_the_picture(tmp_path):
    lines = ["1,1,-9,-4,20,10,1", f"2,1,{WIDTH - 1},{HEIGHT - 3},20,10,1", "3,1,1,1,48,32,1"]
    snippet = mot.snippet(sequence(tmp_path / "walk", lines))
    expected = [[0, 0, 10, 5], [WIDTH - 2, HEIGHT - 4, WIDTH, HEIGHT], [0, 0, WIDTH, HEIGHT]]
    assert [snippet.targets[i]["boxes"][0].tolist() for i in range(3)] == expected


def test_motion_is_the_motion_iou_of_the_tracks(tmp_path):
    """The square of 8 pixels moves 2 pixels a frame, so the boxes of two frames in a row have an IoU of 6/10."""
    lines = [line for i in range(3) for line in (f"{i + 1},3,20,2,9,9,{int(i == 1)}", square(i))]
    folder = sequence(tmp_path / "walk", lines)
    whole, part = mot.snippet(folder), mot.snippet(folder, frames=range(1, 2))
    for snippet, frame in ((whole, 1), (part, 0)):  # the motion of a part includes the frames around it
        assert snippet.targets[frame]["tracks"].tolist() == [3, 7]
        assert snippet.motion[frame].tolist() == pytest.approx([1, 0.6])
    assert whole.motion[0].tolist() == pytest.approx([(0.6 + 4 / 12) / 2])
    assert list(whole.motion) == [0, 1, 2]


def test_motion_of_a_person_seen_once_is_unknown(tmp_path):
    snippet = mot.snippet(sequence(tmp_path / "walk", [square(0)]))
    assert math.isnan(snippet.motion[0][0])


def test_flagged_boxes_are_regions_to_ignore(tmp_path):
    lines = [square(0), "1,8,1,1,4,5,0", square(1), "3,8,11,12,4,5,0"]
    snippet = mot.snippet(sequence(tmp_path / "walk", lines))
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
    snippet = mot.snippet(sequence(tmp_path / "walk", lines))
    target = snippet.targets[1]
    assert (len(target["boxes"]), len(target["ignore"])) == (1 + (found == "boxes"), int(found == "ignore"))
    assert len(target["labels"]) == len(target["tracks"]) == len(target["boxes"])


def test_world_coordinates_of_mot15_are_no_class(tmp_path):
    lines = [square(0, rest="1,-4.15,-7.35,0"), square(1, rest="1,3.02,8,0")]
    snippet = mot.snippet(sequence(tmp_path / "walk", lines))
    assert [len(snippet.targets[i]["boxes"]) for i in range(2)] == [1, 1]


@pytest.mark.parametrize("box", ["49,1,5,5", "1,33,5,5", "-9,1,10,5", "1,-9,5,10", "48.2,1,5,5"])
def test_box_outside_the_picture_is_reported(tmp_path, box):
    folder = sequence(tmp_path / "walk", [square(0), square(1), f"2,8,{box},1"])
    with pytest.raises(DataError, match=r"gt\.txt:3: has a box outside the picture of 48x32; is annotated_size right"):
        mot.snippet(folder)


def test_boxes_in_shares_of_the_picture_are_reported(tmp_path):
    with pytest.raises(DataError, match=r"gt\.txt:1: has a box outside .* are its numbers shares and not pixels\?"):
        mot.snippet(sequence(tmp_path / "walk", ["1,7,0.25,0.5,0.25,0.25,1"]))


def test_boxes_with_right_and_bottom_for_width_and_height_are_told(tmp_path):
    lines = [f"{i + 1},7,{20 + i},11,{28 + i},19,1" for i in range(12)]
    told = ["9 boxes reach far out of the picture; are their columns width and height, and not right and bottom?"]
    assert skipped_warnings(lambda: mot.snippet(sequence(tmp_path / "walk", lines))) == told


def test_skipped_records_are_counted(tmp_path):
    lines = [square(i, rest="1,1,1") for i in range(10)]
    lines += ["2,8,1,1,4,5,0,1,1", "3,8,1,1,4,5,1,7,1", "4,9,1,1,4,5,1,13,1"]  # regions
    lines += ["4,10,1,1,4,5,0,3,1", "9,10,1,1,4,5,1,11,1"]
    sequence(tmp_path / "a", lines)
    sequence(tmp_path / "b", lines[:10])
    sequence(tmp_path / "c", [*map(square, range(12))])
    regions = "boxes are regions to be ignored (not to be scored, or of what looks like people)"
    others, after = "boxes of other things than people are left out", "frames after the last box have no target"
    assert skipped_warnings(lambda: mot.snippet(tmp_path / "a")) == [f"3 {regions}", f"2 {others}", f"2 {after}"]
    assert skipped_warnings(lambda: mot.snippet(tmp_path / "b")) == [f"2 {after}"]
    assert skipped_warnings(lambda: mot.snippet(tmp_path / "c")) == []


@pytest.mark.parametrize(
    ("part", "found"),
    [(range(2), "1 boxes are regions"), (range(2, 4), "1 boxes of other"), (range(8, 12), "3 frames after the last")],
)
def test_warning_counts_the_records_of_a_part_only(tmp_path, part, found):
    lines = [square(i, rest="1,1,1") for i in range(9)] + ["2,8,1,1,4,5,0,1,1", "4,10,1,1,4,5,0,3,1"]
    folder = sequence(tmp_path / "walk", lines)
    (said,) = skipped_warnings(lambda: mot.snippet(folder, frames=part))
    assert said.startswith(found)
    assert skipped_warnings(lambda: mot.snippet(folder, frames=range(4, 9))) == []


def test_only_the_first_process_warns(tmp_path, monkeypatch):
    folder = sequence(tmp_path / "walk", [square(0)])
    monkeypatch.setattr(machine, "rank_and_count", lambda: (1, 2))
    assert skipped_warnings(lambda: mot.snippet(folder)) == []
    monkeypatch.setattr(machine, "rank_and_count", lambda: (0, 2))
    assert len(skipped_warnings(lambda: mot.snippet(folder))) == 1


def test_unknown_split_is_reported(tmp_path):
    with pytest.raises(ValueError, match="split: expected one of train, val, test, got 'all'"):
        mot.pets09_snippets(tmp_path, "all")


def test_real_pets09(real_data):
    splits = {split: mot.pets09_snippets(real_data("pets09"), split)[0] for split in mot.PETS09_SPLITS}
    found = {
        split: [sum(len(target[part]) for target in snippet.targets.values()) for part in ("boxes", "ignore")]
        for split, snippet in splits.items()
    }
    assert skipped_warnings(lambda: mot.pets09_snippets(real_data("pets09"), "val")) == []
    with pytest.warns(SkippedRecords, match=r"vtest\.avi: 174 boxes are regions to be ignored \([^;]*$"):
        mot.pets09_snippets(real_data("pets09"), "train")
    assert found == {"train": [2222, 174], "val": [316, 0], "test": [583, 0]}
    assert [len(snippet.targets) for snippet in splits.values()] == [400, 100, 100]
    assert all(snippet.fps == 10 and snippet.frames[0].shape == (3, 360, 480) for snippet in splits.values())
    boxes = torch.cat([target["boxes"] for target in splits["train"].targets.values()])
    assert 10 < (boxes[:, 2] - boxes[:, 0]).median() < 25
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([480, 360, 480, 360])).all()


def test_real_people_are_inside_their_boxes(real_data):
    """Pixels that differ from the empty scene lie in boxes, and fewer in the boxes of earlier or later frames."""
    (snippet,) = mot.pets09_snippets(real_data("pets09"), "train")
    grey = torch.stack([snippet.frames[i].float().mean(0) for i in range(0, 400, 10)])
    people = (grey - grey.median(0).values).abs() > 25

    def share(shift):
        inside = []
        for row, i in zip(people[1:-1], range(10, 390, 10), strict=True):
            for x1, y1, x2, y2 in snippet.targets[i + shift]["boxes"].round().int().tolist():
                inside.append(float(row[y1:y2, x1:x2].float().mean()))
        return np.mean(inside)

    assert share(0) > 0.5
    assert share(0) > max(share(-2), share(2)) + 0.02
