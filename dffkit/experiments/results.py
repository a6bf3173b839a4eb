"""Result tables, `data/results/*.csv`: rows come one run at a time, from processes that may be killed at any moment."""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from dffkit.support import files
from dffkit.support.files import locked

# What makes a row the same measurement; a table need not have all of them.
KEY = ("hash", "world", "seed", "split", "duration", "metric", "subset")


def add(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows to a table; one that measures the same as an old row takes its place.

    The table is written anew and renamed into place, so it never has a part of a row. Several processes may add at
    the same time.
    """
    new = [{name: str(value) for name, value in row.items()} for row in rows]
    with locked(path.parent):
        write(path, {_key(row): row for row in [*read(path), *new]}.values())


def remove(path: Path, **values: Any) -> None:
    """Remove the rows that have these values."""
    with locked(path.parent):
        rows = read(path)
        kept = [row for row in rows if any(row.get(name) != str(value) for name, value in values.items())]
        if len(kept) < len(rows):
            write(path, kept)


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table, as text; none if there is no table."""
    if not path.exists():
        return []
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def write(path: Path, rows: Collection[Mapping[str, Any]]) -> None:
    """Write a whole table, in place of the old one if there is one."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write(path, text.getvalue())


def _key(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row.get(name, "") for name in KEY)
