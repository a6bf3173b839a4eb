"""Exercises of notebook 08: the weights of frames at one place, and the frames around one, at both ends of a video."""

from collections.abc import Callable, Sequence

import numpy as np

from dffkit.lessons.check import Example, Exercise, Mistake

Vectors = Sequence[Sequence[float]]

# Exercise 1: weights


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.sqrt((one @ one) * (other @ other)))


def _weights(
    alike: Callable[[np.ndarray, np.ndarray], float] = _cosine,
    grow: Callable[[np.ndarray], np.ndarray] = np.exp,
    share: Callable[[np.ndarray], np.ndarray] = lambda grown: grown / grown.sum(),
) -> Callable[..., np.ndarray]:
    """Return the solution, or one with another likeness, another function of it or another sharing out."""

    def function(embeddings: Vectors, query: Sequence[float]) -> np.ndarray:
        wanted = np.array(query, dtype=float)
        return share(grow(np.array([alike(np.array(each, dtype=float), wanted) for each in embeddings])))

    return function


weights = Exercise(
    "Exercise 1",
    _weights(),
    [
        Example("arrows (1, 0), (1, 0), (-1, 0) around (1, 0)", ([[1, 0], [1, 0], [-1, 0]], [1, 0])),
        Example("an arrow at a right angle, three times as long", ([[0, 3], [1, 0], [1, 0]], [1, 0])),
        Example("a query of length 5", ([[1, 0], [0, 2], [-4, 3]], [3, 4])),
        Example("four frames, three channels", ([[1, 2, 3], [3, 2, 1], [-1, 0, 2], [2, 2, 2]], [1, 1, 4])),
        Example("one frame", ([[2, 1]], [2, 1])),
    ],
    [
        Mistake("You take the product of the vectors: divide it by both lengths, or a long vector counts for more.",
                _weights(alike=lambda one, other: float(one @ other))),
        Mistake("You divide by the length of one vector only: divide by the query's and by the frame's.",
                _weights(alike=lambda one, other: float(one @ other / np.sqrt(one @ one)))),
        Mistake("You divide by the length of one vector only: divide by the frame's and by the query's.",
                _weights(alike=lambda one, other: float(one @ other / np.sqrt(other @ other)))),
        Mistake("The cosines themselves are shared out; a negative one would be a negative weight. Take exp first.",
                _weights(grow=lambda cosines: cosines)),
        Mistake("These do not add up to 1: divide each exp by the sum over frames.",
                _weights(share=lambda grown: grown)),
        Mistake("Those are the cosines: the weights are their softmax over frames.",
                _weights(grow=lambda cosines: cosines, share=lambda grown: grown)),
        Mistake("You turn the cosine round: what is alike must weigh more.", _weights(grow=lambda c: np.exp(-c))),
        Mistake("All frames get the same weight: let it depend on the cosine.", _weights(grow=np.ones_like)),
        Mistake("All of the weight goes to the most similar frame: take the softmax, not the maximum.",
                _weights(share=lambda grown: (np.arange(len(grown)) == grown.argmax()).astype(float))),
        Mistake("You divide by the largest: divide by the sum.", _weights(share=lambda grown: grown / grown.max())),
    ],
    describe_index=lambda i: f"frame {i}",
)  # fmt: skip


# Exercise 2: the frames around one


def _window(
    offsets: Callable[[int], Sequence[int]] = lambda reach: range(-reach, reach + 1),
    stand_in: Callable[[int, int], int | None] = lambda other, length: min(max(other, 0), length - 1),
) -> Callable[..., list[int]]:
    """Return the solution, or one with other offsets, or other stand-ins for frames that are missing."""

    def function(index: int, reach: int, length: int) -> list[int]:
        found = [stand_in(index + offset, length) for offset in offsets(reach)]
        return [each for each in found if each is not None]

    return function


window = Exercise(
    "Exercise 2",
    _window(),
    [
        Example("frame 4 of 9, K = 2", (4, 2, 9)),
        Example("the first frame of 9, K = 2", (0, 2, 9)),
        Example("the last frame of 9, K = 3", (8, 3, 9)),
        Example("frame 1 of 3, K = 4: frames are missing at both ends", (1, 4, 3)),
        Example("K = 0", (3, 0, 5)),
    ],
    [
        Mistake("You leave out the frames that are missing: the first and the last frame stand in for them.",
                _window(stand_in=lambda other, length: other if 0 <= other < length else None)),
        Mistake("Before the first frame you take frames of the end: the first one stands in.",
                _window(stand_in=lambda other, length: other % length)),
        Mistake("You take frames that the video does not have: cut the numbers at both ends.",
                _window(stand_in=lambda other, length: other)),
        Mistake("The last frame of a video of n frames is n - 1.",
                _window(stand_in=lambda other, length: min(max(other, 0), length))),
        Mistake("You cut at the start only: frames after the last are missing too.",
                _window(stand_in=lambda other, length: max(other, 0))),
        Mistake("You cut at the end only: frames before the first are missing too.",
                _window(stand_in=lambda other, length: min(other, length - 1))),
        Mistake("K frames after the current one belong to it too: range(a, b) ends before b.",
                _window(offsets=lambda reach: range(-reach, reach))),
        Mistake("The current frame belongs to its own window.",
                _window(offsets=lambda reach: [each for each in range(-reach, reach + 1) if each])),
        Mistake("You take frames before the current one only: a result waits for K frames after it.",
                _window(offsets=lambda reach: range(-2 * reach, 1))),
    ],
    describe_index=lambda i: f"place {i}",
)  # fmt: skip
