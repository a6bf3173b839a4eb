"""Correlation of single filters with classes, and errors of propagated feature maps, on Toytown.

The measurements behind Figure 1 and notebook 01. Recognition needs none of them.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import pandas
import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.datasets.toytown import LABELS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.map_similarity import GRIDS, LAYERS, on_grids
from dffkit.warp import CELL, flow_to_cells, propagate, warp

CLASSES = ("car", "person")  # those of Figure 1
STREETS, MOMENTS = 12, (0, 20)  # of a survey: number of streets of a split, and the frames of each street


# Filters and classes


class Survey(NamedTuple):
    """Frames of many streets: their features, their labels, and the network's own recognition."""

    features: Tensor  # (N, C, h, w)
    shares: dict[str, Tensor]  # class -> (N, h, w): share of each cell's pixels that show the class
    probabilities: dict[str, Tensor]  # class -> (N, h, w): the network's probability of the class


@torch.no_grad()
def survey(model: DeepFeatureFlow, split: str, streets: int = STREETS, moments: Sequence[int] = MOMENTS) -> Survey:
    """Run the model on frames `moments` of the first `streets` streets of a Toytown split, one by one."""
    features, labels = [], []
    for number in range(streets):
        film = Film(split, number)
        features += [model.feature_network(film.frame(i)[None]) for i in moments]
        labels += [film.labels(i) for i in moments]
    found = torch.cat([model.task_network(maps).softmax(1) for maps in features])
    shares = {name: class_share(torch.stack(labels), LABELS.index(name)) for name in CLASSES}
    return Survey(torch.cat(features), shares, {name: found[:, LABELS.index(name)] for name in CLASSES})


def class_share(labels: Tensor, label: int) -> Tensor:
    """Share of each cell's pixels with `label`: label maps `(N, H, W)` -> `(N, ceil(H/16), ceil(W/16))` float64."""
    return F.avg_pool2d((labels == label).double()[:, None], CELL, ceil_mode=True)[:, 0]


def correlation(maps: Tensor, share: Tensor) -> Tensor:
    """Pearson's correlation of every filter with a class, over all cells of all frames together.

    Args:
        maps: `(N, C, h, w)`.
        share: `(N, h, w)`, as `class_share` returns it.

    Returns:
        `(C,)` in -1..1; 0 for a filter that is the same everywhere.

    Raises:
        ValueError: if maps and share differ in N, h or w.
    """
    if maps.ndim != 4 or (len(maps), *maps.shape[2:]) != tuple(share.shape):
        raise ValueError(f"share: expected (N, h, w) of the maps {tuple(maps.shape)}, got {tuple(share.shape)}")
    x, y = maps.double().transpose(0, 1).flatten(1), share.double().flatten()
    x, y = x - x.mean(1, keepdim=True), y - y.mean()
    return (x @ y / (x.norm(dim=1) * y.norm()).clamp(min=1e-12)).clamp(-1, 1)


class Choice(NamedTuple):
    """One filter, one class, and the correlation of the two."""

    name: str  # the class
    filter: int
    val: float  # correlation on val, where the filter was chosen
    test: float  # correlation on test
    rank: int  # of the filter among all filters on test; 1 is the highest correlation


def best_filters(val: Survey, test: Survey) -> list[Choice]:
    """For each class the filter with the highest correlation on val, with its correlation on test."""
    chosen = {name: int(correlation(val.features, val.shares[name]).argmax()) for name in CLASSES}
    return [rate_filter(name, number, val, test) for name, number in chosen.items()]


def random_filter(val: Survey, test: Survey, seed: int = 0) -> list[Choice]:
    """One filter drawn at random, with its correlation with each class; neither a best filter nor nearly silent."""
    loudness = val.features.mean((0, 2, 3))
    free = loudness > 0.1 * loudness.mean()
    free[[choice.filter for choice in best_filters(val, test)]] = False
    candidates = free.nonzero().flatten().tolist()
    number = candidates[int(torch.randint(len(candidates), (), generator=torch.Generator().manual_seed(seed)))]
    return [rate_filter(name, number, val, test) for name in CLASSES]


def rate_filter(name: str, number: int, val: Survey, test: Survey) -> Choice:
    """Correlation of filter `number` with class `name` on val and test, and its rank on test."""
    on_val, on_test = (correlation(part.features, part.shares[name]) for part in (val, test))
    rank = 1 + int((on_test > on_test[number]).sum())
    return Choice(name, number, float(on_val[number]), float(on_test[number]), rank)


def network_correlation(test: Survey) -> dict[str, float]:
    """For each class, the correlation of the network's own probability, made of all filters, on test."""
    return {name: float(correlation(test.probabilities[name][:, None], test.shares[name])) for name in CLASSES}


# Propagated maps


@dataclasses.dataclass(frozen=True)
class PropagatedClip:
    """T frames of any video, the first a key frame, with their own features and with the key frame's."""

    frames: Tensor  # (T, 3, H, W) uint8
    features: Tensor  # (T, C, h, w): the frames' own
    propagated: Tensor  # (T, C, h, w): the key frame's, along the flow network's flow (Eq. 3); at frame 0 untouched
    flow: Tensor  # (T, 2, h, w): the flow network's, in cells


