"""Sequences and boxes of MOTChallenge: the order of frames, and errors for missing or wrong files."""

import gc
import weakref
from fractions import Fraction

import pytest
import torch
from mot_tree import HEIGHT, SEQINFO, SIZE, WIDTH, assert_square_in_box, film, picture, sequence, square

from dffkit.datasets import mot, streams
from dffkit.datasets.frame_times import TimedFrame
from dffkit.support.errors import DataError
from dffkit.training.pairs import Pairs

pytestmark = pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("3,1,5,5", "expected 7 fields, frame, id, left, .*got '3,1,5,5'; get the file again"),
        ("3,1,5,5,4,4,1,1", "expected 7 fields"),
        ("3,1,5,5,4,4,1,1,1,1,1", "expected 7 fields"),
        ("3,1,5,5,four,4,1", "finite numbers.*got '3,1,5,5,four,4,1'"),
        ("3,1,5,5,,4,1", "finite numbers"),
        ("3,1,5,5,nan,4,1", "finite numbers.*or correct the line"),
        ("3,1,inf,5,4,4,1", "finite numbers"),
        ("0,1,5,5,4,4,1", "a frame from 1 on"),
        ("2.5,1,5,5,4,4,1", "a frame from 1 on"),
        ("3,1.5,5,5,4,4,1", "a whole id"),
        ("3,9999999999999999999,5,5,4,4,1", "a whole id"),
        ("3,1,5,5,0,4,1", "some width and height"),
        ("3,1,5,5,4,-4,1", "some width and height"),
        ("2,7,5,5,4,4,1", "has frame 2, id 7 again, after line 2; delete one"),
        ("13,1,5,5,4,4,1", "names frame 13, but the video has 12; do they belong together"),
    ],
)
def test_wrong_line_is_reported(tmp_path, line, named):
    folder = sequence(tmp_path / "walk", [square(0), square(1), "", line, square(4)])
    with pytest.raises(DataError, match=rf"gt\.txt:4: .*{named}"):
        mot.snippet(folder)


def test_unknown_class_is_reported(tmp_path):
    folder = sequence(tmp_path / "walk", [square(0, rest="1,14,1")])
    named = r"gt\.txt:1: expected 7 or 8 or 9 or 10 fields.*a class of 1\.\.13 or -1, got '1,7,5.0.*,14,1'"
    with pytest.raises(DataError, match=named):
        mot.snippet(folder)


def test_box_of_another_thing_in_a_missing_frame_is_reported(tmp_path):
    folder = sequence(tmp_path / "walk", [square(0, rest="1,1,1"), "13,1,5,5,4,4,1,3,1"])
    with pytest.raises(DataError, match=r"gt\.txt:2: names frame 13, but the video has 12"):
        mot.snippet(folder)


@pytest.mark.parametrize("fields", [7, 8, 9, 10])
def test_files_of_windows_are_read(tmp_path, fields):
    rest = ("1", "1,1", "1,1,0.5", "1,-1,-1,-1")[fields - 7]
    folder = sequence(tmp_path / "walk", [square(i, rest=rest) for i in range(12)])
    expected = mot.snippet(folder)
    for file in (folder / "gt" / "gt.txt", folder / "seqinfo.ini"):
        text = file.read_text().replace(",", ", ").replace("\n", " \r\n") + "\r\n\r\n"
        file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    snippet = mot.snippet(folder)
    assert (snippet.fps, len(snippet.frames), len(snippet.targets)) == (14, 12, 12)
    assert all(torch.equal(snippet.targets[i]["boxes"], expected.targets[i]["boxes"]) for i in range(12))


@pytest.mark.parametrize(
    "line",
    ["frame,id,x,y,width,height,flag", "1;7;5;5;4;4;1", "1 7 5 5 4 4 1", "1,7,5,0,5,0,4,0,1,1,1", "1,7,9,5,8,7,9,3,1"],
)
def test_other_tables_are_refused_with_the_line(tmp_path, line):
    with pytest.raises(DataError, match=r"gt\.txt:1: expected 7 or 8 or 9 or 10 fields"):
        mot.snippet(sequence(tmp_path / "walk", [line, square(0)]))


