"""Exercise 1 of notebook 05, the interval of a difference: the solution, and the wrong ways to it."""

from collections.abc import Callable

import torch
from torch import Tensor

from dffkit.lessons.check.exercise import Example, Exercise, Mistake

_ENDS = (0.025, 0.975)


def _quantiles(values: Tensor, ends: tuple[float, float] = _ENDS, axis: int = 0) -> Tensor:
    return torch.quantile(values, torch.tensor(ends, dtype=values.dtype), dim=axis)


def _interval(
    pair: Callable[[Tensor, Tensor], Tensor] = torch.sub,
    mean: Callable[[Tensor], Tensor] = lambda drawn: drawn.mean(1),
    ends: tuple[float, float] = _ENDS,
) -> Callable[..., Tensor]:
    """The solution with one thing another: what is subtracted, over what the mean is, or where the ends are."""
    return lambda first, second, draws: _quantiles(mean(pair(first, second)[draws]), ends)


def _each_by_itself(first: Tensor, second: Tensor, draws: Tensor) -> Tensor:
    return _quantiles(first[draws].mean(1)) - _quantiles(second[draws].mean(1))


def _worst_against_best(first: Tensor, second: Tensor, draws: Tensor) -> Tensor:
    one, other = (_quantiles(scores[draws].mean(1)) for scores in (first, second))
    return one - other.flip(0)


def _other_streets(first: Tensor, second: Tensor, draws: Tensor) -> Tensor:
    return _quantiles(first[draws].mean(1) - second[draws.flip(0)].mean(1))


def _normal(of_the_mean: bool) -> Callable[..., Tensor]:
    def function(first: Tensor, second: Tensor, draws: Tensor) -> Tensor:
        difference = first - second
        spread = 1.96 * difference.std() / (len(difference) ** 0.5 if of_the_mean else 1)
        return torch.stack([difference.mean() - spread, difference.mean() + spread])

    return function


def _example(streets: int, hardness: float, seed: int) -> Example:
    """Two methods whose scores go up and down together, as some streets are hard for both."""
    generator = torch.Generator().manual_seed(seed)
    shared, first, second = torch.randn(3, streets, dtype=torch.float64, generator=generator)
    first, second = (70 + hardness * shared + own for own in (2 + first, second))
    draws = torch.randint(0, streets, (200, streets), generator=generator)
    words = f"{streets} streets, scores about 72 and 70 that differ by about {hardness:g} from street to street"
    return Example(words, (first, second, draws))


_PAIRED = (
    "The streets are in both methods' scores, and they only cancel if the two are subtracted street by street, "
    "before anything is drawn."
)
_SINGLE = "That is how far single streets are apart. The interval is one of the mean, which is known much better."

paired_interval = Exercise(
    "Exercise 1",
    _interval(),
    [_example(4, 1, 0), _example(12, 5, 1), _example(48, 5, 2)],
    [
        Mistake("The sign is the other way round: subtract the second method from the first.",
                _interval(lambda first, second: second - first)),
        Mistake(_PAIRED, _each_by_itself),
        Mistake(_PAIRED, _worst_against_best),
        Mistake("The two methods get different streets: use the same draw for both.", _other_streets),
        Mistake("That is an interval of 90%: cut off 2.5% at each end.", _interval(ends=(0.05, 0.95))),
        Mistake("That is an interval of 50%: cut off 2.5% at each end.", _interval(ends=(0.25, 0.75))),
        Mistake(_SINGLE, _interval(mean=lambda drawn: drawn.flatten())),
        Mistake(_SINGLE, _normal(of_the_mean=False)),
        Mistake("That is the normal distribution's interval, a fair one; but take it from the draws, which need not "
                "know any distribution.", _normal(of_the_mean=True)),
        Mistake("A row of `draws` is one data set: the mean is over its streets, dim=1.",
                _interval(mean=lambda drawn: drawn.mean(0))),
    ],
    places=lambda end: f"the {'lower' if end == 0 else 'upper'} end",
    on_index_error="`draws` holds places in `first` and `second`, so `first[draws]` has its shape.",
)  # fmt: skip
