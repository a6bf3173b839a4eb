"""The paper's claims, as data/claims.toml has them: what is printed, where, and how this kit gets its own."""

import dataclasses
import functools
import tomllib
from collections.abc import Iterator
from typing import Any

from dffkit.support.errors import DataError
from dffkit.support.files import root

KINDS = ("exact", "by-construction", "shape", "scale-bound", "convention")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim; the head of data/claims.toml says what the fields mean."""

    id: str
    kind: str
    claim: str
    place: str
    paper: Any = None
    authors: Any = None
    digits: int | None = None
    limit: float | None = None
    how: str = ""
    of: tuple = ()
    test: str = ""
    code: str = ""
    section: str = ""
    recipes: tuple[str, ...] = ()
    command: str = ""
    instead: str = ""
    source: str = ""
    takes: str = ""

    def words(self, value: Any) -> str:
        """Return a value of the claim as text, numbers with its decimal places."""
        if value is None:
            return ""
        if isinstance(value, list | tuple):
            return ", ".join(map(self.words, value))
        return f"{value:.{self.digits}f}" if self.digits is not None else str(value)


@functools.cache
def claims() -> dict[str, Claim]:
    """Return all claims by id, in the file's order."""
    text = (root() / "data" / "claims.toml").read_text(encoding="utf-8-sig")
    cells = [fields for group in tomllib.loads(text)["group"] for fields in _cells(group)]
    return {fields["id"]: Claim(**fields) for fields in cells}


def find(claim_id: str) -> Claim:
    """Return a claim; raise `DataError` naming ids that contain the same word if there is none."""
    if claim_id in claims():
        return claims()[claim_id]
    close = [known for known in claims() if claim_id in known] or sorted({each.split(".")[0] for each in claims()})
    raise DataError(f"claim: no {claim_id!r}; there are {', '.join(close)}. python -m dffkit claims --all lists them")


def printed(how: str) -> dict[tuple, Any]:
    """Return the paper's numbers whose counterpart a function gives, by the function's arguments."""
    return {claim.of: claim.paper for claim in claims().values() if claim.how == how}


def _cells(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the fields of each claim of a group."""
    shared = {name: value for name, value in group.items() if name not in ("cells", "rows", "columns")}
    cells = list(group.get("cells", ()))
    for row in group.get("rows", ()):
        numbers = row.get("paper", [None] * len(group["columns"]))
        for column, number in zip(group["columns"], numbers, strict=True):
            joined = {"id": f"{row['id']}.{column['id']}", "claim": f"{row['claim']}: {column['claim']}"}
            of = [*column["of"], *row.get("of", [row["claim"]])]
            cells.append(column | row | joined | {"of": of, "paper": number})
    for cell in cells:
        fields = shared | cell | {"id": f"{group['id']}.{cell['id']}"}
        yield {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
