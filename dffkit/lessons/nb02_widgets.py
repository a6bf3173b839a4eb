"""Notebook 02's widget: one flow vector, the four cells of the key frame that it reads, and their weights (Eq. 1)."""

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke

from dffkit.lessons.examples import address_map
from dffkit.lessons.explore import Explorer, Picture, Slider
from dffkit.paper.style import BLUE, DARK_GREY, GREY, ORANGE, styled
from dffkit.warp import bilinear_kernel


class Reading(NamedTuple):
    """The cells, weights and values that one cell of the current frame reads in the key frame (Eq. 1)."""

    point: tuple[float, float]  # p + flow: column, row
    cells: list[tuple[int, int]]  # the four neighbours (column, row): upper left, upper right, lower left, lower right
    weights: list[float]  # the kernel G at each of them, inside or outside the map
    values: list[float | None]  # the map's values there; None outside
    result: float


def read(dx: float, dy: float, cell: tuple[int, int] = (1, 1), size: int = 4) -> Reading:
    """Read the `size` x `size` address map at `cell` = (column, row) plus the flow (dx, dy), in cells."""
    values_of = address_map(size, size)[0, 0]
    x, y = cell[0] + dx, cell[1] + dy
    left, top = int(x // 1), int(y // 1)
    cells = [(left, top), (left + 1, top), (left, top + 1), (left + 1, top + 1)]
    weights = [float(bilinear_kernel(column, x) * bilinear_kernel(row, y)) for column, row in cells]
    inside = [0 <= column < size and 0 <= row < size for column, row in cells]
    values = [float(values_of[row, column]) if ok else None for (column, row), ok in zip(cells, inside, strict=True)]
    result = sum(weight * value for weight, value in zip(weights, values, strict=True) if value is not None)
    return Reading((x, y), cells, weights, values, result)


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
        f"{weight:g} times {'0, outside the map' if value is None else f'{value:g}'}"
        for weight, value in zip(reading.weights, reading.values, strict=True)
        if weight
    ]
    x, y = reading.point
    return Picture.of(
        figure,
        f"A 4x4 map of the key frame. Cell p is row 1, column 1. The flow, {dx:g} cells to the right and {dy:g} "
        f"down, points to column {x:g}, row {y:g}. The value read there is {'; plus '.join(terms)}; "
        f"in all {reading.result:g}.",
    )


def bilinear_explorer() -> Explorer:
    """Return a widget that moves one flow vector and shows the cells of the key frame that it reads."""
    return Explorer(
        bilinear_reading,
        dx=Slider("flow x: cells to the right", -3.0, 3.0, 0.25, 1.25),
        dy=Slider("flow y: cells down", -3.0, 3.0, 0.25, 0.5),
    )


def _plan(axes: Axes, reading: Reading, size: int = 4, rim: int = 2) -> None:
    """Draw the map and the zeros around it, the four neighbours shaded by their weights, and the flow as an arrow."""
    low, high = -rim - 0.5, size + rim - 0.5
    axes.set(xlim=(low - 0.05, high + 0.05), ylim=(high + 0.05, low - 0.05), aspect="equal")
    axes.set_title(f"the key frame: a map of {size}×{size} cells, zeros around it")
    axes.axis("off")
    for begin, end, colour, dashes in ((low, high, GREY, (0, (2, 3))), (-0.5, size - 0.5, "black", "solid")):
        lines = [begin + n for n in range(int(end - begin) + 1)]
        axes.hlines(lines, begin, end, color=colour, linestyle=dashes, linewidth=0.8)
        axes.vlines(lines, begin, end, color=colour, linestyle=dashes, linewidth=0.8)
    for row, values in enumerate(address_map(size, size)[0, 0].tolist()):
        for column, value in enumerate(values):
            axes.text(column, row, f"{value:g}", ha="center", va="center")
    for (column, row), weight, value in zip(reading.cells, reading.weights, reading.values, strict=True):
        if weight:
            _shade(axes, column, row, weight)
            if value is None:
                axes.text(column, row, "0", ha="center", va="center", color=DARK_GREY)
    _arrow_of_flow(axes, (1, 1), reading.point)


def _shade(axes: Axes, column: int, row: int, weight: float) -> None:
    shade = {"color": ORANGE, "alpha": 0.15 + 0.7 * weight, "linewidth": 0}
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, zorder=0.6, **shade))
    halo = [withStroke(linewidth=2, foreground="white", alpha=0.8)]
    place = {"ha": "center", "va": "center", "fontsize": 7.5, "zorder": 4}
    axes.text(column, row + 0.34, f"×{weight:.4g}", path_effects=halo, **place)


def _arrow_of_flow(axes: Axes, cell: tuple[int, int], point: tuple[float, float]) -> None:
    corner = (cell[0] - 0.46, cell[1] - 0.46)
    axes.add_patch(Rectangle(corner, 0.92, 0.92, fill=False, edgecolor=BLUE, linewidth=2, zorder=3))
    axes.text(cell[0] - 0.4, cell[1] - 0.27, "p", color=BLUE, weight="bold", ha="left", va="center", zorder=4)
    if point != cell:
        arrow = {"arrowstyle": "-|>", "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.8}
        axes.add_patch(FancyArrowPatch(cell, point, color=BLUE, zorder=3, **arrow))
    axes.plot(*point, "o", color=BLUE, markersize=5, zorder=4)


def _sum_in_words(axes: Axes, reading: Reading) -> None:
    """Write Eq. 1 for this cell, term by term."""
    axes.set(xlim=(0, 10), ylim=(10, 0))
    axes.axis("off")
    x, y = reading.point
    axes.text(0, 1.2, f"p + flow: column {x:g}, row {y:g}", color=BLUE, weight="bold")
    axes.text(0, 2.5, "weight × value of each neighbour:")
    place = 3.5
    for (column, row), weight, value in zip(reading.cells, reading.weights, reading.values, strict=True):
        outside = value is None
        axes.text(2.2, place, f"{weight:.4g}", ha="right", va="center")
        axes.text(2.5, place, "× 0" if outside else f"× {value:g}", va="center")
        where = "outside" if outside else f"row {row}, column {column}"
        axes.text(4.5, place, where, va="center", color="black" if weight and not outside else DARK_GREY)
        place += 0.9
    axes.hlines(place - 0.4, 0.2, 9, color="black", linewidth=0.8)
    axes.text(0.2, place + 0.45, f"sum = {reading.result:g}", va="center", weight="bold", fontsize=12)
    inside = sum(weight for weight, value in zip(reading.weights, reading.values, strict=True) if value is not None)
    colour = "black" if inside < 1 else DARK_GREY
    axes.text(0.2, place + 1.5, f"weight inside the map: {inside:.4g}", va="center", color=colour)
