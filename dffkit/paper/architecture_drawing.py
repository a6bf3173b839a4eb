"""Figure 2 as a drawing: boxes for what is stored, rounded boxes for what computes, arrows between them."""

from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

EXPENSIVE, CHEAP, DATA, GRADIENT = "#F5C9A6", "#BFE3D5", "#EEF1F4", "#CC3311"


class Box(NamedTuple):
    """A box by its centre, in the drawing's units."""

    x: float
    y: float
    width: float = 2.3
    height: float = 1.15


def draw(parts: pandas.DataFrame) -> Figure:
    """Both panels, from the table of parts with their shapes and costs (`figures.architecture`)."""
    figure, (inference, training) = plt.subplots(2, 1, figsize=(12, 7.6), layout="constrained")
    part = {row.part: row for row in parts.itertuples()}
    _panel(inference, "(a) Recognition, Algorithm 1: N_feat runs on the key frame only", part)
    _panel(training, "(b) Training on pairs: only the current frame i needs a label", part, train=True)
    return figure


def _panel(axes: Axes, title: str, part: dict, *, train: bool = False) -> None:
    """Key frame above, current frame below; what both share is drawn in the same column."""
    top, middle, bottom = 5.2, 2.9, 0.9
    key, current = Box(1.3, top), Box(1.3, bottom)
    n_feat, features = Box(4.6, top, 2.6), Box(7.9, top)
    flow_network = Box(4.6, middle, 2.6)
    flow, scale = Box(7.9, middle), Box(7.9, bottom)
    warp, propagated = Box(10.9, middle, 1.6), Box(13.6, middle)
    task, maps = Box(16.4, middle, 1.9), Box(19.1, middle)

    _data(axes, key, f"key frame k\n{part['frame'].shape}")
    _data(axes, current, f"current frame i\n{part['frame'].shape}")
    _network(axes, n_feat, f"N_feat: ResNet-101\n{_cost(part['features'])}", EXPENSIVE)
    _data(axes, features, f"features of k\n{part['features'].shape}")
    halves = f"both at {part['half frame'].shape}"
    _network(axes, flow_network, f"F and S: FlowNet\n{halves}\n{_cost(part['flow field'])}", CHEAP)
    _data(axes, flow, f"flow field M(i→k)\n{part['flow field'].shape}")
    _data(axes, scale, f"scale field S(i→k)\n{part['scale field'].shape}")
    _network(axes, warp, f"W\n{_cost(part['propagated'])}", CHEAP)
    _data(axes, propagated, f"features of i\n{part['propagated'].shape}")
    _network(axes, task, f"N_task\n{_cost(part['score maps'])}", CHEAP)
    _data(axes, maps, f"score maps of i\n{part['score maps'].shape}")

    learned = [
        (n_feat, features),
        (features, warp),
        (flow_network, flow),
        (flow, warp),
        (flow_network, scale),
        (scale, warp),
    ]
    learned += [(warp, propagated), (propagated, task), (task, maps)]
    for start, end in [(key, n_feat), (key, flow_network), (current, flow_network), *learned]:
        _arrow(axes, start, end)
    if train:
        loss = Box(19.1, bottom)
        _data(axes, loss, "loss with\nthe label of i")
        _arrow(axes, maps, loss)
        for start, end in [*learned, (maps, loss)]:
            _arrow(axes, end, start, GRADIENT, shift=-0.22, style="--")
        way_back = "red: the gradient's way back, into N_task,\nthrough W (Eq. 4) into N_feat, F and S"
        _note(axes, 13.6, top, way_back, GRADIENT)
    else:
        own = Box(16.4, top, 1.9), Box(19.1, top)
        _network(axes, own[0], f"N_task\n{_cost(part['score maps'])}", CHEAP)
        _data(axes, own[1], f"score maps of k\n{part['score maps'].shape}")
        _arrow(axes, features, own[0])
        _arrow(axes, *own)
        legend = "orange: expensive, on key frames only\n"
        legend += "green: cheap; F and W on all other frames, N_task on every frame"
        _note(axes, 14.6, bottom, f"{legend}\nGMAC: 10⁹ multiply-adds for one frame of 600 × 1000", "#333333")
    axes.set(xlim=(0, 20.4), ylim=(0.2, 5.9), aspect="equal")
    axes.set_title(title, loc="left", fontsize=12)
    axes.axis("off")


def _cost(row: object) -> str:
    return f"{float(row.gmac):.{1 if float(row.gmac) >= 1 else 3}f} GMAC"


def _data(axes: Axes, box: Box, text: str) -> None:
    _rectangle(axes, box, text, DATA, "square,pad=0")


def _network(axes: Axes, box: Box, text: str, colour: str) -> None:
    _rectangle(axes, box, text, colour, "round,pad=0,rounding_size=0.25")


def _rectangle(axes: Axes, box: Box, text: str, colour: str, style: str) -> None:
    corner = (box.x - box.width / 2, box.y - box.height / 2)
    axes.add_patch(FancyBboxPatch(corner, box.width, box.height, boxstyle=style, facecolor=colour, edgecolor="#333333"))
    axes.text(box.x, box.y, text, ha="center", va="center", fontsize=9)


def _note(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    axes.text(x, y, text, ha="center", va="center", fontsize=9.5, color=colour)


def _arrow(axes: Axes, start: Box, end: Box, colour: str = "#333333", shift: float = 0.0, style: str = "-") -> None:
    """From edge to edge: sideways where the boxes are apart sideways, else up or down."""
    sideways = abs(end.x - start.x) > (start.width + end.width) / 2
    if sideways:
        direction = 1 if end.x > start.x else -1
        a = (start.x + direction * start.width / 2, start.y + shift)
        b = (end.x - direction * end.width / 2, end.y + shift)
    else:
        direction = 1 if end.y > start.y else -1
        a = (start.x + shift, start.y + direction * start.height / 2)
        b = (end.x + shift, end.y - direction * end.height / 2)
    axes.add_patch(
        FancyArrowPatch(a, b, arrowstyle="-|>", mutation_scale=11, color=colour, linestyle=style, shrinkA=0, shrinkB=0)
    )
