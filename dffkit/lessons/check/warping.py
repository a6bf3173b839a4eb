"""Exercise 2 of notebook 02, the warp of one channel: the solution, and the wrong ways that learners take."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dffkit.lessons.check.exercise import Example, Exercise, Mistake
from dffkit.lessons.examples import address_map, forward_warp, grid_sample_warp, landings, same_everywhere
from dffkit.warp import CELL, bilinear_kernel, warp


def _warp(values: Tensor, flow: Tensor) -> Tensor:
    return warp(values[None, None], flow[None])[0, 0]


def _by_grid_sample(**options: Any) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda values, flow: grid_sample_warp(values[None, None], flow[None], **options)[0, 0]


def _positions(flow: Tensor) -> Tensor:
    """The positions p + flow, `(2, h, w)` as the flow."""
    return flow + _cells(flow)


def _cells(flow: Tensor) -> Tensor:
    """The positions p, likewise."""
    rows, columns = torch.meshgrid(*map(torch.arange, flow.shape[1:]), indexing="ij")
    return torch.stack([columns, rows]).to(flow.dtype)


def _gather(values: Tensor, columns: Tensor, rows: Tensor, outside: str = "zero") -> Tensor:
    """Read whole cells; outside there is "zero", the "border", the map "again", or that on two sides, "as Python"."""
    height, width = values.shape
    inside = (columns < width) & (rows < height) & ((outside == "as Python") | ((columns >= 0) & (rows >= 0)))
    if outside in ("again", "as Python"):
        read = values[rows.long() % height, columns.long() % width]
    else:
        read = values[rows.long().clamp(0, height - 1), columns.long().clamp(0, width - 1)]
    return read if outside in ("border", "again") else read * inside


def _read(
    outside: str = "zero",
    whole: Callable[[Tensor], Tensor] = torch.floor,
    shares: Callable[[Tensor], tuple[Tensor, Tensor]] = lambda part: (1 - part, part),
    of_weights: Callable[[Tensor, Tensor], Tensor] = lambda weights, _inside: weights,
) -> Callable[[Tensor, Tensor], Tensor]:
    """A warp like the solution with one thing another: what is outside, how cells are found, how they are weighed."""

    def function(values: Tensor, flow: Tensor) -> Tensor:
        position = _positions(flow)
        first = whole(position)
        (left, top), (right, bottom) = shares(position - first)
        weights = torch.stack([left * top, right * top, left * bottom, right * bottom])
        corners = [(first[0] + i, first[1] + j) for j in (0, 1) for i in (0, 1)]
        inside = torch.stack([_gather(torch.ones_like(values), *corner) for corner in corners])
        read = torch.stack([_gather(values, *corner, outside=outside) for corner in corners])
        return (of_weights(weights, inside) * read).sum(0)

    return function


def _splat(values: Tensor, flow: Tensor) -> Tensor:
    """Forward warping that shares each value among the four cells around where it lands."""
    thrown = torch.zeros_like(values)
    height, width = values.shape
    for row in range(height):
        for column in range(width):
            x, y = column + flow[0, row, column], row + flow[1, row, column]
            kernel = bilinear_kernel(torch.arange(height), y)[:, None] * bilinear_kernel(torch.arange(width), x)
            thrown += kernel * values[row, column]
    return thrown


def _assigning(values: Tensor, flow: Tensor) -> Tensor:
    """Forward warping in which the last value that lands on a cell wins."""
    thrown = torch.zeros_like(values)
    for start, landing in landings(flow):
        thrown[landing] = values[start]
    return thrown


def _everywhere(x: float, y: float, height: int = 3, width: int = 4) -> Tensor:
    return same_everywhere(float(x), float(y), height, width)[0]


def _magnifying() -> Tensor:
    cells = _cells(torch.zeros(2, 3, 4))
    return (torch.tensor([1.0, 1.0]).view(2, 1, 1) - cells) / torch.tensor([2.0, 4.0]).view(2, 1, 1)


_MAP = address_map(3, 4)[0, 0] + 1
_ON = "on a 3x4 map that holds 10 * row + column + 1"
_X_IS_COLUMNS = "flow[0] is x and goes right, over the columns; flow[1] is y and goes down, over the rows"
_FORWARD = (
    "This is forward warping: you throw each value to p + flow. Every cell p of the result has to fetch its value from "
    "the map at p + flow."
)

warp_one_channel = Exercise(
    "Exercise 2",
    _warp,
    [
        Example(f"{_ON}, no flow", (_MAP, _everywhere(0, 0))),
        Example(f"{_ON}, flow x = 1 everywhere", (_MAP, _everywhere(1, 0))),
        Example(f"{_ON}, flow y = 1 everywhere", (_MAP, _everywhere(0, 1))),
        Example(f"{_ON}, flow x = 0.5 everywhere", (_MAP, _everywhere(0.5, 0))),
        Example(f"{_ON}, flow x = 0.25, y = -0.5 everywhere", (_MAP, _everywhere(0.25, -0.5))),
        Example(f"{_ON}, flow x = -1.25, y = 0.75 everywhere", (_MAP, _everywhere(-1.25, 0.75))),
        Example(f"{_ON}, flow x = 9 everywhere, far outside", (_MAP, _everywhere(9, 0))),
        Example(f"{_ON}, a flow that magnifies around row 1, column 1", (_MAP, _magnifying())),
    ],
    [
        Mistake("The flow is not used: this is the map as it was.", lambda values, flow: values),
        Mistake(f"x and y are swapped: {_X_IS_COLUMNS}.", lambda values, flow: _warp(values, flow.flip(0))),
        Mistake(
            "The sign of the flow is the other one: read at p + flow, not at p - flow.",
            lambda values, flow: _warp(values, -flow),
        ),
        Mistake(
            f"x and y are swapped, and the sign of the flow is the other one: read at p + flow; {_X_IS_COLUMNS}.",
            lambda values, flow: _warp(values, -flow.flip(0)),
        ),
        Mistake(
            "The sign of y is the other one: rows are counted from the top, so positive y goes down.",
            lambda values, flow: _warp(values, torch.stack([flow[0], -flow[1]])),
        ),
        Mistake(_FORWARD, forward_warp),
        Mistake(_FORWARD, _splat),
        Mistake(_FORWARD, _assigning),
        Mistake(
            "Outside the map you repeat the border; the paper reads 0 there, since its sum has no cell outside.",
            _read(outside="border"),
        ),
        Mistake(
            "Left of and above the map you read at the opposite border: in Python the index -1 is the last one. Leave "
            "cells with negative indices out.",
            _read(outside="as Python"),
        ),
        Mistake(
            "Outside the map you go on at the opposite border; the paper reads 0 there. Leave such cells out.",
            _read(outside="again"),
        ),
        Mistake(
            "Near the border you give 0 as soon as one of the four cells is outside; leave out that cell only.",
            _read(of_weights=lambda weights, inside: weights * ((inside > 0) | (weights == 0)).all(0)),
        ),
        Mistake(
            "Near the border you divide by the weight that is left inside; the missing weight stays missing.",
            _read(of_weights=lambda weights, inside: weights / (weights * inside).sum(0).clamp(min=1e-9)),
        ),
        Mistake(
            "You take the nearest cell; between cells the four neighbours share the value.",
            lambda values, flow: _gather(values, *_positions(flow).round()),
        ),
        Mistake(
            "You round the position down to one cell; between cells the four neighbours share the value.",
            lambda values, flow: _gather(values, *_positions(flow).floor()),
        ),
        Mistake(
            "You cut the position's decimals off with int(); between cells the four neighbours share the value.",
            lambda values, flow: _gather(values, *_positions(flow).trunc()),
        ),
        Mistake(
            "int() rounds towards 0, so left of and above the map it finds the wrong cell: use math.floor.",
            _read(whole=torch.trunc),
        ),
        Mistake(
            "int() rounds towards 0, so left of and above the map it finds the wrong cell: use math.floor.",
            _read(whole=torch.trunc, shares=lambda part: (1 - part.abs(), 1 - (part - 1).abs())),
        ),
        Mistake(
            "The weights are mirrored: the nearer a cell, the larger its weight, so the left cell gets 1 - (x - left).",
            _read(shares=lambda part: (part, 1 - part)),
        ),
        Mistake(
            "You read at the flow itself. It is relative: the position is p + flow.",
            lambda values, flow: _warp(values, flow - _cells(flow)),
        ),
        Mistake(
            "You read one cell too far to the left and above: cells are counted from 0.",
            lambda values, flow: _warp(values, flow - 1),
        ),
        Mistake(
            "The flow is in cells already: it must not be divided by 16 once more.",
            lambda values, flow: _warp(values, flow / CELL),
        ),
        Mistake(
            "Normalised with align_corners off: then -1 and 1 are the outer edges of the map, not its border cells' "
            "centres, and even no flow changes the map.",
            _by_grid_sample(align_corners=False),
        ),
        Mistake(
            "Normalised by w instead of w - 1: the last cell's centre is w - 1 cells from the first, and so no flow "
            "already changes the map.",
            _by_grid_sample(divide_by_size=True),
        ),
    ],
    places=lambda row, column, *_: f"row {row}, column {column}",
    on_index_error="A cell outside the map counts as 0: leave it out of the sum.",
)
