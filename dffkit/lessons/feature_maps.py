"""What single filters of the feature network answer to, how alike maps stay over time, and how well they are carried.

The measurements behind Figure 1 and notebook 01, on Toytown. Nothing here is needed to recognize anything.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.datasets.toytown import LABELS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.lessons.examples import STRIDE
from dffkit.networks.features import FeatureNetwork
from dffkit.training.flow import flow_to_cells
from dffkit.warp import propagate, warp

if TYPE_CHECKING:
    import pandas

CLASSES = ("car", "person")  # those of Figure 1
STREETS, MOMENTS = 12, (0, 20)  # of the surveys: streets of a split, and frames of each
LAYERS = ("pixels", "conv1", "conv3", "conv5", "features")


# Which filter answers to what


class Survey(NamedTuple):
    """Frames of many streets as the network's last feature layer sees them, and what is really there."""

    features: Tensor  # (N, C, h, w)
    shares: dict[str, Tensor]  # class -> (N, h, w): the share of each cell's pixels that show it
    guesses: dict[str, Tensor]  # class -> (N, h, w): the network's own probability of it


@torch.no_grad()
def survey(model: DeepFeatureFlow, split: str, streets: int = STREETS, moments: Sequence[int] = MOMENTS) -> Survey:
    """Run the model on frames `moments` of the first `streets` streets of a Toytown split, one by one."""
    features, labels = [], []
    for number in range(streets):
        film = Film(split, number)
        features += [model.feature_network(film.frame(i)[None]) for i in moments]
        labels += [film.labels(i) for i in moments]
    guesses = torch.cat([model.task_network(maps).softmax(1) for maps in features])
    shares = {name: class_share(torch.stack(labels), LABELS.index(name)) for name in CLASSES}
    return Survey(torch.cat(features), shares, {name: guesses[:, LABELS.index(name)] for name in CLASSES})


def class_share(labels: Tensor, label: int) -> Tensor:
    """Label maps `(N, H, W)` -> `(N, ceil(H/16), ceil(W/16))` float64: the share of each cell's pixels with `label`."""
    return F.avg_pool2d((labels == label).double()[:, None], STRIDE, ceil_mode=True)[:, 0]


def correlation(maps: Tensor, share: Tensor) -> Tensor:
    """Pearson's correlation of every filter with a class, over all cells of all frames together.

    Args:
        maps: `(N, C, h, w)`.
        share: `(N, h, w)`.

    Returns:
        `(C,)` in -1..1; 0 for a filter that is the same everywhere.

    Raises:
        ValueError: if the maps are not as many or not of the same size as the shares.
    """
    if maps.ndim != 4 or (len(maps), *maps.shape[2:]) != tuple(share.shape):
        raise ValueError(f"share: expected (N, h, w) of the maps {tuple(maps.shape)}, got {tuple(share.shape)}")
    x, y = maps.double().transpose(0, 1).flatten(1), share.double().flatten()
    x, y = x - x.mean(1, keepdim=True), y - y.mean()
    return (x @ y / (x.norm(dim=1) * y.norm()).clamp(min=1e-12)).clamp(-1, 1)


class Choice(NamedTuple):
    """One filter, and how it goes with one class."""

    name: str  # the class
    filter: int
    val: float  # correlation on val, where it was chosen
    test: float  # correlation on test
    rank: int  # of it among all filters' on test; 1 is the highest


def best_filters(val: Survey, test: Survey) -> list[Choice]:
    """For each class the filter with the highest correlation on val, and what it is worth on test."""
    chosen = {name: int(correlation(val.features, val.shares[name]).argmax()) for name in CLASSES}
    return [judge(name, number, val, test) for name, number in chosen.items()]


def random_filter(val: Survey, test: Survey, seed: int = 0) -> list[Choice]:
    """A filter drawn blindly from those that are neither chosen nor nearly silent: how it goes with each class."""
    loudness = val.features.mean((0, 2, 3))
    free = loudness > 0.1 * loudness.mean()
    free[[choice.filter for choice in best_filters(val, test)]] = False
    candidates = free.nonzero().flatten().tolist()
    drawn = candidates[int(torch.randint(len(candidates), (), generator=torch.Generator().manual_seed(seed)))]
    return [judge(name, drawn, val, test) for name in CLASSES]


def judge(name: str, number: int, val: Survey, test: Survey) -> Choice:
    """How filter `number` goes with class `name`."""
    on_val, on_test = (correlation(part.features, part.shares[name]) for part in (val, test))
    rank = 1 + int((on_test > on_test[number]).sum())
    return Choice(name, number, float(on_val[number]), float(on_test[number]), rank)


def network_itself(test: Survey) -> dict[str, float]:
    """For each class, the correlation of the network's own probability, made of all filters, on test."""
    return {name: float(correlation(test.guesses[name][:, None], test.shares[name])) for name in CLASSES}


# How alike the maps of nearby frames are


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


def similarity_curves(rides: Sequence["Ride"], grid: str) -> "pandas.DataFrame":
    """Similarity at the same place over the gap between two frames, for each layer.

    Args:
        rides: stretches of different streets, all of one length T.
        grid: one of `GRIDS`, how the layers are brought to the features' grid.

    Returns:
        One column a layer. Index 0 .. T-1 is the gap in frames; the last row, "another street", is the level of the
        same place and moment in other streets.
    """
    import pandas

    columns = {}
    for name in LAYERS:
        z = standardised(torch.stack([r.layers[grid][name] for r in rides], dim=1))  # (T, S, C, h, w)
        column = {gap: over_gap(z, gap) for gap in range(len(z))}
        others = [similarity(z, z.roll(shift, 1)) for shift in range(1, len(rides))]
        columns[name] = column | {"another street": sum(others) / len(others)}
    return pandas.DataFrame(columns)


