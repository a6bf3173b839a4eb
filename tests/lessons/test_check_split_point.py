"""The second check of notebook 05: wrong ratios as learners write them, each with its own reason; right ones too."""

import pytest

from dffkit import complexity
from dffkit.lessons.check.split_point import split_ratio


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("leave out what is moved", lambda f, n, t, m: (f + t) / (n + t)),
        ("its cost stays", lambda f, n, t, m: (f + t + m) / (n + t + m)),
        ("its cost stays", lambda f, n, t, m: (f + t + m) / (n - m + t) if n - m + t else float("inf")),
        ("run on every frame now", lambda f, n, t, m: (f + t) / (n + t - m) if n + t - m else float("inf")),
        ("run on every frame now", lambda f, n, t, m: (f + t - m) / (n + t)),
        ("above and below", lambda f, n, t, m: f / n + m / n),
        ("has it below as well", lambda f, n, t, m: (f + t + m) / n),
        ("has it above as well", lambda f, n, t, m: (f + m) / (n + t)),
        ("upside down", lambda f, n, t, m: (n + t) / (f + t + m)),
        ("examples are right; the first that is not", lambda f, n, t, m: (f + t + 2 * m) / (n + t)),
    ],
)
def test_wrong_ratios_get_their_reason(reason, function):
    verdict = split_ratio.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_right_ratios_of_several_kinds():
    def by_frames(flow, features, task, moved):
        key_frame = (features - moved) + (task + moved)
        return (flow + (task + moved)) / key_frame

    for function in (by_frames, lambda f, n, t, m: f / (n + t) + (t + m) / (n + t)):
        assert split_ratio.verdict(function) == "correct, on 4 examples."


def test_the_library_counts_the_same():
    for example in split_ratio.examples:
        flow, features, task, moved = example.arguments
        costs = complexity.Costs(features=features - moved, flow=flow, warp=0, task=task + moved)
        assert complexity.cost_ratio(costs) == pytest.approx(split_ratio.solution(*example.arguments))
