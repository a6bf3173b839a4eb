"""Exercise 1 of notebook 03, what the pyramid should predict: the solution, and the wrong ways that learners take."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.lessons.check.exercise import Example, Exercise, Mistake
from dffkit.lessons.examples import same_everywhere


def _target(flow: Tensor, stride: int) -> Tensor:
    return F.avg_pool2d(flow[None], 2 * stride, ceil_mode=True)[0] / 40


def _uneven(height: int, width: int) -> Tensor:
    """A flow that changes from pixel to pixel."""
    y, x = torch.arange(float(height))[:, None], torch.arange(float(width))
    return torch.stack([(x - 20) ** 2 - 30 * y, 90 * y - 40 * x - 160])


_UNITS = "The units are pixels of the half-size input divided by 20, so 40 pixels of the frame are 1"

flow_target = Exercise(
    "Exercise 1",
    _target,
    [
        Example("32x48 pixels, flow x = 40, y = 0 everywhere, stride 4", (same_everywhere(40.0, 0.0, 32, 48)[0], 4)),
        Example(
            "32x64 pixels, flow x = 20, y = -60 everywhere, stride 8", (same_everywhere(20.0, -60.0, 32, 64)[0], 8)
        ),
        Example("32x64 pixels of a flow that changes from pixel to pixel, stride 4", (_uneven(32, 64), 4)),
        Example("32x64 pixels of a flow that changes from pixel to pixel, stride 16", (_uneven(32, 64), 16)),
        Example("40x56 pixels of a flow that changes from pixel to pixel, stride 8", (_uneven(40, 56), 8)),
    ],
    [
        Mistake(
            "The stride counts pixels of the half-size input: a cell is 2 * stride pixels of the frame.",
            lambda flow, stride: F.avg_pool2d(flow[None], stride, ceil_mode=True)[0] / 40,
        ),
        Mistake(
            f"{_UNITS}: you leave them in pixels of the frame.",
            lambda flow, stride: _target(flow, stride) * 40,
        ),
        Mistake(
            f"{_UNITS}: you divide by 20 but forget that the input has half the size.",
            lambda flow, stride: _target(flow, stride) * 2,
        ),
        Mistake(
            f"{_UNITS}: you halve the flow but forget to divide by 20.",
            lambda flow, stride: _target(flow, stride) * 20,
        ),
        Mistake(
            f"{_UNITS}: you double the flow, as if the input were twice the frame.",
            lambda flow, stride: _target(flow, stride) * 4,
        ),
        Mistake(
            f"{_UNITS} at every level: you divide by the size of a cell, as for the flow that the warp takes.",
            lambda flow, stride: _target(flow, stride) * 40 / (2 * stride),
        ),
        Mistake(
            f"{_UNITS} at every level: you divide by the size of a cell, as for the flow that the warp takes.",
            lambda flow, stride: _target(flow, stride) * 40 / stride,
        ),
        Mistake("The channels are swapped: 0 stays x, 1 stays y.", lambda flow, stride: _target(flow, stride).flip(0)),
        Mistake(
            "The sign has changed: the flow still points into the key frame.",
            lambda flow, stride: -_target(flow, stride),
        ),
        Mistake(
            "The cells cut off by the border are missing: there are ceil(H / (2 stride)) rows, and so for columns.",
            lambda flow, stride: F.avg_pool2d(flow[None], 2 * stride)[0] / 40,
        ),
        Mistake(
            "A cell cut off by the border is averaged over pixels that are not there: divide by the number it has.",
            lambda flow, stride: (
                F.avg_pool2d(flow[None], 2 * stride, ceil_mode=True, divisor_override=4 * stride**2)[0] / 40
            ),
        ),
        Mistake(
            "You add up the pixels of a cell; its flow is their mean.",
            lambda flow, stride: F.avg_pool2d(flow[None], 2 * stride, ceil_mode=True, divisor_override=1)[0] / 40,
        ),
        Mistake(
            "You take one pixel of each cell; its flow is the mean of them all.",
            lambda flow, stride: flow[:, :: 2 * stride, :: 2 * stride] / 40,
        ),
    ],
    places=lambda channel, row, column, *_: f"channel {channel} ({'xy'[channel]}), row {row}, column {column}",
)
