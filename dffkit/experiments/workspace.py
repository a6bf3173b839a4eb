"""Where runs happen: their folders, their device, and the data that is rendered for them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dffkit.datasets.snippets import Snippet
from dffkit.experiments import sources
from dffkit.support.files import locked
from dffkit.support.repository import root
from dffkit.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Where runs happen and what they may use.

    Attributes:
        runs: a folder in it for each run.
        results: the folder of the result tables.
        cache: where rendered snippets are kept.
        device: "cpu" or "cuda".
        workers: threads that make batches ahead.
        progress: whether bars are shown.
        streets: how many are scored, None for as many as the split has.
    """

    runs: Path
    results: Path
    cache: Path
    device: str = "cpu"
    workers: int = 1
    progress: bool = True
    streets: int | None = None


def default_workspace(**options: Any) -> Workspace:
    """`build/runs` and `data/results` of this repository."""
    build = root() / "build"
    return Workspace(build / "runs", root() / "data" / "results", build / "toytown", **options)


def data(recipe: Recipe, place: Workspace, split: str, streets: int | None = None) -> Sequence[Snippet]:
    """Snippets for a recipe, rendered; processes that want the same ones wait for the first to render them."""
    with locked(place.cache):
        sources.prepare(recipe, split, streets, place.cache, place.progress)
    return sources.snippets(recipe, split, streets, place.cache)
