"""How alike the maps of nearby frames are, layer by layer (Sec. 3: "features are more similar than frames")."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.networks.features import FeatureNetwork

if TYPE_CHECKING:
    import pandas

LAYERS = ("pixels", "conv1", "conv3", "conv5", "features")
ANOTHER = "another street"


@torch.no_grad()
def layers(network: FeatureNetwork, frame: Tensor) -> dict[str, Tensor]:
    """The maps of one frame `(3, H, W)` along the way: `LAYERS` -> `(1, ., ., .)` float64.

    Pixels have stride 1, conv1 2, conv3 8, conv5 and the features (after the 3x3 reduction) 16.
    """
    found = {"pixels": frame[None].double()}
    modules = {"conv1": network.bn1, "conv3": network.layer2[-1], "conv5": network.layer4[-1]}
    hooks = [
        # A copy, as what follows works in place. All layers share one ReLU module, so conv1 gets its own.
        module.register_forward_hook(lambda _m, _i, maps, name=name: found.__setitem__(name, maps.relu().double()))
        for name, module in modules.items()
    ]
    try:
        features = network(frame[None])
    finally:
        for hook in hooks:
            hook.remove()
    return found | {"features": features.double()}


def at_points(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring `(N, C, H, W)` to a grid of `size` by reading one value near the middle of each cell."""
    rows, columns = (
        torch.arange(cells) * full // cells + full // cells // 2
        for cells, full in zip(size, maps.shape[2:], strict=True)
    )
    return maps[:, :, rows[:, None], columns]


def over_cells(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring `(N, C, H, W)` to a grid of `size` by averaging over each cell."""
    return F.adaptive_avg_pool2d(maps, size)


GRIDS = {"read at one point of each cell": at_points, "averaged over each cell": over_cells}


def similarity(first: Tensor, second: Tensor) -> float:
    """How alike two sets of standardised maps of one shape are: 1 equal, 0 unrelated, -1 opposite."""
    first, second = first.flatten(), second.flatten()
    return float(first @ second / (first.norm() * second.norm()).clamp(min=1e-12))


def over_gap(maps: Tensor, gap: int) -> float:
    """The similarity of all pairs of frames that are `gap` apart; `maps` are standardised, time is their first axis."""
    return similarity(maps[: len(maps) - gap], maps[gap:])


def standardised(maps: Tensor) -> Tensor:
    """Maps `(T, S, C, h, w)` with each channel at mean 0 and variance 1 over everything else; a constant one at 0."""
    deviation, mean = torch.std_mean(maps, (0, 1, 3, 4), keepdim=True, correction=0)
    return torch.where(deviation > 1e-6, (maps - mean) / deviation.clamp(min=1e-6), 0)


def on_grids(network: FeatureNetwork, frames: Iterable[Tensor]) -> dict[str, dict[str, Tensor]]:
    """The maps of T frames `(3, H, W)` on the features' grid: one of `GRIDS` -> one of `LAYERS` -> `(T, ., h, w)`."""
    grids = {grid: {name: [] for name in LAYERS} for grid in GRIDS}
    for frame in frames:
        found = layers(network, frame)
        for grid, reduce in GRIDS.items():
            for name in LAYERS:
                grids[grid][name].append(reduce(found[name], found["features"].shape[2:]))
    return {grid: {name: torch.cat(maps) for name, maps in named.items()} for grid, named in grids.items()}


def between_streets(stretches: Sequence[Mapping[str, Tensor]]) -> "pandas.DataFrame":
    """Similarity at the same place over the gap between two frames, for each layer.

    Args:
        stretches: of different streets, all of one length T: layer -> maps `(T, ., h, w)` of one of `GRIDS`.

    Returns:
        One column a layer. Index 0 .. T-1 is the gap in frames; the last row, "another street", is the level of the
        same place and moment in other streets.
    """
    import pandas

    columns = {}
    for name in LAYERS:
        z = standardised(torch.stack([maps[name] for maps in stretches], dim=1))  # (T, S, C, h, w)
        column = {gap: over_gap(z, gap) for gap in range(len(z))}
        others = [similarity(z, z.roll(shift, 1)) for shift in range(1, len(stretches))]
        columns[name] = column | {ANOTHER: sum(others) / len(others)}
    return pandas.DataFrame(columns)


def in_clip(
    clip: Mapping[str, Tensor], elsewhere: Mapping[str, Tensor], longest: int = 9
) -> dict[str, dict[int | str, float]]:
    """As `between_streets`, of one long clip: the last row is the level of its frames beside those `elsewhere`.

    Args:
        clip, elsewhere: layer -> maps `(T, ., h, w)` of one of `GRIDS`.
        longest: of the gaps.

    Returns:
        The columns as plain data, since where a network is scored there need be no pandas.
    """
    columns = {}
    for name in LAYERS:
        z = standardised(torch.cat([clip[name], elsewhere[name]])[:, None])
        here, there = z[: len(clip[name])], z[len(clip[name]) :]
        # The mean product of all pairs of a frame here and one there is the product of their means.
        level = (here.mean(0) * there.mean(0)).sum() / (here.square().sum() / len(here)).sqrt()
        level = float(level / (there.square().sum() / len(there)).sqrt())
        columns[name] = {gap: over_gap(here, gap) for gap in range(longest + 1)} | {ANOTHER: level}
    return columns


def above_chance(curves: "pandas.DataFrame") -> "pandas.DataFrame":
    """The curves on a scale from 0, as another street, to 1, the same frame: so that layers can be compared."""
    level = curves.loc[ANOTHER]
    return (curves.drop(ANOTHER) - level) / (1 - level)
