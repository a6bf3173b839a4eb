"""Exercises of notebook 09: key frames by a threshold, and the gain over the fixed schedule at equal rate."""

from collections.abc import Callable, Sequence

import numpy as np

from dffkit.lessons.check import Example, Exercise, Mistake

# Exercise 1: key frames by a threshold


def _key_frames(
    moved: Callable[[Sequence[float], int, list[int]], float] = lambda x, i, keys: abs(x[i] - x[keys[-1]]),
    exceeds: Callable[[float, float], bool] = lambda change, threshold: change > threshold,
    result: Callable[[int, list[int]], int] = lambda i, keys: keys[-1],
) -> Callable[..., list[int]]:
    """Return the solution, or one with another change, another comparison or another result for a frame."""

    def function(positions: Sequence[float], threshold: float) -> list[int]:
        keys, found = [0], []
        for i in range(len(positions)):
            if i and exceeds(moved(positions, i, keys), threshold):
                keys.append(i)
            found.append(result(i, keys))
        return found

    return function


key_frames = Exercise(
    "Exercise 1",
    _key_frames(),
    [
        Example("positions 0, 0, 1, 1, 4, 7, 7, 8, threshold 2", ([0, 0, 1, 1, 4, 7, 7, 8], 2)),
        Example("slow but steady: positions 0, 1, 2, 3, 4, 5, 6, threshold 2", ([0, 1, 2, 3, 4, 5, 6], 2)),
        Example("to the left: positions 9, 8, 5, 5, 1, threshold 2", ([9, 8, 5, 5, 1], 2)),
        Example("there and back: positions 0, 5, 0, 5, 5, threshold 3", ([0, 5, 0, 5, 5], 3)),
        Example("there and nearly back: positions 0, 3, 1, threshold 2", ([0, 3, 1], 2)),
        Example("threshold 0: positions 3, 3, 4, 4, 5", ([3, 3, 4, 4, 5], 0)),
        Example("a single frame", ([2], 1)),
    ],
    [
        Mistake("You compare each frame with the one before: what moves slowly never gets a key frame. Compare with "
                "the last key frame.", _key_frames(moved=lambda x, i, keys: abs(x[i] - x[i - 1]))),
        Mistake("You compare each frame with the first one: compare with the last key frame.",
                _key_frames(moved=lambda x, i, keys: abs(x[i] - x[0]))),
        Mistake("A change that equals the threshold does not exceed it.",
                _key_frames(exceeds=lambda change, threshold: change >= threshold)),
        Mistake("A thing may move to the left, too: take the absolute difference.",
                _key_frames(moved=lambda x, i, keys: x[i] - x[keys[-1]])),
        Mistake("You mark the key frames: return the number of each frame's key frame.",
                _key_frames(result=lambda i, keys: int(i == keys[-1]))),
        Mistake("You count key frames: return the number of the frame that is the key frame.",
                _key_frames(result=lambda i, keys: len(keys) - 1)),
        Mistake("A frame that exceeds the threshold is a key frame itself; you let it have the former key frame.",
                _key_frames(result=lambda i, keys: keys[-2] if i and i == keys[-1] else keys[-1])),
        Mistake("You swap the comparison: a frame that has changed MORE than the threshold becomes a key frame.",
                _key_frames(exceeds=lambda change, threshold: change < threshold)),
    ],
    describe_index=lambda i: f"frame {i}",
)  # fmt: skip


# Exercise 2: the gain over the fixed schedule at equal rate


def _gain(
    at: Callable[[Sequence[float], Sequence[float], float], float] = lambda rates, scores, rate: np.interp(
        rate, rates, scores
    ),
    compare: Callable[[float, float], float] = lambda own, fixed: own - fixed,
) -> Callable[..., float]:
    """Return the solution, or one with another score of the fixed schedule or another comparison."""
    return lambda rates, scores, rate, score: compare(score, at(rates, scores, rate))


gain_at_equal_rate = Exercise(
    "Exercise 2",
    _gain(),
    [
        Example("fixed: 90 at 10%, 94 at 20%; another schedule: 93 at 15%", ([10.0, 20.0], [90.0, 94.0], 15.0, 93.0)),
        Example("three rates, and a rate nearer to the lower one",
                ([10.0, 14.0, 34.0], [88.0, 92.0, 96.0], 13.0, 90.0)),
        Example("a rate nearer to the higher one", ([10.0, 14.0, 34.0], [88.0, 92.0, 96.0], 29.0, 95.5)),
        Example("just the rate of a fixed point", ([10.0, 20.0, 30.0], [90.0, 93.0, 94.0], 20.0, 92.0)),
    ],
    [
        Mistake("The gain is the schedule's score less the fixed one's, not the other way round.",
                _gain(compare=lambda own, fixed: fixed - own)),
        Mistake("You take the nearest rate: take the score on the line between the two rates around it.",
                _gain(at=lambda rates, scores, rate: scores[int(np.abs(np.array(rates) - rate).argmin())])),
        Mistake("You take the next higher rate, which flatters the fixed schedule: interpolate.",
                _gain(at=lambda rates, scores, rate: scores[int(np.searchsorted(rates, rate))])),
        Mistake("You take the next lower rate, which flatters the other schedule: interpolate.",
                _gain(at=lambda rates, scores, rate: scores[int(np.searchsorted(rates, rate, side="right")) - 1])),
        Mistake("That is the mean of the fixed scores, whatever the rate: interpolate at the rate.",
                _gain(at=lambda rates, scores, rate: float(np.mean(scores)))),
        Mistake("That is the fixed score at this rate: subtract it from the schedule's.",
                _gain(compare=lambda own, fixed: fixed)),
        Mistake("Points are a difference, not a share of the fixed score.",
                _gain(compare=lambda own, fixed: 100 * (own / fixed - 1))),
    ],
)  # fmt: skip
