"""Notebook 02: pictures of the kernel, warping, its gradient and a scene; a widget that reads four cells (Eq. 1)."""

from itertools import pairwise, product
from typing import NamedTuple

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from dffkit.lessons.examples import Scene
from dffkit.lessons.explore import Explorer, Picture, slider
from dffkit.lessons.flow_pictures import draw_arrows
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, GREY, ORANGE, RED, SKY, styled
from dffkit.warp import CELL, bilinear_kernel

PALE = LinearSegmentedColormap.from_list("pale", ["#FFFFFF", "#9FD0F0"])  # black numbers stay readable on it


@styled
def kernel_tent(position: float) -> Picture:
    """Draw Eq. 2 on one axis: the tent of the kernel over a position, and its height at each cell."""
    cells = range(5)
    weights = bilinear_kernel(torch.arange(5), position).tolist()
    figure = Figure(figsize=(6.4, 2.6), layout="constrained")
    axes = figure.subplots()
    ramp = [position - 1, position, position + 1]
    axes.fill_between(ramp, [0, 1, 0], color=SKY, alpha=0.25, linewidth=0)
    axes.plot(ramp, [0, 1, 0], "-", color=BLUE, label=f"the kernel around {position:g}")
    axes.vlines(cells, 0, weights, color=RED, linewidth=3)
    axes.plot(cells, weights, "o", color=RED, linestyle="none", label="its value at each cell", clip_on=False)
    for cell, weight in zip(cells, weights, strict=True):
        if weight:
            axes.annotate(f"{weight:g}", (cell, weight), (7, 3), textcoords="offset points", color=RED)
    axes.set(xticks=cells, xlim=(-0.6, 4.6), ylim=(0, 1.12), xlabel="cell q", ylabel="weight g(q, p)")
    axes.legend(loc="upper left" if position > 2 else "upper right")
    heights = ", ".join(f"{weight:g} at cell {cell}" for cell, weight in enumerate(weights))
    return Picture.of(figure, f"A tent one cell wide to each side of {position:g}. Its heights are {heights}.")


@styled
def number_grids(**named: Tensor) -> Picture:
    """Draw small maps `(1, 1, h, w)` or `(h, w)` side by side with their values; "_" in a name becomes a space."""
    grids = {name.replace("_", " "): values.detach().reshape(values.shape[-2:]) for name, values in named.items()}
    highest = max(float(grid.abs().max()) for grid in grids.values())
    figure = Figure(figsize=(2.5 * len(grids), 2.75), layout="constrained")
    for axes, (name, grid) in zip(figure.subplots(1, len(grids), squeeze=False)[0], grids.items(), strict=True):
        axes.imshow(grid.abs().numpy(), cmap=PALE, vmin=0, vmax=highest or 1)
        for row, values in enumerate(grid.tolist()):
            for column, value in enumerate(values):
                axes.text(column, row, f"{value:.4g}", ha="center", va="center", color="black" if value else DARK_GREY)
        axes.set(title=name, xticks=range(grid.shape[1]), yticks=range(grid.shape[0]), xlabel="column", ylabel="row")
        axes.hlines([row + 0.5 for row in range(len(grid) - 1)], -0.5, grid.shape[1] - 0.5, color=GREY, linewidth=0.6)
        axes.vlines([x + 0.5 for x in range(grid.shape[1] - 1)], -0.5, len(grid) - 0.5, color=GREY, linewidth=0.6)
        axes.spines[:].set(visible=True, color=GREY)
        axes.tick_params(length=0)
    rows = {name: [", ".join(f"{v:.4g}" for v in row) for row in grid.tolist()] for name, grid in grids.items()}
    texts = [f"The map '{name}', row by row: {'; '.join(row)}." for name, row in rows.items()]
    return Picture.of(figure, " ".join(texts))


