"""The exercises of notebook 06, choosing among points of speed and accuracy: the solutions, and the wrong ways."""

import itertools
from collections.abc import Callable, Sequence

from dffkit.lessons.check.exercise import Example, Exercise, Mistake

Point = tuple[float, float]  # speed, score

# Exercise 1: the points that no other beats


def _unbeaten(beats: Callable[[Point, Point], bool]) -> Callable[..., list[bool]]:
    """Which points nothing beats, for some meaning of beating."""

    def function(speeds: Sequence[float], scores: Sequence[float]) -> list[bool]:
        points = list(zip(speeds, scores, strict=True))
        return [not any(beats(other, point) for other in points) for point in points]

    return function


def _next_does_not_beat(speeds: Sequence[float], scores: Sequence[float]) -> list[bool]:
    points = list(zip(speeds, scores, strict=True))
    return [not _beats(other, point) for point, other in itertools.pairwise(points)] + [True]


def _beats(other: Point, point: Point) -> bool:
    return other[0] >= point[0] and other[1] >= point[1] and other != point


envelope = Exercise(
    "Exercise 1",
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
        Mistake(
            "You mark the points that are beaten: turn it round.",
            lambda speeds, scores: [not kept for kept in envelope.solution(speeds, scores)],
        ),
        Mistake(
            "A point is beaten as well by one that is better in one thing and equal in the other.",
            _unbeaten(lambda other, point: other[0] > point[0] and other[1] > point[1]),
        ),
        Mistake(
            "Of two points of the same speed only the better one stays.",
            _unbeaten(lambda other, point: other[0] > point[0] and other[1] >= point[1]),
        ),
        Mistake(
            "Of two points of the same score only the faster one stays.",
            _unbeaten(lambda other, point: other[0] >= point[0] and other[1] > point[1]),
        ),
        Mistake(
            "Only the most accurate point is left: a point is beaten by one that is at least as fast AND at least as "
            "accurate.",
            _unbeaten(lambda other, point: other[1] > point[1]),
        ),
        Mistake(
            "Only the fastest point is left: one is beaten by what is at least as fast AND at least as accurate.",
            _unbeaten(lambda other, point: other[0] > point[0]),
        ),
        Mistake(
            "Every point is at least as fast and accurate as itself: it must not beat itself.",
            _unbeaten(lambda other, point: other[0] >= point[0] and other[1] >= point[1]),
        ),
        Mistake(
            "You compare each point with its neighbour in the list; any of the others can beat it.",
            _next_does_not_beat,
        ),
    ],
    places=lambda index: f"point {index}",
)


# Exercise 2: the fastest point that loses little enough


def _fastest(speeds: Sequence[float], scores: Sequence[float], needed: float) -> float | None:
    return max((speed for speed, score in zip(speeds, scores, strict=True) if score >= needed), default=None)


def _first(speeds: Sequence[float], scores: Sequence[float], needed: float) -> float | None:
    return next((speed for speed, score in zip(speeds, scores, strict=True) if score >= needed), None)


def _nearest(speeds: Sequence[float], scores: Sequence[float], needed: float) -> float | None:
    fit = [(score, speed) for speed, score in zip(speeds, scores, strict=True) if score >= needed]
    return min(fit)[1] if fit else None


def _most_accurate(speeds: Sequence[float], scores: Sequence[float], needed: float) -> float | None:
    score, speed = max(zip(scores, speeds, strict=True))
    return speed if score >= needed else None


_SPEEDS, _SCORES = [3.0, 1.5, 8.0, 1.0, 5.0], [70.0, 73.0, 65.0, 69.0, 69.5]
fastest_within = Exercise(
    "Exercise 2",
    lambda speeds, scores, reference, loss: _fastest(speeds, scores, reference - loss),
    [
        Example("the reference has 73, at most 3 points may be lost, and one point loses just 3",
                (_SPEEDS, _SCORES, 73.0, 3.0)),
        Example("at most 4 points may be lost", (_SPEEDS, _SCORES, 73.0, 4.0)),
        Example("at most 10 points may be lost", (_SPEEDS, _SCORES, 73.0, 10.0)),
        Example("nothing may be lost", (_SPEEDS, _SCORES, 73.0, 0.0)),
        Example("the reference has 80: no point is near enough", (_SPEEDS, _SCORES, 80.0, 1.0)),
    ],
    [
        Mistake("A loss of just as many points as allowed is allowed.",
                lambda speeds, scores, reference, loss: _fastest(speeds, scores, reference - loss + 1e-9)),
        Mistake("You take the first in the list that is good enough: a later one may be faster.",
                lambda speeds, scores, reference, loss: _first(speeds, scores, reference - loss)),
        Mistake("You take the worst that is good enough. It need not be the fastest.",
                lambda speeds, scores, reference, loss: _nearest(speeds, scores, reference - loss)),
        Mistake("You take the most accurate: asked for is the fastest of those that are good enough.",
                lambda speeds, scores, reference, loss: _most_accurate(speeds, scores, reference - loss)),
        Mistake("The loss is in points, not in percent of the reference.",
                lambda speeds, scores, reference, loss: _fastest(speeds, scores, reference * (1 - loss / 100))),
        Mistake("You compare the scores with the loss: what is lost is the reference minus the score.",
                lambda speeds, scores, reference, loss: _fastest(speeds, scores, loss)),
        Mistake("You give the slowest of those that are good enough: the fastest is asked for.",
                lambda speeds, scores, reference, loss: min(
                    (a for a, b in zip(speeds, scores, strict=True) if b >= reference - loss), default=None)),
        Mistake("Where no point is good enough there is nothing to choose: return None.",
                lambda speeds, scores, reference, loss: _fastest(speeds, scores, reference - loss) or 0.0),
    ],
)  # fmt: skip
