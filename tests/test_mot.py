"""mot.py and pets09.py: where the boxes of MOTChallenge lie in the kit's frames, and what is said of wrong lines."""

import gc
import math
import warnings
import weakref

import numpy as np
import pytest
import torch
from PIL import Image

from dffkit.datasets import files, left_out, mot, mot_videos, pets09
from dffkit.datasets.left_out import LeftOut
from dffkit.datasets.video_files import VideoWriter
from dffkit.errors import DataError
from dffkit.training.pairs import Pairs, flip_target

# Most sequences here have boxes in some of their frames only. What is said of that has tests of its own.
pytestmark = pytest.mark.filterwarnings("ignore::dffkit.datasets.left_out.LeftOut")

HEIGHT, WIDTH = SIZE = (32, 48)
SEQINFO = "[Sequence]\nname=walk\nimDir=img1\nframeRate=14\nseqLength={}\nimWidth={}\nimHeight={}\nimExt=.png\n"


def picture(frame):
    """A bright square of 8x8 pixels on black, 2 pixels further right in every frame."""
    pixels = torch.zeros(3, *SIZE, dtype=torch.uint8)
    pixels[:, 10:18, 4 + 2 * frame : 12 + 2 * frame] = 255
    return pixels


def square(frame, zoom=1.0, rest="1"):
    """The line for the square: MOT counts frames and pixels from 1."""
    return f"{frame + 1},7,{zoom * (4 + 2 * frame) + 1},{zoom * 10 + 1},{zoom * 8},{zoom * 8},{rest}"


def sequence(folder, lines=None, length=12, annotated=(WIDTH, HEIGHT)):
    """A folder of a sequence, with the boxes of the square in every frame unless other `lines` are given."""
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    for i in range(length):
        Image.fromarray(picture(i).permute(1, 2, 0).numpy()).save(folder / "img1" / f"{i + 1:06d}.png")
    (folder / "seqinfo.ini").write_text(SEQINFO.format(length, *annotated))
    (folder / "gt" / "gt.txt").write_text("\n".join(map(square, range(length)) if lines is None else lines) + "\n")
    return folder


def film(folder, lines=None, length=12):
    """The same as a video file."""
    with VideoWriter(folder / "walk.mp4", 10) as writer:
        for i in range(length):
            writer.write(picture(i))
    (folder / "gt.txt").write_text("\n".join(map(square, range(length)) if lines is None else lines) + "\n")
    return folder / "walk.mp4"


def assert_square_in_box(frame, target):
    """The box goes exactly around the bright pixels."""
    rows, columns = torch.nonzero(frame[0] > 127, as_tuple=True)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert target["boxes"].tolist() == [expected]


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


def test_a_folder_of_sequences_is_all_of_them_in_natural_order(tmp_path):
    for name in ("MOT-10", "MOT-9"):
        sequence(tmp_path / name)
    (tmp_path / "notes").mkdir()
    assert [snippet.name for snippet in mot.snippets(tmp_path)] == ["MOT-9", "MOT-10"]


def test_a_dot_in_a_folder_s_name_is_no_ending(tmp_path, monkeypatch):
    for name in ("seq.1", "seq.2"):
        sequence(tmp_path / name)
    assert [snippet.name for snippet in mot.snippets(tmp_path)] == ["seq.1", "seq.2"]
    monkeypatch.chdir(tmp_path / "seq.2")
    assert [snippet.name for snippet in mot.snippets(".")] == ["seq.2"]


@pytest.mark.parametrize("also", ["gt", "seqinfo.ini"])
def test_a_sequence_that_has_lost_its_images_is_named(tmp_path, also):
    for name in ("a", "b"):
        sequence(tmp_path / name)
    for part in {"img1", "gt", "seqinfo.ini"} - {also}:
        (tmp_path / "b" / part).rename(tmp_path / f"away-{part}")
    with pytest.raises(DataError, match=r"b: is a sequence that has no img1; get its images again"):
        mot.snippets(tmp_path)


def test_a_frame_of_another_size_is_named(tmp_path):
    folder = sequence(tmp_path / "walk")
    Image.new("RGB", (WIDTH, HEIGHT - 2)).save(folder / "img1" / "000004.png")
    (snippet,) = mot.snippets(folder)
    assert torch.equal(snippet.frames[2], picture(2))
    with pytest.raises(DataError, match=r"000004\.png: is 48x30, the first frame 48x32; get the images again"):
        snippet.frames[3]


def test_parts_are_snippets_of_their_own(tmp_path):
    lines = [square(i) for i in range(8)]  # frames 8 to 11 have no boxes
    parts = mot.snippets(sequence(tmp_path / "walk", lines), frames=[range(5), range(5, 10), range(10, 12)])
    assert [part.name for part in parts] == ["walk[0:5]", "walk[5:10]", "walk[10:12]"]
    assert [len(part.frames) for part in parts] == [5, 5, 2]
    assert [list(part.targets) for part in parts] == [[0, 1, 2, 3, 4], [0, 1, 2], []]
    assert torch.equal(parts[1].frames[2], picture(7))
    assert_square_in_box(parts[1].frames[2], parts[1].targets[2])
    assert Pairs(parts, 0, max_offset=9).batch(range(4)).frames.shape == (4, 3, *SIZE)


