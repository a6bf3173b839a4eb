"""The ledger of the paper's numbers (data/claims.toml), each beside ours."""

import functools
import tomllib
from typing import TYPE_CHECKING

from dffkit import complexity
from dffkit.support.repository import root

if TYPE_CHECKING:
    import pandas


def table() -> "pandas.DataFrame":
    """Every claim with our number: columns claim, place, paper, ours, source, the numbers as they are printed.

    `source` is "recomputed" where the number was computed just now, and "read" where it comes from a stored result
    (data/results), whose row tells the run behind it.
    """
    import pandas

    rows = []
    for entry in ledger():
        ours = FUNCTIONS[entry["ours"]](*entry["of"])
        digits = 3 if entry["paper"] < 1 else 2
        values = {"paper": f"{entry['paper']:.{digits}f}", "ours": f"{ours:.{digits}f}"}
        rows.append({"claim": entry["claim"], "place": entry["place"], **values, "source": entry["source"]})
    return pandas.DataFrame(rows)


def ledger() -> list[dict]:
    """The entries of data/claims.toml, in its order."""
    return tomllib.loads((root() / "data" / "claims.toml").read_text(encoding="utf-8"))["claim"]


def printed(ours: str) -> dict[tuple[str | int, ...], float]:
    """The paper's numbers that one function answers to, by its arguments."""
    return {tuple(entry["of"]): entry["paper"] for entry in ledger() if entry["ours"] == ours}


def benchmark() -> "pandas.DataFrame":
    """The stored benchmark, one row a measurement; each row names its machine, commit and date."""
    import pandas

    return pandas.read_csv(root() / "data" / "results" / "benchmark.csv")


def _inverse_ratio(features: str, flow: str) -> float:
    return _table2().loc[(features, flow), "inverse"]


def _measured(task: str, features: str, flow: str, duration: int, column: str) -> float:
    wanted = {"precision": "float32", "task": task, "features": features, "flow": flow, "duration": duration}
    return benchmark().set_index(list(wanted)).loc[tuple(wanted.values()), column].item()


@functools.cache
def _table2() -> "pandas.DataFrame":
    return complexity.table2().set_index(["features", "flow"])


FUNCTIONS = {"inverse_ratio": _inverse_ratio, "measured": _measured}
