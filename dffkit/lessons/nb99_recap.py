"""Notebook 99: the method in one picture, and where each equation is in the code, the notebooks and the tests."""

import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import matplotlib.pyplot as plt
import nbformat
from IPython.display import Markdown

from dffkit.lessons.explore import Picture
from dffkit.paper.boxes import CARRIED, CHEAP, EXPENSIVE, Box, draw_arrow, draw_box, sheet
from dffkit.paper.claims import Claim, claims
from dffkit.paper.style import styled
from dffkit.paper.tables import markdown_table
from dffkit.support.files import find_notebooks, root

METHOD = """The way of a frame i to its result. Above, the key frame k goes through the costly network N_feat, which
gives its features. Below, both frames go through the cheap network F, with cost ratio r by Eq. 5 and 6, which gives
flow and scale field. Features and fields meet in the warp W, Eq. 1 to 3, with its derivative, Eq. 4. N_task makes the
result. Key frames come by Algorithm 1, and Eq. 7 gives the speedup."""


@styled
def method() -> Picture:
    """Return a picture of a propagated frame's way to its result, with the equation of each part."""
    figure, axes = sheet(1.7)
    key, current = Box(0.7, 1.4, 1.3, 0.45), Box(0.7, 0.3, 1.3, 0.45)
    n_feat, flow = Box(2.55, 1.4, 1.5, 0.5), Box(2.55, 0.3, 1.5, 0.5)
    features, fields = Box(4.4, 1.4, 1.4, 0.45), Box(4.4, 0.3, 1.4, 0.5)
    warp, task = Box(6.0, 0.85, 1.2, 0.5), Box(7.4, 0.85, 1.1, 0.5)
    draw_box(axes, key, "key frame k")
    draw_box(axes, current, "current frame i")
    draw_box(axes, n_feat, "N_feat: costly,\non key frames only", EXPENSIVE)
    draw_box(axes, flow, "F: cheap,\nr by Eq. 5 and 6", CHEAP)
    draw_box(axes, features, "features of k", CARRIED)
    draw_box(axes, fields, "flow M(i→k) and\nscale S(i→k)")
    draw_box(axes, warp, "W: Eq. 1, 2, 3\nback: Eq. 4", CHEAP)
    draw_box(axes, task, "N_task:\nresult of i", CHEAP)
    arrows = ((key, n_feat), (n_feat, features), (key, flow), (current, flow), (flow, fields), (features, warp))
    for start, end in (*arrows, (fields, warp), (warp, task)):
        draw_arrow(axes, start, end)
    axes.text(0.05, 0.85, "Algorithm 1: every\nl-th frame is a key", va="center", fontsize=9, style="italic")
    axes.text(5.4, 0.3, "speedup: Eq. 7", va="center", fontsize=9, style="italic")
    plt.close(figure)
    return Picture.of(figure, METHOD)


def equation_map() -> Markdown:
    """Return a table of the claims in data/claims.toml that say where they are to be read: a line for each."""
    lines = [["paper", "what it says", "code", "section", "proved in"]]
    for claim in mapped():
        place, shown = claim.place.replace(" ", "\u00a0"), (f"[{text}]({target})" for text, target in links(claim))
        lines.append([place, claim.claim, *shown])
    return Markdown(markdown_table(lines))


def mapped() -> list[Claim]:
    """Return the claims with code and section, in the ledger's order."""
    return [claim for claim in claims().values() if claim.code]


def links(claim: Claim) -> Iterator[tuple[str, str]]:
    """Yield text and target of a claim's code, section and test; targets are relative to the folder `notebooks`."""
    name = claim.code.partition(":")[2]
    file = Path(inspect.getfile(pkgutil.resolve_name(claim.code))).resolve().relative_to(root())
    yield f"`{name}`", f"../{file.as_posix()}#{name}"
    number, section = claim.section.split(", ")
    (path,) = find_notebooks(root() / "notebooks", (number,))
    anchor = quote(re.sub("[*`]", "", heading(path, section)).replace(" ", "-"))
    yield f"{number}\u00a0§\u00a0{section}", f"{path.name}#{anchor}"
    test, _, name = claim.test.partition("::")
    yield Path(test).stem, f"../{test}#{name}"


def heading(path: Path, section: str) -> str:
    """Return the heading of a notebook's section, which begins with its number.

    Raises:
        ValueError: if not exactly one heading does.
    """
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    found = re.findall(rf"^## ({section}\b.*)$", text, re.MULTILINE)
    if len(found) != 1:
        raise ValueError(f"section: expected one heading '## {section} ...' in {path.name}, got {found}")
    return found[0]
