"""The stored scores of today's recipes on today's data, ready for tables and figures."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas

from dffkit.experiments import results
from dffkit.experiments.results import EVALUATION, TRAINING
from dffkit.experiments.runs import stored_scores
from dffkit.experiments.scoring import METRIC
from dffkit.scores.differences import SampledScore
from dffkit.training.recipe import Recipe
from dffkit.training.recipes import RECIPES


def on_toytown(task: str) -> dict[str, Recipe]:
    """Return the recipes of a task on Toytown's streets, by the last part of their names."""
    start = f"toytown/{task}/"
    return {name.removeprefix(start): recipe for name, recipe in RECIPES.items() if name.startswith(start)}


def overall(folder: Path, recipes: Mapping[str, Recipe], split: str = "test", subset: str = "all") -> pandas.DataFrame:
    """Return the overall scores of recipes for Frame and DFF, or those on a `subset`: "slow", "medium" or "fast".

    Columns: `name`, the key in `recipes`; `seed`, `duration`, and `score` in percent.
    """
    lines = [
        (name, row.measurement.seed, row.duration, 100 * row.value)
        for name, row in stored_scores(folder / EVALUATION, recipes, split)
        if row.subset == subset and row.metric == METRIC[recipes[name].task]
    ]
    return pandas.DataFrame(lines, columns=["name", "seed", "duration", "score"])


def flow_errors(folder: Path, recipes: Mapping[str, Recipe], split: str = "test") -> pandas.DataFrame:
    """Return the endpoint error in pixels of the flow that recipes' features are carried along, means over seeds.

    Columns: `name`, the key in `recipes`; `region`, and `error`.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for name, row in stored_scores(folder / EVALUATION, recipes, split):
        if row.metric == "EPE":
            found.setdefault((name, row.subset), []).append(row.value)
    lines = [(*key, float(np.mean(errors))) for key, errors in found.items()]
    return pandas.DataFrame(lines, columns=["name", "region", "error"])


def training_losses(folder: Path, recipes: Mapping[str, Recipe], seed: int = 0) -> pandas.Series:
    """Return the final training loss of each recipe, by the key in `recipes`.

    It is a mean over the last few batches; recipes of one task and one seed have the same batches.
    """
    found = {
        name: row.value
        for name, row in stored_scores(folder / TRAINING, recipes, "train")
        if row.metric == "loss" and row.measurement.seed == seed
    }
    return pandas.Series(found, dtype=float, name="training loss")


def replicates_by_seed(folder: Path, recipe: Recipe, duration: int, split: str = "test") -> dict[int, SampledScore]:
    """Return a recipe's overall score at a key frame duration, 0..1, with its replicates, by seed; perhaps empty."""
    rows = (row for _, row in stored_scores(folder / EVALUATION, {"": recipe}, split))
    wanted = METRIC[recipe.task], "all", duration
    return {
        row.measurement.seed: SampledScore(row.value, replicates)
        for row in rows
        if (row.metric, row.subset, row.duration) == wanted
        and (replicates := results.read_replicates(folder, row)) is not None
    }
