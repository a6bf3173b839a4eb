"""How alike the maps of real video stay, as it was measured on CamVid's clip."""

import pandas

from dffkit import sources
from dffkit.experiments import clip_maps, results
from dffkit.experiments.place import default_place
from dffkit.map_similarity import ANOTHER, GRIDS, LAYERS
from dffkit.recipes import find


def similarity(seed: int = 0) -> dict[str, pandas.DataFrame]:
    """One of `GRIDS` -> a table as `map_similarity.in_clip` gives it; empty where nothing was measured."""
    recipe = find("camvid/dff")
    wanted = {"hash": recipe.hash, "world": sources.world(recipe, "test"), "split": "test", "seed": str(seed)}
    tables = {grid: pandas.DataFrame(columns=LAYERS, dtype=float) for grid in GRIDS}
    for row in results.read(default_place().results / "evaluation.csv"):
        if row["metric"].startswith(clip_maps.METRIC) and all(row[key] == value for key, value in wanted.items()):
            gap = int(row["duration"]) if row["duration"] else ANOTHER
            tables[row["subset"]].loc[gap, row["metric"].removeprefix(clip_maps.METRIC).strip()] = float(row["value"])
    return tables
