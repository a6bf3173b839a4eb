"""The data sets that recipes name: where a run gets its snippets from, and what says that they have changed.

Each is a module here with `snippets` and `world`, perhaps `prepare` and `scored_side`, and three constants: COUNTS, how
many snippets of each split are scored, None for all; DURATIONS, the longest key frame duration that is scored, and
NAMES, those of the classes, both by task. A data set of one's own has `longest` instead of DURATIONS.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dffkit.datasets.snippets import Snippet
from dffkit.training.recipe import Recipe

SOURCES = ("toytown", "camvid", "pets09", "cityscapes", "imagenet_vid", "flying_chairs")


def snippets(
    recipe: Recipe, split: str, count: int | Sequence[int] | None = None, folder: Path | None = None
) -> Sequence[Snippet]:
    """A split of the recipe's data set, with the targets that its heads need.

    For job "flow" it is pairs with exact flow instead, and nothing at all for sprites, which are endless.

    Args:
        recipe: says which data set, and which task.
        split: "train", or another of the data set's parts.
        count: how many snippets, or which; None for the recipe's own number.
        folder: where what was rendered is kept; None renders whatever is needed again.

    Raises:
        ValueError: for a data set that there is not.
        DataError: if its files are missing or damaged.
    """
    return _module(recipe).snippets(recipe, split, count, folder)


def prepare(recipe: Recipe, split: str, count: int | None, folder: Path, progress: bool = True) -> None:
    """Make ahead, on all cores and only once, what `snippets` with the same arguments would make when needed."""
    module = _module(recipe)
    if hasattr(module, "prepare"):
        module.prepare(recipe, split, count, folder, progress)


def world(recipe: Recipe, split: str = "train") -> str:
    """Twelve hex digits that change with what the recipe's data looks like."""
    return _module(recipe).world(recipe, split)


def counts(recipe: Recipe) -> Mapping[str, int | None]:
    """The splits that can be scored, and how many snippets of each."""
    return _module(recipe).COUNTS


def longest(recipe: Recipe, scored: Sequence[Snippet]) -> int:
    """The longest key frame duration that these snippets are scored at."""
    module = _module(recipe)
    return module.DURATIONS[recipe.task] if recipe.data in SOURCES else module.longest(scored)


def scored_side(recipe: Recipe) -> int | None:
    """Pixels of the shorter side of the frames that are scored; None where they are scored as they are."""
    if recipe.data not in SOURCES:  # one's own are scored as they are, and none is imported for that
        return None
    module = _module(recipe)
    return module.scored_side(recipe) if hasattr(module, "scored_side") else None


def names(recipe: Recipe) -> tuple[str, ...]:
    """What the classes are called: label map value i is `names[i]`, a box's label i is `names[i - 1]`.

    Empty for a recipe that others only start from: it recognises nothing by itself.
    """
    return () if recipe.pretraining else _module(recipe).NAMES[recipe.task]


def _module(recipe: Recipe) -> Any:
    if ":" in recipe.data:
        from dffkit.experiments.sources.yours import YourSource

        return YourSource(recipe.data)
    if recipe.data not in SOURCES:
        raise ValueError(f'data: expected one of {list(SOURCES)}, or "module:function", got {recipe.data!r}')
    name = "sprites" if recipe.job == "flow" and recipe.data == "toytown" else recipe.data
    return importlib.import_module(f"dffkit.experiments.sources.{name}")
