"""Boxes of PETS09 lie around what they label, skipped records are counted, and wrong files are reported."""

import gc
import math
import warnings
import weakref

import numpy as np
import pytest
import torch

from dffkit.datasets import pets09, streams
from dffkit.datasets.snippets import SkippedRecords
from dffkit.datasets.video_files import VideoWriter
from dffkit.support import machine
from dffkit.support.errors import DataError
from dffkit.training.pairs import Pairs, flip_target

HEIGHT, WIDTH = SIZE = (32, 48)
REST = "1,-4.15,8,0"  # flag and place on the ground; the place is no class

pytestmark = pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")


@pytest.fixture(autouse=True)
def _short_video(request, monkeypatch):
    """Let the tests without real data use a video of 13 frames, of which 12 have boxes."""
    if "real_data" not in request.fixturenames:
        monkeypatch.setattr(pets09, "SPLITS", {"train": range(6), "val": range(6, 9), "test": range(9, 12)})
        monkeypatch.setattr(pets09, "COUNT", 12)
        monkeypatch.setattr(pets09, "ANNOTATED", SIZE)


def picture(frame):
    """Return a bright square of 8x8 pixels on black that moves 2 pixels to the right a frame."""
    pixels = torch.zeros(3, *SIZE, dtype=torch.uint8)
    pixels[:, 10:18, 4 + 2 * frame : 12 + 2 * frame] = 255
    return pixels


def square(frame, zoom=1.0):
    """Return the line for the square; MOT counts frames and pixels from 1."""
    return f"{frame + 1},7,{zoom * (4 + 2 * frame) + 1},{zoom * 10 + 1},{zoom * 8},{zoom * 8},{REST}"


def film(folder, *more, lines=None, length=13):
    """Write a video, and the square's box in 12 frames, or other `lines`, and `more` lines."""
    with VideoWriter(folder / "video.mp4", 10) as writer:
        for i in range(length):
            writer.write(picture(i))
    (folder / "video.mp4").rename(folder / "vtest.avi")
    lines = list(map(square, range(12))) if lines is None else lines
    (folder / "gt.txt").write_text("\n".join([*lines, *more]) + "\n")
    return folder


def read(folder, split="train", **options):
    (snippet,) = pets09.snippets(folder, split, **options)
    return snippet


def assert_square_in_box(frame, target):
    """Assert that the box surrounds exactly the bright pixels."""
    rows, columns = torch.nonzero(frame[0] > 127, as_tuple=True)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert target["boxes"].tolist() == [expected]