@styled
def forward_and_backward() -> Picture:
    """Draw four cells magnified by 2 around cell 1: thrown from the key frame, fetched by the current frame."""
    cells = range(4)
    landed, fetched = [2 * cell - 1 for cell in cells], [(cell + 1) / 2 for cell in cells]
    holes = [cell for cell in cells if cell not in landed]
    figure = Figure(figsize=(8.6, 1.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    titles = "forward: each key cell throws its value", "backward: each current cell fetches its value"
    for axes, title in zip((left, right), titles, strict=True):
        axes.set(xlim=(-1.5, 5.5), ylim=(2.0, -0.5), aspect="equal", title=title)
        axes.axis("off")
        for row, name in ((0, "key frame"), (1.5, "current frame")):
            axes.text(-0.65, row, name, ha="right", va="center")
        for cell in cells:
            _box(axes, cell, 0, str(cell), SKY)
    for cell, target in zip(cells, landed, strict=True):
        if target in cells:
            _arrow(left, (cell, 0.42), (target, 1.08), BLUE)
            _box(left, target, 1.5, str(cell), GREEN)
        else:  # a short arrow towards a target outside the map
            _arrow(left, (cell, 0.42), ((cell + target) / 2, 0.75), GREY)
    for cell in holes:
        _box(left, cell, 1.5, "hole", RED)
    for cell, place in zip(cells, fetched, strict=True):
        _box(right, cell, 1.5, f"{place:g}", GREEN)
        _arrow(right, (cell, 1.08), (place, 0.42), BLUE)
    return Picture.of(
        figure,
        f"A row of 4 cells magnified by 2 around cell 1. Forward: the arrows from the key frame's "
        f"cells land on {', '.join(map(str, landed))}, so current cells {' and '.join(map(str, holes))} stay holes. "
        f"Backward: each current cell has an arrow into the key frame, to {', '.join(f'{s:g}' for s in fetched)}; "
        "none stays empty.",
    )


def _box(axes: Axes, column: float, row: float, text: str, colour: str) -> None:
    hole = text == "hole"
    fill = {"facecolor": "white", "hatch": "////"} if hole else {"facecolor": f"{colour}40"}
    axes.add_patch(Rectangle((column - 0.45, row - 0.4), 0.9, 0.8, edgecolor=colour, linewidth=1.2, **fill))
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.5} if hole else None
    axes.text(column, row, text, ha="center", va="center", bbox=behind)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, **look: float) -> None:
    look = {"mutation_scale": 11, "shrinkA": 1, "shrinkB": 1, "linewidth": 1.4} | look
    axes.add_patch(FancyArrowPatch(start, end, color=colour, arrowstyle="-|>", **look))


@styled
def slope_steps(values: list[float]) -> Picture:
    """Draw the value read at every position of a row of cells, and its slope, which jumps at every cell."""
    slopes = [right - left for left, right in pairwise(values)]
    last = len(values) - 1
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1.25, 1])
    above.plot(range(len(values)), values, "o-", color=BLUE, clip_on=False)
    above.set(ylabel="value read", xlim=(-0.2, last + 0.2), title="a row of cells, read at every position")
    for cell, slope in enumerate(slopes):
        below.plot([cell, cell + 1], [slope, slope], "-", color=RED)
        below.plot(cell, slope, "o", color=RED, clip_on=False)
        below.plot(cell + 1, slope, "o", markeredgecolor=RED, markerfacecolor="white", clip_on=False)
        below.annotate(f"{slope:g}", (cell + 0.5, slope), (0, 4), textcoords="offset points", ha="center", color=RED)
    below.set(xlabel="position p + flow, in cells", ylabel="derivative", xticks=range(len(values)))
    below.margins(y=0.25)
    return Picture.of(
        figure,
        f"Above: straight lines joining the values {', '.join(f'{v:g}' for v in values)} of cells 0 to {last}. Below: "
        f"their slopes, a staircase with the steps {', '.join(f'{s:g}' for s in slopes)}; each step holds its "
        "left end.",
    )


