"""The exercises of notebook 04: the solutions, and the wrong ways that learners take."""

import math

from dffkit import complexity
from dffkit.lessons.check.exercise import Example, Exercise, Mistake

# Exercise 1: Eq. 7 as a function

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
        Mistake(
            "You propagate all l frames: one of them is the key frame, so l - 1 are left.",
            lambda duration, ratio: duration / (1 + duration * ratio),
        ),
        Mistake(
            "You leave out the key frame's own cost of 1.",
            lambda duration, ratio: duration / ((duration - 1) * ratio) if duration > 1 and ratio else math.inf,
        ),
        Mistake(
            "That is the cost of the l frames; the speedup is l divided by it.",
            lambda duration, ratio: 1 + (duration - 1) * ratio,
        ),
        Mistake(
            "It is upside down: the old cost l over the new one, so that faster is more than 1.",
            lambda duration, ratio: (1 + (duration - 1) * ratio) / duration,
        ),
        Mistake(
            "That is the cost of one frame on average, times l squared: divide l by the cost of the l frames.",
            lambda duration, ratio: duration * (1 + (duration - 1) * ratio),
        ),
        Mistake(
            "That is 1 / r, the limit for endless l; one key frame in l must be paid for too.",
            lambda duration, ratio: 1 / ratio if ratio else math.inf,
        ),
        Mistake(
            "You give r to the key frame and 1 to the others: it is the key frame that costs 1.",
            lambda duration, ratio: duration / (ratio + (duration - 1)) if duration > 1 or ratio else math.inf,
        ),
        Mistake(
            "You take 1/r for r: multiply the l - 1 propagated frames by their cost, do not divide.",
            lambda duration, ratio: duration / (1 + (duration - 1) / ratio) if ratio else 0.0,
        ),
    ],
)


# Exercise 2: the smallest duration for a speedup


def _duration(target: float, ratio: float) -> int | None:
    if target <= 1:
        return 1
    if target * ratio >= 1:
        return None
    duration = _solved(target, ratio)
    return math.ceil(duration - 1e-9)  # what is whole but for rounding is whole


def _solved(target: float, ratio: float) -> float:
    return target * (1 - ratio) / (1 - target * ratio)


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
        Example("s = 4, r = 0.25: just the limit, which is never reached", (4.0, 0.25)),
        Example("s = 1, r = 0.5: no speedup asked for", (1.0, 0.5)),
    ],
    [
        Mistake(
            "A duration is a whole number of frames: round up, since rounding down falls short of the target.",
            lambda target, ratio: None if _duration(target, ratio) is None else _solved(target, ratio),
        ),
        Mistake(
            "You round down, which falls short of the target: round up.",
            lambda target, ratio: (
                None if _duration(target, ratio) is None else math.floor(_solved(target, ratio) + 1e-9)
            ),
        ),
        Mistake(
            "You round to the nearest whole number, which may fall short of the target: round up.",
            lambda target, ratio: None if _duration(target, ratio) is None else round(_solved(target, ratio)),
        ),
        Mistake(
            "You always go one further: where the target is met exactly, that is enough.",
            lambda target, ratio: (
                None if _duration(target, ratio) is None else math.floor(_solved(target, ratio) + 1e-9) + 1
            ),
        ),
        Mistake(
            "You take r for 0: the propagated frames cost something too, so l is more than s.",
            lambda target, ratio: math.ceil(target),
        ),
        Mistake(
            "Where the target is at or beyond the limit 1/r, no duration reaches it: return None.",
            lambda target, ratio: (
                1 if target <= 1 else math.ceil(_solved(target, ratio) - 1e-9) if target * ratio != 1 else 0
            ),
        ),
        Mistake(
            "A target of exactly 1/r is not reached either, however long the duration: return None.",
            lambda target, ratio: math.inf if target * ratio == 1 else _duration(target, ratio),
        ),
    ],
)
