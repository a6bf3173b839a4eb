"""The parts of a drawn network: square boxes for data, rounded boxes for networks, arrows between them."""

from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

EXPENSIVE, CHEAP, DATA, CARRIED, INK = "#F5C9A6", "#BFE3D5", "#EEF1F4", "#BBDDF5", "#333333"
SHEET = 8  # inches, the width of `sheet`: letters of 9 points stay legible on a page of 800 pixels


class Box(NamedTuple):
    """A box by its centre, in the drawing's units."""

    x: float
    y: float
    width: float = 2.3
    height: float = 1.15


def draw_box(axes: Axes, box: Box, text: str, colour: str = DATA) -> None:
    """Draw a box with a text: rounded for a network, which is `EXPENSIVE` or `CHEAP`, and square for data."""
    rounded = colour in (EXPENSIVE, CHEAP)
    style = f"round,pad=0,rounding_size={min(0.25, box.height / 4)}" if rounded else "square,pad=0"
    corner = (box.x - box.width / 2, box.y - box.height / 2)
    look = {"boxstyle": style, "facecolor": colour, "edgecolor": INK}
    axes.add_patch(FancyBboxPatch(corner, box.width, box.height, **look))
    axes.text(box.x, box.y, text, ha="center", va="center", fontsize=9)


def draw_arrow(axes: Axes, start: Box, end: Box, colour: str = INK, shift: float = 0.0, style: str = "-") -> None:
    """Draw an arrow from edge to edge: sideways where the boxes are apart sideways, else up or down."""
    if abs(end.x - start.x) > (start.width + end.width) / 2:
        half = 0.5 if end.x > start.x else -0.5
        a, b = (start.x + half * start.width, start.y + shift), (end.x - half * end.width, end.y + shift)
    else:
        half = 0.5 if end.y > start.y else -0.5
        a, b = (start.x + shift, start.y + half * start.height), (end.x + shift, end.y - half * end.height)
    look = {"arrowstyle": "-|>", "mutation_scale": 11, "color": colour, "linestyle": style}
    axes.add_patch(FancyArrowPatch(a, b, **look, shrinkA=0, shrinkB=0))


def sheet(height: float) -> tuple[Figure, Axes]:
    """Return a figure, `height` inches high, and axes whose units are inches."""
    figure = plt.figure(figsize=(SHEET + 0.2, height + 0.2))
    axes = figure.add_axes((0.1 / (SHEET + 0.2), 0.1 / (height + 0.2), SHEET / (SHEET + 0.2), height / (height + 0.2)))
    axes.set(xlim=(0, SHEET), ylim=(0, height))
    axes.axis("off")
    return figure, axes
