"""three_ways.py and moving_panels.py: each panel advances at its measured rate, and key frames are marked."""

import math

import numpy as np
import pandas
import pytest
import torch
from PIL import Image

from dffkit.paper import moving_panels, three_ways
from dffkit.schedules import FixedInterval
from dffkit.support.errors import DataError
from dffkit.support.files import root


@pytest.fixture(scope="module")
def timeline():
    return three_ways.timeline()


def test_each_panel_shows_the_frame_of_its_measured_rate(timeline):
    rows = pandas.read_csv(root() / "data" / "results" / "speed.csv", keep_default_na=False)
    rows = rows.query("data == 'handheld' and task == 'detection' and features == 'ResNet-101'")
    rows = rows.query("split == 1 and shrink == 1")
    for method, flow, duration in (("Frame", "none", 1), ("copy", "none", 10), ("DFF", "FlowNet", 10)):
        row = rows[(rows.flow == flow) & ((rows["scale"] == True) | (flow == "none"))].iloc[0]  # noqa: E712
        milliseconds = row.key_ms + (duration - 1) * row.current_ms + duration * row.decode_ms
        fps = 1000 * duration / milliseconds
        lines = timeline[timeline.method == method]
        measured = lines.seconds / three_ways.SLOWDOWN
        assert lines.frame.tolist() == [math.floor(seconds * fps) for seconds in measured]
        assert lines.seconds.diff().dropna().to_numpy() == pytest.approx(1 / three_ways.RATE)
        assert lines.caption.str.contains(f"{fps:.0f} frames a second").all()


def test_key_frames_are_those_of_the_schedule_and_flash(timeline):
    for line in timeline.itertuples():
        is_key_frame = FixedInterval(three_ways.METHODS[line.method])
        assert line.key_frame == max(index for index in range(line.frame + 1) if is_key_frame(index, None))
    for _, lines in timeline.groupby("method"):
        began = lines.groupby("key_frame").seconds.transform("min")
        assert lines.flash[lines.seconds == began].all()  # a key frame flashes as soon as it is shown
        assert not lines.flash[lines.seconds - began >= three_ways.FLASH].any()
        starts = lines.flash & ~lines.flash.shift(fill_value=False)
        assert starts.sum() / three_ways.SECONDS <= 3  # flashes a second, which nobody's eyes are harmed by


def test_the_words_about_speed_in_the_texts_of_the_picture_hold(timeline):
    reached = timeline.groupby("method").frame.max()
    assert reached["copy"] > reached["DFF"] > 2 * reached["Frame"]


def test_at_one_rate_all_methods_show_the_same_frame():
    shown = three_ways.one_rate()
    assert (shown.groupby("picture").frame.nunique() == 1).all()
    assert shown.frame.max() + 1 == three_ways.FRAMES
    for line in shown.itertuples():
        is_key_frame = FixedInterval(three_ways.METHODS[line.method])
        assert line.flash == is_key_frame(line.frame, None) == (line.key_frame == line.frame)
        assert line.frame - line.key_frame < three_ways.METHODS[line.method]


def boxes(*rows):
    table = torch.tensor(rows).view(-1, 6)
    return {"boxes": table[:, :4], "labels": table[:, 4].long(), "scores": table[:, 5]}


def test_the_overlap_is_that_of_the_best_sure_box_of_the_class():
    truth = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([3])}
    half = [0.0, 0, 10, 5, 3, 0.9]
    assert three_ways.overlap(boxes(half), truth) == pytest.approx(0.5)
    assert three_ways.overlap(boxes(half, [0.0, 0, 10, 9, 3, 0.9]), truth) == pytest.approx(0.9)
    assert three_ways.overlap(boxes(half, [0.0, 0, 10, 9, 3, 0.4]), truth) == pytest.approx(0.5)
    assert three_ways.overlap(boxes(half, [0.0, 0, 10, 9, 2, 0.9]), truth) == pytest.approx(0.5)
    assert three_ways.overlap(boxes(), truth) == 0
    two = {"boxes": torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]]), "labels": torch.tensor([3, 3])}
    assert three_ways.overlap(boxes(half), two) == pytest.approx(0.25)


@pytest.mark.parametrize("name", ["three_ways", "one_rate", "how_it_works"])
def test_the_stored_pictures_are_small_and_go_on_for_ever(name):
    path = root() / "figures" / f"{name}.webp"
    assert path.stat().st_size < 2 * 2**20
    with Image.open(path) as moving, Image.open(path.with_suffix(".png")) as still:
        assert moving.size == still.size == moving_panels.SIZE
        assert moving.info["loop"] == 0  # for ever
        assert moving.n_frames > 20


def test_the_stored_picture_lasts_as_long_as_the_table(timeline):
    with Image.open(root() / "figures" / "three_ways.webp") as moving:
        assert moving.n_frames <= timeline.picture.nunique()  # equal pictures are stored as one that lasts longer
        lasting = 0
        for number in range(moving.n_frames):
            moving.seek(number)
            moving.load()
            lasting += moving.info["duration"]
    assert lasting == timeline.picture.nunique() * round(1000 / three_ways.RATE)


def test_drawing_twice_gives_the_same_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(three_ways, "SECONDS", 1)
    monkeypatch.setattr(three_ways, "RATE", 3)
    once, again = (three_ways.write_three_ways(tmp_path / name) for name in ("once", "again"))
    assert [path.name for path in once] == ["three_ways.webp", "three_ways.png"]
    assert once[1].read_bytes() == again[1].read_bytes()
    still = np.asarray(Image.open(once[1]).convert("RGB"))
    last = three_ways.timeline().query("picture == 2").set_index("method")
    places = {"Frame": (0, 0), "copy": (0, 1), "DFF": (1, 0)}
    width, height = moving_panels.CELL
    corners = {method: (row * height + moving_panels.BAND, column * width) for method, (row, column) in places.items()}
    white = {method: bool((still[corner] == 255).all()) for method, corner in corners.items()}
    assert white == last.flash.to_dict()


def test_a_box_is_drawn_around_the_thing_at_the_size_of_the_panel():
    frame = torch.full((3, 192, 384), 128, dtype=torch.uint8)
    one, doubtful = [96.0, 48, 192, 144, 1, 0.9], [0.0, 0, 40, 40, 1, 0.4]
    drawn = np.asarray(moving_panels.frame_panel(frame, boxes(one, doubtful))).astype(int)
    changed = np.argwhere((drawn != 128).any(2))
    scale = moving_panels.PANEL[0] / 384
    assert changed.min(0).tolist() == [48 * scale, 96 * scale]
    assert changed.max(0).tolist() == [144 * scale, 192 * scale]
    assert (np.asarray(moving_panels.frame_panel(frame)) == 128).all()


def test_a_speed_that_was_not_measured_is_named(results_folder):
    with pytest.raises(DataError, match=r"speed\.csv: has no speed of Frame"):
        three_ways.timeline()
