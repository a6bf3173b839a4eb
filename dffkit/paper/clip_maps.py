"""How alike the maps of real video stay, as it was measured on CamVid's clip."""

import pandas

from dffkit.experiments import clip_maps
from dffkit.experiments.map_similarity import ANOTHER, GRIDS, LAYERS
from dffkit.experiments.runs import default_workspace
from dffkit.paper import scored
from dffkit.training.recipes import find


def similarity(seed: int = 0) -> dict[str, pandas.DataFrame]:
    """One of `GRIDS` -> a table with the columns of `map_similarity.in_clip`; empty where nothing was measured."""
    tables = {grid: pandas.DataFrame(columns=LAYERS, dtype=float) for grid in GRIDS}
    for _, row in scored.rows(default_workspace().results, {"DFF": find("camvid/dff")}, "test"):
        if row["metric"].startswith(clip_maps.METRIC) and row["seed"] == str(seed):
            gap = int(row["duration"]) if row["duration"] else ANOTHER
            tables[row["subset"]].loc[gap, row["metric"].removeprefix(clip_maps.METRIC).strip()] = float(row["value"])
    return tables
