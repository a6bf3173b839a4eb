"""What single filters of the feature network answer to, and how well their maps are carried.

The measurements behind Figure 1 and notebook 01, on Toytown. Nothing here is needed to recognize anything.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.datasets.toytown import LABELS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.map_similarity import GRIDS, LAYERS, on_grids
from dffkit.warp import CELL, flow_to_cells, propagate, warp

if TYPE_CHECKING:
    import pandas

CLASSES = ("car", "person")  # those of Figure 1
STREETS, MOMENTS = 12, (0, 20)  # of the surveys: streets of a split, and frames of each


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
    return F.avg_pool2d((labels == label).double()[:, None], CELL, ceil_mode=True)[:, 0]


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
    grids = on_grids(model.feature_network, frames)
    features = grids[next(iter(GRIDS))]["features"].to(model.feature_network.mean.dtype)  # on their own grid already
    carried, flow = _carried(model, frames, features[:1])
    flows, hidden = zip(*(film.flow(key + gap, key) for gap in range(length)), strict=True)
    exact = flow_to_cells(torch.stack(flows).to(features.dtype))
    followed, out_of_sight = warp(features[:1], exact), class_share(torch.stack(hidden), True)
    return Ride(frames, grids, features, carried, followed, flow, exact, out_of_sight)


class Clip(NamedTuple):
    """As `Ride`, of any video: T frames, of which the first is a key frame, and what is known without an exact flow."""

    frames: Tensor  # (T, 3, H, W) uint8
    features: Tensor  # (T, C, h, w): the frames' own
    carried: Tensor  # (T, C, h, w): the key frame's, propagated by the flow network
    guesses: Tensor  # (T, classes, h, w): the network's own probabilities


@torch.no_grad()
def of_clip(model: DeepFeatureFlow, clip: Sequence[Tensor]) -> Clip:
    """Propagate the features of the first frame `(3, H, W)` of a clip to all others."""
    frames = torch.stack(list(clip))
    features = torch.cat([model.feature_network(frame[None]) for frame in frames])
    carried, _ = _carried(model, frames, features[:1])
    return Clip(frames, features, carried, model.task_network(features).softmax(1))


def like_the_network(clip: Clip, label: int) -> int:
    """The filter whose maps go best with the network's own probability of a class: there are no labels to ask."""
    return int(correlation(clip.features, clip.guesses[:, label]).argmax())


def _carried(model: DeepFeatureFlow, frames: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """The features `(1, C, h, w)` of the first frame propagated to each (Eq. 3), and the flow along which."""
    inputs = model.flow_network.prepare(frames)
    flow, scale = model.flow_network(inputs, inputs[:1])
    carried = propagate(key, flow, scale)
    carried[0] = key[0]  # i == k: nothing to propagate
    return carried, flow


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
