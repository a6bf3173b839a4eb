"""What single filters of the feature network answer to, how alike maps stay over time, and how well they are carried.

The measurements behind Figure 1 and notebook 01, on Toytown. Nothing here is needed to recognize anything.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.datasets.toytown import LABELS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.examples import STRIDE
from dffkit.networks.features import FeatureNetwork
from dffkit.warp import warp

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
    films = [Film(split, number) for number in range(streets)]
    features = [model.feature_network(film.frame(i)[None]) for film in films for i in moments]
    labels = torch.stack([film.labels(i) for film in films for i in moments])
    guesses = torch.cat([model.task_network(maps).softmax(1) for maps in features])
    return Survey(
        torch.cat(features),
        {name: class_share(labels, LABELS.index(name)) for name in CLASSES},
        {name: guesses[:, LABELS.index(name)] for name in CLASSES},
    )


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
    """A filter drawn blindly from those that answer at all: how it goes with each class."""
    alive = (val.features.amax((0, 2, 3)) > 0).nonzero().flatten()
    drawn = torch.randint(len(alive), (), generator=torch.Generator().manual_seed(seed))
    return [judge(name, int(alive[drawn]), val, test) for name in CLASSES]


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
def layers(network: FeatureNetwork, frames: Tensor) -> dict[str, Tensor]:
    """The maps of `frames` `(N, 3, H, W)` along the way: `LAYERS` -> `(N, ., ., .)`, float32 as they are only compared.

    Pixels have stride 1, conv1 2, conv3 8, conv5 and the features (after the 3x3 reduction) 16.
    """
    found = {"pixels": frames}
    modules = {"conv1": network.relu, "conv3": network.layer2, "conv5": network.layer4}
    hooks = [
        # The first call counts: the ReLU serves twice. It works in place, and so does what follows: keep a copy.
        module.register_forward_hook(lambda _m, _i, maps, name=name: found.setdefault(name, maps.clone()))
        for name, module in modules.items()
    ]
    try:
        found["features"] = network(frames)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: found[name].float() for name in LAYERS}


def similarity(first: Tensor, second: Tensor) -> float:
    """How alike two sets of standardised maps of one shape are: 1 equal, 0 unrelated, -1 opposite."""
    both, one, other = ((a * b).sum(dtype=torch.float64) for a, b in ((first, second), (first,) * 2, (second,) * 2))
    return float(both / (one * other).sqrt().clamp(min=1e-12))


def over_gap(maps: Tensor, gap: int) -> float:
    """The similarity of all pairs of frames that are `gap` apart; `maps` are standardised, time is their first axis."""
    return similarity(maps[: len(maps) - gap], maps[gap:])


def standardised(maps: Tensor) -> Tensor:
    """Maps `(S, T, C, h, w)` with each channel at mean 0 and variance 1 over everything else; a constant one at 0."""
    deviation, mean = torch.std_mean(maps, (0, 1, 3, 4), keepdim=True, correction=0)
    return torch.where(deviation > 1e-6, (maps - mean) / deviation.clamp(min=1e-6), 0)


def similarity_curves(maps: dict[str, Tensor], *, cells: bool) -> "pandas.DataFrame":
    """Similarity at the same place over the gap between two frames, for each layer.

    Args:
        maps: layer -> `(S, T, C, h, w)`: T frames of each of S streets.
        cells: whether every layer is averaged to the features' grid first; else each has its own.

    Returns:
        One column a layer. Index 0 .. T-1 is the gap in frames; the last row, "another street", is the level of the
        same place and moment in other streets.
    """
    import pandas

    size = maps["features"].shape[-2:]
    columns = {}
    for name, layer in maps.items():
        grid = F.adaptive_avg_pool2d(layer.flatten(0, 1), size).unflatten(0, layer.shape[:2]) if cells else layer
        z = standardised(grid)
        in_time = z.transpose(0, 1)
        column = {gap: over_gap(in_time, gap) for gap in range(len(in_time))}
        others = [similarity(z, z.roll(shift, 0)) for shift in range(1, len(z))]
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
    features: Tensor  # (T, C, h, w): the frames' own
    carried: Tensor  # (T, C, h, w): the key frame's, propagated by the flow network (Eq. 3); at 0 untouched
    followed: Tensor  # (T, C, h, w): the key frame's, warped by the exact flow (Eq. 1)
    flow: Tensor  # (T, 2, h, w): the flow network's, in cells
    exact_flow: Tensor  # (T, 2, h, w): the exact one's means over the cells


@torch.no_grad()
def ride(model: DeepFeatureFlow, film: Film, key: int, length: int = 10) -> Ride:
    """Propagate the features of frame `key` of a film to each of the `length` - 1 frames after it."""
    frames = torch.stack([film.frame(key + gap) for gap in range(length)])
    features = torch.cat([model.feature_network(frame[None]) for frame in frames])
    inputs = model.flow_network.prepare(frames)
    flow, scale = model.flow_network(inputs, inputs[:1])
    exact = torch.stack([film.flow(key + gap, key)[0] for gap in range(length)]).to(features.dtype)
    exact = F.avg_pool2d(exact, STRIDE, ceil_mode=True) / STRIDE
    warped = warp(features[:1], flow)
    carried = warped if scale is None else warped * scale
    return Ride(frames, features, torch.cat([features[:1], carried[1:]]), warp(features[:1], exact), flow, exact)


def errors(rides: Iterable[Ride]) -> "pandas.DataFrame":
    """How far propagated features are from the frames' own, over the gap, in parts of the features' own mean.

    Columns: "no flow" copies the key frame's features; "the network's flow" and "the exact flow" carry them. Index: gap.
    """
    import pandas

    ways = {"no flow": lambda r: r.features[:1], "the network's flow": lambda r: r.carried}
    ways["the exact flow"] = lambda r: r.followed
    rides = list(rides)
    size = sum(r.features.abs().mean((1, 2, 3)) for r in rides)
    columns = {name: sum((of(r) - r.features).abs().mean((1, 2, 3)) for r in rides) / size for name, of in ways.items()}
    return pandas.DataFrame({name: column.tolist() for name, column in columns.items()}).rename_axis("gap")
