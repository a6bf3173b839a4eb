"""Three paths through the notebooks, with minutes counted from the notebooks themselves.

The heading of each section ends in "· core" or "· optional". A subsection without a mark is what its section is, and a
section without a mark is optional.
"""

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat
import pandas
from IPython.display import Markdown

from dffkit.support.files import find_notebooks, root

WORDS_A_MINUTE = 200
METHOD = ("00", "01", "02", "03", "04")  # notebooks that half a day reads as a whole; of the others it reads the core
HEADING = re.compile(r"^(#{1,3}) (.+?)(?: · (core|optional))?$", re.MULTILINE)
CODE = re.compile(r"```.*?```", re.DOTALL)
HINTS = re.compile(r"<details>\s*<summary>(?:Hint \d|Solution)</summary>.*?</details>", re.DOTALL)
EXERCISE = re.compile(r"^\*Difficulty: .*?(\d+) minutes", re.MULTILINE)


def three_paths() -> Markdown:
    """Return a table: each notebook with its question, its core sections, and the minutes of each path in it."""
    counted = minutes()
    lines = [f"| notebook | core | {' | '.join(counted)} |", "| --- | --- | --: | --: | --: |"]
    for path in find_notebooks(root() / "notebooks"):
        title, question = title_and_question(nbformat.read(path, as_version=4).cells[0].source)
        times = " | ".join(_clock(time) if time else "–" for time in counted.loc[path.name[:2]])
        lines.append(f"| [{title}]({path.name}): {question} | {', '.join(numbered_core(path))} | {times} |")
    total = " | ".join(f"**{_clock(time)}**" for time in counted.sum())
    return Markdown("\n".join([*lines, f"| **together** | | {total} |"]))


def minutes() -> pandas.DataFrame:
    """Return the minutes that each path takes in each notebook: reading, exercises, and the run time in its head.

    Index: the notebook's number. Columns: "60 minutes" (the core without exercises), "half a day", "all".
    """
    lines = {}
    for path in find_notebooks(root() / "notebooks"):
        every, number, run = parts(path), path.name[:2], run_seconds(path) / 60
        core = every[every.core]
        chosen = (core.assign(exercises=0), every if number in METHOD else core, every)
        times = [part.read.sum() / WORDS_A_MINUTE + part.exercises.sum() for part in chosen]
        lines[number] = [time and time + run for time in times]
    return pandas.DataFrame.from_dict(lines, "index", columns=["60 minutes", "half a day", "all"])


def parts(path: Path) -> pandas.DataFrame:
    """Return a line for each heading of a notebook, for what stands between it and the next heading.

    Columns: `section` (the heading of level 2, or "" above the first), `core`, `words` (of Markdown, without code),
    `read` (words, with code cells, without exercises), `exercises` (minutes). A notebook's head is core if any of its
    sections is.
    """
    lines: list[dict] = []
    section = whole = ""
    for text, is_code in _texts(path):
        heading = None if is_code else HEADING.match(text)
        if heading:
            level, title, mark = heading.groups()
            if level != "###":
                section, whole = (title, mark) if level == "##" else ("", mark)
            lines.append({"section": section, "core": (mark or whole) == "core", "words": 0, "read": 0, "exercises": 0})
        lines[-1]["words"] += 0 if is_code else len(text.split())
        lines[-1]["read"] += 0 if EXERCISE.search(text) else len(HINTS.sub("", text).split())
        lines[-1]["exercises"] += sum(map(int, EXERCISE.findall(text)))
    found = pandas.DataFrame(lines)
    return found.assign(core=found.core | ((found.section == "") & found.core.any()))


def numbered_core(path: Path) -> list[str]:
    """Return the numbers of a notebook's core sections."""
    found = parts(path)
    return [match[1] for title in found[found.core].section.unique() if (match := re.match(r"(\d+)\.? ", title))]


def run_seconds(path: Path) -> int:
    """Return the measured run time that a notebook's head states."""
    head = nbformat.read(path, as_version=4).cells[0].source
    return int(re.search(r"^\| \*\*Takes\*\* \|.*?(\d+) s\b", head, re.MULTILINE)[1])


def title_and_question(text: str) -> tuple[str, str]:
    """Return a notebook's title and question from its first cell.

    Raises:
        ValueError: if the cell has no `# Title` or no paragraph that begins with `**The question.**`.
    """
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    question = re.search(r"\*\*The question\.\*\*\s*(.+?)(?:\n\s*\n|\Z)", text, re.DOTALL)
    if not title or not question:
        raise ValueError(f"expected a '# Title' and a '**The question.**', got {text[:80]!r}")
    return title[1], " ".join(question[1].split())


def _texts(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield a notebook's prose in pieces that begin at headings, each with False, and its code with True."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            yield cell.source, True
            continue
        text = CODE.sub("", cell.source)
        starts = [heading.start() for heading in HEADING.finditer(text)]
        for start, end in pairwise([*dict.fromkeys([0, *starts]), len(text)]):
            yield text[start:end], False


def _clock(time: float) -> str:
    """Return minutes in words that stay on one line; from two hours on, in quarters of an hour."""
    return (
        f"{math.ceil(time)}\N{NO-BREAK SPACE}min" if time < 120 else f"{math.ceil(time / 15) / 4:g}\N{NO-BREAK SPACE}h"
    )