@styled
def scene_frames(scene: Scene, every: int = 64) -> Picture:
    """Draw key frame and current frame, with an arrow of the flow at each `every` pixels of the current frame."""
    height, width = scene.flow.shape[1:]
    figure = Figure(figsize=(8.6, 2.95), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(scene.key_frame.permute(1, 2, 0).numpy())
    right.imshow(scene.current_frame.permute(1, 2, 0).numpy())
    draw_arrows(right, scene.flow, every, color=ORANGE, width=0.006)
    for axes, title in ((left, "key frame k"), (right, "current frame i, and its flow into the key frame")):
        axes.set(title=title, xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xlabel="x [pixels]")
    left.set_ylabel("y [pixels]")
    return Picture.of(
        figure,
        """Two frames of a ball before a cloudy ground. In the current frame the ball is further right and the ground a
        little larger. Arrows on the current frame point to where the same surface was: on the ball far to the left, on
        the ground towards the centre, longer at the rim.""",
    )


@styled
def warped_features(key: Tensor, warped: Tensor, current: Tensor, uncovered: Tensor) -> Picture:
    """Draw a feature map before and after warping, the change that warping leaves, and the uncovered ground.

    Args:
        key, warped, current: feature maps `(1, C, h, w)`. The picture shows channel 3 of each, and the mean absolute
            difference of all channels from `current` without and with the warp.
        uncovered: `(H, W)` bool, the pixels of the current frame that the key frame does not show.
    """
    channel = 3
    figure = Figure(figsize=(8.8, 3.9), layout="constrained")
    above, below = figure.subplots(2, 3, sharex=True, sharey=True)
    named = {"key frame's features": key, "carried along the flow": warped, "current frame's own": current}
    brightest = max(float(features[0, channel].max()) for features in named.values())
    for axes, (name, features) in zip(above, named.items(), strict=True):
        values = axes.imshow(features[0, channel].numpy(), vmin=0, vmax=brightest)
        axes.set_title(name)
    before, after = ((features - current).abs().mean(1)[0] for features in (key, warped))
    for axes, change in zip(below, (before, after), strict=False):
        differences = axes.imshow(change.numpy(), cmap="magma", vmin=0, vmax=float(before.max()))
    below[0].set_title("change without warping")
    below[1].set_title("change left after warping")
    share = F.avg_pool2d(uncovered[None].float(), CELL, ceil_mode=True)[0]
    below[2].imshow(share.numpy(), cmap="Greys_r", vmin=0, vmax=1)
    below[2].set_title("white: hidden in the key frame")
    for axes in figure.axes:
        axes.set(xticks=[0, 20, 40, 60], yticks=[0, 20], xlabel="column [cells]", ylabel="row [cells]")
        axes.label_outer()
    figure.colorbar(values, ax=list(above), label=f"channel {channel}", pad=0.01)
    figure.colorbar(differences, ax=list(below), label="mean |difference|", pad=0.01)
    return Picture.of(
        figure,
        """Six maps of 38 by 63 cells. Above, one channel: the key frame's map has the ball's bright blob on the left,
        the current frame's own map has it further right, and the warped map has it at both places. Below, the
        difference from the current frame's features: large everywhere without warping; after warping nearly nothing is
        left but a disc at the ball's old place and a thin ring around its new one. The disc is the last map's white
        region, the ground that the ball hid in the key frame.""",
    )


# The widget


class Reading(NamedTuple):
    """The cells, weights and values that one cell of the current frame reads in the key frame (Eq. 1)."""

    point: tuple[float, float]  # p + flow: column, row
    # column, row, kernel G and value of upper left, upper right, lower left, lower right; value None outside the map
    neighbours: list[tuple[int, int, float, float | None]]
    result: float


def read(dx: float, dy: float, cell: tuple[int, int] = (1, 1)) -> Reading:
    """Read the 4x4 address map at `cell` = (column, row) plus the flow (dx, dy), in cells."""
    x, y = cell[0] + dx, cell[1] + dy
    left, top = int(x // 1), int(y // 1)
    neighbours = []
    for column, row in ((left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)):
        weight = float(bilinear_kernel(column, x) * bilinear_kernel(row, y))
        inside = 0 <= column < 4 and 0 <= row < 4
        neighbours.append((column, row, weight, 10.0 * row + column if inside else None))
    return Reading((x, y), neighbours, sum(weight * (value or 0) for *_, weight, value in neighbours))


@styled
def bilinear_reading(dx: float, dy: float) -> Picture:
    """Draw where cell (1, 1) of the current frame reads in a 4x4 key frame for one flow vector, and the sum."""
    reading = read(dx, dy)
    figure = Figure(figsize=(7.6, 4.3))
    plan, words = figure.subplots(1, 2, width_ratios=[1.35, 1])
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.92, wspace=0.04)
    _plan(plan, reading)
    _sum_in_words(words, reading)
    terms = [
        (weight, "0, outside the map" if value is None else f"{value:g}") for *_, weight, value in reading.neighbours
    ]
    x, y = reading.point
    return Picture.of(
        figure,
        f"A 4x4 map of the key frame. Cell p is row 1, column 1. The flow, {dx:g} cells to the right and {dy:g} "
        f"down, points to column {x:g}, row {y:g}. The value read there is "
        f"{'; plus '.join(f'{weight:g} times {value}' for weight, value in terms if weight)}; "
        f"in all {reading.result:g}.",
    )


def bilinear_explorer() -> Explorer:
    """Return a widget that moves one flow vector and shows the cells of the key frame that it reads."""
    return Explorer(
        bilinear_reading,
        dx=slider("flow x: cells to the right", -3.0, 3.0, 0.25, 1.25),
        dy=slider("flow y: cells down", -3.0, 3.0, 0.25, 0.5),
    )


def _plan(axes: Axes, reading: Reading) -> None:
    """Draw the map and the zeros around it, the four neighbours shaded by their weights, and the flow as an arrow."""
    halo = [withStroke(linewidth=2, foreground="white", alpha=0.8)]
    centred = {"ha": "center", "va": "center"}
    axes.set(xlim=(-2.55, 5.55), ylim=(5.55, -2.55), aspect="equal")
    axes.set_title("the key frame: a map of 4×4 cells, zeros around it")
    axes.axis("off")
    for begin, end, colour, dashes in ((-2.5, 5.5, GREY, (0, (2, 3))), (-0.5, 3.5, "black", "solid")):
        lines = [begin + n for n in range(int(end - begin) + 1)]
        axes.hlines(lines, begin, end, color=colour, linestyle=dashes, linewidth=0.8)
        axes.vlines(lines, begin, end, color=colour, linestyle=dashes, linewidth=0.8)
    for row, column in product(range(4), repeat=2):
        axes.text(column, row, f"{10 * row + column}", **centred)
    for column, row, weight, value in reading.neighbours:
        if weight:
            shade = {"color": ORANGE, "alpha": 0.15 + 0.7 * weight, "linewidth": 0, "zorder": 0.6}
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **shade))
            axes.text(column, row + 0.34, f"×{weight:.4g}", path_effects=halo, fontsize=7.5, zorder=4, **centred)
            if value is None:
                axes.text(column, row, "0", color=DARK_GREY, **centred)
    axes.add_patch(Rectangle((0.54, 0.54), 0.92, 0.92, fill=False, edgecolor=BLUE, linewidth=2, zorder=3))
    axes.text(0.6, 0.73, "p", color=BLUE, weight="bold", ha="left", va="center", zorder=4)
    if reading.point != (1, 1):
        _arrow(axes, (1, 1), reading.point, BLUE, mutation_scale=13, shrinkA=0, shrinkB=0, linewidth=1.8, zorder=3)
    axes.plot(*reading.point, "o", color=BLUE, markersize=5, zorder=4)


