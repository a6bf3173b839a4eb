"""Exercises of notebook 01: the frame that features come from, and the correlation of filters with a class."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dffkit.lessons.check import Example, Exercise, Mistake
from dffkit.paper import feature_maps

# Exercise 1: the frame whose features each frame uses


def _of_each_frame(source: Callable[[int, int], int]) -> Callable[[int, int], list[int]]:
    """Return an answer that gives `source(frame, duration)` for each frame."""
    return lambda frames, duration: [source(i, duration) for i in range(frames)]


feature_sources = Exercise(
    "Exercise 1",
    _of_each_frame(lambda i, duration: i - i % duration),
    [
        Example("7 frames, l = 3", (7, 3)),
        Example("12 frames, l = 5", (12, 5)),
        Example("4 frames, l = 1, where every frame is a key frame", (4, 1)),
        Example("3 frames, l = 5, which is longer than the video", (3, 5)),
    ],
    [
        Mistake("You number the key frames; give the key frame's own number: the second key frame is frame l.",
                _of_each_frame(lambda i, duration: i // duration)),
        Mistake("That is the distance to the key frame; go back from frame i by so many frames.",
                _of_each_frame(lambda i, duration: i % duration)),
        Mistake("That is every frame's own features, so the expensive network would run on each frame.",
                _of_each_frame(lambda i, duration: i)),
        Mistake("That is the nearest key frame; a frame can't use one that is yet to come.",
                _of_each_frame(lambda i, duration: duration * round(i / duration))),
        Mistake("That is the next key frame; a frame can't use one that is yet to come.",
                _of_each_frame(lambda i, duration: -(-i // duration) * duration)),
        Mistake("Each of your frames uses the frame before it. Features come from the key frame in one step.",
                _of_each_frame(lambda i, duration: i - (i % duration > 0))),
        Mistake("You never take a new key frame: every l-th frame is one.", _of_each_frame(lambda i, duration: 0)),
        Mistake("A key frame uses its own features, not those of the key frame before it.",
                _of_each_frame(lambda i, duration: max(0, i - 1) // duration * duration)),
        Mistake("You count frames from 1; the first frame is frame 0.",
                _of_each_frame(lambda i, duration: i - i % duration + 1)),
        Mistake("You list each key frame once; give a number for each frame of the video.",
                lambda frames, duration: list(range(0, frames, duration))),
    ],
    describe_index=lambda frame: f"frame {frame}",
)  # fmt: skip

# Exercise 2: the correlation of each filter with a class


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
    "Exercise 2",
    _correlation,
    [
        Example("the filter 1, 3, 5, 7 and the share 0, 0, 1, 1", (torch.tensor([[1.0, 3, 5, 7]]), _SHARE)),
        Example("the filter 7, 5, 3, 1 and the share 0, 0, 1, 1", (torch.tensor([[7.0, 5, 3, 1]]), _SHARE)),
        Example("the filter 0.01, 0.03, 0.05, 0.07, which is nearly silent, and the share 0, 0, 1, 1",
                (torch.tensor([[0.01, 0.03, 0.05, 0.07]]), _SHARE)),
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
