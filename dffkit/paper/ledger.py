"""The ledger behind tables and figures: our stored scores and speeds, and the paper's numbers (data/claims.toml)."""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas

from dffkit import complexity
from dffkit.experiments import results, speed
from dffkit.experiments.results import CLIPS, EVALUATION, TRAINING, Score
from dffkit.experiments.runs import default_workspace, stored_scores
from dffkit.experiments.scoring import METRIC
from dffkit.experiments.speed import Architecture, Speed
from dffkit.networks.precision import DIFFERENCE
from dffkit.paper.claims import claims, printed  # noqa: F401 - lessons read printed numbers from here
from dffkit.paper.settings import find_setting
from dffkit.scores.differences import Difference, SampledScore, difference
from dffkit.support.errors import DataError
from dffkit.support.files import root
from dffkit.training.recipe import Recipe
from dffkit.training.recipes import AGGREGATION, HANDHELD, REAL, RECIPES

# Ours

T = TypeVar("T")
_READERS: ContextVar[Path | None] = ContextVar("folder of a reader's rows", default=None)
_SOURCES: ContextVar[list[tuple[str, ...]] | None] = ContextVar("sources of what was read", default=None)
_FIELDS = ("recipe_hash", "seed", "commit", "device")  # of a source


def folder() -> Path:
    """Return the folder of the result tables: the kit's, or a reader's inside `reading`."""
    return _READERS.get() or default_workspace().results


@contextlib.contextmanager
def _inside(variable: ContextVar[T], value: T) -> Iterator[T]:
    token = variable.set(value)
    try:
        yield value
    finally:
        variable.reset(token)


def reading(readers: Path | None) -> contextlib.AbstractContextManager:
    """Return a context in which a reader's rows are read, or with None the kit's.

    A reader's rows belong to a recipe by its name, as a training with `--iterations` has another hash. Speeds are the
    kit's if the folder has no `speed.csv`.
    """
    return _inside(_READERS, readers)


def collected_sources() -> contextlib.AbstractContextManager[list[tuple[str, ...]]]:
    """Return a context that collects the sources of all rows that this module reads, for `describe_sources`."""
    return _inside(_SOURCES, [])


def note_source(path: Path, row: str, fields: Mapping[str, Any]) -> None:
    """Add a source, a file's row with its `_FIELDS`, to those of `collected_sources`."""
    file = path.relative_to(root()).as_posix() if path.is_relative_to(root()) else str(path)
    if (found := _SOURCES.get()) is not None:
        found.append((file, row, *(str(fields.get(name, "")) for name in _FIELDS)))


def describe_sources(sources: Sequence[tuple[str, ...]]) -> str:
    """Return a line for each recipe, split and table: its hash, seeds, commits and devices."""
    lines = []
    table = pandas.DataFrame(sources, columns=["file", "row", *_FIELDS])
    for (file, row), each in table.groupby(["file", "row"], sort=False):
        fields = ((name, ", ".join(dict.fromkeys(filter(None, each[name])))) for name in _FIELDS)
        lines.append("; ".join([f"{file}: {row}", *(f"{name} {values}" for name, values in fields if values)]))
    return "\n".join(lines) or "computed from the networks and definitions in the code, without stored rows"


def _scores(recipes: Mapping[str, Recipe], split: str, wanted: Callable[[str, Score], bool]) -> list[tuple[str, Score]]:
    """Return (key in `recipes`, score) of the `wanted` rows, and note their sources; the newer of two with one key."""
    found = {}
    for name, row in stored_scores(folder() / EVALUATION, recipes, split, by_name=_READERS.get() is not None):
        if wanted(name, row):
            found[name, row.measurement.seed, row.metric, row.subset, row.duration] = name, row
    for name, row in found.values():
        note_source(folder() / EVALUATION, f"{recipes[name].name}, {split}", row.measurement._asdict() | row.provenance)
    return list(found.values())


def clip_scores(recipe: Recipe, subset: str = "all") -> dict[tuple[str, int | None], SampledScore]:
    """Return what `evaluate --clips` has found on test, seed 0, by (metric, duration); rates have no replicates."""
    path, found = folder() / CLIPS, {}
    for _, row in stored_scores(path, {"": recipe}, "test"):
        if (row.measurement.seed, row.subset) == (0, subset):
            note_source(path, f"{recipe.name}, test", row.measurement._asdict() | row.provenance)
            replicates = results.read_replicates(folder(), row)
            found[row.metric, row.duration] = SampledScore(row.value, replicates)
    return found


