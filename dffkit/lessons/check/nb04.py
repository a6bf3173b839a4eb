"""Exercises of notebook 04: Eq. 7 as a function, and the smallest duration that reaches a speedup."""

import math
from collections.abc import Callable

from dffkit import complexity
from dffkit.lessons.check import Example, Exercise, Mistake

speedup = Exercise(
    "Exercise 1",
    complexity.speedup,
    [
        Example("l = 1, r = 0.1: every frame is a key frame", (1, 0.1)),
        Example("l = 10, r = 0.1", (10, 0.1)),
        Example("l = 10, r = 0: propagated frames are free", (10, 0.0)),
        Example("l = 5, r = 1: propagated frames cost as much as key frames", (5, 1.0)),
        Example("l = 20, r = 0.0787", (20, 0.0787)),
    ],
    [
        Mistake("You propagate all l frames: one of them is the key frame, so l - 1 are left.",
                lambda duration, ratio: duration / (1 + duration * ratio)),
        Mistake("You leave out the key frame's own cost of 1.",
                lambda duration, ratio: duration / ((duration - 1) * ratio) if duration > 1 and ratio else math.inf),
        Mistake("That is the cost of the l frames; the speedup is l divided by it.",
                lambda duration, ratio: 1 + (duration - 1) * ratio),
        Mistake("It is upside down: divide the old cost l by the new cost, so that faster is more than 1.",
                lambda duration, ratio: (1 + (duration - 1) * ratio) / duration),
        Mistake("That is 1 / r, the limit for endless l; one key frame in l must be paid for too.",
                lambda duration, ratio: 1 / ratio if ratio else math.inf),
        Mistake("You give r to the key frame and 1 to the others: the key frame costs 1.",
                lambda duration, ratio: duration / (ratio + duration - 1) if duration > 1 or ratio else math.inf),
    ],
)  # fmt: skip


def _rounded(rounding: Callable[[float], float]) -> Callable[[float, float], float | None]:
    """Return an answer that solves Eq. 7 for l and then applies `rounding`."""

    def function(target: float, ratio: float) -> float | None:
        if target <= 1:
            return 1
        return None if target * ratio >= 1 else rounding(target * (1 - ratio) / (1 - target * ratio))

    return function


_duration = _rounded(lambda solved: math.ceil(solved - 1e-9))  # a whole number stays whole in spite of rounding errors


def _without_limit(target: float, ratio: float) -> int:
    if target <= 1:
        return 1
    return math.ceil(target * (1 - ratio) / (1 - target * ratio) - 1e-9) if target * ratio != 1 else 0


duration_for = Exercise(
    "Exercise 2",
    _duration,
    [
        Example("s = 5, r = 0: propagated frames are free", (5.0, 0.0)),
        Example("s = 2, r = 0.25", (2.0, 0.25)),
        Example("s = 2, r = 0.2", (2.0, 0.2)),
        Example("s = 10, r = 0.0787", (10.0, 0.0787)),
        Example("s = 10, r = 0.0105", (10.0, 0.0105)),
        Example("s = 10, r = 0.1087: beyond the limit 1/r = 9.2", (10.0, 0.1087)),
        Example("s = 4, r = 0.25: exactly the limit, which is never reached", (4.0, 0.25)),
        Example("s = 1, r = 0.5: no speedup needed", (1.0, 0.5)),
    ],
    [
        Mistake("A duration is a whole number of frames: round up, since rounding down falls short of the target.",
                _rounded(lambda solved: solved)),
        Mistake("You round down, which falls short of the target: round up.",
                _rounded(lambda solved: math.floor(solved + 1e-9))),
        Mistake("You always go one frame further: a duration that meets the target exactly is enough.",
                _rounded(lambda solved: math.floor(solved + 1e-9) + 1)),
        Mistake("You take r for 0: the propagated frames cost something too, so l is more than s.",
                lambda target, ratio: math.ceil(target)),
        Mistake("If the target is at or beyond the limit 1/r, no duration reaches it: return None.", _without_limit),
        Mistake("No duration reaches a target of exactly 1/r either: return None.",
                lambda target, ratio: math.inf if target * ratio == 1 else _duration(target, ratio)),
    ],
)  # fmt: skip
