"""Similarity of the maps of nearby frames, layer by layer (Sec. 3: "features are more similar than frames").

On streets it is computed by a notebook; on CamVid's clip it is stored beside the scores of the runs on CamVid.
"""

import contextlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.baselines import NO_FLOW
from dffkit.datasets import camvid
from dffkit.experiments.results import EVALUATION, Score
from dffkit.experiments.runs import default_workspace, stored_scores
from dffkit.experiments.sources import real_folder
from dffkit.networks.features import FeatureNetwork
from dffkit.training.recipe import Measurement, Recipe
from dffkit.training.recipes import find

if TYPE_CHECKING:
    import pandas

LAYERS = ("pixels", "conv1", "conv3", "conv5", "features")
ANOTHER = "another street"
METRIC = "similarity of"  # of stored rows, followed by the layer


@torch.no_grad()
def layers(network: FeatureNetwork, frame: Tensor) -> dict[str, Tensor]:
    """Return the maps of one frame `(3, H, W)` at several depths: one of `LAYERS` -> `(1, ., ., .)` float64.

    Pixels have stride 1, conv1 2, conv3 8, conv5 and the features (after the 3x3 reduction) 16.
    """
    found = {"pixels": frame[None].double()}
    modules = {"conv1": network.bn1, "conv3": network.layer2[-1], "conv5": network.layer4[-1], "features": network}
    with contextlib.ExitStack() as hooks:
        for name, module in modules.items():
            # A copy, as later layers work in place. All layers share one ReLU module, so conv1 gets its own ReLU.
            hooks.enter_context(module.register_forward_hook(
                lambda _m, _i, maps, name=name: found.__setitem__(name, maps.relu().double())
            ))  # fmt: skip
        network(frame[None])
    return found


