"""Key frame schedules."""

import pytest
import torch

from dffkit.schedules import FixedInterval, FrameDifference

FRAME = torch.zeros(3, 20, 33, dtype=torch.uint8)


@pytest.mark.parametrize("duration", [1, 2, 5, 10])
def test_every_lth_frame_is_a_key_frame(duration):
    schedule = FixedInterval(duration)
    assert [i for i in range(30) if schedule(i, FRAME)] == list(range(0, 30, duration))


@pytest.mark.parametrize("duration", [0, -3, 2.0, True, None])
def test_a_duration_below_one_or_not_whole_is_named(duration):
    with pytest.raises(ValueError, match=f"duration: expected a whole number of frames, at least 1, got {duration!r}"):
        FixedInterval(duration)


def test_a_still_picture_has_a_key_frame_every_longest_frames():
    schedule = FrameDifference(1.0, longest=8)
    assert [i for i in range(20) if schedule(i, FRAME)] == [0, 8, 16]


def test_a_cut_makes_a_key_frame():
    schedule = FrameDifference(10.0)
    assert [i for i in range(8) if schedule(i, FRAME + (100 if i >= 5 else 0))] == [0, 5]


def test_a_change_of_half_a_grey_level_can_be_enough():
    schedule = FrameDifference(0.5)
    assert [i for i in range(6) if schedule(i, FRAME + (1 if i >= 3 else 0))] == [0, 3]


def test_changes_that_cancel_within_blocks_of_8_pixels_do_not_count():
    frame, stripes = torch.full((3, 16, 32), 100, dtype=torch.uint8), torch.arange(32) // 4 % 2
    changed = torch.where(stripes == 0, 90, 110).to(torch.uint8).expand(3, 16, 32)
    schedule = FrameDifference(0.5)
    assert [i for i in range(4) if schedule(i, changed if i >= 2 else frame)] == [0]


def test_slow_change_adds_up_against_the_key_frame():
    schedule = FrameDifference(10.0)
    assert [i for i in range(20) if schedule(i, FRAME + 3 * i)] == [0, 4, 8, 12, 16]


def test_index_0_begins_a_new_video():
    schedule = FrameDifference(10.0)
    first = [schedule(i, FRAME) for i in range(3)]
    assert [schedule(i, FRAME) for i in range(3)] == first == [True, False, False]


@pytest.mark.parametrize(
    ("threshold", "longest", "message"),
    [
        (1.0, float("nan"), "longest: expected"),
        (-1.0, 30, "threshold: expected"),
        (float("nan"), 30, "threshold: expected"),
        (1.0, 0, "longest: expected"),
    ],
)
def test_wrong_options_are_named(threshold, longest, message):
    with pytest.raises(ValueError, match=message):
        FrameDifference(threshold, longest=longest)