def _sum_in_words(axes: Axes, reading: Reading) -> None:
    """Write Eq. 1 for this cell, term by term."""
    axes.set(xlim=(0, 10), ylim=(10, 0))
    axes.axis("off")
    x, y = reading.point
    axes.text(0, 1.2, f"p + flow: column {x:g}, row {y:g}", color=BLUE, weight="bold")
    axes.text(0, 2.5, "weight × value of each neighbour:")
    for line, (column, row, weight, value) in enumerate(reading.neighbours):
        place, outside = 3.5 + 0.9 * line, value is None
        axes.text(2.2, place, f"{weight:.4g}", ha="right", va="center")
        axes.text(2.5, place, "× 0" if outside else f"× {value:g}", va="center")
        where = "outside" if outside else f"row {row}, column {column}"
        axes.text(4.5, place, where, va="center", color="black" if weight and not outside else DARK_GREY)
    axes.hlines(6.7, 0.2, 9, color="black", linewidth=0.8)
    axes.text(0.2, 7.55, f"sum = {reading.result:g}", va="center", weight="bold", fontsize=12)
    inside = sum(weight for *_, weight, value in reading.neighbours if value is not None)
    colour = "black" if inside < 1 else DARK_GREY
    axes.text(0.2, 8.6, f"weight inside the map: {inside:.4g}", va="center", color=colour)