def above_chance(curves: "pandas.DataFrame") -> "pandas.DataFrame":
    """The curves on a scale from 0, as another street, to 1, the same frame: so that layers can be compared."""
    level = curves.loc["another street"]
    return (curves.drop("another street") - level) / (1 - level)


# How well they are carried


class Ride(NamedTuple):
    """A stretch of one street that begins with a key frame; T frames, the gap to the key frame is the index."""

    frames: Tensor  # (T, 3, H, W) uint8
    layers: dict[str, dict[str, Tensor]]  # one of `GRIDS` -> one of `LAYERS` -> (T, ., h, w)
    features: Tensor  # (T, C, h, w): the frames' own
    carried: Tensor  # (T, C, h, w): the key frame's, propagated by the flow network (Eq. 3); at gap 0 untouched
    followed: Tensor  # (T, C, h, w): the key frame's, warped by the exact flow (Eq. 1)
    flow: Tensor  # (T, 2, h, w): the flow network's, in cells
    exact_flow: Tensor  # (T, 2, h, w): the exact one, averaged over each cell
    hidden: Tensor  # (T, h, w): the share of each cell's pixels that the key frame does not show


@torch.no_grad()
def ride(model: DeepFeatureFlow, film: Film, key: int, length: int = 10) -> Ride:
    """Propagate the features of frame `key` of a film to each of the `length` - 1 frames after it.

    The frames are clear ones, none blurred or flickering: what changes from one to the next is what moved.
    """
    frames = torch.stack([film.frame(key + gap, clear=True) for gap in range(length)])
    features, grids = [], {grid: {name: [] for name in LAYERS} for grid in GRIDS}
    for frame in frames:
        found = layers(model.feature_network, frame)
        features.append(found["features"].to(model.feature_network.mean.dtype))
        for grid, reduce in GRIDS.items():
            for name in LAYERS:
                grids[grid][name].append(reduce(found[name], features[0].shape[2:]))
    features = torch.cat(features)
    grids = {grid: {name: torch.cat(maps) for name, maps in named.items()} for grid, named in grids.items()}
    inputs = model.flow_network.prepare(frames)
    flow, scale = model.flow_network(inputs, inputs[:1])
    flows, hidden = zip(*(film.flow(key + gap, key) for gap in range(length)), strict=True)
    exact = flow_to_cells(torch.stack(flows).to(features.dtype))
    carried = propagate(features[:1], flow, scale)
    carried[0] = features[0]  # i == k: nothing to propagate
    followed, out_of_sight = warp(features[:1], exact), class_share(torch.stack(hidden), True)
    return Ride(frames, grids, features, carried, followed, flow, exact, out_of_sight)


def errors(rides: Sequence[Ride], least: float = 0.0) -> "pandas.DataFrame":
    """How far propagated features are from the frames' own: mean |difference| over the own features' mean.

    Args:
        rides: all of one length.
        least: count only cells whose content has moved by at least this many cells since the key frame.

    Returns:
        Index: the gap. Columns: "no flow" copies the key frame's features; "the network's flow" and "the exact flow"
        carry them. NaN where no cell counts.
    """
    import pandas

    counts = [r.exact_flow.norm(dim=1, keepdim=True) >= least for r in rides]
    size = sum((r.features.abs() * cells).sum((1, 2, 3)) for r, cells in zip(rides, counts, strict=True))
    guesses = {
        "no flow": [r.features[:1] for r in rides],
        "the network's flow": [r.carried for r in rides],
        "the exact flow": [r.followed for r in rides],
    }
    columns = {}
    for name, maps in guesses.items():
        parts = zip(maps, rides, counts, strict=True)
        off = sum(((guess - r.features).abs() * cells).sum((1, 2, 3)) for guess, r, cells in parts)
        columns[name] = (off / size).tolist()
    return pandas.DataFrame(columns).rename_axis("gap")


@torch.no_grad()
def obedience(rides: Sequence[Ride], least: float = 0.5) -> "pandas.DataFrame":
    """How well each layer's maps follow the exact flow: the error with it over the error without any flow.

    Below 1 the flow helps, above 1 it harms. All layers are averaged over the features' cells. Cells count whose
    content has moved by at least `least` cells and could be seen in the key frame (but for a tenth).

    Returns:
        Index: the gap, from 1. Columns: `LAYERS`.
    """
    import pandas

    columns = {}
    for name in LAYERS:
        followed = copied = 0
        for r in rides:
            maps = r.layers["averaged over each cell"][name]
            cells = ((r.exact_flow.norm(dim=1) >= least) & (r.hidden < 0.1))[:, None]
            off = (warp(maps[:1], r.exact_flow.to(maps.dtype)) - maps, maps[:1] - maps)
            with_flow, without = ((part.abs() * cells).sum((1, 2, 3)) for part in off)
            followed, copied = followed + with_flow, copied + without
        columns[name] = (followed / copied)[1:].tolist()
    return pandas.DataFrame(columns, index=pandas.RangeIndex(1, len(rides[0].frames), name="gap"))
