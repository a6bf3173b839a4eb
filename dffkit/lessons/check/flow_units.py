"""Exercise 3 of notebook 02, from pixels to cells: the solution, and the wrong ways that learners take."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.lessons.check.exercise import Example, Exercise, Mistake
from dffkit.lessons.examples import same_everywhere
from dffkit.warp import CELL


def _to_cells(pixel_flow: Tensor) -> Tensor:
    return F.avg_pool2d(pixel_flow[None], CELL, ceil_mode=True)[0] / CELL


def _resized(**options: Any) -> Callable[[Tensor], Tensor]:
    def function(flow: Tensor) -> Tensor:
        size = [math.ceil(n / CELL) for n in flow.shape[1:]]
        return F.interpolate(flow[None], size=size, **options)[0] / CELL

    return function


def _ramp() -> Tensor:
    """A flow that changes from pixel to pixel, on a frame whose sides are no multiples of 16."""
    y, x = torch.arange(40.0)[:, None], torch.arange(56.0)
    return torch.stack([0.1 * (x - 20) ** 2 - y, 3 * y - x - 16])


flow_in_cells = Exercise(
    "Exercise 3",
    _to_cells,
    [
        Example("32x48 pixels, flow x = 16, y = 0 everywhere", (same_everywhere(16, 0, 32, 48)[0],)),
        Example("32x48 pixels, flow x = 8, y = -24 everywhere", (same_everywhere(8, -24, 32, 48)[0],)),
        Example("32x48 pixels of a flow that changes from pixel to pixel", (_ramp()[:, :32, :48],)),
        Example("40x56 pixels of a flow that changes from pixel to pixel", (_ramp(),)),
    ],
    [
        Mistake(
            "The flow is still in pixels: a cell is 16 pixels wide, so divide the vectors by 16 too.",
            lambda flow: _to_cells(flow) * CELL,
        ),
        Mistake(
            "Units: you multiply by 16. A cell is 16 pixels wide, so a flow of 16 pixels is a flow of 1 cell.",
            lambda flow: _to_cells(flow) * CELL**2,
        ),
        Mistake(
            "You divide by 16 twice or more: once is for the units; the mean of a block needs no further division.",
            lambda flow: _to_cells(flow) / CELL,
        ),
        Mistake(
            "You divide by 16 twice or more: once is for the units; the mean of a block needs no further division.",
            lambda flow: _to_cells(flow) / CELL**2,
        ),
        Mistake(
            "You divide by 8: the features' stride is 16.",
            lambda flow: _to_cells(flow) * 2,
        ),
        Mistake(
            "You add up the pixels of a block; a cell's flow is their mean.",
            lambda flow: F.avg_pool2d(flow[None], CELL, ceil_mode=True, divisor_override=1)[0] / CELL,
        ),
        Mistake(
            "You add up the pixels of a block; a cell's flow is their mean.",
            lambda flow: F.avg_pool2d(flow[None], CELL, ceil_mode=True, divisor_override=1)[0],
        ),
        Mistake(
            "The channels are swapped: 0 stays x, 1 stays y.",
            lambda flow: _to_cells(flow.flip(0)),
        ),
        Mistake(
            "The sign has changed: the flow still points into the key frame.",
            lambda flow: -_to_cells(flow),
        ),
        Mistake(
            "The blocks cut off by the border are missing: a map has ceil(H / 16) rows and ceil(W / 16) columns.",
            lambda flow: F.avg_pool2d(flow[None], CELL)[0] / CELL,
        ),
        Mistake(
            "A block cut off by the border is averaged over pixels that are not there: divide by the number it has.",
            lambda flow: F.avg_pool2d(flow[None], CELL, ceil_mode=True, divisor_override=CELL**2)[0] / CELL,
        ),
        Mistake(
            "You take one pixel of each block; a cell's flow is the mean of its block.",
            lambda flow: flow[:, ::CELL, ::CELL] / CELL,
        ),
        Mistake(
            "You take the middle of each block only; a cell's flow is the mean of its whole block.",
            _resized(mode="bilinear"),
        ),
        Mistake(
            "You stretch the blocks to fill the frame; cell j is pixels 16 j to 16 j + 15, the last may be smaller.",
            _resized(mode="area"),
        ),
    ],
    places=lambda channel, row, column, *_: f"channel {channel} ({'xy'[channel]}), row {row}, column {column}",
)
