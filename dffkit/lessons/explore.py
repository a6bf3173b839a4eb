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
from typing import TYPE_CHECKING, Any, NamedTuple

import ipywidgets
from IPython.display import HTML, display
from matplotlib.figure import Figure
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

if TYPE_CHECKING:
    import pandas
    from pandas.io.formats.style import Styler

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


def word_table(frame: "pandas.DataFrame") -> "Styler":
    """A table of words for a notebook, left-aligned and whole, without its index; the same HTML on every run."""
    left = {"selector": "th, td", "props": [("text-align", "left")]}
    # A fixed identifier: pandas would draw a random one, and the stored output would differ from run to run.
    return frame.style.set_uuid("words").set_table_styles([left]).hide(axis="index")
