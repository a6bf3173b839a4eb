"""Notebook 02's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from dffkit.lessons.check.nb02 import flow_in_cells, four_weights, mended_warp, slope, warp_one_channel
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


def difference(row, x, left=math.floor, outside=lambda row, i: 0.0):
    """Return the right neighbour minus the left one, with one step replaced."""
    i = left(x)
    read = [float(row[j]) if 0 <= j < len(row) else outside(row, j) for j in (i, i + 1)]
    return read[1] - read[0]


WRONG = [
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
    (warp_one_channel, "align_corners off", lambda v, flow: through_a_normalised_grid(align_corners=False)(v, flow)),
    (warp_one_channel, "Every number is 0.5 too large", lambda v, flow: loops()(v, flow) + 0.5),
    (warp_one_channel, "`flow + 0.5` in place of `flow`: off by half?", lambda v, flow: loops()(v, flow + 0.5)),
    (warp_one_channel, "`flow - 1` in place of `flow`: off by one?", lambda v, flow: loops()(v, flow - 1)),
    (warp_one_channel, "int() or an integer tensor", lambda v, flow: loops()(v, flow).int()),
    (warp_one_channel, "You print the answer", lambda v, flow: print(loops()(v, flow))),
    (mended_warp, "Both bugs are still there", through_a_normalised_grid(less=0, align_corners=False)),
    (mended_warp, "One bug is mended. You normalise by w", through_a_normalised_grid(less=0)),
    (mended_warp, "One bug is mended. You normalise with align", through_a_normalised_grid(align_corners=False)),
    (mended_warp, "Expected the shape (3, 4), got the shape (1, 3, 4)",
     lambda v, flow: through_a_normalised_grid()(v, flow)[None]),
    (slope, "The sign is reversed", lambda row, x: -difference(row, x)),
    (slope, "two cells apart", lambda row, x: (
        difference(row, round(x)) + difference(row, round(x) - 1)) / 2),
    (slope, "That is the value at x", lambda row, x: sum(
        max(0, 1 - abs(i - x)) * float(value) for i, value in enumerate(row))),
    (slope, "int() rounds towards 0", lambda row, x: difference(row, x, left=int)),
    (slope, "You round x to the nearest cell", lambda row, x: difference(row, x, left=round)),
    (slope, "Left of the row you read at its other end",
     lambda row, x: difference(row, x, outside=lambda row, i: float(row[-1]) if i == -1 else 0.0)),
    (slope, "you repeat its border",
     lambda row, x: difference(row, x, outside=lambda row, i: float(row[min(max(i, 0), len(row) - 1)]))),
    (slope, "`x + 1` in place of `x`: off by one?", lambda row, x: difference(row, x + 1)),
    (slope, "`x - 0.5` in place of `x`: off by half?", lambda row, x: difference(row, x - 0.5)),
    (slope, "A cell outside the row counts as 0.", lambda row, x: row[math.floor(x) + 1] - row[math.floor(x)]),
    (flow_in_cells, "Every number has the wrong sign", lambda flow: -mean_of_blocks(flow) / 16),
]  # fmt: skip


def by_hand(x, y):
    a, b = x % 1, y % 1
    return (1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b


def by_numpy(x, y):
    columns, rows = np.array([1 - x % 1, x % 1]), np.array([1 - y % 1, y % 1])
    return np.outer(rows, columns).ravel()


def by_torch(x, y):
    a, b = torch.tensor([x - math.floor(x), y - math.floor(y)], requires_grad=True)
    return torch.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b, a * b])


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


def by_the_sum_over_all_cells(values, flow):
    height, width = values.shape
    warped = torch.zeros(height, width)
    for row in range(height):
        for column in range(width):
            x, y = column + flow[0, row, column], row + flow[1, row, column]
            for j in range(height):
                for i in range(width):
                    warped[row, column] += max(0, 1 - abs(x - i)) * max(0, 1 - abs(y - j)) * values[j, i]
    return warped


def by_edges(values, flow):
    height, width = values.shape
    x, y = torch.arange(width) + flow[0], torch.arange(height)[:, None] + flow[1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)
    return F.grid_sample(values[None, None], grid[None], align_corners=False)[0, 0]


def by_cases(row, x):
    left = math.floor(x)
    if left < -1 or left >= len(row):
        return 0
    if left == -1:
        return row[0]
    if left == len(row) - 1:
        return -row[left]
    return row[left + 1] - row[left]


def by_padding(row, x):
    padded = F.pad(row, (9, 9))
    return padded[math.floor(x) + 10] - padded[math.floor(x) + 9]


def by_a_small_step(row, x):
    near = torch.tensor([x + 0.01, x + 0.02])
    values = [(row * (1 - (torch.arange(len(row)) - p).abs()).clamp(min=0)).sum() for p in near]
    return (values[1] - values[0]).double() / 0.01


def by_loops(flow):
    rows, columns = math.ceil(flow.shape[1] / 16), math.ceil(flow.shape[2] / 16)
    cells = torch.zeros(2, rows, columns)
    for row in range(rows):
        for column in range(columns):
            block = flow[:, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            cells[:, row, column] = block.mean(dim=(1, 2)) / 16
    return cells


RIGHT = {
    four_weights: [by_hand, by_numpy, by_torch],
    warp_one_channel: [
        loops(), by_gathering, by_the_sum_over_all_cells, through_a_normalised_grid(),
        lambda values, flow: warp_loops(values[None, None], flow[None])[0, 0],
        lambda values, flow: loops()(values, flow).tolist(),
        lambda values, flow: loops()(values, flow).numpy().astype(np.float32),
        lambda values, flow: loops()(values.double(), flow.double()),
    ],
    mended_warp: [through_a_normalised_grid(), by_edges, by_gathering],
    slope: [difference, by_cases, by_padding, lambda row, x: np.float64(difference(row, x))],
    flow_in_cells: [
        by_loops, lambda flow: mean_of_blocks(flow) / 16, lambda flow: F.avg_pool2d(flow / 16, 16, ceil_mode=True),
        lambda flow: (mean_of_blocks(flow) / 16).tolist(),
    ],
}  # fmt: skip


def random_map(rng):
    torch.manual_seed(rng.randrange(10**6))
    height, width = rng.randint(2, 6), rng.randint(2, 6)
    flow = 2 * torch.randn(2, height, width)
    return torch.randn(height, width) + 2, flow.round() if rng.random() < 0.2 else flow


def random_row(rng):
    return torch.tensor([rng.uniform(-5, 5) for _ in range(rng.randint(1, 6))]), rng.uniform(-3, 8)


def random_flow(rng):
    torch.manual_seed(rng.randrange(10**6))
    return (20 * torch.randn(2, rng.randint(1, 50), rng.randint(1, 50)),)


RANDOM = {
    four_weights: lambda rng: (rng.uniform(-4, 4), rng.choice([rng.uniform(-4, 4), float(rng.randint(-3, 3))])),
    warp_one_channel: random_map,
    mended_warp: random_map,
    slope: random_row,
    flow_in_cells: random_flow,
}