def skipped_warnings(call):
    """Return the texts of a call's warnings about skipped records, without the file's name; each points at the call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    assert all(each.category is SkippedRecords and each.filename == call.__code__.co_filename for each in found)
    return [str(each.message).partition(": ")[2] for each in found]


def test_boxes_surround_the_bright_square_in_each_part_of_the_video(tmp_path):
    parts = [read(film(tmp_path), split) for split in pets09.SPLITS]
    assert [part.name for part in parts] == ["vtest[0:6]", "vtest[6:9]", "vtest[9:12]"]
    assert [len(part.frames) for part in parts] == [6, 3, 3]
    for part in parts:
        assert part.fps == 10
        assert list(part.targets) == list(part.motion) == list(range(len(part.frames)))
        for i, frame in enumerate(part.frames):
            target = part.targets[i]
            assert frame.dtype == torch.uint8
            assert_square_in_box(frame, target)
            assert target["boxes"].dtype == target["ignore"].dtype == torch.float32
            assert (target["labels"].tolist(), target["tracks"].tolist()) == ([1], [7])
            assert target["labels"].dtype == torch.int64
            assert target["ignore"].shape == (0, 4)
    assert (parts[1].frames[2].int() - picture(8)).abs().max() < 128
    assert Pairs(parts, 0, max_offset=9).batch(range(4)).frames.shape == (4, 3, *SIZE)


@pytest.mark.parametrize("zoom", [0.5, 1.6])
def test_boxes_of_a_picture_of_another_size_are_scaled(tmp_path, monkeypatch, zoom):
    monkeypatch.setattr(pets09, "ANNOTATED", (zoom * HEIGHT, zoom * WIDTH))
    snippet = read(film(tmp_path, lines=[square(i, zoom) for i in range(12)]))
    for i in (0, 5):
        assert snippet.targets[i]["boxes"][0].tolist() == pytest.approx([4 + 2 * i, 10, 12 + 2 * i, 18], abs=1e-4)


@pytest.mark.parametrize("size", [(2 * HEIGHT, 3 * WIDTH), (HEIGHT // 2, WIDTH // 2)])
def test_frames_and_boxes_are_scaled_together(tmp_path, size):
    snippet = read(film(tmp_path), size=size)
    for i in (0, 5):
        assert snippet.frames[i].shape == (3, *size)
        assert snippet.frames[i].dtype == torch.uint8
        assert_square_in_box(snippet.frames[i], snippet.targets[i])


def test_box_is_clipped_to_the_picture(tmp_path):
    boxes = ["-9,-4,20,10", f"{WIDTH - 1},{HEIGHT - 3},20,10", "1,1,48,32"]
    lines = [f"{frame},1,{box},{REST}" for frame, box in enumerate(boxes, 1)]
    snippet = read(film(tmp_path, square(11), lines=lines))
    expected = [[0, 0, 10, 5], [WIDTH - 2, HEIGHT - 4, WIDTH, HEIGHT], [0, 0, WIDTH, HEIGHT]]
    assert [snippet.targets[i]["boxes"][0].tolist() for i in range(3)] == expected


def test_motion_is_the_motion_iou_of_the_tracks(tmp_path):
    """The square of 8 pixels moves 2 pixels a frame, so the boxes of two frames in a row have an IoU of 6/10."""
    lines = [line for i in (5, 6) for line in (f"{i + 1},3,20,2,9,9,{int(i == 6)},0,0,0", square(i))]
    folder = film(tmp_path, "12,9,20,2,9,9,1,0,0,0", lines=lines)
    train, val, test = (read(folder, split) for split in pets09.SPLITS)
    assert val.targets[0]["tracks"].tolist() == [3, 7]
    assert val.motion[0].tolist() == pytest.approx([1, 0.6])  # includes the frames around the part, and regions
    assert train.motion[5].tolist() == pytest.approx([0.6])
    assert math.isnan(test.motion[2][0])  # seen once


def test_flagged_boxes_are_regions_to_ignore(tmp_path):
    snippet = read(film(tmp_path, "1,8,1,1,4,5,0,0,0,0", "3,8,11,12,4,5,0,0,0,0", lines=[*map(square, (0, 1, 11))]))
    assert len(snippet.targets[0]["boxes"]) == 1
    assert snippet.targets[0]["ignore"].tolist() == [[0, 0, 4, 5]]
    assert snippet.targets[1]["ignore"].shape == (0, 4)
    assert snippet.targets[2]["boxes"].shape == (0, 4)  # a frame without people is annotated too
    assert snippet.targets[2]["ignore"].tolist() == [[10, 11, 14, 16]]
    mirrored = flip_target(snippet.targets[2], WIDTH)
    assert mirrored["ignore"].tolist() == [[WIDTH - 14, 11, WIDTH - 10, 16]]


def test_only_the_first_process_warns_and_counts_the_regions_of_its_part(tmp_path, monkeypatch):
    folder = film(tmp_path, "1,8,1,1,4,5,0,0,0,0", "3,8,11,12,4,5,0,0,0,0")
    monkeypatch.setattr(machine, "rank_and_count", lambda: (1, 2))
    assert skipped_warnings(lambda: pets09.snippets(folder, "train")) == []
    monkeypatch.setattr(machine, "rank_and_count", lambda: (0, 2))
    expected = ["2 boxes are regions to be ignored (not to be scored)"]
    assert skipped_warnings(lambda: pets09.snippets(folder, "train")) == expected
    assert skipped_warnings(lambda: pets09.snippets(folder, "val")) == []


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("3,1,5,5", "expected frame, id, left, .*got '3,1,5,5'; get the file again"),
        (f"3,1,5,5,4,4,{REST},1", "expected frame, id, left"),
        (f"3,1,5,5,four,4,{REST}", "finite numbers"),
        (f"3,1,5,5,,4,{REST}", "finite numbers"),
        (f"3,1,5,5,nan,4,{REST}", "finite numbers"),
        (f"3,1,inf,5,4,4,{REST}", "finite numbers"),
        (f"0,1,5,5,4,4,{REST}", r"a frame of 1\.\.12"),
        (f"2.5,1,5,5,4,4,{REST}", r"a frame of 1\.\.12"),
        (f"13,1,5,5,4,4,{REST}", r"a frame of 1\.\.12"),
        (f"3,1.5,5,5,4,4,{REST}", "a whole id"),
        (f"3,1,5,5,0,4,{REST}", "some width and height"),
        (f"3,1,5,5,4,-4,{REST}", "some width and height"),
        (f"2,7,5,5,4,4,{REST}", "has frame 2, id 7 again, after line 2; delete one"),
        *((f"2,8,{box},{REST}", "has a box outside the picture of 48x32; get the file again")
          for box in ("49,1,5,5", "1,33,5,5", "-9,1,10,5", "1,-9,5,10", "48.2,1,5,5")),
    ],
)  # fmt: skip
def test_wrong_line_is_reported(tmp_path, line, named):
    folder = film(tmp_path, lines=[square(0), square(1), "", line, square(11)])
    with pytest.raises(DataError, match=rf"gt\.txt:4: .*{named}"):
        read(folder)


def test_missing_or_cut_files_are_reported(tmp_path):
    with pytest.raises(DataError, match=r"vtest\.avi: no such file"):
        read(tmp_path)
    film(tmp_path, lines=[square(10)])
    for content, last in ((None, 11), ("", 0)):
        if content is not None:
            (tmp_path / "gt.txt").write_text(content)
        with pytest.raises(DataError, match=rf"gt\.txt: expected boxes up to frame 12, got {last} as the last"):
            read(tmp_path)
    (tmp_path / "gt.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"gt\.txt: is no text"):
        read(tmp_path)
    (tmp_path / "gt.txt").unlink()
    with pytest.raises(DataError, match=r"gt\.txt: no such file"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"vtest\.avi: expected at least 12 frames, got 11; get the file again"):
        read(film(tmp_path, length=11))


def test_video_is_decoded_once_and_forgotten_after_use(tmp_path, monkeypatch):
    folder, decoded = film(tmp_path), []
    monkeypatch.setattr(streams.FrameStream, "__iter__", lambda self: decoded.append(1) or self.read())
    train, val = read(folder), read(folder, "val")
    assert len(decoded) == 1
    kept = [weakref.ref(pictures) for pictures in pets09._in_use.values()]
    del train, val
    gc.collect()
    assert [pictures() for pictures in kept] == [None]


def test_unknown_split_is_reported(tmp_path):
    with pytest.raises(ValueError, match="split: expected one of train, val, test, got 'all'"):
        pets09.snippets(tmp_path, "all")


def test_real_pets09(real_data):
    splits = {split: pets09.snippets(real_data("pets09"), split)[0] for split in pets09.SPLITS}
    found = {
        split: [sum(len(target[part]) for target in snippet.targets.values()) for part in ("boxes", "ignore")]
        for split, snippet in splits.items()
    }
    assert skipped_warnings(lambda: pets09.snippets(real_data("pets09"), "val")) == []
    with pytest.warns(SkippedRecords, match=r"vtest\.avi: 174 boxes are regions to be ignored \([^;]*$"):
        pets09.snippets(real_data("pets09"), "train")
    assert found == {"train": [2222, 174], "val": [316, 0], "test": [583, 0]}
    assert [len(snippet.targets) for snippet in splits.values()] == [400, 100, 100]
    assert all(snippet.fps == 10 and snippet.frames[0].shape == (3, 360, 480) for snippet in splits.values())
    boxes = torch.cat([target["boxes"] for target in splits["train"].targets.values()])
    assert 10 < (boxes[:, 2] - boxes[:, 0]).median() < 25
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([480, 360, 480, 360])).all()


def test_real_people_are_inside_their_boxes(real_data):
    """Pixels that differ from the empty scene lie in boxes, and fewer in the boxes of earlier or later frames."""
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
