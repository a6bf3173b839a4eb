"""The stored scores of today's recipes in today's worlds, ready for tables and figures."""

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas

from dffkit import sources
from dffkit.experiments import results
from dffkit.experiments.scoring import METRIC
from dffkit.recipes import RECIPES
from dffkit.recipes.recipe import Recipe
from dffkit.scores.differences import Drawn


def on_toytown(task: str) -> dict[str, Recipe]:
    """The recipes of a task on Toytown's streets, by the last part of their names."""
    start = f"toytown/{task}/"
    return {name.removeprefix(start): recipe for name, recipe in RECIPES.items() if name.startswith(start)}


def overall(folder: Path, recipes: Mapping[str, Recipe], split: str = "test", subset: str = "all") -> pandas.DataFrame:
    """The overall scores of some recipes for Frame and DFF, or those on a `subset`: "slow", "medium" or "fast".

    Columns: `name`, the key in `recipes`; `seed`, `duration`, and `score` in percent. Rows of recipes that have changed
    since, or whose data has, are left out.
    """
    by_hash = {recipe.hash: (name, recipe) for name, recipe in recipes.items()}
    lines = []
    for row in results.read(folder / "evaluation.csv"):
        name, recipe = by_hash.get(row["hash"], (None, None))
        if recipe is None or (row["split"], row["subset"]) != (split, subset) or row["metric"] != METRIC[recipe.task]:
            continue
        if row["world"] == sources.world(recipe, split):
            lines.append((name, int(row["seed"]), int(row["duration"]), 100 * float(row["value"])))
    return pandas.DataFrame(lines, columns=["name", "seed", "duration", "score"])


def flow_errors(folder: Path, recipe: Recipe, split: str = "test") -> dict[str, float]:
    """The endpoint error in pixels of the flow that a recipe's features are carried along, by region; means over seeds.

    Empty if it was not measured.
    """
    found: dict[str, list[float]] = {}
    wanted = {"hash": recipe.hash, "world": sources.world(recipe, split), "split": split, "metric": "EPE"}
    for row in results.read(folder / "evaluation.csv"):
        if all(row[key] == value for key, value in wanted.items()):
            found.setdefault(row["subset"], []).append(float(row["value"]))
    return {region: float(np.mean(errors)) for region, errors in found.items()}


def drawn(folder: Path, recipe: Recipe, duration: int, split: str = "test") -> dict[int, Drawn]:
    """A recipe's overall score at a key frame duration, 0..1, with its replicates, by seed; none if there is none."""
    path = folder / "replicates.csv"
    if not path.exists():
        return {}
    wanted = recipe.hash, sources.world(recipe, split), split, str(duration)
    found = _replicates(path, path.stat().st_mtime_ns).get(wanted, [])
    return {
        int(row["seed"]): Drawn(float(row["value"]), np.array(row["replicates"].split(), float) / 1e5)
        for row in found
        if row["metric"] == METRIC[recipe.task]
    }


@functools.lru_cache(maxsize=2)
def _replicates(path: Path, changed: int) -> dict[tuple[str, ...], list[dict[str, str]]]:
    """The rows of a table by hash, world, split and duration; read again when the file has changed."""
    rows: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in results.read(path):
        rows.setdefault((row["hash"], row["world"], row["split"], row["duration"]), []).append(row)
    return rows
