"""How alike CamVid's maps stay over its clip: rows for the result tables, beside the scores of a run on it."""

from itertools import chain
from typing import Any

from torch import nn

from dffkit.baselines import NO_FLOW
from dffkit.datasets.camvid import snippets
from dffkit.experiments import map_similarity
from dffkit.experiments.sources import real_folder
from dffkit.training.recipe import Recipe

METRIC = "similarity of"


def wanted(recipe: Recipe, split: str) -> bool:
    """Whether a run's scores come with these rows: trained Deep Feature Flow on CamVid's clip."""
    trained = recipe.iterations > 0 and recipe.flow != NO_FLOW
    return recipe.data == "camvid" and split == "test" and trained


def rows(network: nn.Module) -> list[dict[str, Any]]:
    """Rows with metric "similarity of" a layer, subset (how it is brought to the grid), duration (the gap), and value.

    Duration "" is the level of the clip's frames beside the held-out stills, which are from other moments of the drive.

    Args:
        network: N_feat.

    Raises:
        DataError: as `datasets.camvid.snippets`.
    """
    parts = [snippets(real_folder("camvid"), split) for split in ("test", "val")]
    clip, stills = (map_similarity.on_grids(network, chain.from_iterable(s.frames for s in part)) for part in parts)
    count = sum(len(snippet.frames) for snippet in parts[0])
    found = []
    for grid in map_similarity.GRIDS:
        for layer, column in map_similarity.in_clip(clip[grid], stills[grid]).items():
            column[""] = column.pop(map_similarity.ANOTHER)
            found += [
                {"duration": gap, "metric": f"{METRIC} {layer}", "subset": grid, "value": value, "frames": count}
                for gap, value in column.items()
            ]
    return found
