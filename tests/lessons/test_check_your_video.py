"""The checks of notebook 07: wrong answers as learners write them, each with its own reason; several right ones."""

import math

import pytest

from dffkit.lessons.check.your_video import is_key_frame, longest_duration


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("the oldest box is l - 1 frames old", lambda w, v: math.floor(w / 3 / v)),
        ("IoU = (w - d) / (w + d)", lambda w, v: math.floor(w / 2 / v) + 1),
        ("half of the box's width, and", lambda w, v: math.floor(w / 2 / v)),
        ("no longer touch", lambda w, v: math.floor(w / v) + 1),
        ("a whole number", lambda w, v: w / v / 3 + 1),
        ("Round down", lambda w, v: math.ceil(w / v / 3) + 1),
        ("raised TypeError", lambda w, v: range(w / v)),
    ],
)
def test_wrong_durations_get_their_reason(reason, function):
    verdict = longest_duration.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_a_duration_found_by_trying_is_right():
    def by_trying(width, speed):
        overlaps = [(width - d) / (width + d) for d in (speed * age for age in range(100))]
        return sum(overlap >= 0.5 for overlap in overlaps)

    assert longest_duration.verdict(by_trying) == "correct, on 5 examples."


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("Count from the last key frame", lambda i, k, d, t, n: i % n == 0 or d > t),
        ("either of them, not both", lambda i, k, d, t, n: i - k >= n and d > t),
        ("at a distance of l already", lambda i, k, d, t, n: i - k > n or d > t),
        ("not one earlier", lambda i, k, d, t, n: i - k + 1 >= n or d > t),
        ("a slow change would never", lambda i, k, d, t, n: d > t),
        ("after a cut the old features", lambda i, k, d, t, n: i >= k + n),
        ("turn it round", lambda i, k, d, t, n: d < t or i - k >= n),
    ],
)
def test_wrong_decisions_get_their_reason(reason, function):
    verdict = is_key_frame.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_right_decisions_of_several_kinds():
    def by_cases(index, key_index, difference, threshold, longest):
        if difference > threshold:
            return True
        return key_index + longest <= index

    for function in (by_cases, lambda i, k, d, t, n: int(max(d - t, i - k - n + 1) > 0)):
        assert is_key_frame.verdict(function) == "correct, on 7 examples."
