"""Widgets that work without a kernel: pictures drawn in advance, and sliders that swap them."""

import ast
import html
import io
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ipywidgets import Dropdown, Widget
from nbformat import NotebookNode
from PIL import Image

from dffkit.commands.notebooks import global_names
from dffkit.lessons.explore import Explorer, Picture
from dffkit.support import files
from dffkit.support.machine import use_threads

QUALITY = 80  # of WebP for pictures with video frames
LINE_ART = 4096  # colours; pictures with fewer are smaller without loss


def is_widget(node: ast.AST) -> bool:
    """Return True for a call of a function named `..._explorer` that stands alone."""
    call = node.value if isinstance(node, ast.Expr) else None
    name = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
    return name.endswith("_explorer")


def needed_statements(notebook: NotebookNode) -> list[tuple[int, ast.stmt]]:
    """Return the statements that make a notebook's widgets, in order, each with the number of its cell.

    These are the widgets and each statement above that binds a name which they use, directly or through others.
    """
    cells = ((n, cell) for n, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    statements = [(n, node) for n, cell in cells for node in ast.parse(cell.source).body]
    needed, used = [], set()
    for n, node in reversed(statements):
        bound, uses = global_names(ast.unparse(node))
        if is_widget(node) or bound & used:
            needed.append((n, node))
            used |= uses
    return needed[::-1]


def widgets_of(notebook: NotebookNode) -> Iterator[tuple[int, Explorer]]:
    """Yield a notebook's widgets, each with the number of its cell, and run only the statements that they need."""
    names: dict[str, Any] = {}
    for n, node in needed_statements(notebook):
        if is_widget(node):
            yield n, eval(compile(ast.Expression(node.value), f"cell {n}", "eval"), names)
        else:
            exec(compile(ast.Module([node], []), f"cell {n}", "exec"), names)


def positions(explorer: Explorer, limit: int) -> list[list[Any]]:
    """Return the values of each slider for which a picture is drawn, at most `limit` pictures in all.

    The longest slider gets every second value until they are few enough. Its ends and its start always stay.
    """
    ranges = [_values(slider) for slider in explorer.sliders.values()]
    starts = [slider.value for slider in explorer.sliders.values()]
    strides = [1] * len(ranges)

    def chosen() -> list[list[Any]]:
        kept = zip(ranges, strides, starts, strict=True)
        return [[v for i, v in enumerate(each) if i % n == 0 or v in (each[-1], start)] for each, n, start in kept]

    while math.prod(map(len, chosen())) > limit and any(map(_can_thin, ranges, strides)):
        longest = max(range(len(ranges)), key=lambda i: len(chosen()[i]) * _can_thin(ranges[i], strides[i]))
        strides[longest] *= 2
    return chosen()


def _can_thin(values: list[Any], stride: int) -> bool:
    return not isinstance(values[0], str) and stride < len(values)


def _values(slider: Widget) -> list[Any]:
    """Return all values of a slider or of a list of words."""
    if isinstance(slider, Dropdown):
        return list(slider.options)
    count = round((slider.max - slider.min) / slider.step)
    return [round(slider.min + i * slider.step, 6) for i in range(count + 1)]


def draw_notebook(notebook: NotebookNode, folder: Path, address: str, limit: int) -> dict[int, str]:
    """Draw the pictures of a notebook's widgets into `folder`, and return the HTML of each by the number of its cell.

    Args:
        notebook: the notebook.
        folder: gets one folder for each widget, named after its cell.
        address: the folder's, as seen from the notebook's page.
        limit: the largest number of pictures, which the widgets share evenly.
    """
    use_threads(1)
    each = limit // sum(is_widget(node) for _, node in needed_statements(notebook))
    return {n: draw(widget, folder / str(n), f"{address}/{n}", each) for n, widget in widgets_of(notebook)}


def draw(explorer: Explorer, folder: Path, address: str, limit: int) -> str:
    """Draw a widget's pictures, named by the numbers of its sliders' positions, and return its HTML."""
    chosen, texts = positions(explorer, limit), {}
    start = [slider.value for slider in explorer.sliders.values()]
    for numbers in itertools.product(*(range(len(values)) for values in chosen)):
        values = [each[i] for each, i in zip(chosen, numbers, strict=True)]
        picture = explorer.picture(**dict(zip(explorer.sliders, values, strict=True)))
        name = "-".join(map(str, numbers))
        files.write(folder / f"{name}.webp", to_webp(picture))
        texts[name] = picture.alt
        if values == start:
            first = f'<img src="{address}/{name}.webp" alt="{html.escape(picture.alt)}" width="{picture.width}">'
    controls = "".join(map(_control, explorer.sliders.values(), chosen))
    of_all = math.prod(len(_values(slider)) for slider in explorer.sliders.values())
    note = f"{len(texts)} of {of_all:,} positions, drawn in advance. In JupyterLab the widget has them all."
    note = note if len(texts) < of_all else f"All {of_all} positions, drawn in advance."
    alternatives = json.dumps(texts).replace("<", r"\u003c")  # nothing in it ends the script element
    return (
        f'<figure class="explorer" data-folder="{address}">{controls}{first}<figcaption>{note}</figcaption>'
        f'<script type="application/json">{alternatives}</script></figure>'
    )


def to_webp(picture: Picture) -> bytes:
    """Return a picture as WebP: drawings without loss, pictures with video frames with little."""
    image, buffer = Image.open(io.BytesIO(picture.png)).convert("RGB"), io.BytesIO()
    lossless = image.getcolors(LINE_ART) is not None
    image.save(buffer, format="webp", lossless=lossless, quality=QUALITY, method=2)
    return buffer.getvalue()


def _control(slider: Widget, values: list[Any]) -> str:
    """Return a labelled list of words, or a slider whose positions are the numbers of `values`."""
    label, start = f"<span>{html.escape(slider.description)}</span>", values.index(slider.value)
    if isinstance(slider, Dropdown):
        chosen = (" selected" if i == start else "" for i in range(len(values)))
        options = "".join(
            f"<option{mark}>{html.escape(word)}</option>" for mark, word in zip(chosen, values, strict=True)
        )
        return f"<label>{label}<select>{options}</select></label>"
    shown = [f"{value:g}" for value in values]
    return (
        f'<label>{label}<input type="range" min="0" max="{len(values) - 1}" value="{start}" '
        f'aria-valuetext="{shown[start]}" data-values="{" ".join(shown)}"><output>{shown[start]}</output></label>'
    )
