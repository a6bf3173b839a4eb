"""moving_picture.py: each panel advances at its measured rate, and key frames flash."""

import math

import numpy as np
import pandas
import pytest
from PIL import Image

from dffkit.paper import moving_picture
from dffkit.schedules import FixedInterval
from dffkit.support.errors import DataError
from dffkit.support.files import root


@pytest.fixture(scope="module")
def timeline():
    return moving_picture.timeline()


def test_each_panel_shows_the_frame_of_its_measured_rate(timeline):
    rows = pandas.read_csv(root() / "data" / "results" / "speed.csv", keep_default_na=False)
    rows = rows.query("data == 'toytown' and task == 'detection' and features == 'ResNet-101'")
    rows = rows.query("split == 1 and shrink == 1")
    for method, flow, duration in (("Frame", "none", 1), ("copy", "none", 10), ("DFF", "FlowNet", 10)):
        row = rows[(rows.flow == flow) & ((rows["scale"] == True) | (flow == "none"))].iloc[0]  # noqa: E712
        milliseconds = row.key_ms + (duration - 1) * row.current_ms + duration * row.decode_ms
        lines = timeline[timeline.method == method]
        assert lines.fps.to_numpy() == pytest.approx(1000 * duration / milliseconds)
        measured = lines.seconds / moving_picture.SLOWDOWN
        assert lines.frame.tolist() == [math.floor(seconds * lines.fps.iloc[0]) for seconds in measured]
        assert lines.seconds.diff().dropna().to_numpy() == pytest.approx(1 / moving_picture.RATE)


def test_key_frames_are_those_of_the_schedule_and_flash(timeline):
    for line in timeline.itertuples():
        is_key_frame = FixedInterval(moving_picture.METHODS[line.method])
        assert line.key_frame == max(index for index in range(line.frame + 1) if is_key_frame(index, None))
        age = line.seconds - line.key_frame / line.fps * moving_picture.SLOWDOWN
        assert line.flash == (age < moving_picture.FLASH)
    assert timeline.groupby("method").flash.mean().between(0.1, 0.9).all()


def test_the_stored_picture_has_the_current_length_and_size(timeline):
    path = root() / "figures" / "three_ways.webp"
    assert path.stat().st_size < 3 * 2**20
    with Image.open(path) as picture:
        assert picture.n_frames == timeline.picture.nunique()
        assert picture.size == (912, 524)
        assert picture.info["loop"] == 0  # for ever


def test_drawing_twice_gives_the_same_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(moving_picture, "SECONDS", 1)
    monkeypatch.setattr(moving_picture, "RATE", 3)
    once, again = (moving_picture.write_moving_picture(tmp_path / name) for name in ("once", "again"))
    assert [path.name for path in once] == ["three_ways.webp", "three_ways.png"]
    assert once[1].read_bytes() == again[1].read_bytes()
    still = np.asarray(Image.open(once[1]).convert("RGB"))
    with Image.open(once[0]) as picture:
        assert picture.n_frames == 3
    last = moving_picture.timeline().query("picture == 2").set_index("method")
    corners = {"Frame": (30, 0), "copy": (30, 456), "DFF": (292, 0)}
    white = {method: bool((still[corner] == 255).all()) for method, corner in corners.items()}
    assert white == last.flash.to_dict()


def test_a_speed_that_was_not_measured_is_named(results_folder):
    with pytest.raises(DataError, match=r"speed\.csv: has no speed of Frame"):
        moving_picture.timeline()