def at_points(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring `(N, C, H, W)` to a grid of `size` by reading one value near the middle of each cell."""
    rows, columns = (
        torch.arange(cells) * full // cells + full // cells // 2
        for cells, full in zip(size, maps.shape[2:], strict=True)
    )
    return maps[:, :, rows[:, None], columns]


GRIDS = {"read at one point of each cell": at_points, "averaged over each cell": F.adaptive_avg_pool2d}


def similarity(first: Tensor, second: Tensor) -> float:
    """Return the similarity of two sets of standardized maps of one shape: 1 equal, 0 unrelated, -1 opposite."""
    first, second = first.flatten(), second.flatten()
    return float(first @ second / (first.norm() * second.norm()).clamp(min=1e-12))


def over_gap(maps: Tensor, gap: int) -> float:
    """Return the similarity of all pairs of frames `gap` apart; `maps` are standardized, their first axis is time."""
    return similarity(maps[: len(maps) - gap], maps[gap:])


def standardized(maps: Tensor) -> Tensor:
    """Return maps `(T, S, C, h, w)` with mean 0 and variance 1 in each channel; constant channels become 0."""
    deviation, mean = torch.std_mean(maps, (0, 1, 3, 4), keepdim=True, correction=0)
    return torch.where(deviation > 1e-6, (maps - mean) / deviation.clamp(min=1e-6), 0)


def on_grids(network: FeatureNetwork, frames: Iterable[Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return the maps of T frames `(3, H, W)` on the features' grid: `GRIDS` -> `LAYERS` -> `(T, ., h, w)`."""
    reduced: dict[tuple[str, str], list[Tensor]] = {}
    for frame in frames:
        found = layers(network, frame)
        for (grid, reduce), name in itertools.product(GRIDS.items(), LAYERS):
            reduced.setdefault((grid, name), []).append(reduce(found[name], found["features"].shape[2:]))
    return {grid: {name: torch.cat(reduced[grid, name]) for name in LAYERS} for grid in GRIDS}


def between_streets(stretches: Sequence[Mapping[str, Tensor]]) -> "pandas.DataFrame":
    """Return the similarity at the same place over the gap between two frames, for each layer.

    Args:
        stretches: for each street, layer -> maps `(T, ., h, w)` of one of `GRIDS`, all of one length T.

    Returns:
        One column for each layer. Index 0 .. T-1 is the gap in frames; the last row, "another street", is the
        similarity to the same place and moment in other streets.
    """
    import pandas

    columns = {}
    for name in LAYERS:
        z = standardized(torch.stack([maps[name] for maps in stretches], dim=1))  # (T, S, C, h, w)
        column = {gap: over_gap(z, gap) for gap in range(len(z))}
        others = [similarity(z, z.roll(shift, 1)) for shift in range(1, len(stretches))]
        columns[name] = column | {ANOTHER: sum(others) / len(others)}
    return pandas.DataFrame(columns)


def in_clip(
    clip: Mapping[str, Tensor], elsewhere: Mapping[str, Tensor], longest: int = 9
) -> dict[str, dict[int | str, float]]:
    """Return the similarity in one long clip; the last row compares its frames with those of `elsewhere`.

    Args:
        clip, elsewhere: layer -> maps `(T, ., h, w)` of one of `GRIDS`.
        longest: the longest gap in frames.

    Returns:
        The columns of `between_streets` as plain data, since scoring must not need pandas.
    """
    columns = {}
    for name in LAYERS:
        z = standardized(torch.cat([clip[name], elsewhere[name]])[:, None])
        here, there = z[: len(clip[name])], z[len(clip[name]) :]
        # The mean product of all pairs of a frame here and one there is the product of their means.
        level = (here.mean(0) * there.mean(0)).sum() / (here.square().sum() / len(here)).sqrt()
        level = float(level / (there.square().sum() / len(there)).sqrt())
        columns[name] = {gap: over_gap(here, gap) for gap in range(longest + 1)} | {ANOTHER: level}
    return columns


def above_chance(curves: "pandas.DataFrame") -> "pandas.DataFrame":
    """Return the curves on a scale from 0, another street, to 1, the same frame, on which layers can be compared."""
    level = curves.loc[ANOTHER]
    return (curves.drop(ANOTHER) - level) / (1 - level)


def is_measured(recipe: Recipe, split: str) -> bool:
    """Return True if a run's scores include the similarity: trained Deep Feature Flow on CamVid's clip."""
    trained = recipe.iterations > 0 and recipe.flow != NO_FLOW
    return recipe.data == "camvid" and split == "test" and trained


def scores(network: FeatureNetwork, measurement: Measurement) -> list[Score]:
    """Return the similarity of N_feat's maps over CamVid's clip, as rows for the result tables.

    The metric is "similarity of" a layer, the subset one of `GRIDS`, the duration the gap in frames. Without duration
    the clip's frames are compared with the held-out stills, which are from other moments of the drive.

    Raises:
        DataError: as `datasets.camvid.snippets`.
    """
    parts = [camvid.snippets(real_folder("camvid"), split) for split in ("test", "val")]
    clip, stills = (on_grids(network, itertools.chain.from_iterable(each.frames for each in part)) for part in parts)
    count = sum(len(snippet.frames) for snippet in parts[0])
    return [
        Score(measurement, f"{METRIC} {layer}", value, grid, None if gap == ANOTHER else gap, count)
        for grid in GRIDS
        for layer, column in in_clip(clip[grid], stills[grid]).items()
        for gap, value in column.items()
    ]


def in_camvid_clip() -> "dict[str, pandas.DataFrame]":
    """Return the stored similarity over CamVid's clip, seed 0: one of `GRIDS` -> a table as of `in_clip`, or empty."""
    import pandas

    tables = {grid: pandas.DataFrame(columns=LAYERS, dtype=float) for grid in GRIDS}
    for _, row in stored_scores(default_workspace().results / EVALUATION, {"DFF": find("camvid/dff")}, "test"):
        if row.metric.startswith(METRIC) and row.measurement.seed == 0:
            gap = ANOTHER if row.duration is None else row.duration
            tables[row.subset].loc[gap, row.metric.removeprefix(METRIC).strip()] = row.value
    return tables
