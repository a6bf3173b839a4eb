"""The checks of notebook 03: wrong answers as learners write them, each with its own reason; several right ones."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dffkit.lessons.check.pyramid_target import flow_target
from dffkit.lessons.check.training import draw_pair, switch
from dffkit.training.flow_loss import pyramid_loss

# Exercise 1


def means(flow, side, of=torch.mean):
    """Means of blocks, as a learner's loops give them."""
    _, height, width = flow.shape
    return torch.stack(
        [
            torch.stack(
                [
                    torch.stack([of(channel[y : y + side, x : x + side]) for x in range(0, width, side)])
                    for y in range(0, height, side)
                ]
            )
            for channel in flow
        ]
    )


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("a cell is 2 * stride pixels", lambda flow, stride: means(flow, stride) / 40),
        ("you leave them in pixels of the frame", lambda flow, stride: means(flow, 2 * stride)),
        ("forget that the input has half the size", lambda flow, stride: means(flow, 2 * stride) / 20),
        ("forget to divide by 20", lambda flow, stride: means(flow, 2 * stride) / 2),
        ("you double the flow", lambda flow, stride: means(flow, 2 * stride) * 2 / 20),
        ("divide by the size of a cell", lambda flow, stride: means(flow, 2 * stride) / (2 * stride)),
        ("divide by the size of a cell", lambda flow, stride: means(flow / 2, 2 * stride) / stride * 2),
        ("The channels are swapped", lambda flow, stride: means(flow[[1, 0]], 2 * stride) / 40),
        ("The sign has changed", lambda flow, stride: means(-flow / 2, 2 * stride) / 20),
        ("cut off by the border are missing", lambda flow, stride: F.avg_pool2d(flow, 2 * stride) / 40),
        ("You take one pixel", lambda flow, stride: flow[:, :: 2 * stride, :: 2 * stride] / 40),
        ("You add up the pixels", lambda flow, stride: means(flow, 2 * stride, torch.sum) / 40),
    ],
)
def test_wrong_targets_get_their_reason(reason, function):
    verdict = flow_target.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_right_targets_of_several_kinds():
    for function in (
        lambda flow, stride: means(flow, 2 * stride) / 40,
        lambda flow, stride: F.avg_pool2d(flow / 2, 2 * stride, ceil_mode=True) / 20,
        lambda flow, stride: (means(flow, 2 * stride) * 0.025).tolist(),
        lambda flow, stride: F.avg_pool2d(means(flow, 2), stride, ceil_mode=True) / 40,
    ):
        assert flow_target.verdict(function).startswith("correct")


def test_the_right_target_is_what_the_loss_wants():
    flow = 30 * torch.randn(1, 2, 64, 128)
    predictions = [flow_target.solution(flow[0], stride)[None] for stride in (64, 32, 16, 8, 4)]
    assert pyramid_loss(predictions, flow)["flow"] < 1e-6


# Exercise 2


def drawing(offset=lambda u: math.floor(10 * u), key=lambda i, o: max(0, i - o), flips=(1, 1, 1), order=(0, 1, 2)):
    """A learner's sampler in which one step can be another one."""

    def function(frames, labels, i, u, mirror):
        parts = [frames[key(i, offset(u))], frames[i], labels[i]]
        for n, flip in enumerate(flips):
            if mirror and flip:
                parts[n] = torch.flip(parts[n], dims=[-1])
        return tuple(parts[n] for n in order)

    return function


def with_the_labels_of_the_key_frame(frames, labels, i, u, mirror):
    k = max(0, i - int(10 * u))
    return [part.flip(-1) if mirror else part for part in (frames[k], frames[i], labels[k])]


def upside_down(frames, labels, i, u, mirror):
    parts = (frames[max(0, i - int(10 * u))], frames[i], labels[i])
    return [part.flip(0) if mirror else part for part in parts]


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("The key frame comes after", drawing(key=lambda i, o: i + o)),
        ("The offset is never 0", drawing(offset=lambda u: 1 + int(u * 9))),
        ("The offset is never 0", drawing(offset=lambda u: math.floor(u * 10) or 1)),
        ("The offset is never 9", drawing(offset=lambda u: int(u * 9))),
        ("The offset can be 10", drawing(offset=lambda u: int(u * 11))),
        ("You round", drawing(offset=lambda u: round(u * 9))),
        ("the index -1 is the last frame", drawing(key=lambda i, o: i - o)),
        ("Yours never are", drawing(flips=(0, 0, 0))),
        ("leaves the key frame as it was", drawing(flips=(0, 1, 1))),
        ("leaves the current frame as it was", drawing(flips=(1, 0, 1))),
        ("leaves the label map as it was", drawing(flips=(1, 1, 0))),
        ("mirrors the current frame only", drawing(flips=(0, 1, 0))),
        ("upside down", upside_down),
        ("The label map is the key frame's", with_the_labels_of_the_key_frame),
        ("The order is another", drawing(order=(1, 0, 2))),
        ("Expected the shape (3, 2, 3), got the shape (2, 2, 3)", drawing(order=(0, 1))),
    ],
)
def test_wrong_pairs_get_their_reason(reason, function):
    verdict = draw_pair.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict


def test_right_pairs_of_several_kinds():
    def by_range(frames, labels, i, u, mirror):
        k = range(i, i - 10, -1)[int(u * 10)]
        parts = torch.stack([frames[k if k > 0 else 0], frames[i], labels[i]])
        return parts[..., torch.arange(parts.shape[-1] - 1, -1, -1)] if mirror else parts

    def by_numpy(frames, labels, i, u, mirror):
        parts = np.stack([frames[max(i - math.floor(u / 0.1), 0)], frames[i], labels[i]])
        return parts[:, :, ::-1].copy() if mirror else parts

    for function in (drawing(), by_range, by_numpy):
        assert draw_pair.verdict(function).startswith("correct"), function


# Exercise 3


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


def test_right_switches_of_several_kinds():
    for function in (by_a_loop, by_assignment, by_multiplying, by_where):
        assert switch.verdict(function).startswith("correct"), function


@pytest.mark.parametrize(
    ("reason", "function"),
    [
        ("You always propagate", lambda key, propagated, same: propagated),
        ("You never propagate", lambda key, propagated, same: key),
        ("the wrong way round", lambda key, propagated, same: by_where(key, propagated, ~same)),
        ("once for the whole batch", lambda key, propagated, same: key if same.any() else propagated),
        ("once for the whole batch", lambda key, propagated, same: key if all(same) else propagated),
        ("channels and not for samples", lambda k, p, same: torch.where(same[None, :, None, None], k, p)),
        ("columns and not for samples", lambda key, propagated, same: torch.where(same, key, propagated)),
        ("The order of the batch", lambda key, propagated, same: torch.cat([key[same], propagated[~same]])),
        ("the propagated features are missing", lambda key, propagated, same: by_where(key, 0 * key, same)),
        ("the key features are missing", lambda key, propagated, same: by_where(0 * key, propagated, same)),
        ("You add up both", lambda key, propagated, same: by_where(key + propagated, propagated, same)),
        ("You take the mean", lambda key, propagated, same: by_where((key + propagated) / 2, propagated, same)),
        ("Your function raised ", lambda key, propagated, same: torch.where(same[:, None], key, propagated).view(7)),
    ],
)
def test_wrong_switches_get_their_reason(reason, function):
    verdict = switch.verdict(function)
    assert verdict.startswith("not yet. ")
    assert reason in verdict
