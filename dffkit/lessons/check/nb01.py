"""Exercises of notebook 01: the correlation of filters with a class, and the similarity of frames over a gap."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dffkit.experiments import map_similarity
from dffkit.lessons.check import Example, Exercise, Mistake
from dffkit.paper import feature_maps

# Exercise 1: the correlation of each filter with a class


def _correlation(values: Tensor, share: Tensor) -> Tensor:
    return feature_maps.correlation(values[None, :, None], share[None, None])


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    """Return the sum over the cells divided by both lengths; NaN for a filter of zeros, as a first attempt gives it."""
    return x @ y / (x.norm(dim=1) * y.norm())


def _from_centred(formula: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return an answer that takes the means away and then follows `formula`."""
    return lambda values, share: formula(values - values.mean(1, keepdim=True), share - share.mean())


def _random_filters(filters: int, cells: int, seed: int, dead: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(cells, generator=generator)
    values = 3 * torch.rand(filters, cells, generator=generator) + 2 * share
    values[list(dead)] = 0
    return values, share


_SHARE = torch.tensor([0.0, 0.0, 1.0, 1.0])
_SCALE = "divide by both lengths, or a filter counts more only because its values are large."

filter_correlation = Exercise(
    "Exercise 1",
    _correlation,
    [
        Example("the filter 1, 3, 5, 7 and the share 0, 0, 1, 1", (torch.tensor([[1.0, 3, 5, 7]]), _SHARE)),
        Example("the filter 7, 5, 3, 1 and the share 0, 0, 1, 1", (torch.tensor([[7.0, 5, 3, 1]]), _SHARE)),
        Example("five random filters on 20 cells", _random_filters(5, 20, seed=1)),
        Example("three filters on 8 cells; filter 1 is 0 everywhere", _random_filters(3, 8, seed=2, dead=[1])),
    ],
    [
        Mistake("A filter with the same value everywhere gives 0 / 0: return 0 for it.", _from_centred(_cosine)),
        Mistake("Subtract the means: without that, two quantities that are never negative always look related.",
                _cosine),
        Mistake("You take the mean over the filters; take each filter's own mean, over the cells (dim=1).",
                lambda values, share: _cosine(values - values.mean(0), share - share.mean())),
        Mistake(f"That is the covariance: {_SCALE}", _from_centred(lambda x, y: x @ y / len(y))),
        Mistake(f"That is the sum of products: {_SCALE}", _from_centred(lambda x, y: x @ y)),
        Mistake("torch's std divides by n - 1 and mean by n, so r comes out too small by (n - 1) / n. Use "
                "std(correction=0), or lengths.",
                lambda values, share: _correlation(values, share) * (len(share) - 1) / len(share)),
        Mistake("That is one number for all filters together; return one for each.",
                _from_centred(lambda x, y: x.sum(0) @ y / (x.sum(0).norm() * y.norm()))),
    ],
    describe_index=lambda number: f"filter {number}",
)  # fmt: skip

# Exercise 2: the similarity of frames that are `gap` frames apart


def _of_pairs(formula: Callable[[Tensor, Tensor], Tensor | float]) -> Callable[[Tensor, int], Tensor | float]:
    """Return an answer computed from the first and the second maps of all pairs."""
    return lambda maps, gap: formula(maps[: len(maps) - gap], maps[gap:])


def _slow_maps(length: int, seed: int) -> Tensor:
    """Return standardised maps of 3 channels that change slowly."""
    steps = torch.randn(length, 3, 2, 4, generator=torch.Generator().manual_seed(seed)).cumsum(0)
    return (steps - steps.mean((0, 2, 3), keepdim=True)) / steps.std((0, 2, 3), keepdim=True, correction=0)


_TOY = torch.tensor([1.0, 1, -1, -1]).view(4, 1, 1, 1)

similarity_over_gap = Exercise(
    "Exercise 2",
    map_similarity.over_gap,
    [
        Example("the values 1, 1, -1, -1 of one cell, gap 1", (_TOY, 1)),
        Example("the values 1, 1, -1, -1 of one cell, gap 2", (_TOY, 2)),
        Example("the values 1, 1, -1, -1 of one cell, gap 0, where maps[:-gap] would be empty", (_TOY, 0)),
        Example("six frames of 3 channels, gap 1", (_slow_maps(6, 0), 1)),
        Example("six frames of 3 channels, gap 4", (_slow_maps(6, 0), 4)),
        Example("six frames of 3 channels, gap 0: each frame with itself", (_slow_maps(6, 0), 0)),
    ],
    [
        Mistake("roll goes round in a circle: it pairs the last frames with the first, which are not `gap` apart.",
                lambda maps, gap: map_similarity.similarity(maps, maps.roll(gap, 0))),
        Mistake("Gap 0 gives nothing: in Python maps[:-0] is empty. maps[: len(maps) - gap] works for every gap.",
                lambda maps, gap: map_similarity.over_gap(maps, gap) if gap else math.nan),
        Mistake("You compare with the first frame only; take every pair of frames that are `gap` apart.",
                lambda maps, gap: map_similarity.similarity(maps[0], maps[gap])),
        Mistake("Your pairs are one frame further apart than `gap`: the partner of frame t is frame t + gap.",
                lambda maps, gap: map_similarity.over_gap(maps, gap + 1) if gap + 1 < len(maps) else math.nan),
        Mistake("That is the sum of the products: divide by the root of the product of both sums of squares.",
                _of_pairs(lambda one, other: (one * other).sum())),
        Mistake("You take the mean of the products. That is nearly right for standardised maps, but the pairs leave "
                "some frames out: divide by the root of the product of the pairs' own sums of squares.",
                _of_pairs(lambda one, other: (one * other).mean())),
        Mistake("The root is missing: divide by the root of the product of both sums of squares.",
                _of_pairs(lambda one, other: (one * other).sum() / (one.square().sum() * other.square().sum()))),
        Mistake("You average over the pairs; add up the products of all pairs first, and divide once.",
                _of_pairs(lambda one, other: sum(map(map_similarity.similarity, one, other)) / len(one))),
    ],
)  # fmt: skip
