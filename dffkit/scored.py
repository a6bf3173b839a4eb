"""The stored scores of today's recipes, ready for tables and figures."""

from pathlib import Path

import pandas

from dffkit import results
from dffkit.recipes import RECIPES

METRIC = {"segmentation": "mIoU", "detection": "mAP"}


def overall(folder: Path, task: str, split: str = "test") -> pandas.DataFrame:
    """The overall scores of a task's recipes for Frame and DFF.

    Columns: `name`, without the task; `seed`, `duration`, and `score` in percent. Rows of recipes that have changed
    since are left out.
    """
    names = {recipe.hash: name.split("/")[-1] for name, recipe in RECIPES.items() if f"/{task}/" in name}
    wanted = {"split": split, "metric": METRIC[task], "subset": "all"}
    rows = [
        (names[row["hash"]], int(row["seed"]), int(row["duration"]), 100 * float(row["value"]))
        for row in results.read(folder / "evaluation.csv")
        if row["hash"] in names and all(row[key] == value for key, value in wanted.items())
    ]
    return pandas.DataFrame(rows, columns=["name", "seed", "duration", "score"])
