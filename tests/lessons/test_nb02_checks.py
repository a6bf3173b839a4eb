"""Checks of notebook 02's exercises: wrong answers as learners write them, each with its reason, and right ones."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dffkit.lessons.check.nb02 import flow_in_cells, four_weights, warp_one_channel
from dffkit.warp import warp, warp_loops


def from_fractions(weigh, whole=math.floor):
    """Return weights as a learner computes them from the fractions of x and y."""
    return lambda x, y: weigh(x - whole(x), y - whole(y))


def loops(*, flow_of=lambda flow: flow, inside=lambda n, size: 0 <= n < size, whole=math.floor):
    """Return a learner's warp in loops, with one step replaced."""

    def function(values, flow):
        height, width = values.shape
        warped = torch.zeros(height, width)
        flow = flow_of(flow)
        for row in range(height):
            for column in range(width):
                x, y = column + flow[0, row, column].item(), row + flow[1, row, column].item()
                left, top = whole(x), whole(y)
                for j in (top, top + 1):
                    for i in (left, left + 1):
                        if inside(i, width) and inside(j, height):
                            warped[row, column] += (1 - abs(x - i)) * (1 - abs(y - j)) * values[j, i]
        return warped

    return function


def with_clamped_indices(values, flow):
    padded = F.pad(values[None, None], (20, 20, 20, 20), mode="replicate")
    return warp(padded, F.pad(flow[None], (20, 20, 20, 20)))[0, 0, 20:-20, 20:-20]


def nearest(values, flow):
    height, width = values.shape
    warped = torch.zeros(height, width)
    for row in range(height):
        for column in range(width):
            i, j = round(float(column + flow[0, row, column])), round(float(row + flow[1, row, column]))
            if 0 <= i < width and 0 <= j < height:
                warped[row, column] = values[j, i]
    return warped


def thrown(values, flow):
    height, width = values.shape
    warped = torch.zeros(height, width)
    for row in range(height):
        for column in range(width):
            x, y = column + flow[0, row, column].item(), row + flow[1, row, column].item()
            for j in range(math.floor(y), math.floor(y) + 2):
                for i in range(math.floor(x), math.floor(x) + 2):
                    if 0 <= i < width and 0 <= j < height:
                        warped[j, i] += (1 - abs(x - i)) * (1 - abs(y - j)) * values[row, column]
    return warped


def thrown_to_the_nearest(values, flow):
    height, width = values.shape
    warped = torch.zeros(height, width)
    for row in range(height):
        for column in range(width):
            i, j = round(float(column + flow[0, row, column])), round(float(row + flow[1, row, column]))
            if 0 <= i < width and 0 <= j < height:
                warped[j, i] = values[row, column]
    return warped


def through_a_normalised_grid(*, less=1, align_corners=True):
    def function(values, flow):
        height, width = values.shape
        x, y = torch.arange(width) + flow[0], torch.arange(height)[:, None] + flow[1]
        grid = torch.stack([2 * x / (width - less) - 1, 2 * y / (height - less) - 1], dim=-1)[None]
        return F.grid_sample(values[None, None], grid, align_corners=align_corners)[0, 0]

    return function


def mean_of_blocks(flow, step=16):
    _, height, width = flow.shape
    rows, columns = range(0, height, step), range(0, width, step)
    return torch.stack(
        [
            torch.stack([torch.stack([channel[y : y + step, x : x + step].mean() for x in columns]) for y in rows])
            for channel in flow
        ]
    )


def size(flow):
    return [math.ceil(n / 16) for n in flow.shape[1:]]


