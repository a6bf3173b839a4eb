"""The ledger of the paper's numbers (data/claims.toml), each beside ours."""

import functools
import tomllib

import pandas

from dffkit import complexity
from dffkit.support.repository import root


def table() -> pandas.DataFrame:
    """Every claim with our number: columns `claim`, `place`, `paper`, `ours`, `source`; numbers as text.

    `source` is "recomputed" for a number computed just now, and "read" for one from a stored result (data/results),
    whose row names the run behind it.
    """
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
    """The paper's numbers beside the results of one of `FUNCTIONS`, by the function's arguments."""
    return {tuple(entry["of"]): entry["paper"] for entry in ledger() if entry["ours"] == ours}


def benchmark() -> pandas.DataFrame:
    """The stored benchmark, one row a measurement, with its machine, commit and date."""
    return pandas.read_csv(root() / "data" / "results" / "benchmark.csv")


def _inverse_ratio(features: str, flow: str) -> float:
    return _table2().loc[(features, flow), "inverse"]


def _measured(task: str, features: str, flow: str, duration: int, column: str) -> float:
    wanted = {"precision": "float32", "task": task, "features": features, "flow": flow, "duration": duration}
    return benchmark().set_index(list(wanted)).loc[tuple(wanted.values()), column].item()


@functools.cache
def _table2() -> pandas.DataFrame:
    return complexity.table2().set_index(["features", "flow"])


FUNCTIONS = {"inverse_ratio": _inverse_ratio, "measured": _measured}
