"""Notebook 02: pictures of the kernel, of forward and backward warping, of the gradient, and of a scene."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor

from dffkit.lessons.examples import Scene
from dffkit.lessons.explore import Picture
from dffkit.lessons.flow_pictures import draw_arrows
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, GREY, ORANGE, RED, SKY, styled
from dffkit.warp import CELL, bilinear_kernel

PALE = LinearSegmentedColormap.from_list("pale", ["#FFFFFF", "#9FD0F0"])  # black numbers stay readable on it


@styled
def kernel_tent(position: float, size: int = 5) -> Picture:
    """Draw Eq. 2 on one axis: the tent of the kernel over a position, and its height at each cell."""
    cells = range(size)
    weights = bilinear_kernel(torch.arange(size), position).tolist()
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
    axes.set(xticks=cells, xlim=(-0.6, size - 0.4), ylim=(0, 1.12), xlabel="cell q", ylabel="weight g(q, p)")
    axes.legend(loc="upper left" if position > (size - 1) / 2 else "upper right")
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
def forward_and_backward(zoom: int = 2, centre: int = 1, size: int = 4) -> Picture:
    """Draw a row of cells magnified around `centre`: thrown from the key frame, fetched by the current frame."""
    cells = range(size)
    landed = [centre + zoom * (cell - centre) for cell in cells]
    fetched = [centre + (cell - centre) / zoom for cell in cells]
    holes = [cell for cell in cells if cell not in landed]
    figure = Figure(figsize=(8.6, 1.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set_title("forward: each key cell throws its value")
    right.set_title("backward: each current cell fetches its value")
    for axes in (left, right):
        axes.set(xlim=(centre - zoom * centre - 0.5, size + zoom - 0.5), ylim=(2.0, -0.5), aspect="equal")
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
        f"A row of {size} cells magnified by {zoom} around cell {centre}. Forward: the arrows from the key frame's "
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


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    arrow = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 1, "shrinkB": 1, "linewidth": 1.4}
    axes.add_patch(FancyArrowPatch(start, end, color=colour, **arrow))


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
    left.set_title("key frame k")
    right.set_title("current frame i, and its flow into the key frame")
    for axes in (left, right):
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xlabel="x [pixels]")
    left.set_ylabel("y [pixels]")
    return Picture.of(
        figure,
        """Two frames of a ball before a cloudy ground. In the current frame the ball is further right and the ground a
        little larger. Arrows on the current frame point to where the same surface was: on the ball far to the left, on
        the ground towards the centre, longer at the rim.""",
    )


@styled
def warped_features(key: Tensor, warped: Tensor, current: Tensor, uncovered: Tensor, channel: int = 3) -> Picture:
    """Draw a feature map before and after warping, the change that warping leaves, and the uncovered ground.

    Args:
        key, warped, current: feature maps `(1, C, h, w)`. The picture shows one channel of each, and the mean absolute
            difference of all channels from `current` without and with the warp.
        uncovered: `(H, W)` bool, the pixels of the current frame that the key frame does not show.
        channel: the channel to show.
    """
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
    for axes in (*above, *below):
        axes.set(xticks=[0, 20, 40, 60], yticks=[0, 20])
    for axes in below:
        axes.set_xlabel("column [cells]")
    for axes in (above[0], below[0]):
        axes.set_ylabel("row [cells]")
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
