"""What the notebooks show: pictures with a text for those who can't see them, and sliders that redraw a picture.

Every picture is a pure function of its parameters, so the tests can call it with all of a slider's values. A widget is
such a function with its sliders (`Explorer`); where no kernel runs, the picture of its first values stands in for it.
"""

import ast
import base64
import html
import inspect
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import ipywidgets
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from dffkit.lessons.examples import address_map
from dffkit.style import BLUE, DARK_GREY, GREY, ORANGE, styled
from dffkit.warp import bilinear_kernel

DPI = 144
SHOWN_DPI = 100  # pictures hold more dots than they are shown with, for fine screens


@dataclass(frozen=True)
class Picture:
    """A PNG and the text that says what it shows: the last line of a cell displays it."""

    png: bytes
    alt: str
    width: int | None = None  # pixels on the screen; None for those of the file

    @classmethod
    def of(cls, figure: Figure, alt: str) -> "Picture":
        """Save a matplotlib figure. A line break in `alt` counts as a space."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
        return cls(buffer.getvalue(), " ".join(alt.split()), round(figure.get_figwidth() * SHOWN_DPI))

    def to_html(self) -> str:
        """The picture as an HTML element, for widgets."""
        data, width = base64.b64encode(self.png).decode(), f'width="{self.width}" ' if self.width else ""
        return f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" {width}style="max-width: 100%">'

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        # The text is what a terminal, a diff of the notebook and nbval see.
        data = {"image/png": base64.b64encode(self.png).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt} | ({"width": self.width} if self.width else {})}


def show(picture: Figure | bytes, alt: str) -> None:
    """Display a matplotlib figure, or the bytes of a PNG file, with a text for those who can't see it."""
    display(Picture.of(picture, alt) if isinstance(picture, Figure) else Picture(picture, alt))


def source(function: Callable[..., Any]) -> HTML:
    """The lines of a function without its docstring, for a notebook that has said in words what it does."""
    text = textwrap.dedent(inspect.getsource(function))
    lines = text.splitlines()
    first = ast.parse(text).body[0].body[0]
    if ast.get_docstring(ast.parse(text).body[0]):
        del lines[first.lineno - 1 : first.end_lineno]
    look = "padding: 0.6em; line-height: 1.4; font-family: monospace"  # pages and editors do not agree on a look
    return HTML(highlight("\n".join(lines), PythonLexer(), HtmlFormatter(noclasses=True, prestyles=look)))


class Slider(NamedTuple):
    """One parameter of a picture. With whole numbers for `low`, `high` and `step` the slider gives whole numbers."""

    label: str
    low: float
    high: float
    step: float
    start: float

    def widget(self) -> ipywidgets.Widget:
        """The slider itself."""
        whole = all(isinstance(value, int) for value in self[1:])
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        return kind(
            value=self.start, min=self.low, max=self.high, step=self.step, description=self.label,
            style={"description_width": "16em"}, layout={"width": "36em", "max_width": "100%"},
        )  # fmt: skip


class Choice(NamedTuple):
    """One parameter of a picture that is one of a few words."""

    label: str
    options: tuple[str, ...]
    start: str

    def widget(self) -> ipywidgets.Widget:
        """A list to choose from."""
        return ipywidgets.Dropdown(
            value=self.start, options=self.options, description=self.label,
            style={"description_width": "16em"}, layout={"width": "36em", "max_width": "100%"},
        )  # fmt: skip


class Explorer(ipywidgets.VBox):
    """Sliders above the picture that they redraw. Without a kernel it is the picture of the starting values.

    Args:
        picture: called with the sliders' values by name; returns a `Picture`.
        sliders: one `Slider` or `Choice` for each of its parameters.
    """

    def __init__(self, picture: Callable[..., Picture], **sliders: Slider | Choice) -> None:
        self.picture = picture
        self.sliders = {name: slider.widget() for name, slider in sliders.items()}
        self.fallback = self.draw()
        self.view = ipywidgets.HTML(self.fallback.to_html())
        for slider in self.sliders.values():
            slider.observe(self._redraw, names="value")
        super().__init__([*self.sliders.values(), self.view])

    def draw(self) -> Picture:
        """The picture of the sliders' present values."""
        return self.picture(**{name: slider.value for name, slider in self.sliders.items()})

    def _redraw(self, _change: Any) -> None:
        self.view.value = self.draw().to_html()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self.fallback._repr_mimebundle_()
        return {**super()._repr_mimebundle_(**kwargs), **data}, metadata


# Notebook 02: the bilinear kernel


class Reading(NamedTuple):
    """What one cell of the current frame reads in the key frame (Eq. 1)."""

    point: tuple[float, float]  # p + flow: column, row
    cells: list[tuple[int, int]]  # the four neighbours (column, row): upper left, upper right, lower left, lower right
    weights: list[float]  # the kernel G at each of them, were they in the map
    values: list[float | None]  # what the map holds there; None outside
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
def bilinear(dx: float, dy: float) -> Picture:
    """Where cell (1, 1) of the current frame reads in a 4x4 key frame for one flow vector, and what it gets."""
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
    """Drag the flow vector of one cell and see which cells of the key frame it reads."""
    return Explorer(
        bilinear,
        dx=Slider("flow x: cells to the right", -3.0, 3.0, 0.25, 1.25),
        dy=Slider("flow y: cells down", -3.0, 3.0, 0.25, 0.5),
    )


def _plan(axes: Axes, reading: Reading, size: int = 4, rim: int = 2) -> None:
    """The map and the zeros around it, the four neighbours shaded by their weights, and the flow as an arrow."""
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
    """Eq. 1 for this one cell, term by term."""
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