@dataclasses.dataclass(frozen=True)
class PropagatedStreet(PropagatedClip):
    """A clip of a Toytown street, propagated along the exact flow too; the index is the gap to the key frame."""

    layers: dict[str, dict[str, Tensor]]  # one of `GRIDS` -> one of `LAYERS` -> (T, ., h, w)
    warped: Tensor  # (T, C, h, w): the key frame's features, warped by the exact flow (Eq. 1)
    exact_flow: Tensor  # (T, 2, h, w): the exact flow in cells, averaged over each cell
    hidden: Tensor  # (T, h, w): share of each cell's pixels that the key frame does not show


@torch.no_grad()
def propagate_clip(model: DeepFeatureFlow, clip: Sequence[Tensor]) -> PropagatedClip:
    """Propagate the features of the first frame `(3, H, W)` of a clip to all its frames."""
    frames = torch.stack(list(clip))
    features = torch.cat([model.feature_network(frame[None]) for frame in frames])
    return PropagatedClip(frames, features, *_propagated(model, frames, features[:1]))


@torch.no_grad()
def propagate_street(model: DeepFeatureFlow, film: Film, key: int, length: int = 10) -> PropagatedStreet:
    """Propagate the features of frame `key` of a street to the `length` - 1 frames after it.

    The frames are clear ones, without blur or flicker, so that frames differ by motion alone.
    """
    frames = torch.stack([film.frame(key + gap, clear=True) for gap in range(length)])
    grids = on_grids(model.feature_network, frames)
    features = grids[next(iter(GRIDS))]["features"].to(model.feature_network.mean.dtype)  # on their own grid already
    flows, hidden = zip(*(film.flow(key + gap, key) for gap in range(length)), strict=True)
    exact = flow_to_cells(torch.stack(flows).to(features.dtype))
    return PropagatedStreet(
        frames, features, *_propagated(model, frames, features[:1]),
        grids, warp(features[:1], exact), exact, class_share(torch.stack(hidden), True),
    )  # fmt: skip


def _propagated(model: DeepFeatureFlow, frames: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """Features `(1, C, h, w)` of the first frame propagated to each frame (Eq. 3), and the flow."""
    inputs = model.flow_network.prepare(frames)
    flow, scale = model.flow_network(inputs, inputs[:1])
    propagated = propagate(key, flow, scale)
    propagated[0] = key[0]  # i == k: nothing to propagate
    return propagated, flow


@torch.no_grad()
def filter_by_probability(model: DeepFeatureFlow, clip: PropagatedClip, label: int) -> int:
    """The filter that correlates most with the network's own probability of a class, for a clip without labels."""
    return int(correlation(clip.features, model.task_network(clip.features).softmax(1)[:, label]).argmax())


def propagation_errors(streets: Sequence[PropagatedStreet]) -> pandas.DataFrame:
    """Error of the propagated features: mean |difference| from the frames' own, over the own features' mean.

    Args:
        streets: all of one length.

    Returns:
        Index: the gap. Columns: "copied" (the key frame's features, without a flow), "carried" (along the network's
        flow), "exact flow".
    """
    ways = {
        "copied": lambda street: street.features[:1],
        "carried": lambda street: street.propagated,
        "exact flow": lambda street: street.warped,
    }
    size = sum(_difference(street.features, 0) for street in streets)
    columns = {
        name: (sum(_difference(way(street), street.features) for street in streets) / size).tolist()
        for name, way in ways.items()
    }
    return pandas.DataFrame(columns).rename_axis("gap")


@torch.no_grad()
def flow_gain_by_layer(streets: Sequence[PropagatedStreet]) -> pandas.DataFrame:
    """Error of each layer's maps along the exact flow over their error without any flow.

    Below 1 the flow helps, above 1 it harms. All layers are averaged over the features' cells. Cells count whose
    content has moved by at least half a cell, with at most a tenth hidden in the key frame.

    Returns:
        Index: the gap, from 1. Columns: `LAYERS`.
    """
    columns = {}
    for name in LAYERS:
        with_flow = without = 0
        for street in streets:
            maps = street.layers["averaged over each cell"][name]
            cells = ((street.exact_flow.norm(dim=1) >= 0.5) & (street.hidden < 0.1))[:, None]
            with_flow = with_flow + _difference(warp(maps[:1], street.exact_flow.to(maps.dtype)), maps, cells)
            without = without + _difference(maps[:1], maps, cells)
        columns[name] = (with_flow / without)[1:].tolist()
    return pandas.DataFrame(columns, index=pandas.RangeIndex(1, len(streets[0].frames), name="gap"))


def _difference(first: Tensor, second: Tensor | float, cells: Tensor | float = 1) -> Tensor:
    """Sum of |first - second|, both `(T, C, h, w)`, over the `cells` `(T, 1, h, w)` of each frame: `(T,)`."""
    return ((first - second).abs() * cells).sum((1, 2, 3))
