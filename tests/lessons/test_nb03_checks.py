"""Checks of notebook 03's exercises: wrong answers as learners write them, each with its reason, and right ones."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from dffkit.lessons.check.nb03 import draw_pair, flow_target, switch
from dffkit.training.jobs import pyramid_loss


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


@pytest.mark.parametrize(
    ("exercise", "reason", "function"),
    [
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
    ],
)  # fmt: skip
def test_wrong_answers_get_their_reason(exercise, reason, function):
    feedback = exercise.feedback(function)
    assert feedback.startswith("not yet. ")
    assert reason in feedback


def test_right_targets_of_several_kinds():
    for function in (
        lambda flow, stride: means(flow, 2 * stride) / 40,
        lambda flow, stride: F.avg_pool2d(flow / 2, 2 * stride, ceil_mode=True) / 20,
        lambda flow, stride: (means(flow, 2 * stride) * 0.025).tolist(),
        lambda flow, stride: F.avg_pool2d(means(flow, 2), stride, ceil_mode=True) / 40,
    ):
        assert flow_target.feedback(function).startswith("correct")


def test_the_right_target_is_what_the_loss_wants():
    flow = 30 * torch.randn(1, 2, 64, 128)
    predictions = [flow_target.solution(flow[0], stride)[None] for stride in (64, 32, 16, 8, 4)]
    assert pyramid_loss(predictions, flow)["flow"] < 1e-6


def test_right_pairs_of_several_kinds():
    def by_range(frames, labels, i, u, mirror):
        k = range(i, i - 10, -1)[int(u * 10)]
        parts = torch.stack([frames[k if k > 0 else 0], frames[i], labels[i]])
        return parts[..., torch.arange(parts.shape[-1] - 1, -1, -1)] if mirror else parts

    def by_numpy(frames, labels, i, u, mirror):
        parts = np.stack([frames[max(i - math.floor(u / 0.1), 0)], frames[i], labels[i]])
        return parts[:, :, ::-1].copy() if mirror else parts

    for function in (drawing(), by_range, by_numpy):
        assert draw_pair.feedback(function).startswith("correct"), function


def test_right_switches_of_several_kinds():
    for function in (by_a_loop, by_assignment, by_multiplying, by_where):
        assert switch.feedback(function).startswith("correct"), function
