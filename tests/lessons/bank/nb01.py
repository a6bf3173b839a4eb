"""Notebook 01's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import numpy as np
import torch
import torch.nn.functional as F

from dffkit.lessons.check.nb01 import filter_correlation, similarity_over_gap


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
    (similarity_over_gap, "round in a circle",
     lambda m, g: F.cosine_similarity(m.flatten(), m.roll(-g, 0).flatten(), dim=0)),
    (similarity_over_gap, "first frame only",
     lambda m, g: F.cosine_similarity(m[0].flatten(), m[g].flatten(), dim=0)),
    (similarity_over_gap, "mean of the products", lambda m, g: (m[: len(m) - g] * m[g:]).mean()),
    (similarity_over_gap, "sum of the products", lambda m, g: (m[: len(m) - g] * m[g:]).sum()),
    (similarity_over_gap, "maps[:-gap] would be empty",
     lambda m, g: (m[:-g] * m[g:]).sum() / (m[:-g].norm() * m[g:].norm())),
    (similarity_over_gap, "average over the pairs", lambda m, g: np.mean(
        [float(F.cosine_similarity(m[t].flatten(), m[t + g].flatten(), 0)) for t in range(len(m) - g)])),
    (filter_correlation, "Every number has the wrong sign", lambda v, s: -by_z_scores(v, s)),
    (similarity_over_gap, "Your pairs are one frame further apart", lambda m, g: (
        by_norms(m, g + 1) if g + 1 < len(m) else float("nan"))),
    (similarity_over_gap, "The root is missing", lambda m, g: by_norms(m, g) / (
        m[: len(m) - g].norm() * m[g:].norm())),
]  # fmt: skip


def by_numpy(values, share):
    return [np.corrcoef(row, share)[0, 1] if row.std() else 0.0 for row in values]


def by_z_scores(values, share):
    x = (values - values.mean(1, keepdim=True)) / values.std(1, correction=0, keepdim=True).clamp(min=1e-9)
    return (x * (share - share.mean()) / share.std(correction=0)).mean(1)


def by_loops(maps, gap):
    pairs = [(maps[t], maps[t + gap]) for t in range(len(maps) - gap)]
    both = one = other = 0
    for a, b in pairs:
        both, one, other = both + float((a * b).sum()), one + float((a * a).sum()), other + float((b * b).sum())
    return both / (one * other) ** 0.5


def by_norms(maps, gap):
    first, second = maps[: maps.shape[0] - gap], maps[gap:]
    return (first * second).sum() / first.norm() / second.norm()


RIGHT = {filter_correlation: [by_numpy, by_z_scores], similarity_over_gap: [by_loops, by_norms]}


def random_filters(rng):
    torch.manual_seed(rng.randrange(10**6))
    share = torch.rand(rng.randint(4, 20))
    values = 3 * torch.rand(rng.randint(1, 5), len(share)) + 2 * share
    values[:1] *= rng.random() < 0.7
    return values, share


def random_maps(rng):
    torch.manual_seed(rng.randrange(10**6))
    maps = torch.randn(rng.randint(2, 6), rng.randint(1, 3), 2, 3).cumsum(0)
    return maps, rng.randrange(len(maps))


RANDOM = {filter_correlation: random_filters, similarity_over_gap: random_maps}
