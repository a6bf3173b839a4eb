"""Numbers typed into prose: each needs a claim, a stored result or a stated reason behind it.

Prose is README.md, data/README.md, the pages and Markdown cells of the notebooks, and the texts of their pictures. A
number counts with a unit: %, points, times, a time, a size. Code, formulae and blocks that a command writes are left
out.
"""

import csv
import fnmatch
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dffkit.paper.claims import claims
from dffkit.support.files import find_notebooks, root

STATED = "stated_numbers.csv"  # in data/: columns file, number, why
UNITS = "%|points?|times|ms|s|seconds?|minutes?|hours?|days?|[KMG]i?B|fps|frames (?:a|per) second|GFLOPs?|GMACs?"
ONE = r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?"
NUMBER = re.compile(rf"{ONE}(?:(?:\s*[–/-]\s*|\s+(?:to|or|and)\s+){ONE})*(?:\s+|-)?(?:{UNITS})(?!\w)")
GENERATED = re.compile(r"<!-- (\w+): begin.*?<!-- \1: end[^>]*-->", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$|\]\([^)]*\)|<[^>]*>", re.DOTALL)
PICTURE = re.compile(r'alt=(?:"""(.*?)"""|"([^"]*)")', re.DOTALL)


class Orphan(NamedTuple):
    """A number in prose with nothing behind it: the file, the number with its unit, and the words around it."""

    file: str
    number: str
    context: str


def find() -> list[Orphan]:
    """Return the numbers in prose that neither a claim, a result nor a line of data/stated_numbers.csv covers."""
    stated, found = read_stated(), []
    known = {number for claim in claims().values() for value in (claim.paper, claim.authors)
             for number in _decimals(claim.words(value))}  # fmt: skip
    for file, prose, results in _documents():
        covered = known | results
        for match in NUMBER.finditer(prose):
            number = " ".join(match.group().split())
            values = re.findall(ONE, number)
            if not any(_fits(row, file, number) for row in stated) and not all(each in covered for each in values):
                around = prose[max(0, match.start() - 40) : match.end() + 20]
                found.append(Orphan(file, number, " ".join(around.split())))
    return found


def unused() -> list[str]:
    """Return a line for each row of data/stated_numbers.csv that no number fits."""
    have = [(file, " ".join(number.split())) for file, prose, _ in _documents() for number in NUMBER.findall(prose)]
    return [f"{row['file']}: {row['number']}" for row in read_stated() if not any(_fits(row, *each) for each in have)]


def read_stated() -> list[dict[str, str]]:
    """Return the rows of data/stated_numbers.csv: files and numbers, with the wildcards of file names, and why."""
    with (root() / "data" / STATED).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _fits(row: dict[str, str], file: str, number: str) -> bool:
    return fnmatch.fnmatchcase(file, row["file"]) and fnmatch.fnmatchcase(number, row["number"])


def _documents() -> Iterator[tuple[str, str, set[str]]]:
    """Yield a file's path, its prose, and the decimal numbers that it shows as results: in tables and outputs."""
    pages = sorted(path.relative_to(root()).as_posix() for path in (root() / "notebooks" / "pages").glob("*.md"))
    for name in ("README.md", "data/README.md", *pages):
        text = (root() / name).read_text(encoding="utf-8")
        tables = " ".join(match.group() for match in GENERATED.finditer(text))
        yield name, CODE.sub(" ", GENERATED.sub(" ", text)), _decimals(tables)
    for path in find_notebooks(root() / "notebooks"):
        prose, outputs = _cells(path)
        yield f"notebooks/{path.name}", CODE.sub(" ", prose), _decimals(outputs)


def _cells(path: Path) -> tuple[str, str]:
    """Return a notebook's prose, with the texts of its pictures, and its outputs as text."""
    prose, outputs = [], []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            prose.append(source)
        else:
            prose += ["".join(found) for found in PICTURE.findall(source)]
            for output in cell.get("outputs", []):
                outputs += ["".join(output.get("text", "")), "".join(output.get("data", {}).get("text/plain", ""))]
    return "\n\n".join(prose), "\n".join(outputs)


def _decimals(text: str) -> set[str]:
    return set(re.findall(r"\d+\.\d+", text))
