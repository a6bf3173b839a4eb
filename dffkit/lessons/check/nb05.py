"""Exercises of notebook 05: the interval of a difference, the share of boxes at risk, and the cost ratio of a split."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dffkit.lessons.check import Example, Exercise, Mistake

# Exercise 1: the interval of a difference


def _quantiles(values: Tensor, ends: tuple[float, float] = (0.025, 0.975)) -> Tensor:
    return torch.quantile(values, torch.tensor(ends, dtype=values.dtype))


def _interval(
    mean: Callable[[Tensor], Tensor] = lambda drawn: drawn.mean(1), ends: tuple[float, float] = (0.025, 0.975)
) -> Callable[..., Tensor]:
    """Return the solution, or one that takes another mean or other ends."""
    return lambda first, second, draws: _quantiles(mean((first - second)[draws]), ends)


def _normal_interval(first: Tensor, second: Tensor, draws: Tensor) -> Tensor:
    difference = first - second
    spread = 1.96 * difference.std() / len(difference) ** 0.5
    return torch.stack([difference.mean() - spread, difference.mean() + spread])


def _interval_example(streets: int, hardness: float, seed: int) -> Example:
    """Return two methods whose scores go up and down together, as some streets are hard for both."""
    generator = torch.Generator().manual_seed(seed)
    shared, first, second = torch.randn(3, streets, dtype=torch.float64, generator=generator)
    first, second = (70 + hardness * shared + own for own in (2 + first, second))
    draws = torch.randint(0, streets, (200, streets), generator=generator)
    description = f"{streets} streets, scores about 72 and 70 that differ by about {hardness:g} from street to street"
    return Example(description, (first, second, draws))


paired_interval = Exercise(
    "Exercise 1",
    _interval(),
    [_interval_example(4, 1, 0), _interval_example(12, 5, 1), _interval_example(48, 5, 2)],
    [
        Mistake("The sign is reversed: subtract the second method from the first.",
                lambda first, second, draws: _interval()(second, first, draws)),
        Mistake("Both methods' scores contain the differences between streets. These cancel only if you subtract "
                "street by street, before you draw.",
                lambda first, second, draws: _quantiles(first[draws].mean(1)) - _quantiles(second[draws].mean(1))),
        Mistake("The two methods get different streets: use the same draw for both.",
                lambda first, second, draws: _quantiles(first[draws].mean(1) - second[draws.flip(0)].mean(1))),
        Mistake("That is an interval of 90%: cut off 2.5% at each end.", _interval(ends=(0.05, 0.95))),
        Mistake("That is the spread of single streets. You need the interval of the mean, which is much narrower.",
                _interval(mean=lambda drawn: drawn.flatten())),
        Mistake("That is the interval of a normal distribution. It is nearly right here; but take the interval from "
                "the draws, which assume no distribution.",
                _normal_interval),
        Mistake("A row of `draws` is one data set: take the mean over its streets, dim=1.",
                _interval(mean=lambda drawn: drawn.mean(0))),
    ],
    describe_index=lambda end: f"the {'lower' if end == 0 else 'upper'} end",
    on_index_error="`draws` holds indices of `first` and `second`, so `first[draws]` has the shape of `draws`.",
)  # fmt: skip


# Exercise 2: how many boxes carried features may lose


def _at_risk(
    small: Callable[[float, float], bool] = lambda width, height: min(width, height) < 40,
    new: Callable[[int, int], bool] = lambda age, gap: age < gap,
    counts: Callable[[bool, bool], float] = lambda small, new: small or new,
) -> Callable[..., float]:
    """Return the solution, or one with another rule for what is small, what is new, or what counts."""

    def function(widths: Sequence[float], heights: Sequence[float], ages: Sequence[int], gap: int) -> float:
        boxes = list(zip(widths, heights, ages, strict=True))
        return sum(counts(small(width, height), new(age, gap)) for width, height, age in boxes) / len(boxes)

    return function


_WIDTHS, _HEIGHTS, _AGES = [100.0, 2.0, 45.0, 40.0, 39.0], [80.0, 90.0, 35.0, 40.0, 39.0], [20, 20, 20, 9, 2]

at_risk = Exercise(
    "Exercise 2",
    _at_risk(),
    [
        Example("one box of 100 x 80 pixels that is old", ([100.0], [80.0], [20], 9)),
        Example("one box of 20 x 50 pixels that is old", ([20.0], [50.0], [20], 9)),
        Example("one box of 90 x 30 pixels that is old", ([90.0], [30.0], [20], 9)),
        Example("one box of exactly 40 x 40 pixels, two and a half cells, first seen 9 frames ago, gap 9",
                ([40.0], [40.0], [9], 9)),
        Example("one box of 100 x 80 pixels, first seen 8 frames ago, gap 9", ([100.0], [80.0], [8], 9)),
        Example("boxes of 100 x 80, 2 x 90, 45 x 35, 40 x 40 and 39 x 39 pixels, first seen 20, 20, 20, 9 and 2 frames "
                "ago, gap 9",
                (_WIDTHS, _HEIGHTS, _AGES, 9)),
        Example("the same boxes, gap 0: nothing is new", (_WIDTHS, _HEIGHTS, _AGES, 0)),
        Example("four boxes of 99 x 99 pixels, first seen 3, 4, 5 and 6 frames ago, gap 5",
                ([99.0] * 4, [99.0] * 4, [3, 4, 5, 6], 5)),
    ],
    [
        Mistake("The widths are in pixels, the limit in cells of 16 pixels.",
                _at_risk(small=lambda width, height: min(width, height) < 2.5)),
        Mistake("You look at the longer side: a long thin box is small, too.",
                _at_risk(small=lambda width, height: max(width, height) < 40)),
        Mistake("You look at the width only: the shorter side counts.",
                _at_risk(small=lambda width, height: width < 40)),
        Mistake("You look at the height only: the shorter side counts.",
                _at_risk(small=lambda width, height: height < 40)),
        Mistake("You compare the area with that of 2.5 x 2.5 cells: a long thin box is small, too.",
                _at_risk(small=lambda width, height: width * height < 1600)),
        Mistake("Exactly two and a half cells are not small.",
                _at_risk(small=lambda width, height: min(width, height) <= 40)),
        Mistake("What was first seen `gap` frames ago is in the key frame: it is not new.",
                _at_risk(new=lambda age, gap: age <= gap)),
        Mistake("What the key frame shows is old: new is what was first seen after it.",
                _at_risk(new=lambda age, gap: age > gap)),
        Mistake("Either reason is enough: small or new.", _at_risk(counts=lambda small, new: small and new)),
        Mistake("A box that is both small and new counts twice: count each box once.",
                _at_risk(counts=lambda small, new: small + new)),
        Mistake("You count small boxes only: a large one that the key frame does not show is lost, too.",
                _at_risk(counts=lambda small, new: small)),
        Mistake("You count new boxes only: small ones are at risk, too.", _at_risk(counts=lambda small, new: new)),
        Mistake("That is the share of boxes that are safe.", _at_risk(counts=lambda small, new: not (small or new))),
        Mistake("That is their number: divide by the number of all boxes.",
                lambda *boxes: _at_risk()(*boxes) * len(boxes[0])),
        Mistake("A share is between 0 and 1: not in percent.", lambda *boxes: 100 * _at_risk()(*boxes)),
    ],
)  # fmt: skip


# Exercise 3: the cost ratio when layers move to the task network

split_ratio = Exercise(
    "Exercise 3",
    lambda flow, features, task, moved: (flow + task + moved) / (features + task),
    [
        Example("F 10, N_feat 100, N_task 5, nothing moved", (10.0, 100.0, 5.0, 0.0)),
        Example("F 10, N_feat 100, N_task 5, moved 20", (10.0, 100.0, 5.0, 20.0)),
        Example("F 13, N_feat 164, N_task 0, moved 33", (13.0, 164.0, 0.0, 33.0)),
        Example("F 2, N_feat 100, N_task 1, moved 90", (2.0, 100.0, 1.0, 90.0)),
    ],
    [
        Mistake("You leave out the moved layers: that is r of the default split point.",
                lambda flow, features, task, moved: (flow + task) / (features + task)),
        Mistake("A key frame runs the same layers as before, in whichever network they are: its cost stays.",
                lambda flow, features, task, moved: (flow + task + moved) / (features + task + moved)),
        Mistake("The moved layers now run on every frame, so a propagated frame pays for them: add them above.",
                lambda flow, features, task, moved: (flow + task) / (features - moved + task)),
        Mistake("The task network's own layers run on every frame too: Eq. 5 has them above and below.",
                lambda flow, features, task, moved: (flow + moved) / features),
        Mistake("A key frame runs the task network too: Eq. 5 has it below as well.",
                lambda flow, features, task, moved: (flow + task + moved) / features),
        Mistake("It is upside down: r is the propagated frame's cost over the key frame's.",
                lambda flow, features, task, moved: (features + task) / (flow + task + moved)),
    ],
)  # fmt: skip