@pytest.mark.parametrize("part", [range(13), range(-1, 3), range(0, 6, 2), range(4, 4), range(5, 2, -1)])
def test_a_part_that_the_video_does_not_have_is_named(tmp_path, part):
    folder = sequence(tmp_path / "walk")
    with pytest.raises(ValueError, match=r"frames: expected a part of range\(0, 12\) without steps, got range"):
        mot.snippets(folder, frames=part)


def test_a_video_is_decoded_once_and_forgotten_after_use(tmp_path, monkeypatch):
    path, read = film(tmp_path), []
    monkeypatch.setattr(files.FrameStream, "__iter__", lambda self: read.append(1) or self.read())
    train = mot.snippets(path, frames=range(6))
    val = mot.snippets(path, frames=range(6, 12))
    assert len(read) == 1
    kept = [weakref.ref(decoded) for decoded in mot_videos._in_use.values()]
    del train, val
    gc.collect()
    assert [decoded() for decoded in kept] == [None]


def test_a_video_too_long_for_memory_is_refused(tmp_path, monkeypatch):
    path = film(tmp_path)
    monkeypatch.setattr(mot_videos, "MEMORY", 12 * 3 * HEIGHT * WIDTH)
    assert len(mot.snippets(path)) == 1
    gc.collect()
    monkeypatch.setattr(mot_videos, "MEMORY", 12 * 3 * HEIGHT * WIDTH - 1)
    with pytest.raises(DataError, match=r"walk\.mp4: needs more than .* GiB of memory; store its frames as images"):
        mot.snippets(path)


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


def test_a_box_ends_where_the_picture_ends(tmp_path):
    lines = ["1,1,-9,-4,20,10,1", f"2,1,{WIDTH - 1},{HEIGHT - 3},20,10,1", "3,1,1,1,48,32,1"]
    (snippet,) = mot.snippets(sequence(tmp_path / "walk", lines))
    expected = [[0, 0, 10, 5], [WIDTH - 2, HEIGHT - 4, WIDTH, HEIGHT], [0, 0, WIDTH, HEIGHT]]
    assert [snippet.targets[i]["boxes"][0].tolist() for i in range(3)] == expected


@pytest.mark.parametrize("box", ["49,1,5,5", "1,33,5,5", "-9,1,10,5", "1,-9,5,10", "48.2,1,5,5"])
def test_a_box_outside_the_picture_is_named_or_dropped(tmp_path, box):
    folder = sequence(tmp_path / "walk", [square(0), square(1), f"2,8,{box},1", f"3,8,{box},0"])
    with pytest.raises(DataError, match=r"gt\.txt:3: has 2 boxes outside the picture of 48x32.*annotated_size right"):
        mot.snippets(folder)
    with pytest.warns(UserWarning, match=r"gt\.txt: has 2 boxes outside the picture of 48x32, which are left out"):
        (snippet,) = mot.snippets(folder, outside="drop")
    assert [len(snippet.targets[i]["boxes"]) for i in snippet.targets] == [1, 1]
    (folder / "gt" / "gt.txt").write_text(f"1,1,{box},1\n")
    with pytest.warns(UserWarning, match="has 1 boxes outside"):
        assert not mot.snippets(folder, outside="drop")[0].targets
    with pytest.raises(ValueError, match="outside: expected 'raise' or 'drop', got 'clip'"):
        mot.snippets(folder, outside="clip")


def told(call):
    """What warnings say that some call has left out, without the file's name."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    assert all(each.category is LeftOut and each.filename == __file__ for each in found)
    return [str(each.message).partition(": ")[2] for each in found]


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
    monkeypatch.setattr(left_out, "rank_and_count", lambda: (1, 2))
    assert told(lambda: mot.snippets(folder)) == []
    monkeypatch.setattr(left_out, "rank_and_count", lambda: (0, 2))
    assert len(told(lambda: mot.snippets(folder))) == 1


def test_motion_is_that_of_the_tracks(tmp_path):
    """The square moves 2 of its 8 pixels a frame: its box overlaps the neighbour's by 6 of 10."""
    lines = [line for i in range(3) for line in (f"{i + 1},3,20,2,9,9,{int(i == 1)}", square(i))]
    whole, part = mot.snippets(sequence(tmp_path / "walk", lines), frames=[range(3), range(1, 2)])
    for snippet, frame in ((whole, 1), (part, 0)):  # the part knows what was before and after it
        assert snippet.targets[frame]["tracks"].tolist() == [3, 7]
        assert snippet.motion[frame].tolist() == pytest.approx([1, 0.6])
    assert whole.motion[0].tolist() == pytest.approx([(0.6 + 4 / 12) / 2])
    assert list(whole.motion) == [0, 1, 2]