@pytest.mark.parametrize(
    ("exercise", "reason", "function"),
    [
        (four_weights, "x and y are swapped", from_fractions(
            lambda a, b: [(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b])),
        (four_weights, "mirrored", from_fractions(lambda a, b: [a * b, (1 - a) * b, a * (1 - b), (1 - a) * (1 - b)])),
        (four_weights, "You add the weights", from_fractions(
            lambda a, b: [1 - a + 1 - b, a + 1 - b, 1 - a + b, a + b])),
        (four_weights, "clockwise", from_fractions(lambda a, b: [(1 - a) * (1 - b), a * (1 - b), a * b, (1 - a) * b])),
        (four_weights, "straight distance", from_fractions(
            lambda a, b: [max(0, 1 - math.dist((a, b), (i, j))) for j in (0, 1) for i in (0, 1)])),
        (four_weights, "int() rounds towards 0", from_fractions(
            lambda a, b: [(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b], whole=int)),
        (warp_one_channel, "x and y are swapped", loops(flow_of=lambda flow: flow[[1, 0]])),
        (warp_one_channel, "The sign of the flow is reversed", loops(flow_of=lambda flow: -flow)),
        (warp_one_channel, "This is forward warping", thrown),
        (warp_one_channel, "This is forward warping", thrown_to_the_nearest),
        (warp_one_channel, "you repeat the border; the paper reads 0 there", with_clamped_indices),
        (warp_one_channel, "in Python the index -1 is the last one", loops(inside=lambda n, size: n < size)),
        (warp_one_channel, "You take the nearest cell", nearest),
        (warp_one_channel, "int() rounds towards 0", loops(whole=int)),
        (warp_one_channel, "align_corners off", through_a_normalised_grid(align_corners=False)),
        (warp_one_channel, "by w instead of w - 1", through_a_normalised_grid(less=0)),
        (warp_one_channel, "Your function raised IndexError", loops(inside=lambda n, size: True)),
        (warp_one_channel, "leave it out of the sum", loops(inside=lambda n, size: True)),
        (warp_one_channel, "Expected the shape (3, 4), got the shape (4, 3)", lambda v, flow: loops()(v, flow).T),
        (warp_one_channel, "got the shape (1, 3, 4)", lambda values, flow: loops()(values, flow)[None]),
        (warp_one_channel, "7 of 8 examples are right", lambda v, flow: loops()(v, flow) + (flow.max() > 8)),
        (flow_in_cells, "still in pixels", mean_of_blocks),
        (flow_in_cells, "You multiply by 16", lambda flow: mean_of_blocks(flow) * 16),
        (flow_in_cells, "divide by 16 twice", lambda flow: mean_of_blocks(flow) / 256),
        (flow_in_cells, "are missing", lambda flow: F.avg_pool2d(flow, 16) / 16),
        (flow_in_cells, "pixels that are not there",
         lambda flow: F.avg_pool2d(F.pad(flow, (0, -flow.shape[2] % 16, 0, 8)), 16) / 16),
        (flow_in_cells, "You take one pixel", lambda flow: flow[:, ::16, ::16] / 16),
        (flow_in_cells, "the middle of each block",
         lambda flow: F.interpolate(flow[None], size=size(flow), mode="bilinear")[0] / 16),
        (flow_in_cells, "You stretch the blocks", lambda flow: F.adaptive_avg_pool2d(flow, size(flow)) / 16),
        (flow_in_cells, "Expected the shape (2, 2, 3), got the shape (1, 2, 2, 3)",
         lambda flow: mean_of_blocks(flow)[None] / 16),
    ],
)  # fmt: skip
def test_wrong_answers_get_their_reason(exercise, reason, function):
    feedback = exercise.feedback(function)
    assert feedback.startswith("not yet. ")
    assert reason in feedback


def test_right_weights_of_several_kinds():
    def by_hand(x, y):
        a, b = x % 1, y % 1
        return (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b

    def by_numpy(x, y):
        columns, rows = np.array([1 - x % 1, x % 1]), np.array([1 - y % 1, y % 1])
        return np.outer(rows, columns).ravel()

    def by_torch(x, y):
        a, b = torch.tensor([x - math.floor(x), y - math.floor(y)], requires_grad=True)
        return torch.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b])

    for function in (by_hand, by_numpy, by_torch):
        assert four_weights.feedback(function).startswith("correct"), function.__name__


def test_right_warps_of_several_kinds():
    def by_gathering(values, flow):
        height, width = values.shape
        padded = F.pad(values, (1, 1, 1, 1))
        x = (torch.arange(width) + flow[0]).clamp(-1, width)
        y = (torch.arange(height)[:, None] + flow[1]).clamp(-1, height)
        left, top = x.floor().clamp(max=width - 1).long(), y.floor().clamp(max=height - 1).long()
        a, b = x - left, y - top
        upper = padded[top + 1, left + 1] * (1 - a) + padded[top + 1, left + 2] * a
        lower = padded[top + 2, left + 1] * (1 - a) + padded[top + 2, left + 2] * a
        return upper * (1 - b) + lower * b

    def by_the_full_sum(values, flow):
        return warp_loops(values[None, None], flow[None])[0, 0]

    def as_lists_of_lists(values, flow):
        return loops()(values, flow).tolist()

    def by_numpy(values, flow):
        return loops()(values, flow).numpy().astype(np.float32)

    several = (loops(), by_gathering, by_the_full_sum, through_a_normalised_grid(), as_lists_of_lists, by_numpy)
    for function in several:
        assert warp_one_channel.feedback(function).startswith("correct"), function


def test_right_units_of_several_kinds():
    for function in (
        lambda flow: mean_of_blocks(flow) / 16,
        lambda flow: F.avg_pool2d(flow / 16, 16, ceil_mode=True),
        lambda flow: (mean_of_blocks(flow) / 16).tolist(),
    ):
        assert flow_in_cells.feedback(function).startswith("correct")
