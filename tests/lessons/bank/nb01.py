"""Notebook 01's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import numpy as np
import torch

from dffkit.lessons.check.nb01 import feature_sources, filter_correlation


def without_means(values, share):
    return (values - values.mean(1, keepdim=True)) * (share - share.mean())


def with_std(values, share):
    return (without_means(values, share).mean(1) / (values.std(1) * share.std())).nan_to_num()


WRONG = [
    (filter_correlation, "Subtract the means", lambda v, s: (v * s).sum(1) / (v.norm(dim=1) * s.norm())),
    (filter_correlation, "covariance", lambda v, s: without_means(v, s).mean(1)),
    (filter_correlation, "return 0 for it", lambda v, s: [np.corrcoef(row, s)[0, 1] for row in v]),
    (filter_correlation, "sum of products", lambda v, s: without_means(v, s).sum(1)),
    (filter_correlation, "correction=0", with_std),
    (filter_correlation, "Every number has the wrong sign", lambda v, s: -by_z_scores(v, s)),
    (feature_sources, "number the key frames", lambda frames, d: torch.arange(frames) // d),
    (feature_sources, "the distance to the key frame", lambda frames, d: [i % d for i in range(frames)]),
    (feature_sources, "nearest key frame", lambda frames, d: (torch.arange(frames) / d).round() * d),
    (feature_sources, "next key frame", lambda frames, d: (torch.arange(frames) / d).ceil() * d),
    (feature_sources, "frame before it", lambda frames, d: [i - 1 if i % d else i for i in range(frames)]),
    (feature_sources, "every frame's own", lambda frames, d: list(range(frames))),
    (feature_sources, "for each frame of the video", lambda frames, d: [i for i in range(frames) if i % d == 0]),
    (feature_sources, "You never take a new key frame", lambda frames, d: frames * [0]),
    (feature_sources, "A key frame uses its own features", lambda frames, d: [
        max(0, (i - 1) // d * d) for i in range(frames)]),
    (feature_sources, "You count frames from 1", lambda frames, d: [i // d * d + 1 for i in range(frames)]),
    (feature_sources, "You print the answer", lambda frames, d: print([i // d * d for i in range(frames)])),
    (feature_sources, "`duration + 1` in place of `duration`: off by one?",
     lambda frames, d: [i - i % (d + 1) for i in range(frames)]),
    (feature_sources, "`frames` and `duration` are swapped", lambda frames, d: [i - i % frames for i in range(d)]),
]  # fmt: skip


def by_numpy(values, share):
    return [np.corrcoef(row, share)[0, 1] if row.std() else 0.0 for row in values]


def by_z_scores(values, share):
    x = (values - values.mean(1, keepdim=True)) / values.std(1, correction=0, keepdim=True).clamp(min=1e-9)
    return (x * (share - share.mean()) / share.std(correction=0)).mean(1)


def by_memory(frames, duration):
    sources = []
    for i in range(frames):
        sources.append(i if i % duration == 0 else sources[-1])
    return sources


def by_stretches(frames, duration):
    sources = []
    for key in range(0, frames, duration):
        sources += [key] * min(duration, frames - key)
    return sources


RIGHT = {
    feature_sources: [
        by_memory, by_stretches, lambda frames, d: torch.arange(frames) // d * d,
        lambda frames, d: np.arange(frames) // d * d,
    ],
    filter_correlation: [by_numpy, by_z_scores],
}  # fmt: skip


def random_filters(rng):
    torch.manual_seed(rng.randrange(10**6))
    share = torch.rand(rng.randint(4, 20))
    values = 3 * torch.rand(rng.randint(1, 5), len(share)) + 2 * share
    values[:1] *= rng.random() < 0.7
    return values, share


RANDOM = {
    feature_sources: lambda rng: (rng.randint(1, 40), rng.randint(1, 12)),
    filter_correlation: random_filters,
}
