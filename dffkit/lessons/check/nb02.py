"""Exercises of notebook 02: four bilinear weights, the warp and one with two bugs, its slope, and flow in cells."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.baselines.grid_sample import grid_sample_warp
from dffkit.lessons.check import Example, Exercise, Mistake
from dffkit.lessons.examples import address_map, landings, same_everywhere
from dffkit.warp import CELL, bilinear_kernel, warp, warp_derivative

# Exercise 1: four weights


def _weights(x: float, y: float) -> Tensor:
    left, top = math.floor(x), math.floor(y)
    cells = [(left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)]
    return torch.stack([bilinear_kernel(column, x) * bilinear_kernel(row, y) for column, row in cells])


def _from_fractions(
    weigh: Callable[[float, float], list[float]], whole: Callable[[float], int] = math.floor
) -> Callable[[float, float], Tensor]:
    """Return weights computed from the distance of the point to the right of and below the upper left cell."""
    return lambda x, y: torch.tensor(weigh(x - whole(x), y - whole(y)))


def _products(a: float, b: float) -> list[float]:
    return [(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b]


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
        Mistake("x and y are swapped: x decides between left and right, y between upper and lower.",
                lambda x, y: _weights(y, x)),
        Mistake("The weights are mirrored: a nearer cell has a larger weight, so the left cell gets 1 - (x - left).",
                _from_fractions(lambda a, b: _products(1 - a, 1 - b))),
        Mistake("int() rounds towards 0, so left of the map it finds the wrong cell: use math.floor.",
                _from_fractions(_products, whole=int)),
        Mistake("You add the weights of the two axes; the kernel G is their product.",
                _from_fractions(lambda a, b: [2 - a - b, 1 + a - b, 1 - a + b, a + b])),
        Mistake("You use the straight distance to each cell; Eq. 2 takes the distance on each axis and multiplies.",
                _from_fractions(
                    lambda a, b: [max(0.0, 1 - math.hypot(a - i, b - j)) for j in (0, 1) for i in (0, 1)])),
        Mistake("You order the cells clockwise; return upper left, upper right, lower left, lower right.",
                _from_fractions(lambda a, b: [_products(a, b)[i] for i in (0, 1, 3, 2)])),
    ],
    describe_index=lambda i, *_: "the " + ["upper left", "upper right", "lower left", "lower right"][i] + " cell",
)  # fmt: skip


# Exercise 2: the warp of one channel


def _warp(values: Tensor, flow: Tensor) -> Tensor:
    return warp(values[None, None], flow[None])[0, 0]


def _positions(flow: Tensor) -> Tensor:
    """Return the positions p + flow, `(2, h, w)` as the flow."""
    rows, columns = torch.meshgrid(*map(torch.arange, flow.shape[1:]), indexing="ij")
    return flow + torch.stack([columns, rows])


def _gather(values: Tensor, columns: Tensor, rows: Tensor, outside: str = "zero") -> Tensor:
    """Read whole cells; outside the map read "zero", the "border", or the cell that Python's "index" -1 finds."""
    height, width = values.shape
    if outside == "index":
        inside = (columns < width) & (rows < height)
        return values[rows.long() % height, columns.long() % width] * inside
    inside = (outside == "border") | ((columns >= 0) & (rows >= 0) & (columns < width) & (rows < height))
    return values[rows.long().clamp(0, height - 1), columns.long().clamp(0, width - 1)] * inside


