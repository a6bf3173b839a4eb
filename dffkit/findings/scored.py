"""The stored scores of today's recipes, ready for tables and figures."""

import functools
from pathlib import Path

import numpy as np
import pandas

from dffkit.experiments import results
from dffkit.experiments.scoring import METRIC
from dffkit.recipes import RECIPES
from dffkit.recipes.recipe import Recipe
from dffkit.scores.differences import Drawn


def overall(folder: Path, task: str, split: str = "test", subset: str = "all") -> pandas.DataFrame:
    """The overall scores of a task's recipes for Frame and DFF, or those on a `subset`: "slow", "medium" or "fast".

    Columns: `name`, without the task; `seed`, `duration`, and `score` in percent. Rows of recipes that have changed
    since are left out.
    """
    names = {recipe.hash: name.split("/")[-1] for name, recipe in RECIPES.items() if f"/{task}/" in name}
    wanted = {"split": split, "metric": METRIC[task], "subset": subset}
    rows = [
        (names[row["hash"]], int(row["seed"]), int(row["duration"]), 100 * float(row["value"]))
        for row in results.read(folder / "evaluation.csv")
        if row["hash"] in names and all(row[key] == value for key, value in wanted.items())
    ]
    return pandas.DataFrame(rows, columns=["name", "seed", "duration", "score"])


def drawn(folder: Path, recipe: Recipe, duration: int, split: str = "test") -> dict[int, Drawn]:
    """A recipe's overall score at a key frame duration, 0..1, with its replicates, by seed; none if there is none."""
    path = folder / "replicates.csv"
    if not path.exists():
        return {}
    found = _replicates(path, path.stat().st_mtime_ns).get((recipe.hash, split, str(duration)), [])
    return {
        int(row["seed"]): Drawn(float(row["value"]), np.array(row["replicates"].split(), float) / 1e5)
        for row in found
        if row["metric"] == METRIC[recipe.task]
    }


@functools.lru_cache(maxsize=2)
def _replicates(path: Path, changed: int) -> dict[tuple[str, str, str], list[dict[str, str]]]:
    """The rows of a table by hash, split and duration; read again when the file has changed."""
    rows: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in results.read(path):
        rows.setdefault((row["hash"], row["split"], row["duration"]), []).append(row)
    return rows
