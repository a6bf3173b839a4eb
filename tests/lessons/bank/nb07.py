"""Notebook 07's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import math
import re

import torch
import torch.nn.functional as F
from torch import nn

from dffkit.lessons.check.nb07 import CHANNELS, is_key_frame, longest_duration, mended_order, third_task


class Distance(nn.Module):
    """A learner's task network: as the exercise asks, but with two layers and nearest cells."""

    def __init__(self, in_channels):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, 1
        self.layers = nn.Sequential(nn.Conv2d(in_channels, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))

    def forward(self, features):
        return self.layers(features)

    def loss(self, maps, targets, size):
        found = self.decode(maps, size)
        known = targets != 0
        if not known.any():
            return {"distance": 0 * maps.sum()}
        return {"distance": F.l1_loss(found[known], targets[known])}

    def decode(self, maps, size):
        large = maps.repeat_interleave(16, 2).repeat_interleave(16, 3)
        return large[:, 0, : size[0], : size[1]]


def distance(**methods):
    """Return a learner's task network with one method replaced."""
    return type("Distance", (Distance,), methods)


def loss_by(mean):
    return lambda network, maps, targets, size: {"d": mean(network.decode(maps, size) - targets, targets > 0)}


WRONG = [
    (longest_duration, "the oldest box is l - 1 frames old", lambda w, v: math.floor(w / 3 / v)),
    (longest_duration, "IoU = (w - d) / (w + d)", lambda w, v: math.floor(w / 2 / v) + 1),
    (longest_duration, "half of the box's width, and", lambda w, v: math.floor(w / 2 / v)),
    (longest_duration, "no longer touch", lambda w, v: math.floor(w / v) + 1),
    (longest_duration, "a whole number", lambda w, v: w / v / 3 + 1),
    (longest_duration, "raised TypeError", lambda w, v: range(w / v)),
    (is_key_frame, "Count from the last key frame", lambda i, k, d, t, n: i % n == 0 or d > t),
    (is_key_frame, "one of them is enough", lambda i, k, d, t, n: i - k >= n and d > t),
    (is_key_frame, "a distance of exactly l is enough", lambda i, k, d, t, n: i - k > n or d > t),
    (is_key_frame, "a slow change would never", lambda i, k, d, t, n: d > t),
    (is_key_frame, "after a cut the old features", lambda i, k, d, t, n: i >= k + n),
    (longest_duration, "Every number is 1 too large: off by one?", lambda w, v: w // (3 * v) + 2),
    (is_key_frame, "after a cut the old features", lambda i, k, d, t, n: i - k >= n),
    (is_key_frame, "You print the answer", lambda i, k, d, t, n: print(d > t or i - k >= n)),
    (is_key_frame, "examples are right; the first wrong one", lambda i, k, d, t, n: True),
    (mended_order, "The bug is still there", sorted),
    (mended_order, "The bug is still there", lambda names: sorted(names, key=lambda name: name.split(".")[0])),
    (mended_order, "nothing else is sorted", lambda names: sorted(names, key=len)),
    (mended_order, "until somebody writes zeros in front", lambda names: sorted(sorted(names), key=len)),
    (mended_order, "You leave the names as they come", list),
    (mended_order, "The order is reversed", lambda names: by_the_last_number(names)[::-1]),
    (mended_order, "in street4_20.jpg that is the street",
     lambda names: sorted(names, key=lambda name: int(re.search("[0-9]+", name)[0]))),
    (mended_order, "raised ValueError: invalid literal",
     lambda names: sorted(names, key=lambda name: int(name[5:-4]))),
    (mended_order, "You print the answer", lambda names: print(by_the_last_number(names))),
    (mended_order, "Expected the shape (3,), got the shape (0,)", lambda names: []),
    (third_task, "leave these pixels out of the loss", distance(loss=loss_by(lambda error, known: error.abs().mean()))),
    (third_task, "by the number of all pixels",
     distance(loss=loss_by(lambda error, known: (error.abs() * known).mean()))),
    (third_task, "one NaN ruins a training", distance(loss=loss_by(lambda error, known: error[known].abs().mean()))),
    (third_task, "That is the squared error", distance(loss=loss_by(
        lambda error, known: (error**2 * known).sum() / known.sum().clamp(min=1)))),
    (third_task, "That is the sum of the errors", distance(loss=loss_by(
        lambda error, known: (error * known).abs().sum()))),
    (third_task, "Errors of both signs cancel", distance(loss=loss_by(
        lambda error, known: (error * known).sum() / known.sum().clamp(min=1)))),
    (third_task, "Expected the shape (2, 40, 56), got the shape (2, 1, 40, 56)",
     distance(decode=lambda network, maps, size: F.interpolate(maps, size))),
    (third_task, "Expected the shape (2, 40, 56), got the shape (2, 48, 64)",
     distance(decode=lambda network, maps, size: F.interpolate(maps, scale_factor=16)[:, 0])),
    (third_task, "Expected the shape (2, 40, 56), got the shape (2, 56, 40)",
     distance(decode=lambda network, maps, size: Distance.decode(network, maps, size).mT)),
    (third_task, "Expected the shape (2, 40, 56), got the shape (2, 3, 4)",
     distance(decode=lambda network, maps, size: maps[:, 0])),
    (third_task, "does not require grad", distance(
        loss=lambda network, maps, targets, size: Distance.loss(network, maps.detach(), targets, size))),
    (third_task, "loss returns a dictionary of names and numbers, yours a Tensor", distance(
        loss=lambda network, maps, targets, size: Distance.loss(network, maps, targets, size)["distance"])),
    (third_task, "Your function raised TypeError", distance(__init__=lambda network: nn.Module.__init__(network))),
    (third_task, "Expected 1, got 5.", distance(forward=lambda network, maps: maps[:, :5])),
]  # fmt: skip


def by_cases(index, key_index, difference, threshold, longest):
    if difference > threshold:
        return True
    return key_index + longest <= index


def by_trying(width, speed):
    age = 0
    while 2 * (width - speed * age) >= width + speed * age:
        age += 1
    return age


def by_overlaps(width, speed):
    overlaps = [(width - d) / (width + d) for d in (speed * age for age in range(100))]
    return sum(overlap >= 0.5 for overlap in overlaps)


def by_the_last_number(names):
    return sorted(names, key=lambda name: int(re.findall("[0-9]+", name)[-1]))


def by_a_dictionary(names):
    frames = {int(re.split("[^0-9]+", name)[-2]): name for name in names}
    return [frames[number] for number in sorted(frames)]


RIGHT = {
    longest_duration: [by_trying, by_overlaps],
    is_key_frame: [by_cases, lambda i, k, d, t, n: int(max(d - t, i - k - n + 1) > 0)],
    mended_order: [by_the_last_number, by_a_dictionary],
    third_task: [
        Distance, distance(decode=lambda network, maps, size: F.interpolate(maps, size, mode="bilinear")[:, 0]),
    ],
}  # fmt: skip


def random_decision(rng):
    key = rng.randint(0, 30)
    return key + rng.randint(1, 12), key, float(rng.randint(0, 30)), float(rng.randint(5, 25)), rng.randint(2, 12)


def random_names(rng):
    prefix, zeros = rng.choice(["", "frame", "street4_", "12_"]), rng.choice([0, 0, 4])
    return ([f"{prefix}{number:0{zeros}}.jpg" for number in rng.sample(range(200), rng.randint(2, 8))],)


def random_maps(rng):
    torch.manual_seed(rng.randrange(10**6))
    frames, height, width = rng.randint(1, 3), rng.randint(17, 50), rng.randint(17, 50)
    maps = (9 * torch.rand(frames, 1, 1, 1)).expand(-1, -1, math.ceil(height / 16), math.ceil(width / 16))
    part = rng.choice(["forward", "decode", "loss"])
    if part == "forward":
        return part, torch.randn(frames, CHANNELS, *maps.shape[2:])
    targets = 9 * torch.rand(frames, height, width) * (torch.rand(frames, height, width) < 0.5)
    return (part, maps, targets if part == "loss" else (height, width))


RANDOM = {
    longest_duration: lambda rng: (rng.randint(8, 90), rng.randint(1, 12)),
    is_key_frame: random_decision,
    mended_order: random_names,
    third_task: random_maps,
}
