"""The checks of notebook 02: wrong answers as learners write them, each with its own reason; several right ones."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dffkit.lessons import check
from dffkit.warp import warp, warp_loops

# Exercise 1 of notebook 02


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("x and y are swapped", lambda a, b: [(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b]),
        ("mirrored", lambda a, b: [a * b, (1 - a) * b, a * (1 - b), (1 - a) * (1 - b)]),
        ("You add the weights", lambda a, b: [1 - a + 1 - b, a + 1 - b, 1 - a + b, a + b]),
        ("in a circle", lambda a, b: [(1 - a) * (1 - b), a * (1 - b), a * b, (1 - a) * b]),
        ("weigh the same", lambda a, b: [1 / 4, 1 / 4, 1 / 4, 1 / 4]),
        ("straight distance", lambda a, b: [max(0, 1 - math.dist((a, b), (i, j))) for j in (0, 1) for i in (0, 1)]),
    ],
)
def test_wrong_weights_get_their_reason(reason, function):
    verdict = check.four_weights.verdict(lambda x, y: function(x - math.floor(x), y - math.floor(y)))
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_int_instead_of_floor_is_named():
    def by_int(x, y):
        a, b = x - int(x), y - int(y)
        return [(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b]

    assert "int() rounds towards 0" in check.four_weights.verdict(by_int)


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
        assert check.four_weights.verdict(function).startswith("correct"), function.__name__


# Exercise 2 of notebook 02


def loops(*, flow_of=lambda flow: flow, inside=lambda n, size: 0 <= n < size, whole=math.floor, weigh=None):
    """A learner's warp in loops, in which one step can be another one."""

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
                            weight = weigh(x - i, y - j) if weigh else (1 - abs(x - i)) * (1 - abs(y - j))
                            warped[row, column] += weight * values[j, i]
        return warped

    return function


def fractions_by_int(values, flow):
    height, width = values.shape
    warped = torch.zeros(height, width)
    for row in range(height):
        for column in range(width):
            x, y = column + float(flow[0, row, column]), row + float(flow[1, row, column])
            a, b = x - int(x), y - int(y)
            for j, down in ((int(y), 1 - b), (int(y) + 1, b)):
                for i, across in ((int(x), 1 - a), (int(x) + 1, a)):
                    if 0 <= i < width and 0 <= j < height:
                        warped[row, column] += across * down * values[j, i]
    return warped


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


def only_whole_neighbourhoods(values, flow):
    complete = warp(torch.ones_like(values)[None, None], flow[None])[0, 0] > 1 - 1e-6
    return loops()(values, flow) * complete


def with_the_inside_weight_divided_away(values, flow):
    share = warp(torch.ones_like(values)[None, None], flow[None])[0, 0]
    return torch.where(share > 0, loops()(values, flow) / share, 0)


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("The flow is not used", lambda values, flow: values),
        ("x and y are swapped: ", loops(flow_of=lambda flow: flow[[1, 0]])),
        ("The sign of the flow", loops(flow_of=lambda flow: -flow)),
        ("x and y are swapped, and the sign", loops(flow_of=lambda flow: -flow[[1, 0]])),
        ("The sign of y", loops(flow_of=lambda flow: torch.stack([flow[0], -flow[1]]))),
        ("This is forward warping", thrown),
        ("This is forward warping", thrown_to_the_nearest),
        ("you repeat the border; the paper reads 0 there", with_clamped_indices),
        ("in Python the index -1 is the last one", loops(inside=lambda n, size: n < size)),
        ("you give 0 as soon as one of the four cells is outside", only_whole_neighbourhoods),
        ("the missing weight stays missing", with_the_inside_weight_divided_away),
        ("You take the nearest cell", nearest),
        ("You round the position down", loops(weigh=lambda a, b: float(0 <= a < 1 and 0 <= b < 1))),
        ("int() rounds towards 0", loops(whole=int)),
        ("int() rounds towards 0", fractions_by_int),
        ("mirrored", loops(weigh=lambda a, b: abs(a) * abs(b))),
        ("not be divided by 16", loops(flow_of=lambda flow: flow / 16)),
        ("align_corners off", through_a_normalised_grid(align_corners=False)),
        ("by w instead of w - 1", through_a_normalised_grid(less=0)),
        ("Your function raised IndexError", loops(inside=lambda n, size: True)),
        ("leave it out of the sum", loops(inside=lambda n, size: True)),
        ("Expected the shape (3, 4), got the shape (4, 3)", lambda values, flow: loops()(values, flow).T),
        ("Expected the shape (3, 4), got the shape (1, 3, 4)", lambda values, flow: loops()(values, flow)[None]),
        ("7 of 8 examples are right", lambda values, flow: loops()(values, flow) + (flow.max() > 8)),
    ],
)
def test_wrong_warps_get_their_reason(reason, function):
    verdict = check.warp_one_channel.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


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
        assert check.warp_one_channel.verdict(function).startswith("correct"), function


# Exercise 3 of notebook 02


def mean_of_blocks(flow, step=16):
    _, height, width = flow.shape
    rows, columns = range(0, height, step), range(0, width, step)
    return torch.stack(
        [
            torch.stack([torch.stack([channel[y : y + step, x : x + step].mean() for x in columns]) for y in rows])
            for channel in flow
        ]
    )


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("still in pixels", mean_of_blocks),
        ("you multiply by 16", lambda flow: mean_of_blocks(flow) * 16),
        ("divide by 16 twice", lambda flow: mean_of_blocks(flow) / 256),
        ("You divide by 8", lambda flow: mean_of_blocks(flow) / 8),
        ("The channels are swapped", lambda flow: mean_of_blocks(flow[[1, 0]]) / 16),
        ("The sign has changed", lambda flow: mean_of_blocks(-flow) / 16),
        ("are missing", lambda flow: F.avg_pool2d(flow, 16) / 16),
        ("pixels that are not there", lambda flow: F.avg_pool2d(F.pad(flow, (0, -flow.shape[2] % 16, 0, 8)), 16) / 16),
        ("You take one pixel", lambda flow: flow[:, ::16, ::16] / 16),
        ("You add up the pixels", lambda flow: F.avg_pool2d(flow, 16, ceil_mode=True, divisor_override=1) / 16),
        ("the middle of each block", lambda flow: F.interpolate(flow[None], size=size(flow), mode="bilinear")[0] / 16),
        ("You stretch the blocks", lambda flow: F.adaptive_avg_pool2d(flow, size(flow)) / 16),
        ("Expected the shape (2, 2, 3), got the shape (1, 2, 2, 3)", lambda flow: mean_of_blocks(flow)[None] / 16),
    ],
)
def test_wrong_units_get_their_reason(reason, function):
    verdict = check.flow_in_cells.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def size(flow):
    return [math.ceil(n / 16) for n in flow.shape[1:]]


def test_right_units_of_several_kinds():
    for function in (
        lambda flow: mean_of_blocks(flow) / 16,
        lambda flow: F.avg_pool2d(flow / 16, 16, ceil_mode=True),
        lambda flow: (mean_of_blocks(flow) / 16).tolist(),
    ):
        assert check.flow_in_cells.verdict(function).startswith("correct")
