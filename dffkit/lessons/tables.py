"""Tables of notebooks: plain headings, left-aligned words, no index, no NaN; too wide ones scroll, others fold."""

import html
from collections.abc import Mapping, Sequence

import pandas

SHORT = 20  # characters; a cell with no more stays on one line
WHOLE, BROKEN = "white-space: nowrap", "min-width: 10em"  # a column of long cells keeps about three words a line


class Table:
    """A table that Jupyter shows as HTML, and as aligned text where there is no HTML.

    Attributes:
        caption: a line above it, or "".
        heads: a heading for each column.
        rows: cells as text.
        numeric: for each column, whether its cells are numbers, which are right-aligned.
        fold: a line that opens the table when it is clicked, or "" for a table that is open.
    """

    def __init__(
        self,
        caption: str,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        numeric: Sequence[bool],
        fold: str = "",
    ):
        self.caption, self.heads, self.rows, self.numeric, self.fold = caption, heads, rows, numeric, fold

    def _repr_html_(self) -> str:
        def line(tag: str, cells: Sequence[str]) -> str:
            sides = ("right" if number else "left" for number in self.numeric)
            written = (
                f'<{tag} style="text-align: {side}; {_look(tag, cell)}">{html.escape(cell)}</{tag}>'
                for side, cell in zip(sides, cells, strict=True)
            )
            return f"<tr>{''.join(written)}</tr>"

        caption = f'<caption style="text-align: left">{html.escape(self.caption)}</caption>' if self.caption else ""
        body = "\n".join(line("td", row) for row in self.rows)
        head = f"<thead>{line('th', self.heads)}</thead>"
        shown = f'<div style="overflow-x: auto">\n<table>{caption}{head}<tbody>\n{body}\n</tbody></table>\n</div>'
        if not self.fold:
            return shown
        return f'<details><summary style="cursor: pointer">{html.escape(self.fold)}</summary>\n{shown}\n</details>'

    def __repr__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(row, widths, self.numeric, strict=True)
            ).rstrip()
            for row in (self.heads, *self.rows)
        ]
        return "\n".join([*filter(None, (self.fold, self.caption)), *lines])


def _look(tag: str, cell: str) -> str:
    if tag == "th":  # breaks where the page is narrow, so that more columns fit
        return "vertical-align: bottom; white-space: normal"
    return f"vertical-align: top; {WHOLE if len(cell) <= SHORT else BROKEN}"


def table(
    frame: pandas.DataFrame,
    heads: Mapping[str, str] | None = None,
    *,
    digits: int | Mapping[str, int] = 1,
    caption: str = "",
    fold: str = "",
) -> Table:
    """Return a table for a notebook.

    Args:
        frame: its columns; an index is not shown.
        heads: column -> heading with its unit, in the order shown; other columns are left out. By default all columns,
            with their names.
        digits: decimal places of numbers, for all columns or by column.
        caption: a line above the table.
        fold: a line that the table is folded behind.

    Raises:
        KeyError: if `heads` names a column that the frame lacks.
    """
    heads = {name: str(name) for name in frame} if heads is None else dict(heads)
    shown = frame[list(heads)]
    places = digits if isinstance(digits, Mapping) else dict.fromkeys(heads, digits)
    columns = [[_cell(value, places.get(name, 1)) for value in shown[name]] for name in heads]
    numeric = [pandas.api.types.is_numeric_dtype(shown[name]) and shown[name].dtype != bool for name in heads]
    return Table(caption, list(heads.values()), list(zip(*columns, strict=True)), numeric, fold)


def _cell(value: object, digits: int) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str) and pandas.isna(value):
        return ""
    return f"{value:z.{digits}f}" if isinstance(value, float) else str(value)  # z: 0.0 for -0.0
