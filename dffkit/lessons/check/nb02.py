"""Exercises of notebook 02: the four bilinear weights of a point, the warp of one channel, and flow in cells."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.baselines.grid_sample import grid_sample_warp
from dffkit.lessons.check import Example, Exercise, Mistake
from dffkit.lessons.examples import address_map, landings, same_everywhere
from dffkit.warp import CELL, bilinear_kernel, warp

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

warp_one_channel = Exercise(
    "Exercise 2",
    _warp,
    [
        _example("no flow", same_everywhere(0, 0, 3, 4)[0]),
        _example("flow x = 1 everywhere", same_everywhere(1, 0, 3, 4)[0]),
        _example("flow y = 1 everywhere", same_everywhere(0, 1, 3, 4)[0]),
        _example("flow x = 0.5 everywhere", same_everywhere(0.5, 0, 3, 4)[0]),
        _example("flow x = 0.25, y = -0.5 everywhere", same_everywhere(0.25, -0.5, 3, 4)[0]),
        _example("flow x = -1.25, y = 0.75 everywhere", same_everywhere(-1.25, 0.75, 3, 4)[0]),
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
        Mistake("You normalise with align_corners off: then -1 and 1 are the outer edges of the map, not the centres "
                "of its border cells, and even zero flow changes the map.",
                lambda values, flow: grid_sample_warp(values[None, None], flow[None], align_corners=False)[0, 0]),
        Mistake("You normalise by w instead of w - 1: the last cell's centre is w - 1 cells from the first, so even "
                "zero flow changes the map.",
                lambda values, flow: grid_sample_warp(values[None, None], flow[None], divide_by_size=True)[0, 0]),
    ],
    describe_index=lambda row, column, *_: f"row {row}, column {column}",
    on_index_error="A cell outside the map counts as 0: leave it out of the sum.",
)  # fmt: skip


# Exercise 3: from pixels to cells


def _to_cells(pixel_flow: Tensor, **options: Any) -> Tensor:
    return F.avg_pool2d(pixel_flow[None], CELL, **{"ceil_mode": True, **options})[0] / CELL


def _resized(mode: str) -> Callable[[Tensor], Tensor]:
    return lambda flow: F.interpolate(flow[None], [math.ceil(n / CELL) for n in flow.shape[1:]], mode=mode)[0] / CELL


def _uneven_flow() -> Tensor:
    """Return a flow that changes from pixel to pixel, on a frame whose sides are no multiples of 16."""
    y, x = torch.arange(40.0)[:, None], torch.arange(56.0)
    return torch.stack([0.1 * (x - 20) ** 2 - y, 3 * y - x - 16])


flow_in_cells = Exercise(
    "Exercise 3",
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
