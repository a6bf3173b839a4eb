"""Notebook 04's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import math

import numpy as np
import torch

import dffkit
from dffkit import complexity
from dffkit.lessons.check.nb04 import duration_for, multiply_adds, speedup, speedup_of_pair


def solved(target, ratio):
    return target * (1 - ratio) / (1 - target * ratio)


def predicted(flow_size=lambda network, frame: network.prepare(frame), above=(1, 1, 1), below=(1, 1), flow_below=0):
    """Return a learner's prediction, with the parts of Eq. 5 that count: F, W, N_task over N_feat, N_task."""

    def function(feature_network, flow_network, task_network, frame, duration):
        features, seen = feature_network(frame), flow_size(flow_network, frame)
        f = complexity.count_flops(flow_network, seen, seen)
        n, t = complexity.count_flops(feature_network, frame), complexity.count_flops(task_network, features)
        w = 9 * math.prod(features.shape)
        r = (above[0] * f + above[1] * w + above[2] * t) / (below[0] * n + below[1] * t + flow_below * (f + w))
        return duration / (1 + (duration - 1) * r)

    return function


WRONG = [
    (multiply_adds, "You count at the input's resolution", lambda i, o, k, s, h, w: i * o * k * k * h * w),
    (multiply_adds, "you shorten one", lambda i, o, k, s, h, w: i * o * k * k * math.ceil(h / s) * w),
    (multiply_adds, "with stride 2 gives 3 outputs", lambda i, o, k, s, h, w: i * o * k * k * (h // s) * (w // s)),
    (multiply_adds, "a whole number: round up", lambda i, o, k, s, h, w: i * o * k * k * h * w / s**2),
    (multiply_adds, "k * k cells, not k", lambda i, o, k, s, h, w: i * o * k * -(-h // s) * -(-w // s)),
    (multiply_adds, "You count FLOPs", lambda i, o, k, s, h, w: 2 * i * o * k * k * -(-h // s) * -(-w // s)),
    (multiply_adds, "over all input channels", lambda i, o, k, s, h, w: o * k * k * -(-h // s) * -(-w // s)),
    (multiply_adds, "Each output channel has its own", lambda i, o, k, s, h, w: i * k * k * -(-h // s) * -(-w // s)),
    (multiply_adds, "examples are right; the first wrong one",
     lambda i, o, k, s, h, w: (i + o) * k * k * -(-h // s) * -(-w // s)),
    (speedup, "l - 1 are left", lambda duration, ratio: duration / (1 + duration * ratio)),
    (speedup, "upside down", lambda duration, ratio: 1 / duration + (1 - 1 / duration) * ratio),
    (speedup, "the cost of the l frames", lambda duration, ratio: sum([1] + [ratio] * (duration - 1))),
    (speedup, "the key frame costs 1", lambda l, r: l / (l - 1 + r) if l - 1 + r else float("inf")),  # noqa: E741
    (speedup, "the limit for endless l", lambda duration, ratio: 1 / ratio if ratio > 0 else float("inf")),
    (speedup, "examples are right; the first wrong one", lambda duration, ratio: duration * (1 - ratio)),
    (duration_for, "rounding down falls short", lambda s, r: (
        1 if s <= 1 else None if s * r >= 1 else solved(s, r))),
    (duration_for, "You round down", lambda s, r: (
        1 if s <= 1 else None if s * r >= 1 else int(solved(s, r) + 1e-9))),
    (duration_for, "You take r for 0", lambda s, r: int(-(-s // 1))),
    (duration_for, "An example is wrong", lambda s, r: int(solved(s, r))),
    (speedup, "do you divide by //", lambda duration, ratio: duration // (1 + (duration - 1) * ratio)),
    (speedup, "do you divide by //", lambda duration, ratio: int(duration / (1 + (duration - 1) * ratio))),
    (speedup, "You leave out the key frame's own cost", lambda duration, ratio: (
        duration / (duration * ratio - ratio) if duration > 1 and ratio else float("inf"))),
    (speedup, "Every number is 1 too small: off by one?",
     lambda duration, ratio: duration / (1 + (duration - 1) * ratio) - 1),
    (speedup, "`duration` and `ratio` are swapped", lambda duration, ratio: ratio / (1 + (ratio - 1) * duration)),
    (speedup, "You print the answer", lambda duration, ratio: print(duration / (1 + (duration - 1) * ratio))),
    (duration_for, "You always go one frame further", lambda s, r: (
        1 if s <= 1 else None if s * r >= 1 else int(solved(s, r) + 1e-9) + 1)),
    (duration_for, "at or beyond the limit", lambda s, r: (
        1 if s <= 1 else math.ceil(solved(s, r) - 1e-9) if s * r != 1 else 0)),
    (duration_for, "a target of exactly 1/r either", lambda s, r: (
        1 if s <= 1 else None if s * r > 1 else float("inf") if s * r == 1 else math.ceil(solved(s, r) - 1e-9))),
    (speedup_of_pair, "That is Eq. 6", predicted(above=(1, 0, 0), below=(1, 0))),
    (speedup_of_pair, "You leave out the task network", predicted(above=(1, 1, 0), below=(1, 0))),
    (speedup_of_pair, "You leave out the warp", predicted(above=(1, 0, 1))),
    (speedup_of_pair, "Eq. 5 has it below as well", predicted(below=(1, 0))),
    (speedup_of_pair, "Eq. 5 has it above as well", predicted(above=(1, 1, 0))),
    (speedup_of_pair, "frames of half the size", predicted(
        lambda network, frame: torch.zeros(1, 3, *frame.shape[2:], device="meta"))),
    (speedup_of_pair, "Eq. 5 has F above only", predicted(flow_below=1)),
    (speedup_of_pair, "`duration - 1` in place of", lambda *given: predicted()(*given[:4], given[4] - 1)),
    (speedup_of_pair, "examples are right; the first wrong one", lambda n, f, t, frame, duration: 5.0),
]  # fmt: skip


def by_layer(channels_in, channels_out, kernel, stride, height, width):
    with torch.device("meta"):
        layer = torch.nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
        return complexity.count_flops(layer, torch.zeros(1, channels_in, height, width)) // 2


def by_steps(channels_in, channels_out, kernel, stride, height, width):
    rows, columns = (height - 1) // stride + 1, (width - 1) // stride + 1
    outputs = channels_out * rows * columns
    return outputs * channels_in * kernel * kernel


def by_costs(duration, ratio):
    return duration / sum(1 if frame == 0 else ratio for frame in range(duration))


def by_average(duration, ratio):
    return 1 / np.mean([1.0] + [ratio] * (duration - 1))


def by_torch(duration, ratio):
    return torch.tensor(float(duration)) / (1 + (duration - 1) * ratio)


def by_counting(target, ratio):
    return next((n for n in range(1, 3000) if n / (1 + (n - 1) * ratio) >= target - 1e-12), None)


def by_algebra(target, ratio):
    if target <= 1:
        return 1
    if target * ratio >= 1:
        return None
    return math.ceil(target * (1 - ratio) / (1 - target * ratio) - 1e-9)


def by_the_joined_model(feature_network, flow_network, task_network, frame, duration):
    model = dffkit.DeepFeatureFlow(feature_network, flow_network, task_network)
    r = complexity.cost_ratio(complexity.count_costs(model, tuple(frame.shape[2:])))
    return duration / (1 + (duration - 1) * r)


RIGHT = {
    multiply_adds: [by_layer, by_steps],
    speedup: [by_costs, by_average, by_torch],
    duration_for: [by_counting, by_algebra, lambda target, ratio: (
        None if target * ratio >= 1 < target else np.int64(max(1, np.ceil(solved(target, ratio) - 1e-9))))],
    speedup_of_pair: [predicted(), by_the_joined_model],
}  # fmt: skip


def random_layer(rng):
    channels, sides = ([rng.randint(least, 20) for _ in range(2)] for least in (1, 4))
    return (*channels, rng.choice([1, 3, 5]), rng.randint(1, 4), *sides)


def random_target(rng):
    target, ratio = rng.choice([rng.uniform(0.5, 9), float(rng.randint(1, 9))]), rng.uniform(0, 0.5)
    return (target, ratio) if abs(target * ratio - 1) > 0.05 else (target, 0.0)


def another_duration(rng):
    example = rng.choice(speedup_of_pair.examples)
    return (*example.arguments[:4], rng.randint(2, 30))


RANDOM = {
    multiply_adds: random_layer,
    speedup: lambda rng: (rng.randint(1, 40), rng.uniform(0, 1.2)),
    duration_for: random_target,
    speedup_of_pair: another_duration,
}
