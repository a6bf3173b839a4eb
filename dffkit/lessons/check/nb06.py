"""Exercises of notebook 06: mean and slowest time of a frame, the envelope of points, the fastest within a loss."""

import itertools
from collections.abc import Callable, Sequence

from dffkit.lessons.check import Example, Exercise, Mistake

Point = tuple[float, float]  # speed, score

# Exercise 1: what the mean hides


def _times(
    mean: Callable[[float, float, int], float] = lambda key, current, duration: (
        (key + (duration - 1) * current) / duration
    ),
    slowest: Callable[[float, float], float] = max,
) -> Callable[..., list[float]]:
    """Return the solution, or one with another mean or another slowest frame."""
    return lambda key, current, duration: [mean(key, current, duration), slowest(key, current)]


frame_times = Exercise(
    "Exercise 1",
    _times(),
    [
        Example("key frames take 100 ms, others 10 ms, l = 10", (100.0, 10.0, 10)),
        Example("key frames take 100 ms, others 10 ms, l = 2", (100.0, 10.0, 2)),
        Example("key frames take 90 ms, others 30 ms, l = 5", (90.0, 30.0, 5)),
        Example("key frames take 30 ms, others 45 ms, as with tiny networks, l = 5", (30.0, 45.0, 5)),
    ],
    [
        Mistake("Of l frames one is a key frame and l - 1 are not: the two kinds are not equally frequent.",
                _times(lambda key, current, duration: (key + current) / 2)),
        Mistake("One of the l frames is the key frame: l - 1 others are left.",
                _times(lambda key, current, duration: (key + duration * current) / duration)),
        Mistake("You divide by the number of the others: divide by l, the number of all frames.",
                _times(lambda key, current, duration: (key + (duration - 1) * current) / (duration - 1))),
        Mistake("That is the time of all l frames: divide by l.",
                _times(lambda key, current, duration: key + (duration - 1) * current)),
        Mistake("You swap the two kinds: one frame of l is the key frame.",
                lambda key, current, duration: _times()(current, key, duration)),
        Mistake("The slowest frame takes longer than the mean.",
                lambda *arguments: [_times()(*arguments)[0]] * 2),
        Mistake("That is the fastest frame: a deadline is missed by the slowest.", _times(slowest=min)),
        Mistake("That is the frame that is not a key frame: the slowest is mostly the key frame.",
                _times(slowest=lambda key, current: current)),
        Mistake("A key frame is not always the slowest: with tiny networks the others may be.",
                _times(slowest=lambda key, current: key)),
        Mistake("The order is mean, slowest.", lambda *arguments: _times()(*arguments)[::-1]),
    ],
    describe_index=lambda which: ("the mean", "the slowest")[which],
)  # fmt: skip


# Exercise 2: the points that no other beats


def _unbeaten(beats: Callable[[Point, Point], bool]) -> Callable[..., list[bool]]:
    """Return a function that marks the points that nothing `beats`."""

    def function(speeds: Sequence[float], scores: Sequence[float]) -> list[bool]:
        points = list(zip(speeds, scores, strict=True))
        return [not any(beats(other, point) for other in points) for point in points]

    return function


def _beats(other: Point, point: Point) -> bool:
    return other[0] >= point[0] and other[1] >= point[1] and other != point


def _unbeaten_by_the_next(speeds: Sequence[float], scores: Sequence[float]) -> list[bool]:
    points = list(zip(speeds, scores, strict=True))
    return [not _beats(other, point) for point, other in itertools.pairwise(points)] + [True]


envelope = Exercise(
    "Exercise 2",
    _unbeaten(_beats),
    [
        Example("three points, each faster and worse than the one before", ([1.0, 2.0, 3.0], [70.0, 65.0, 60.0])),
        Example("the second is slower and worse than the third", ([1.0, 2.0, 3.0], [70.0, 60.0, 65.0])),
        Example("not in order of speed", ([3.0, 1.0, 4.0, 2.0], [66.0, 70.0, 64.0, 65.0])),
        Example("two points of the same speed", ([1.0, 2.0, 2.0, 5.0], [70.0, 68.0, 69.0, 60.0])),
        Example("two points of the same score", ([1.0, 2.0, 4.0], [70.0, 65.0, 65.0])),
        Example("a single point", ([2.0], [50.0])),
    ],
    [
        Mistake("You mark the beaten points: mark the others.",
                lambda speeds, scores: [not kept for kept in _unbeaten(_beats)(speeds, scores)]),
        Mistake("A point that is better in one value and equal in the other beats too.",
                _unbeaten(lambda other, point: other[0] > point[0] and other[1] > point[1])),
        Mistake("Of two points of the same speed only the better one stays.",
                _unbeaten(lambda other, point: other[0] > point[0] and other[1] >= point[1])),
        Mistake("Of two points of the same score only the faster one stays.",
                _unbeaten(lambda other, point: other[0] >= point[0] and other[1] > point[1])),
        Mistake("Only the most accurate point is left: a point is beaten by one that is at least as fast AND at least "
                "as accurate.",
                _unbeaten(lambda other, point: other[1] > point[1])),
        Mistake("Every point is at least as fast and accurate as itself: it must not beat itself.",
                lambda speeds, scores: [False] * len(speeds)),
        Mistake("You compare each point with its neighbour in the list; any other point can beat it.",
                _unbeaten_by_the_next),
    ],
    describe_index=lambda index: f"point {index}",
)  # fmt: skip


# Exercise 3: the fastest point that loses at most so much


def _choose(
    choice: Callable[[list[float]], float] = max, needed: Callable[[float, float], float] = lambda r, loss: r - loss
) -> Callable[..., float | None]:
    """Return the solution, or one with another choice among the speeds, or another score that is needed."""

    def function(speeds: Sequence[float], scores: Sequence[float], reference: float, loss: float) -> float | None:
        least = needed(reference, loss)
        good = [speed for speed, score in zip(speeds, scores, strict=True) if score >= least]
        return choice(good) if good else None

    return function


def _most_accurate(speeds: Sequence[float], scores: Sequence[float], reference: float, loss: float) -> float | None:
    score, speed = max(zip(scores, speeds, strict=True))
    return speed if score >= reference - loss else None


_POINTS = [3.0, 1.5, 8.0, 1.0, 5.0], [70.0, 73.0, 65.0, 69.0, 69.5]
fastest_within = Exercise(
    "Exercise 3",
    _choose(),
    [
        Example("the reference has 73, at most 3 points may be lost, and one point loses exactly 3",
                (*_POINTS, 73.0, 3.0)),
        Example("at most 4 points may be lost", (*_POINTS, 73.0, 4.0)),
        Example("at most 10 points may be lost", (*_POINTS, 73.0, 10.0)),
        Example("nothing may be lost", (*_POINTS, 73.0, 0.0)),
        Example("the reference has 80: no point is near enough", (*_POINTS, 80.0, 1.0)),
    ],
    [
        Mistake("A loss of exactly as many points as allowed is allowed.",
                _choose(needed=lambda reference, loss: reference - loss + 1e-9)),
        Mistake("You take the first good point in the list: a later one may be faster.",
                _choose(choice=lambda good: good[0])),
        Mistake("You take the most accurate point: take the fastest of the good ones.", _most_accurate),
        Mistake("The loss is in points, not in percent of the reference.",
                _choose(needed=lambda reference, loss: reference * (1 - loss / 100))),
        Mistake("You take the slowest good point: take the fastest.", _choose(choice=min)),
        Mistake("If no point is good enough there is nothing to choose: return None.",
                lambda *arguments: _choose()(*arguments) or 0.0),
    ],
)  # fmt: skip
