"""Notebook 03's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from dffkit.lessons.check.nb03 import draw_pair, flow_target, mended_samples, switch


def means(flow, side):
    """Return the means of blocks as a learner's loops give them."""
    _, height, width = flow.shape
    return torch.stack(
        [
            torch.stack(
                [
                    torch.stack([channel[y : y + side, x : x + side].mean() for x in range(0, width, side)])
                    for y in range(0, height, side)
                ]
            )
            for channel in flow
        ]
    )


def drawing(offset=lambda u: math.floor(10 * u), key=lambda i, o: max(0, i - o), flips=(1, 1, 1)):
    """Return a learner's sampler, with one step replaced."""

    def function(frames, labels, i, u, mirror):
        parts = [frames[key(i, offset(u))], frames[i], labels[i]]
        for n, flip in enumerate(flips):
            if mirror and flip:
                parts[n] = torch.flip(parts[n], dims=[-1])
        return tuple(parts)

    return function


def with_the_labels_of_the_key_frame(frames, labels, i, u, mirror):
    k = max(0, i - int(10 * u))
    return [part.flip(-1) if mirror else part for part in (frames[k], frames[i], labels[k])]


def by_a_loop(key, propagated, same):
    return torch.stack([a if flag else b for a, b, flag in zip(key, propagated, same, strict=True)])


def by_assignment(key, propagated, same):
    propagated[same] = key[same]
    return propagated


def by_multiplying(key, propagated, same):
    weight = same.float()[:, None, None, None]
    return weight * key + (1 - weight) * propagated


def by_where(key, propagated, same):
    return torch.where(same[:, None, None, None], key, propagated)


WRONG = [
    (flow_target, "a cell is 2 * stride pixels", lambda flow, stride: means(flow, stride) / 40),
    (flow_target, "you leave the flow in pixels of the frame", lambda flow, stride: means(flow, 2 * stride)),
    (flow_target, "forget that the input has half the size", lambda flow, stride: means(flow, 2 * stride) / 20),
    (flow_target, "forget to divide by 20", lambda flow, stride: means(flow, 2 * stride) / 2),
    (flow_target, "divide by the size of a cell", lambda flow, stride: means(flow, 2 * stride) / (2 * stride)),
    (flow_target, "cut off by the border are missing", lambda flow, stride: F.avg_pool2d(flow, 2 * stride) / 40),
    (flow_target, "You take one pixel", lambda flow, stride: flow[:, :: 2 * stride, :: 2 * stride] / 40),
    (draw_pair, "Your key frame comes after", drawing(key=lambda i, o: i + o)),
    (draw_pair, "The offset is never 0", drawing(offset=lambda u: 1 + int(u * 9))),
    (draw_pair, "The offset is never 9", drawing(offset=lambda u: int(u * 9))),
    (draw_pair, "You round", drawing(offset=lambda u: round(u * 9))),
    (draw_pair, "the index -1 is the last frame", drawing(key=lambda i, o: i - o)),
    (draw_pair, "never mirrored", drawing(flips=(0, 0, 0))),
    (draw_pair, "Your key frame stays as it was", drawing(flips=(0, 1, 1))),
    (draw_pair, "Your label map stays as it was", drawing(flips=(1, 1, 0))),
    (draw_pair, "the key frame's label map", with_the_labels_of_the_key_frame),
    (draw_pair, "Expected the shape (3, 2, 3), got the shape (2, 2, 3)",
     lambda *arguments: drawing()(*arguments)[:2]),
    (switch, "You always propagate", lambda key, propagated, same: propagated),
    (switch, "You never propagate", lambda key, propagated, same: key),
    (switch, "You swap the cases", lambda key, propagated, same: by_where(key, propagated, ~same)),
    (switch, "once for the whole batch", lambda key, propagated, same: key if any(same) else propagated),
    (switch, "once for the whole batch", lambda key, propagated, same: key if all(same) else propagated),
    (switch, "columns and not for samples", lambda key, propagated, same: torch.where(same, key, propagated)),
    (switch, "the order of the batch", lambda key, propagated, same: torch.cat([key[same], propagated[~same]])),
    (switch, "You add both", lambda key, propagated, same: by_where(key + propagated, propagated, same)),
    (switch, "Your function raised ", lambda k, p, same: torch.where(same[:, None], k, p).view(7)),
    (flow_target, "Every number has the wrong sign", lambda flow, stride: -means(flow, 2 * stride) / 40),
    (flow_target, "`flow + 0.5` in place of", lambda flow, stride: means(flow + 0.5, 2 * stride) / 40),
    (draw_pair, "in reverse order", lambda *arguments: drawing()(*arguments)[::-1]),
    (draw_pair, "`i + 1` in place of `i`: off by one?", lambda frames, labels, i, u, mirror: (
        drawing()(frames, labels, i + 1, u, mirror))),
    (draw_pair, "`frames` and `labels` are swapped", lambda frames, labels, *rest: drawing()(labels, frames, *rest)),
    (draw_pair, "examples are right; the first wrong one", lambda frames, labels, i, u, mirror: (
        drawing()(frames, labels, i, u, not mirror))),
    (mended_samples, "The bug is still there", lambda labels, offset: [
        (i, i + offset, labels[i]) for i in sorted(labels)]),
    (mended_samples, "The key frame is now after", lambda labels, offset: [
        (i + offset, i, labels[i]) for i in sorted(labels)]),
    (mended_samples, "nothing before frame 0", lambda labels, offset: [
        (i - offset, i, labels[i]) for i in sorted(labels)]),
    (mended_samples, "Both frames have moved", lambda labels, offset: [
        (max(0, i - offset), max(0, i - offset), labels[i]) for i in sorted(labels)]),
    (mended_samples, "The order is", lambda labels, offset: [
        (i, max(0, i - offset), labels[i]) for i in sorted(labels)]),
    (mended_samples, "raised KeyError", lambda labels, offset: [
        (max(i - offset, 0), i, labels[max(i - offset, 0)]) for i in sorted(labels)]),
    (mended_samples, "`offset + 1` in place of `offset`: off by one?", lambda labels, offset: [
        (max(i - offset - 1, 0), i, labels[i]) for i in sorted(labels)]),
]  # fmt: skip