def test_who_is_seen_once_has_no_motion(tmp_path):
    (snippet,) = mot.snippets(sequence(tmp_path / "walk", [square(0)]))
    assert math.isnan(snippet.motion[0][0])


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


@pytest.mark.parametrize(
    ("missing", "named"),
    [("img1", "walk: has no img1, nor a folder"), ("gt/gt.txt", r"gt\.txt: no such file"),
     ("seqinfo.ini", r"seqinfo\.ini: no such file"), ("img1/000005.png", r"000006\.png: expected frame number 5"),
     ("img1/000001.png", r"000002\.png: expected frame number 1"),
     ("img1/000012.png", "img1: has 11 images, but seqinfo.ini says 12")],
)  # fmt: skip
def test_what_is_missing_is_named(tmp_path, missing, named):
    folder = sequence(tmp_path / "walk")
    (folder / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=named):
        mot.snippets(folder)


def test_an_image_that_is_no_frame_is_named(tmp_path):
    folder = sequence(tmp_path / "walk")
    (folder / "img1" / "000012.png").rename(folder / "img1" / "last.png")
    with pytest.raises(DataError, match=r"last\.png: expected frame number 12"):
        mot.snippets(folder)


@pytest.mark.parametrize(
    ("content", "named"),
    [("", "does not say what it should"), ("[Sequence]\nframeRate=14\n", "does not say what it should"),
     (SEQINFO.format(12, "wide", 32), "does not say what it should"), (SEQINFO.format(12, 0, 32), "above 0.*0x32"),
     (SEQINFO.format(12, 48, -1), "above 0"), (SEQINFO.format(12, 48, 32).replace("=14", "=0"), "above 0, got 0 Hz")],
)  # fmt: skip
def test_a_wrong_seqinfo_is_named(tmp_path, content, named):
    folder = sequence(tmp_path / "walk")
    (folder / "seqinfo.ini").write_text(content)
    with pytest.raises(DataError, match=rf"seqinfo\.ini: .*{named}"):
        mot.snippets(folder)


def test_images_are_read_when_asked_for(tmp_path):
    folder = sequence(tmp_path / "walk")
    path = folder / "img1" / "000004.png"
    path.write_bytes(path.read_bytes()[:-30])
    (snippet,) = mot.snippets(folder)
    assert torch.equal(snippet.frames[2], picture(2))
    with pytest.raises(DataError, match=r"000004\.png: is damaged"):
        snippet.frames[3]


def test_a_missing_video_or_its_boxes_are_named(tmp_path):
    with pytest.raises(DataError, match=r"walk\.mp4: no such file"):
        mot.snippets(tmp_path / "walk.mp4")
    path = film(tmp_path)
    (tmp_path / "gt.txt").unlink()
    with pytest.raises(DataError, match=r"gt\.txt: no such file"):
        mot.snippets(path)


def test_an_image_is_no_video(tmp_path, monkeypatch):
    path = film(tmp_path)
    stream = files.FrameStream(str(path), SIZE, None, 1, lambda: iter([picture(0)]))
    monkeypatch.setattr(files, "frames", lambda path: stream)
    with pytest.raises(DataError, match="does not say how many frames a second"):
        mot.snippets(path)


def test_another_split_is_named(tmp_path):
    with pytest.raises(ValueError, match="split: expected one of train, val, test, got 'all'"):
        pets09.snippets(tmp_path, "all")


def test_real_pets09(real_data):
    splits = {split: pets09.snippets(real_data("pets09"), split)[0] for split in pets09.SPLITS}
    found = {
        split: [sum(len(target[part]) for target in snippet.targets.values()) for part in ("boxes", "ignore")]
        for split, snippet in splits.items()
    }
    assert told(lambda: pets09.snippets(real_data("pets09"), "val")) == []
    with pytest.warns(LeftOut, match=r"vtest\.avi: 174 boxes are regions to be ignored \([^;]*$"):
        pets09.snippets(real_data("pets09"), "train")
    assert found == {"train": [2222, 174], "val": [316, 0], "test": [583, 0]}
    assert [len(snippet.targets) for snippet in splits.values()] == [400, 100, 100]
    assert all(snippet.fps == 10 and snippet.frames[0].shape == (3, 360, 480) for snippet in splits.values())
    boxes = torch.cat([target["boxes"] for target in splits["train"].targets.values()])
    assert 10 < (boxes[:, 2] - boxes[:, 0]).median() < 25
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([480, 360, 480, 360])).all()


def test_real_people_are_in_their_boxes(real_data):
    """What differs from the empty scene lies in boxes, and less so if they were those of frames before or after."""
    (snippet,) = pets09.snippets(real_data("pets09"), "train")
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
