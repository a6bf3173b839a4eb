"""The data sets that recipes name: where a run gets its snippets from, and what says that they have changed.

Each is a module here with the functions below and two constants: COUNTS, how many snippets of each split are scored,
None for all; DURATIONS, the longest key frame duration that is scored, by task.
"""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dffkit.datasets.snippets import Snippet
from dffkit.recipe import Recipe

SOURCES = ("toytown",)


def snippets(
    recipe: Recipe, split: str, count: int | Sequence[int] | None = None, folder: Path | None = None
) -> Sequence[Snippet]:
    """A split of the recipe's data set, with the targets that its heads need.

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
    _module(recipe).prepare(recipe, split, count, folder, progress)


def world(recipe: Recipe, split: str = "train") -> str:
    """Twelve hex digits that change with what the recipe's data looks like."""
    return _module(recipe).world(recipe, split)


def counts(recipe: Recipe) -> Mapping[str, int | None]:
    """The splits that can be scored, and how many snippets of each."""
    return _module(recipe).COUNTS


def longest(recipe: Recipe) -> int:
    """The longest key frame duration that is scored."""
    return _module(recipe).DURATIONS[recipe.task]


def _module(recipe: Recipe) -> Any:
    name = "sprites" if recipe.job == "flow" else recipe.data
    if name not in (*SOURCES, "sprites"):
        raise ValueError(f"data: expected one of {list(SOURCES)}, got {name!r}")
    return importlib.import_module(f"dffkit.sources.{name}")