def by_two_means(flow, stride):
    return F.avg_pool2d(means(flow, 2), stride, ceil_mode=True) / 40


def by_slices(flow, stride):
    side = 2 * stride
    rows, columns = math.ceil(flow.shape[1] / side), math.ceil(flow.shape[2] / side)
    target = torch.zeros(2, rows, columns)
    for row in range(rows):
        for column in range(columns):
            block = flow[:, side * row : side * (row + 1), side * column : side * (column + 1)]
            target[:, row, column] = block.mean((1, 2)) / 2 / 20
    return target


def by_range(frames, labels, i, u, mirror):
    k = range(i, i - 10, -1)[int(u * 10)]
    parts = torch.stack([frames[k if k > 0 else 0], frames[i], labels[i]])
    return parts[..., torch.arange(parts.shape[-1] - 1, -1, -1)] if mirror else parts


def by_numpy(frames, labels, i, u, mirror):
    parts = np.stack([frames[max(i - math.floor(u / 0.1), 0)], frames[i], labels[i]])
    return parts[:, :, ::-1].copy() if mirror else parts


def by_a_loop_over_labels(labels, offset):
    samples = []
    for i in sorted(labels.keys()):
        k = i - offset
        if k < 0:
            k = 0
        samples.append([k, i, labels[i]])
    return samples


RIGHT = {
    flow_target: [
        by_two_means, by_slices, lambda flow, stride: means(flow, 2 * stride) / 40,
        lambda flow, stride: F.avg_pool2d(flow / 2, 2 * stride, ceil_mode=True) / 20,
        lambda flow, stride: (means(flow, 2 * stride) * 0.025).tolist(),
    ],
    draw_pair: [drawing(), by_range, by_numpy],
    mended_samples: [
        by_a_loop_over_labels,
        lambda labels, offset: np.array([(max(i - offset, 0), i, label) for i, label in sorted(labels.items())]),
    ],
    switch: [by_a_loop, by_assignment, by_multiplying, by_where],
}  # fmt: skip


def random_flow(rng):
    torch.manual_seed(rng.randrange(10**6))
    return 90 * torch.randn(2, 2 * rng.randint(10, 35), 2 * rng.randint(10, 35)), rng.choice([4, 8, 16, 32])


def random_film(rng):
    torch.manual_seed(rng.randrange(10**6))
    frames, labels = 50 * torch.randn(2, 12, 2, 3)
    return frames, labels, rng.randrange(12), rng.random(), rng.random() < 0.5


def random_labels(rng):
    return {i: i / 100 for i in rng.sample(range(60), rng.randint(1, 5))}, rng.randint(0, 9)


def random_batch(rng):
    torch.manual_seed(rng.randrange(10**6))
    key, propagated = 5 * torch.randn(2, rng.randint(1, 4), rng.randint(1, 3), 2, 3)
    return key, propagated, torch.rand(len(key)) < 0.5


RANDOM = {flow_target: random_flow, draw_pair: random_film, mended_samples: random_labels, switch: random_batch}
