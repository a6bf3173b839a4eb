"""The check of notebook 05: wrong answers as learners write them, each with its own reason; several right ones."""

import numpy as np
import pytest
import torch

from dffkit.lessons.check.paired_interval import paired_interval
from dffkit.scores.differences import Drawn, difference


def percentiles(values, low=2.5, high=97.5):
    return np.percentile(np.asarray(values), [low, high])


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("the other way round", lambda a, b, draws: percentiles((b[draws] - a[draws]).mean(1))),
        (
            "subtracted street by street",
            lambda a, b, draws: percentiles(a[draws].mean(1)) - percentiles(b[draws].mean(1)),
        ),
        (
            "subtracted street by street",
            lambda a, b, draws: percentiles(a[draws].mean(1)) - percentiles(b[draws].mean(1))[::-1],
        ),
        ("different streets", lambda a, b, draws: percentiles(a[draws].mean(1) - b[draws.flip(0)].mean(1))),
        ("interval of 90%", lambda a, b, draws: percentiles((a - b)[draws].mean(1), 5, 95)),
        ("interval of 50%", lambda a, b, draws: percentiles((a - b)[draws].mean(1), 25, 75)),
        ("single streets", lambda a, b, draws: percentiles((a - b)[draws])),
        ("single streets", lambda a, b, draws: [(a - b).mean() + s * 1.96 * (a - b).std() for s in (-1, 1)]),
        ("normal distribution", lambda a, b, draws: [
            (a - b).mean() + s * 1.96 * (a - b).std() / len(a) ** 0.5 for s in (-1, 1)
        ]),
        ("A row of `draws`", lambda a, b, draws: percentiles((a - b)[draws].mean(0))),
        ("Expected the shape (2,), got", lambda a, b, draws: (a - b)[draws].mean()),
    ],
)  # fmt: skip
def test_wrong_intervals_get_their_reason(reason, function):
    verdict = paired_interval.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_right_intervals_of_several_kinds():
    for function in (
        lambda a, b, draws: torch.quantile((a - b)[draws].mean(dim=1), torch.tensor([0.025, 0.975], dtype=a.dtype)),
        lambda a, b, draws: percentiles(a[draws].mean(1) - b[draws].mean(1)),
        lambda a, b, draws: percentiles([float((a[row] - b[row]).mean()) for row in draws]).tolist(),
    ):
        assert paired_interval.verdict(function) == "correct, on 3 examples."


def test_the_library_gives_the_same_interval():
    for example in paired_interval.examples:
        first, second, draws = example.arguments
        one, other = (Drawn(float(scores.mean()), scores[draws].mean(1).numpy()) for scores in (first, second))
        found = difference({0: one}, {0: other}, draws=20000)
        means = np.sort(one.replicates - other.replicates)  # 200: the ends are the 5th from either side, about
        assert means[3] <= found.low <= means[6]
        assert means[-7] <= found.high <= means[-4]
        expected = paired_interval.solution(first, second, draws)
        assert means[3] <= expected[0] <= means[6]
