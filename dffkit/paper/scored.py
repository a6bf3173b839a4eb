"""The stored scores of today's recipes in today's worlds, ready for tables and figures."""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas

from dffkit.experiments import results, sources
from dffkit.experiments.scoring import METRIC
from dffkit.scores.differences import Drawn
from dffkit.training.recipe import Recipe
from dffkit.training.recipes import RECIPES


def on_toytown(task: str) -> dict[str, Recipe]:
    """The recipes of a task on Toytown's streets, by the last part of their names."""
    start = f"toytown/{task}/"
    return {name.removeprefix(start): recipe for name, recipe in RECIPES.items() if name.startswith(start)}


def overall(folder: Path, recipes: Mapping[str, Recipe], split: str = "test", subset: str = "all") -> pandas.DataFrame:
    """The overall scores of some recipes for Frame and DFF, or those on a `subset`: "slow", "medium" or "fast".

    Columns: `name`, the key in `recipes`; `seed`, `duration`, and `score` in percent. Rows of recipes that have changed
    since, or whose data has, are left out.
    """
    lines = [
        (name, int(row["seed"]), int(row["duration"]), 100 * float(row["value"]))
        for name, row in rows(folder, recipes, split)
        if row["subset"] == subset and row["metric"] == METRIC[recipes[name].task]
    ]
    return pandas.DataFrame(lines, columns=["name", "seed", "duration", "score"])


def flow_errors(folder: Path, recipes: Mapping[str, Recipe], split: str = "test") -> pandas.DataFrame:
    """The endpoint error in pixels of the flow that recipes' features are carried along, means over seeds.

    Columns: `name`, the key in `recipes`; `region`, and `error`.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for name, row in rows(folder, recipes, split):
        if row["metric"] == "EPE":
            found.setdefault((name, row["subset"]), []).append(float(row["value"]))
    lines = [(*key, float(np.mean(errors))) for key, errors in found.items()]
    return pandas.DataFrame(lines, columns=["name", "region", "error"])


def training_losses(folder: Path, recipes: Mapping[str, Recipe], seed: int = 0) -> pandas.Series:
    """The loss that recipes' networks had at last on the streets that they were trained on, a mean over a few batches:
    recipes of one task and one seed have the same ones. By the key in `recipes`.
    """
    names = {(recipe.hash, sources.data_version(recipe)): name for name, recipe in recipes.items()}
    found = {
        name: float(row["value"])
        for row in results.read(folder / "training.csv")
        if row["metric"] == "loss" and int(row["seed"]) == seed and (name := names.get((row["hash"], row["world"])))
    }
    return pandas.Series(found, dtype=float, name="training loss")


def rows(folder: Path, recipes: Mapping[str, Recipe], split: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The stored rows of recipes on a split, each with the recipe's key, but none of former recipes or data."""
    names = {(recipe.hash, sources.data_version(recipe, split)): name for name, recipe in recipes.items()}
    path = folder / "evaluation.csv"
    for row in _rows(path, path.stat().st_mtime_ns) if path.exists() else ():
        name = names.get((row["hash"], row["world"]))
        if name is not None and row["split"] == split:
            yield name, row


def drawn(folder: Path, recipe: Recipe, duration: int, split: str = "test") -> dict[int, Drawn]:
    """A recipe's overall score at a key frame duration, 0..1, with its replicates, by seed; none if there is none."""
    path = folder / "replicates.csv"
    if not path.exists():
        return {}
    wanted = recipe.hash, sources.data_version(recipe, split), split, str(duration)
    found = _replicates(path, path.stat().st_mtime_ns).get(wanted, [])
    return {
        int(row["seed"]): Drawn(float(row["value"]), np.array(row["replicates"].split(), float) / 1e5)
        for row in found
        if row["metric"] == METRIC[recipe.task]
    }


@functools.lru_cache(maxsize=2)
def _rows(path: Path, changed: int) -> list[dict[str, str]]:
    """The rows of a table; read again when the file has changed."""
    return results.read(path)


@functools.lru_cache(maxsize=2)
def _replicates(path: Path, changed: int) -> dict[tuple[str, ...], list[dict[str, str]]]:
    """The rows of a table by hash, world, split and duration; read again when the file has changed."""
    rows: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in results.read(path):
        rows.setdefault((row["hash"], row["world"], row["split"], row["duration"]), []).append(row)
    return rows