def test_gt_file_without_people_or_text_is_reported(tmp_path):
    folder = sequence(tmp_path / "walk", [""])
    for content in ("", "1,1,5,5,4,4,1,3,1\n"):  # nothing, or a car
        (folder / "gt" / "gt.txt").write_text(content)
        with pytest.raises(DataError, match=r"gt\.txt: has no box of a person"):
            mot.snippet(folder)
    (folder / "gt" / "gt.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"gt\.txt: is no text"):
        mot.snippet(folder)


def test_dot_in_a_folder_name_stays_in_the_snippet_name(tmp_path, monkeypatch):
    assert mot.snippet(sequence(tmp_path / "seq.1")).name == "seq.1"
    monkeypatch.chdir(tmp_path / "seq.1")
    assert mot.snippet(".").name == "seq.1"


def test_each_part_of_a_video_is_a_snippet(tmp_path):
    lines = [square(i) for i in range(8)]  # frames 8 to 11 have no boxes
    folder = sequence(tmp_path / "walk", lines)
    parts = [mot.snippet(folder, frames=part) for part in (range(5), range(5, 10), range(10, 12))]
    assert [part.name for part in parts] == ["walk[0:5]", "walk[5:10]", "walk[10:12]"]
    assert [len(part.frames) for part in parts] == [5, 5, 2]
    assert [list(part.targets) for part in parts] == [[0, 1, 2, 3, 4], [0, 1, 2], []]
    assert torch.equal(parts[1].frames[2], picture(7))
    assert_square_in_box(parts[1].frames[2], parts[1].targets[2])
    assert Pairs(parts, 0, max_offset=9).batch(range(4)).frames.shape == (4, 3, *SIZE)


@pytest.mark.parametrize("part", [range(13), range(-1, 3), range(0, 6, 2), range(4, 4), range(5, 2, -1)])
def test_part_beyond_the_video_is_reported(tmp_path, part):
    folder = sequence(tmp_path / "walk")
    with pytest.raises(ValueError, match=r"frames: expected a part of range\(0, 12\) without steps, got range"):
        mot.snippet(folder, frames=part)


def test_video_is_decoded_once_and_forgotten_after_use(tmp_path, monkeypatch):
    path, read = film(tmp_path), []
    monkeypatch.setattr(mot._Decoded, "append", lambda self, frame: read.append(1) or list.append(self, frame))
    train = mot.snippet(path, frames=range(6))
    val = mot.snippet(path, frames=range(6, 12))
    assert len(read) == 12
    kept = [weakref.ref(decoded) for decoded in mot._in_use.values()]
    del train, val
    gc.collect()
    assert [decoded() for decoded in kept] == [None]


def test_video_too_long_for_memory_is_refused(tmp_path, monkeypatch):
    path = film(tmp_path)
    monkeypatch.setattr(mot, "MEMORY", 12 * 3 * HEIGHT * WIDTH)
    assert len(mot.snippet(path).frames) == 12
    gc.collect()
    monkeypatch.setattr(mot, "MEMORY", 12 * 3 * HEIGHT * WIDTH - 1)
    with pytest.raises(DataError, match=r"walk\.mp4: needs more than .* GiB of memory; store its frames as images"):
        mot.snippet(path)


def test_images_are_read_on_access(tmp_path):
    folder = sequence(tmp_path / "walk")
    path = folder / "img1" / "000004.png"
    path.write_bytes(path.read_bytes()[:-30])
    snippet = mot.snippet(folder)
    assert torch.equal(snippet.frames[2], picture(2))
    with pytest.raises(DataError, match=r"000004\.png: can't be read"):
        snippet.frames[3]


# What is missing


@pytest.mark.parametrize(
    ("missing", "named"),
    [("img1", "img1: no such folder"), ("gt/gt.txt", r"gt\.txt: no such file"),
     ("seqinfo.ini", r"seqinfo\.ini: no such file"), ("img1/000005.png", r"000006\.png: expected frame number 5"),
     ("img1/000001.png", r"000002\.png: expected frame number 1"),
     ("img1/000012.png", r"seqinfo\.ini: expected seqLength 11, as img1 has,.*got seqLength 12")],
)  # fmt: skip
def test_missing_part_of_a_sequence_is_reported(tmp_path, missing, named):
    folder = sequence(tmp_path / "walk")
    (folder / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=named):
        mot.snippet(folder)


def test_image_without_a_frame_number_is_reported(tmp_path):
    folder = sequence(tmp_path / "walk")
    (folder / "img1" / "000012.png").rename(folder / "img1" / "last.png")
    with pytest.raises(DataError, match=r"last\.png: expected frame number 12"):
        mot.snippet(folder)


@pytest.mark.parametrize(
    ("content", "named"),
    [("", "lacks a valid entry"), ("[Sequence]\nframeRate=14\n", "lacks a valid entry"),
     (SEQINFO.format(12, "wide", 32), "lacks a valid entry"), (SEQINFO.format(12, 0, 32), "above 0.*0x32"),
     (SEQINFO.format(12, 48, -1), "above 0"),
     (SEQINFO.format(12, 48, 32).replace("=14", "=0"), "above 0, got seqLength 12, 0 Hz"),
     (SEQINFO.format(12, 48, 32).replace("=14", "=nan"), "above 0, got seqLength 12, nan Hz"),
     (SEQINFO.format(12, 48, 32).replace("=14", "=29,97"), "lacks a valid entry: .*'29,97'")],
)  # fmt: skip
def test_wrong_seqinfo_is_reported(tmp_path, content, named):
    folder = sequence(tmp_path / "walk")
    (folder / "seqinfo.ini").write_text(content)
    with pytest.raises(DataError, match=rf"seqinfo\.ini: .*{named}"):
        mot.snippet(folder)


def test_missing_video_or_its_boxes_are_reported(tmp_path):
    with pytest.raises(DataError, match=r"walk\.mp4: no such file"):
        mot.snippet(tmp_path / "walk.mp4")
    path = film(tmp_path)
    (tmp_path / "gt.txt").unlink()
    with pytest.raises(DataError, match=r"gt\.txt: no such file"):
        mot.snippet(path)


def of_times(monkeypatch, path, *times):
    """Let a video have frames of these numbers at these seconds, each for a second."""
    timed = [TimedFrame(i, picture(i), Fraction(start), Fraction(1)) for i, start in times]
    stream = streams.FrameStream(str(path), SIZE, None, None, lambda: iter(timed))
    monkeypatch.setattr(streams, "frames", lambda path: stream)


def test_snippet_of_a_video_has_the_times_of_its_frames(tmp_path, monkeypatch):
    path = film(tmp_path)
    of_times(monkeypatch, path, *enumerate((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 23)))
    part = mot.snippet(path, frames=range(10, 12))
    assert (part.fps, list(part.times)) == (0.5, [10, 23])


def test_video_with_a_lost_frame_is_refused_since_boxes_name_frames_by_number(tmp_path, monkeypatch):
    path = film(tmp_path)
    of_times(monkeypatch, path, (0, 0), (2, 2))
    with pytest.raises(DataError, match=r"frame 2 is lost, and boxes name frames by number"):
        mot.snippet(path)