def _warp_with(
    outside: str = "zero", whole: Callable[[Tensor], Tensor] = torch.floor
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a warp that reads `outside` the map as `_gather` does and finds the upper left cell by `whole`."""

    def function(values: Tensor, flow: Tensor) -> Tensor:
        position = _positions(flow)
        first = whole(position)
        (left, top), (right, bottom) = (1 - (position - first - n).abs() for n in (0, 1))
        weights = (left * top, right * top, left * bottom, right * bottom)
        corners = [(first[0] + i, first[1] + j) for j in (0, 1) for i in (0, 1)]
        read = [_gather(values, *corner, outside=outside) for corner in corners]
        return sum(weight * value for weight, value in zip(weights, read, strict=True))

    return function


def _splat(values: Tensor, flow: Tensor) -> Tensor:
    """Warp forwards: share each value among the four cells around its landing point, the transpose of the warp."""
    return torch.autograd.functional.vjp(lambda key: _warp(key, flow), values, values)[1]


def _assign_to_landings(values: Tensor, flow: Tensor) -> Tensor:
    """Warp forwards: the last value that lands on a cell wins."""
    thrown = torch.zeros_like(values)
    for start, landing in landings(flow):
        thrown[landing] = values[start]
    return thrown


def _magnifying_flow() -> Tensor:
    cells = _positions(torch.zeros(2, 3, 4))
    return (torch.tensor([1.0, 1.0]).view(2, 1, 1) - cells) / torch.tensor([2.0, 4.0]).view(2, 1, 1)


def _example(description: str, flow: Tensor) -> Example:
    return Example(f"on a 3x4 map that holds 10 * row + column + 1, {description}", (address_map(3, 4)[0, 0] + 1, flow))


_FORWARD = (
    "This is forward warping: you throw each value to p + flow. Every cell p of the result has to fetch its value from "
    "the map at p + flow."
)

_CORNERS = (
    "You normalise with align_corners off: then -1 and 1 are the outer edges of the map, not the centres of its border "
    "cells, and even zero flow changes the map."
)
_SIZE = (
    "You normalise by w instead of w - 1: the last cell's centre is w - 1 cells from the first, so even zero flow "
    "changes the map."
)


def _by_grid_sample(**slips: bool) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda values, flow: grid_sample_warp(values[None, None], flow[None], **slips)[0, 0]


warp_one_channel = Exercise(
    "Exercise 2",
    _warp,
    [
        _example("no flow", same_everywhere(0, 0, 3, 4)[0]),
        *(_example(f"flow x = {x:g}, y = {y:g} everywhere", same_everywhere(x, y, 3, 4)[0])
          for x, y in ((1, 0), (0, 1), (0.5, 0), (0.25, -0.5), (-1.25, 0.75))),
        _example("flow x = 9 everywhere, far outside", same_everywhere(9, 0, 3, 4)[0]),
        _example("a flow that magnifies around row 1, column 1", _magnifying_flow()),
    ],
    [
        Mistake("x and y are swapped: flow[0] is x and goes right, over the columns; flow[1] is y and goes down, over "
                "the rows.",
                lambda values, flow: _warp(values, flow.flip(0))),
        Mistake("The sign of the flow is reversed: read at p + flow, not at p - flow.",
                lambda values, flow: _warp(values, -flow)),
        Mistake(_FORWARD, _splat),
        Mistake(_FORWARD, _assign_to_landings),
        Mistake("Outside the map you repeat the border; the paper reads 0 there, since its sum has no cell outside.",
                _warp_with(outside="border")),
        Mistake("Left of and above the map you read at the opposite border: in Python the index -1 is the last one. "
                "Leave cells with negative indices out.",
                _warp_with(outside="index")),
        Mistake("You take the nearest cell; between cells the four neighbours share the value.",
                lambda values, flow: _gather(values, *_positions(flow).round())),
        Mistake("int() rounds towards 0, so left of and above the map it finds the wrong cell: use math.floor.",
                _warp_with(whole=torch.trunc)),
        Mistake(_CORNERS, _by_grid_sample(align_corners=False)),
        Mistake(_SIZE, _by_grid_sample(divide_by_size=True)),
    ],
    describe_index=lambda row, column, *_: f"row {row}, column {column}",
    on_index_error="A cell outside the map counts as 0: leave it out of the sum.",
)  # fmt: skip


# Exercise 3: a warp with two planted bugs

mended_warp = Exercise(
    "Exercise 3",
    _warp,
    warp_one_channel.examples,
    [
        Mistake("Both bugs are still there. Zero flow should change nothing: which coordinates do the first and the "
                "last column get, and what do -1 and 1 mean to grid_sample?",
                _by_grid_sample(align_corners=False, divide_by_size=True)),
        Mistake(f"One bug is mended. {_CORNERS}", _by_grid_sample(align_corners=False)),
        Mistake(f"One bug is mended. {_SIZE}", _by_grid_sample(divide_by_size=True)),
    ],
    describe_index=warp_one_channel.describe_index,
)  # fmt: skip


# Exercise 4: the slope that the flow learns from


def _slope(row: Tensor, x: float) -> Tensor:
    flow = torch.zeros(1, 2, 1, len(row), dtype=row.dtype)
    flow[0, 0, 0, 0] = x  # cell 0 reads at x
    return warp_derivative(row.view(1, 1, 1, -1), flow)[0, 0, 0, 0, 0]


def _differences(*weights: int, whole: Callable[[float], int] = math.floor) -> Callable[[Tensor, float], Tensor]:
    """Return the sum of the padded row's values around the left neighbour, each times its weight."""

    def function(row: Tensor, x: float) -> Tensor:
        padded = F.pad(row, (9, 9))
        return sum(weight * padded[9 + whole(x) + n - 1] for n, weight in enumerate(weights))

    return function


_SQUARES = torch.tensor([0.0, 1, 4, 9, 16])
_UNEVEN = torch.tensor([3.0, -1, 7, 2])

slope = Exercise(
    "Exercise 4",
    _slope,
    [
        *(Example(f"the row 0, 1, 4, 9, 16 at x = {x:g}", (_SQUARES, x)) for x in (1.5, 2.9, 2.0, 4.25)),
        *(Example(f"the row 3, -1, 7, 2 at x = {x:g}", (_UNEVEN, x)) for x in (-0.4, 0.4, 6.5, -2.5)),
    ],
    [
        Mistake("The sign is reversed: it is the right neighbour minus the left one.",
                lambda row, x: -_slope(row, x)),
        Mistake("You take the neighbours of the nearest cell, two cells apart; the value read at x depends on the two "
                "cells around x only.",
                lambda row, x: _differences(-1, 0, 1, whole=round)(row, x) / 2),
        Mistake("That is the value at x; its derivative is the difference of the two neighbours.",
                lambda row, x: _warp(row[None], torch.tensor([x, 0.0]).view(2, 1, 1).expand(2, 1, len(row)))[0, 0]),
        Mistake("int() rounds towards 0, so left of the row it finds the wrong cell: use math.floor.",
                _differences(0, -1, 1, whole=int)),
        Mistake("You round x to the nearest cell: right of a cell's middle that is already the right neighbour.",
                _differences(0, -1, 1, whole=round)),
        Mistake("Left of the row you read at its other end: in Python the index -1 is the last one. Outside is 0.",
                lambda row, x: _slope(torch.cat([row, row]), x + len(row)) if -2 < x < 0 else _slope(row, x)),
        Mistake("Outside the row you repeat its border; outside is 0, so the border is a cliff.",
                lambda row, x: _slope(F.pad(row[None], (9, 9), mode="replicate")[0], x + 9)),
    ],
    on_index_error="A cell outside the row counts as 0.",
)  # fmt: skip


# Exercise 5: from pixels to cells


def _to_cells(pixel_flow: Tensor, **options: Any) -> Tensor:
    return F.avg_pool2d(pixel_flow[None], CELL, **{"ceil_mode": True, **options})[0] / CELL


def _resized(mode: str) -> Callable[[Tensor], Tensor]:
    return lambda flow: F.interpolate(flow[None], [math.ceil(n / CELL) for n in flow.shape[1:]], mode=mode)[0] / CELL


def _uneven_flow() -> Tensor:
    """Return a flow that changes from pixel to pixel, on a frame whose sides are no multiples of 16."""
    y, x = torch.arange(40.0)[:, None], torch.arange(56.0)
    return torch.stack([0.1 * (x - 20) ** 2 - y, 3 * y - x - 16])


flow_in_cells = Exercise(
    "Exercise 5",
    _to_cells,
    [
        Example("32x48 pixels, flow x = 16, y = 0 everywhere", (same_everywhere(16, 0, 32, 48)[0],)),
        Example("32x48 pixels, flow x = 8, y = -24 everywhere", (same_everywhere(8, -24, 32, 48)[0],)),
        Example("32x48 pixels of a flow that changes from pixel to pixel", (_uneven_flow()[:, :32, :48],)),
        Example("40x56 pixels of a flow that changes from pixel to pixel", (_uneven_flow(),)),
    ],
    [
        Mistake("The flow is still in pixels: a cell is 16 pixels wide, so divide the vectors by 16 too.",
                lambda flow: _to_cells(flow) * CELL),
        Mistake("You multiply by 16. A cell is 16 pixels wide, so a flow of 16 pixels is a flow of 1 cell.",
                lambda flow: _to_cells(flow) * CELL**2),
        Mistake("You divide by 16 twice: once is for the units; the mean of a block needs no further division.",
                lambda flow: _to_cells(flow) / CELL),
        Mistake("The blocks cut off by the border are missing: a map has ceil(H / 16) rows and ceil(W / 16) columns.",
                lambda flow: _to_cells(flow, ceil_mode=False)),
        Mistake("You average a block cut off by the border over pixels that are not there: divide by the number of its "
                "pixels.",
                lambda flow: _to_cells(flow, divisor_override=CELL**2)),
        Mistake("You take one pixel of each block; a cell's flow is the mean of its block.",
                lambda flow: flow[:, ::CELL, ::CELL] / CELL),
        Mistake("You take the middle of each block only; a cell's flow is the mean of its whole block.",
                _resized("bilinear")),
        Mistake("You stretch the blocks to fill the frame; cell j is pixels 16 j to 16 j + 15; the last may be "
                "smaller.",
                _resized("area")),
    ],
    describe_index=lambda channel, row, column, *_: f"channel {channel} ({'xy'[channel]}), row {row}, column {column}",
)  # fmt: skip
