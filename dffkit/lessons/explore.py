"""Pictures with an alternative text, and widgets: sliders that redraw a picture.

Each picture is a pure function of its parameters, so tests can call it with all values of a slider. A widget
(`Explorer`) is a function and its sliders; without a kernel the picture of the first values replaces it.
"""

import ast
import base64
import html
import inspect
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets
import numpy as np
from IPython.display import HTML, display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

DPI = 144
SHOWN_DPI = 100  # less than DPI, so that pictures are sharp on fine screens
PLAY_INTERVAL = 500  # milliseconds between two frames that a Play button shows; drawing one takes less
_LOOK = {"style": {"description_width": "16em"}, "layout": {"width": "36em", "max_width": "100%"}}  # of sliders


@dataclass(frozen=True)
class Picture:
    """A PNG and its alternative text. A notebook displays it if it is the last line of a cell."""

    png: bytes
    alt: str
    width: int | None = None  # pixels on the screen; None for the file's own

    @classmethod
    def of(cls, figure: Figure, alt: str, bits: int | None = None) -> "Picture":
        """Return the picture of a matplotlib figure. A line break in `alt` counts as a space.

        With 5 `bits` for each colour the file of a video frame has half the size.
        """
        figure.set_dpi(DPI)
        canvas, buffer = FigureCanvasAgg(figure), io.BytesIO()
        canvas.draw()  # once; `savefig` draws a figure with a layout twice
        drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        if bits:
            step = 255 / (2**bits - 1)
            drawn = drawn.point(lambda value: round(round(value / step) * step))
        drawn.save(buffer, format="png", compress_level=4)  # in half the time of level 6, for 5% more bytes
        return cls(buffer.getvalue(), " ".join(alt.split()), round(figure.get_figwidth() * SHOWN_DPI))

    def to_html(self) -> str:
        """Return the picture as an HTML element, for widgets."""
        data, width = base64.b64encode(self.png).decode(), f'width="{self.width}" ' if self.width else ""
        return f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt)}" {width}style="max-width: 100%">'

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        # A terminal, a diff of the notebook and nbval see the text.
        data = {"image/png": base64.b64encode(self.png).decode(), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt} | ({"width": self.width} if self.width else {})}


def show(picture: Figure | bytes, alt: str) -> None:
    """Display a matplotlib figure or the bytes of a PNG file, with its alternative text."""
    display(Picture.of(picture, alt) if isinstance(picture, Figure) else Picture(picture, alt))


def source(function: Callable[..., Any]) -> HTML:
    """Return the source of a function without its docstring, for a notebook that explains it in its own words."""
    text = textwrap.dedent(inspect.getsource(function))
    lines = text.splitlines()
    first = ast.parse(text).body[0].body[0]
    if ast.get_docstring(ast.parse(text).body[0]):
        del lines[first.lineno - 1 : first.end_lineno]
    # Pages and editors differ in their defaults: dark ones write in white, and JupyterLab breaks lines within words.
    look = "padding: 0.6em; color: black; font: 0.72rem/1.4 monospace; white-space: pre; overflow-x: auto"
    return HTML(highlight("\n".join(lines), PythonLexer(), HtmlFormatter(noclasses=True, prestyles=look)))


def slider(label: str, low: float, high: float, step: float, start: float) -> ipywidgets.Widget:
    """Return a slider for a number that a picture depends on; four whole numbers give whole numbers."""
    whole = all(isinstance(value, int) for value in (low, high, step, start))
    limits = {"value": start, "min": low, "max": high, "step": step, "description": label, "tooltip": label, **_LOOK}
    if whole:
        return ipywidgets.IntSlider(**limits)
    return ipywidgets.FloatSlider(**limits, readout_format=f".{len(f'{step:g}'.partition('.')[2])}f")


def choice(label: str, options: tuple[str, ...], start: str) -> ipywidgets.Widget:
    """Return a drop-down list for a word that a picture depends on."""
    return ipywidgets.Dropdown(value=start, options=options, description=label, tooltip=label, **_LOOK)


class Explorer(ipywidgets.VBox):
    """Sliders above the picture that they redraw. Without a kernel, the picture of the starting values shows.

    Args:
        picture: returns a `Picture`; called with the sliders' values by name.
        played: name of the slider that a Play button moves; "" for no button. Keys still move the slider.
        sliders: a `slider` or `choice` for each parameter of `picture`.
    """

    def __init__(self, picture: Callable[..., Picture], *, played: str = "", **sliders: ipywidgets.Widget) -> None:
        self.picture, self.played, self.sliders = picture, played, sliders
        self.fallback = self.draw()
        self.view = ipywidgets.HTML(self.fallback.to_html())
        for widget in sliders.values():
            widget.observe(self._redraw, names="value")
        super().__init__([*([self._play_button(sliders[played])] if played else []), *sliders.values(), self.view])

    def _play_button(self, moved: ipywidgets.Widget) -> ipywidgets.Play:
        """Return a Play button that moves a slider, and starts from where the slider is."""
        limits = {name: getattr(moved, name) for name in ("min", "max", "step", "value")}
        self.play = ipywidgets.Play(**limits, interval=PLAY_INTERVAL, description=f"Play {moved.description}")
        # Linked in the kernel, not in the browser, so that the slider stands where the picture is.
        ipywidgets.link((self.play, "value"), (moved, "value"))
        return self.play

    def draw(self) -> Picture:
        """Return the picture of the sliders' present values."""
        return self.picture(**{name: widget.value for name, widget in self.sliders.items()})

    def _redraw(self, _change: Any) -> None:
        self.view.value = self.draw().to_html()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self.fallback._repr_mimebundle_()
        return {**super()._repr_mimebundle_(**kwargs), **data}, metadata
