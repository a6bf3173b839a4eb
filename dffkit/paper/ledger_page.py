"""The ledger as tables: a line for each verdict, and the counts; `markdown` is the page data/claims.md."""

import collections
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from dffkit.paper import claims, verdicts
from dffkit.paper.tables import markdown_table
from dffkit.paper.verdicts import Finding

HEADS = ["claim", "place", "says", "printed", "authors'", "ours", "verdict"]
PAGE = """# The ledger

What *Deep Feature Flow for Video Recognition*, its authors' repository and their talk say, and what this kit gets.
Numbers of a size that no laptop can train are "in small": of narrow networks on rendered worlds, *the drive* (a street
seen from a moving car) and *the films* (a camera that follows an animal or a vehicle). An order has the difference in
points, with its 95% interval and the number of trainings; where the interval has 0 in it, it is not resolved.

`python -m dffkit claims` computes these verdicts anew and says what turned. `python -m dffkit claims ID` shows how one
came about: recipe, seeds, commits, machines, hours.

{counts}

## Results

{results}

## Conventions

{conventions}
"""


def path() -> Path:
    """Return the page's file, data/claims.md, beside the verdicts."""
    return verdicts.FILE.with_name("claims.md")


def rows(found: Iterable[Finding], conventions: bool, longest: int | None = None) -> list[list[str]]:
    """Return a line of heads, and a line for each finding on a convention, or else for each on another claim.

    Findings of one claim come one after the other. A claim's words are cut off after `longest` characters.
    """
    lines, last = [HEADS], ""
    for each in found:
        claim = claims.find(each.claim)
        if (claim.kind == "convention") != conventions:
            continue
        says = claim.claim if longest is None else textwrap.shorten(claim.claim, longest, placeholder=" ...")
        head = [claim.id, claim.place, says, verdicts.printed(claim), claim.words(claim.authors)]
        verdict = f"{each.world}: {each.verdict}" if each.world else each.verdict
        lines.append([*(head if each.claim != last else [""] * len(head)), each.ours, verdict])
        last = each.claim
    return lines


def counts(found: Iterable[Finding]) -> list[list[str]]:
    """Return a line of heads, and for each kind the number of its claims and how many findings have which verdict."""
    number = collections.Counter((claims.find(each.claim).kind, each.verdict) for each in found)
    kinds = collections.Counter(claim.kind for claim in claims.claims().values())
    lines = [["kind", "claims", "verdicts"]]
    for kind in claims.KINDS:
        verdict = [f"{word} {count}" for (each, word), count in number.items() if each == kind]
        lines.append([kind, str(kinds[kind]), ", ".join(verdict)])
    return lines


def markdown(found: Sequence[Finding]) -> str:
    """Return the page: counts, then all claims with their tolerance and the command that gets ours again."""
    tables = {
        name: markdown_table(_with_commands(rows(found, name == "conventions"))) for name in ("results", "conventions")
    }
    return PAGE.format(counts=markdown_table(counts(found)), **tables)


def _with_commands(lines: list[list[str]]) -> list[list[str]]:
    """Return lines of `rows` with two columns more, and the claim's id as code."""
    heads, *rest = lines
    found = [[*heads, "may be off by", "again"]]
    for identity, *cells in rest:
        if not identity:
            found.append([identity, *cells, "", ""])
            continue
        claim = claims.find(identity)
        command = verdicts.command(claim)
        again = ", ".join(f"`{each}`" for each in command.split("; ")) if command else claim.instead
        limit = "" if claim.limit is None or claim.kind == "shape" else str(claim.limit)
        found.append([f"`{identity}`", *cells, limit, again])
    return [[cell.replace("|", "\\|") for cell in line] for line in found]
