"""The exercises of notebook 01: the solutions, and the wrong ways that learners take."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dffkit.experiments import map_similarity
from dffkit.lessons.check.exercise import Example, Exercise, Mistake
from dffkit.paper import feature_maps

# Exercise 1: how well each filter goes with a class


def _correlation(values: Tensor, share: Tensor) -> Tensor:
    return feature_maps.correlation(values[None, :, None], share[None, None])


def _centred(values: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    return values - values.mean(1, keepdim=True), share - share.mean()


def _product(x: Tensor, y: Tensor) -> Tensor:
    """The sum over the cells over both lengths; NaN for a filter of zeros, as a first attempt gives it."""
    return x @ y / (x.norm(dim=1) * y.norm())


def _with(change: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """The right answer r with one thing changed, made of the centred values, the centred share, and r."""
    return lambda values, share: change(*_centred(values, share), _correlation(values, share))


def _random(filters: int, cells: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(cells, generator=generator)
    values = 3 * torch.rand(filters, cells, generator=generator) + 2 * share
    return values, share


def _with_a_dead_one() -> tuple[Tensor, Tensor]:
    values, share = _random(3, 8, seed=2)
    values[1] = 0
    return values, share


_SHARE = torch.tensor([0.0, 0.0, 1.0, 1.0])

filter_correlation = Exercise(
    "Exercise 1",
    _correlation,
    [
        Example("the filter 1, 3, 5, 7 and the share 0, 0, 1, 1", (torch.tensor([[1.0, 3, 5, 7]]), _SHARE)),
        Example("the filter 7, 5, 3, 1 and the share 0, 0, 1, 1", (torch.tensor([[7.0, 5, 3, 1]]), _SHARE)),
        Example("five random filters on 20 cells", _random(5, 20, seed=1)),
        Example("three filters on 8 cells, filter 1 of them 0 everywhere", _with_a_dead_one()),
    ],
    [
        Mistake(
            "A filter that is the same everywhere gives 0 / 0: let its correlation be 0.",
            lambda values, share: _product(*_centred(values, share)),
        ),
        Mistake(
            "You have not taken the means away: two things that are never negative then look related in any case.",
            lambda values, share: _product(values, share).nan_to_num(),
        ),
        Mistake(
            "You have not taken the means away: two things that are never negative then look related in any case.",
            _product,
        ),
        Mistake(
            "You take away the mean of all filters together; each filter has its own.",
            lambda values, share: _product(values - values.mean(), share - share.mean()),
        ),
        Mistake(
            "You take the mean over the filters; it has to be each filter's own, over the cells (dim=1).",
            lambda values, share: _product(values - values.mean(0), share - share.mean()),
        ),
        Mistake(
            "You take the mean over the filters; it has to be each filter's own, over the cells (dim=1).",
            lambda values, share: _product(values - values.mean(0), share - share.mean()).nan_to_num(),
        ),
        Mistake(
            "That is the covariance: divide by both lengths (or standard deviations), or a filter counts more just "
            "because its values are large.",
            _with(lambda x, y, r: x @ y / len(y)),
        ),
        Mistake(
            "That is the covariance: divide by both lengths (or standard deviations), or a filter counts more just "
            "because its values are large.",
            _with(lambda x, y, r: x @ y / (len(y) - 1)),
        ),
        Mistake(
            "That is the sum of products: divide by both lengths, or a filter counts more just because its values are "
            "large.",
            _with(lambda x, y, r: x @ y),
        ),
        Mistake(
            "Mind torch's std: it divides by n - 1 while mean divides by n, so r comes out too small by (n - 1) / n. "
            "Use std(correction=0), or lengths.",
            _with(lambda x, y, r: r * (len(y) - 1) / len(y)),
        ),
        Mistake("That is r²: its sign is lost. Leave the square away.", _with(lambda x, y, r: r**2)),
        Mistake(
            "The sign is lost: a filter that is quiet where the class is, is no filter for it.",
            _with(lambda x, y, r: r.abs()),
        ),
        Mistake(
            "That is a slope, in values for each share: divide by both lengths, not twice by the share's.",
            _with(lambda x, y, r: x @ y / y.square().sum()),
        ),
        Mistake(
            "That is one number for all filters together; give one for each.",
            _with(lambda x, y, r: x.sum(0) @ y / (x.sum(0).norm() * y.norm())),
        ),
    ],
    places=lambda number: f"filter {number}",
)

# Exercise 2: how alike frames are that lie some frames apart


def _pairs(of: Callable[[Tensor, Tensor], Tensor | float]) -> Callable[[Tensor, int], Tensor | float]:
    """An answer made of the first and the second maps of all pairs."""
    return lambda maps, gap: of(maps[: len(maps) - gap], maps[gap:])


def _apart(maps: Tensor, gap: int) -> float:
    """As the solution, but for any `gap`: too large a one gives NaN."""
    return map_similarity.over_gap(maps, gap) if gap < len(maps) else math.nan


def _stretch(length: int, seed: int) -> Tensor:
    """Standardised maps of 3 channels that change slowly."""
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
        Example("six frames of 3 channels, gap 1", (_stretch(6, 0), 1)),
        Example("six frames of 3 channels, gap 4", (_stretch(6, 0), 4)),
        Example("six frames of 3 channels, gap 0: each frame with itself", (_stretch(6, 0), 0)),
    ],
    [
        Mistake(
            "You go round in a circle: roll pairs the last frames with the first, which are not `gap` apart.",
            lambda maps, gap: map_similarity.similarity(maps, maps.roll(gap, 0)),
        ),
        Mistake(
            "Gap 0 gives nothing: in Python maps[:-0] is empty. maps[: len(maps) - gap] works for every gap.",
            lambda maps, gap: _apart(maps, gap) if gap else math.nan,
        ),
        Mistake(
            "Gap 0 gives nothing: in Python maps[:-0] is empty. maps[: len(maps) - gap] works for every gap.",
            lambda maps, gap: _apart(maps, gap) if gap else 0.0,
        ),
        Mistake(
            "You compare with the first frame only; take every pair of frames that are `gap` apart.",
            lambda maps, gap: map_similarity.similarity(maps[0], maps[gap]),
        ),
        Mistake(
            "Your pairs are one frame further apart than `gap`: the partner of frame t is frame t + gap.",
            lambda maps, gap: _apart(maps, gap + 1),
        ),
        Mistake("The gap is not used: these are pairs of neighbours.", lambda maps, gap: _apart(maps, 1)),
        Mistake(
            "That is the sum of the products: divide by the root of both sums of squares.",
            _pairs(lambda one, other: (one * other).sum()),
        ),
        Mistake(
            "You take the mean of the products. That is nearly right for standardised maps, but the frames of the "
            "pairs are not all of them: divide by the root of their own sums of squares.",
            _pairs(lambda one, other: (one * other).mean()),
        ),
        Mistake(
            "The root is missing: divide by the root of the product of both sums of squares.",
            _pairs(lambda one, other: (one * other).sum() / (one.square().sum() * other.square().sum())),
        ),
        Mistake(
            "You divide by the squares of all frames, though the sum has fewer pairs: a large gap then looks unlike "
            "only because it has few pairs.",
            lambda maps, gap: (maps[: len(maps) - gap] * maps[gap:]).sum() / maps.square().sum(),
        ),
        Mistake(
            "You average over the pairs; add up the products of all pairs first, and divide once.",
            _pairs(
                lambda one, other: (
                    sum(map_similarity.similarity(a, b) for a, b in zip(one, other, strict=True)) / len(one)
                )
            ),
        ),
        Mistake(
            "That is a difference: it is 0 where the similarity is 1. Multiply instead.",
            _pairs(lambda one, other: (one - other).abs().mean()),
        ),
        Mistake(
            "That is a difference: it is 0 where the similarity is 1. Multiply instead.",
            _pairs(lambda one, other: (one - other).square().mean()),
        ),
    ],
)