def recipes_of(setting: str) -> dict[str, Recipe]:
    """Return the recipes of a setting, on Toytown's streets or on handheld films, by the last part of their names."""
    start = find_setting(setting).start
    known = RECIPES | HANDHELD | AGGREGATION
    return {name.removeprefix(start): recipe for name, recipe in known.items() if name.startswith(start)}


def overall(recipes: Mapping[str, Recipe], split: str = "test", subset: str = "all") -> pandas.DataFrame:
    """Return the overall scores, seed 0, of today's recipes on today's data, for Frame and DFF.

    Args:
        recipes: by any key.
        split: "test", "val" or "elsewhere".
        subset: "all", or the motion class "slow", "medium" or "fast".

    Returns:
        Columns: `name`, the key in `recipes`; `duration`; `score` in percent.
    """
    rows = _scores(
        recipes, split,
        lambda name, row: (row.measurement.seed, row.subset, row.metric) == (0, subset, METRIC[recipes[name].task]),
    )  # fmt: skip
    lines = [(name, row.duration, 100 * row.value) for name, row in rows]
    return pandas.DataFrame(lines, columns=["name", "duration", "score"])


def by_subset(recipes: Mapping[str, Recipe], metric: str) -> pandas.DataFrame:
    """Return a metric on test: columns `name`, the key in `recipes`; `subset`; `value`, `frames`, means over seeds."""
    rows = _scores(recipes, "test", lambda _, row: row.metric == metric)
    lines = [(name, row.subset, row.value, row.frames) for name, row in rows]
    table = pandas.DataFrame(lines, columns=["name", "subset", "value", "frames"])
    return table.groupby(["name", "subset"], sort=False, as_index=False)[["value", "frames"]].mean()


def replicates_by_seed(
    recipe: Recipe, duration: int | None, split: str = "test", *, metric: str = "", subset: str = "all"
) -> dict[int, SampledScore]:
    """Return a recipe's score at a key frame duration, 0..1, with its replicates, by seed; perhaps empty.

    The score is the task's own unless `metric` names another; `subset` is "all" or a motion class.
    """
    wanted = metric or METRIC[recipe.task], subset, duration
    rows = _scores({"": recipe}, split, lambda _, row: (row.metric, row.subset, row.duration) == wanted)
    return {
        row.measurement.seed: SampledScore(row.value, replicates)
        for _, row in rows
        if (replicates := results.read_replicates(folder(), row)) is not None
    }


def reference_by_seed(recipe: Recipe, duration: int) -> dict[int, SampledScore]:
    """Return `replicates_by_seed` of what others are compared with: the kit's rows where a reader has none."""
    if found := replicates_by_seed(recipe, duration):
        return found
    with reading(None):
        return replicates_by_seed(recipe, duration)


def common_difference(first: Mapping[int, SampledScore], second: Mapping[int, SampledScore]) -> Difference:
    """Return the `difference` of two methods; NaN, with 0 seeds, if no seed has been run with both."""
    return difference(first, second) if first.keys() & second.keys() else Difference(*[np.nan] * 4, 0)


def speeds() -> dict[Architecture, Speed]:
    """Return the measured speeds of recipes' networks, by architecture."""
    path = folder() / speed.TABLE
    if _READERS.get() and not path.exists():
        with reading(None):
            return speeds()
    for row in results.read_rows(path):
        note_source(path, "all speeds", row)
    return speed.measured(folder())


def benchmark(table: str = "benchmark.csv") -> pandas.DataFrame:
    """Return the stored benchmark, one row a measurement, with its machine, commit and date.

    Args:
        table: "benchmark.csv" for all pairs of networks; "warp.csv" for the pair whose warp has the largest share, with
            a plain warp beside it, from another machine.
    """
    path = root() / "data" / "results" / table
    rows = pandas.read_csv(path)
    for row in rows.to_dict("records"):
        note_source(path, "all measurements", row)
    return rows


