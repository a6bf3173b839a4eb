"""The checks of notebook 06: wrong answers as learners write them, each with its own reason; several right ones."""

import numpy as np
import pandas
import pytest

from dffkit.lessons.check.speed_accuracy import envelope, fastest_within
from dffkit.paper import speed_accuracy


def kept(beaten):
    """Which points no other beats; `beaten(speed, score, other speed, other score)`."""
    return lambda speeds, scores: [
        not any(beaten(a, b, c, d) for j, (c, d) in enumerate(zip(speeds, scores, strict=True)) if j != i)
        for i, (a, b) in enumerate(zip(speeds, scores, strict=True))
    ]


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("turn it round", lambda s, a: [not x for x in kept(lambda a, b, c, d: c >= a and d >= b)(s, a)]),
        ("equal in the other", kept(lambda a, b, c, d: c > a and d > b)),
        ("Of two points of the same speed", kept(lambda a, b, c, d: c > a and d >= b)),
        ("Of two points of the same score", kept(lambda a, b, c, d: c >= a and d > b)),
        ("Only the most accurate point is left", kept(lambda a, b, c, d: d > b)),
        ("Only the fastest point is left", kept(lambda a, b, c, d: c > a)),
        ("must not beat itself", lambda s, a: [False] * len(s)),
        ("any of the others can beat it", lambda s, a: [
            not (i + 1 < len(s) and s[i + 1] >= s[i] and a[i + 1] >= a[i]) for i in range(len(s))
        ]),
        ("Expected the shape", lambda s, a: max(s)),
    ],
)  # fmt: skip
def test_wrong_envelopes_get_their_reason(reason, function):
    verdict = envelope.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_right_envelopes_of_several_kinds():
    def by_library(speeds, scores):
        points = pandas.DataFrame({"speedup": speeds, "score": scores})
        return points.index.isin(speed_accuracy.envelope(points).index).tolist()

    def by_sorting(speeds, scores):
        order = np.lexsort((scores, speeds))[::-1]
        best, result = -np.inf, np.zeros(len(speeds), bool)
        for index in order:
            result[index], best = scores[index] > best, max(best, scores[index])
        return result

    for function in (by_library, by_sorting, kept(lambda a, b, c, d: c >= a and d >= b)):
        assert envelope.verdict(function) == "correct, on 6 examples."


def good(speeds, scores, needed):
    return [speed for speed, score in zip(speeds, scores, strict=True) if score >= needed]


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("just as many points as allowed", lambda s, a, r, x: max(good(s, a, r - x + 1e-6), default=None)),
        ("a later one may be faster", lambda s, a, r, x: (*good(s, a, r - x), None)[0]),
        ("need not be the fastest", lambda s, a, r, x: (
            s[a.index(min(b for b in a if b >= r - x))] if max(a) >= r - x else None
        )),
        ("You take the most accurate", lambda s, a, r, x: s[a.index(max(a))] if max(a) >= r - x else None),
        ("not in percent", lambda s, a, r, x: max(good(s, a, r * (1 - x / 100)), default=None)),
        ("the reference minus the score", lambda s, a, r, x: max(good(s, a, x))),
        ("the fastest is asked for", lambda s, a, r, x: min(good(s, a, r - x), default=None)),
        ("return None", lambda s, a, r, x: max([0, *good(s, a, r - x)])),
        ("raised ValueError", lambda s, a, r, x: max(good(s, a, r - x))),
    ],
)  # fmt: skip
def test_wrong_choices_get_their_reason(reason, function):
    verdict = fastest_within.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_right_choices_of_several_kinds():
    def by_pandas(speeds, scores, reference, loss):
        good = pandas.Series(speeds)[pandas.Series(scores) >= reference - loss]
        return None if good.empty else good.max()

    def by_loop(speeds, scores, reference, loss):
        best = None
        for speed, score in zip(speeds, scores, strict=True):
            if reference - score <= loss and (best is None or speed > best):
                best = speed
        return best

    for function in (by_pandas, by_loop):
        assert fastest_within.verdict(function) == "correct, on 5 examples."
