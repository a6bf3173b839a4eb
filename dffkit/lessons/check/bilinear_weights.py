"""Exercise 1 of notebook 02, the four bilinear weights of a point: the solution, and the wrong ways learners take."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dffkit.lessons.check.exercise import Example, Exercise, Mistake
from dffkit.warp import bilinear_kernel


def _weights(x: float, y: float) -> Tensor:
    left, top = math.floor(x), math.floor(y)
    cells = [(left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)]
    return torch.stack([bilinear_kernel(column, x) * bilinear_kernel(row, y) for column, row in cells])


def _from_fractions(weigh: Callable[[float, float], list[float]], whole: Callable[[float], int] = math.floor):
    """Weights from how far right and down of the upper left cell the point lies."""
    return lambda x, y: torch.tensor(weigh(x - whole(x), y - whole(y)))


def _products(a: float, b: float) -> list[float]:
    return [(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b]


def _euclidean(a: float, b: float) -> list[float]:
    return [max(0.0, 1 - math.hypot(a - i, b - j)) for j in (0, 1) for i in (0, 1)]


def _inverse_distance(a: float, b: float) -> list[float]:
    near = [1 / (math.hypot(a - i, b - j) + 1e-9) for j in (0, 1) for i in (0, 1)]
    return [value / sum(near) for value in near]


four_weights = Exercise(
    "Exercise 1",
    _weights,
    [
        Example("x = 2, y = 1, on a cell", (2.0, 1.0)),
        Example("x = 2.25, y = 1, between two cells of a row", (2.25, 1.0)),
        Example("x = 2.25, y = 1.5, between four cells", (2.25, 1.5)),
        Example("x = 0.9, y = 0.2", (0.9, 0.2)),
        Example("x = -0.25, y = -1.5, outside the map", (-0.25, -1.5)),
    ],
    [
        Mistake(
            "x and y are swapped: x decides between left and right, y between upper and lower.",
            lambda x, y: _weights(y, x),
        ),
        Mistake(
            "The weights are mirrored: the nearer a cell, the larger its weight, so the left cell gets 1 - (x - left).",
            _from_fractions(lambda a, b: _products(1 - a, 1 - b)),
        ),
        Mistake(
            "int() rounds towards 0, so left of the map it finds the wrong cell: use math.floor.",
            _from_fractions(_products, whole=int),
        ),
        Mistake(
            "You add the weights of the two axes; the kernel G is their product.",
            _from_fractions(lambda a, b: [2 - a - b, 1 + a - b, 1 - a + b, a + b]),
        ),
        Mistake(
            "You average the weights of the two axes; the kernel G is their product.",
            _from_fractions(lambda a, b: [(2 - a - b) / 2, (1 + a - b) / 2, (1 - a + b) / 2, (a + b) / 2]),
        ),
        Mistake(
            "You use the straight distance to each cell; Eq. 2 takes the distance on each axis and multiplies.",
            _from_fractions(_euclidean),
        ),
        Mistake(
            "You weigh by the inverse distance; Eq. 2 takes 1 - |distance| on each axis and multiplies.",
            _from_fractions(_inverse_distance),
        ),
        Mistake(
            "All weight goes to the nearest cell; a point between cells is shared by all four.",
            _from_fractions(lambda a, b: [float(round(a) == i and round(b) == j) for j in (0, 1) for i in (0, 1)]),
        ),
        Mistake(
            "All four weigh the same; that is so only in the middle between four cells.",
            _from_fractions(lambda a, b: [0.25] * 4),
        ),
        Mistake(
            "The order is another: upper left, upper right, lower left, lower right. You go round in a circle.",
            _from_fractions(lambda a, b: [_products(a, b)[i] for i in (0, 1, 3, 2)]),
        ),
    ],
    places=lambda i, *_: "the " + ["upper left", "upper right", "lower left", "lower right"][i] + " cell",
)
