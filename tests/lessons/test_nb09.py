"""Notebook 09: key frames by hand, one film in the widget, and the time of deciding."""

import pandas
import pytest
import torch

from dffkit import weights
from dffkit.datasets.snippets import Snippet
from dffkit.experiments.key_frames import Clip, threshold_for
from dffkit.lessons import nb09_key_frames as lesson
from dffkit.lessons.nb09_key_frames import by_hand, deciding, evenly, key_frames, schedule_explorer

POSITIONS = [0, 0, 1, 1, 4, 7, 7, 8]


def test_a_late_rule_misses_the_jump():
    assert key_frames(POSITIONS, 2) == [0, 0, 0, 0, 4, 5, 5, 5]
    assert key_frames(POSITIONS, 2, late=True) == [0, 0, 0, 0, 0, 5, 5, 5]
    assert key_frames([0, 5, 5, 5], 2, late=True) == [0, 0, 2, 2]
    assert key_frames([0, 5, 0, 5], 2, late=True) == [0, 0, 2, 2]  # a key frame itself has not moved


def test_the_table_has_distances_to_the_key_frame_and_their_sum():
    found = by_hand(POSITIONS, {"l = 3": [i - i % 3 for i in range(8)]})
    assert found["l = 3"].tolist() == ["key frame", "0", "1", "key frame", "3", "6", "key frame", "1", "11"]


def test_key_frames_at_equal_distances():
    assert evenly(3, 8) == [0, 0, 0, 3, 3, 5, 5, 5]
    assert evenly(1, 4) == [0] * 4
    assert evenly(4, 4) == [0, 1, 2, 3]


@pytest.fixture(scope="module")
def clip():
    """A film of 12 frames in which a light square moves to the right, faster and faster."""
    frames, targets = [], {}
    for i in range(12):
        frame, x = torch.full((3, 96, 192), 60, dtype=torch.uint8), 4 + i * i // 2
        frame[:, 30:70, x : x + 40] = 220
        frames.append(frame)
        targets[i] = {"boxes": torch.tensor([[x, 30, x + 40, 70]]).float(), "labels": torch.tensor([1])}
    return Clip(weights.load("handheld/dff"), Snippet("film", 30.0, frames, targets), range(12))


def test_the_threshold_is_the_lowest_that_takes_no_more_key_frames(clip):
    for schedule, count in (("frame difference", 4), ("flow length", 3)):
        weights = lesson.WEIGHTS[schedule]
        threshold = threshold_for([clip], schedule, count / clip.length, weights)
        taken = [len(set(clip.key_frames(schedule, each, weights))) for each in (threshold, threshold - 2e-3)]
        assert taken[0] <= count < taken[1]


def test_every_schedule_and_number_of_key_frames_can_be_chosen(clip):
    explorer = schedule_explorer(clip)
    before = explorer.view.value
    for schedule in lesson.SIGNALS:
        explorer.sliders["schedule"].value = schedule
        for count in (2, 12):
            explorer.sliders["count"].value = count
            assert explorer.view.value != before
            before = explorer.view.value
            assert f'The signal "{schedule}" over 12 frames' in explorer.draw().alt
    assert "Overlaps: carried error, mean" in explorer.fallback.alt


def test_deciding_is_counted_and_timed(clip):
    found = deciding(weights.load("handheld/dff"), clip.film.frames[:2], repeats=1).set_index("what")
    read = found["read"]
    assert read["fixed"] == 0
    assert read["frame difference"] == pytest.approx(3 * 96 * 192 / 1e3)
    assert read["flow length, carried error, learned"] > 4 * 2 * 3 * 48 * 96 / 1e3
    assert found.multiply_adds["a key frame"] > found.multiply_adds["a non-key frame"] > found.multiply_adds["F"] > 0
    assert (found.ms > 0).all()
    assert found.share["a non-key frame"] == 100


def test_differences_have_a_column_for_each_duration(monkeypatch):
    lines = [("fixed", 3, None, None, None), ("random", 3, -1.26, -2.5, -0.04), ("random", 5, 1.0, 0.5, 1.5)]
    columns = ["schedule", "duration", "difference", "difference_low", "difference_high"]
    found = pandas.DataFrame(lines, columns=columns)
    monkeypatch.setattr(lesson.key_frame_curves, "schedules", lambda subset: found)
    assert lesson.differences().to_dict("records") == [
        {"schedule": "random", "l = 3": "-1.3 (-2.5 to -0.0)", "l = 5": "+1.0 (0.5 to 1.5)"}
    ]