def training_hours() -> pandas.DataFrame:
    """Return the hours of all stored trainings by machine: columns `device`, `threads`, `trainings`, `hours`."""
    rows = pandas.DataFrame(results.read_rows(folder() / TRAINING))
    # A run has a row for each loss.
    runs = rows.drop_duplicates(["recipe_hash", "data_version", "seed"]).astype({"seconds": float})
    found = runs.groupby(["device", "threads"]).seconds.agg(["count", "sum"]).reset_index()
    return found.assign(hours=found["sum"] / 3600).rename(columns={"count": "trainings"}).drop(columns="sum")


def mixed_precisions() -> list[str]:
    """Return a line for each group of recipes whose compared scores are of trainings in different precisions.

    A row without a precision is of a time at which every training had its recipe's.
    """
    known = {
        name: each
        for name, each in (RECIPES | HANDHELD | AGGREGATION | REAL).items()
        if each.iterations and not each.pretraining
    }
    found: dict[str, set[str]] = {}
    for name, row in stored_scores(folder() / EVALUATION, known, "test"):
        found.setdefault(name.rpartition("/")[0], set()).add(row.provenance.get("precision") or known[name].precision)
    mixed = {group: " and ".join(sorted(each)) for group, each in found.items() if len(each) > 1}
    return [f"{group}: some trainings are in {each}. {DIFFERENCE}" for group, each in mixed.items()]


def by_task(tables: Mapping[str, pandas.DataFrame]) -> pandas.DataFrame:
    """Return the tables of settings one below the other, with the setting in column `task`; raise as `stack`."""
    return stack([table.assign(task=setting) for setting, table in tables.items()], tables)


def with_readers(
    table: Callable[[str], pandas.DataFrame], settings: Iterable[str], readers: Path | None
) -> pandas.DataFrame:
    """Return `by_task` of a table of scores, and below it that of a reader's; column `rows` is "ours" or "yours"."""
    found = [by_task({setting: table(setting) for setting in settings}).assign(rows="ours")]
    if readers:
        with reading(readers):
            own = by_task({setting: table(setting) for setting in settings})
        found.append(own.dropna(subset="score").assign(rows="yours"))
    return pandas.concat(found, ignore_index=True)


def stack(tables: Iterable[pandas.DataFrame], of: Iterable[str]) -> pandas.DataFrame:
    """Return the tables `of` some settings one below the other.

    Raises:
        DataError: if all are empty.
    """
    if not (found := [table for table in tables if not table.empty]):
        names = " ".join(find_setting(setting).start + name for setting in of for name in ("frame", "dff"))
        command = f"python -m dffkit experiments {names} --split test"
        if _READERS.get():
            command = f"python -m dffkit evaluate {names.split()[1]} --iterations 500 --split test"
        raise DataError(
            f"{folder()}: expected stored results of {' or '.join(of)}, got none; train and score first:  {command}\n"
            f"Figure 3 also needs:  python -m dffkit speed --out {folder() / speed.TABLE}"
        )
    return pandas.concat(found, ignore_index=True)


# The paper's


def claims_beside_ours() -> pandas.DataFrame:
    """Return the claims on cost and speed: columns `claim`, `place`, `paper`, `ours`, `source`; numbers as text.

    `source` is "recomputed" for a number computed just now, and "read" for one from a stored result (data/results),
    whose row names the run behind it.
    """
    rows = []
    for claim in claims().values():
        if claim.source:
            values = {"paper": claim.words(claim.paper), "ours": claim.words(FUNCTIONS[claim.how](*claim.of))}
            rows.append({"claim": claim.claim, "place": claim.place, **values, "source": claim.source})
    return pandas.DataFrame(rows)


def _measured(task: str, features: str, flow: str, duration: int, column: str) -> float:
    wanted = {"precision": "float32", "task": task, "features": features, "flow": flow, "duration": duration}
    return benchmark().set_index(list(wanted)).loc[tuple(wanted.values()), column].item()


def _flow_costs(flow: str) -> float:
    return _inverse_ratios()["ResNet-50", flow] / _inverse_ratios()["ResNet-50", "FlowNet"]


@functools.cache
def _inverse_ratios() -> pandas.Series:
    return complexity.table2().set_index(["features", "flow"]).inverse


FUNCTIONS = {
    "inverse_ratio": lambda features, flow: _inverse_ratios()[features, flow],
    "largest_ratio": lambda: 1 / _inverse_ratios().min(),
    "flow_costs": _flow_costs,
    "measured": _measured,
}
