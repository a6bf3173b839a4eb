"""The checks of notebook 04: wrong answers as learners write them, each with its own reason; several right ones."""

import numpy as np
import pytest
import torch

from dffkit.lessons import check


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("l - 1 are left", lambda duration, ratio: duration / (1 + duration * ratio)),
        ("upside down", lambda duration, ratio: 1 / duration + (1 - 1 / duration) * ratio),
        ("the cost of the l frames", lambda duration, ratio: sum([1] + [ratio] * (duration - 1))),
        ("it is the key frame that costs 1", lambda l, r: l / (l - 1 + r) if l - 1 + r else float("inf")),  # noqa: E741
        ("the limit for endless l", lambda duration, ratio: 1 / ratio if ratio > 0 else float("inf")),
        ("examples are right; the first that is not", lambda duration, ratio: duration * (1 - ratio)),
    ],
)
def test_wrong_speedups_get_their_reason(reason, function):
    verdict = check.speedup.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_right_speedups_of_several_kinds():
    def by_costs(duration, ratio):
        return duration / sum(1 if frame == 0 else ratio for frame in range(duration))

    def by_average(duration, ratio):
        return 1 / np.mean([1.0] + [ratio] * (duration - 1))

    def by_torch(duration, ratio):
        return torch.tensor(float(duration)) / (1 + (duration - 1) * ratio)

    for function in (by_costs, by_average, by_torch):
        assert check.speedup.verdict(function).startswith("correct"), function.__name__


def solved(target, ratio):
    return target * (1 - ratio) / (1 - target * ratio)


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("rounding down falls short", lambda s, r: 1 if s <= 1 else None if s * r >= 1 else solved(s, r)),
        ("You round down", lambda s, r: 1 if s <= 1 else None if s * r >= 1 else int(solved(s, r) + 1e-9)),
        ("You take r for 0", lambda s, r: int(-(-s // 1))),
        ("raised ZeroDivisionError", lambda s, r: int(solved(s, r))),
    ],
)
def test_wrong_durations_get_their_reason(reason, function):
    verdict = check.duration_for.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_right_durations_of_several_kinds():
    def by_counting(target, ratio):
        return next((n for n in range(1, 100_000) if n / (1 + (n - 1) * ratio) >= target - 1e-12), None)

    def by_algebra(target, ratio):
        if target <= 1:
            return 1
        return None if target * ratio >= 1 else int(np.ceil(solved(target, ratio) - 1e-9))

    for function in (by_counting, by_algebra):
        assert check.duration_for.verdict(function).startswith("correct"), function.__name__
