"""Result tables in `data/results`: typed rows of scores and losses, and the bootstrap replicates beside them.

Rows come one run at a time, from processes that may be killed at any moment. A table is written whole and renamed into
place, so it never has a part of a row.
"""

import contextlib
import csv
import functools
import io
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dffkit.support import files
from dffkit.support.errors import DataError
from dffkit.support.files import locked
from dffkit.training.recipe import Measurement

EVALUATION, TRAINING, CLIPS = "evaluation.csv", "training.csv", "clips.csv"
REPLICATES = "replicates"  # the folder of the replicates, one file for each run
UNITS = 100_000  # stored replicates are whole numbers of 1e-5


class Score(NamedTuple):
    """One number of a run: a row of `evaluation.csv`, or a last loss in `training.csv`."""

    measurement: Measurement
    metric: str  # e.g. "mIoU", "EPE" or "loss"
    value: float  # a fraction for mIoU and mAP, pixels for EPE
    subset: str = ""  # what of the data it is over, e.g. "all" or "fast"; "" for losses
    duration: int | None = None  # key frame duration l; None where there is none
    frames: int | None = None  # number of annotated frames that count; None for losses
    # Bootstrap replicates of the value, fractions (draws,); None for rows that have none or that were read from a table
    # (see `read_replicates`).
    replicates: np.ndarray | None = None
    # All other columns: the recipe's name, iterations, seconds, machine, versions, commit and date.
    provenance: Mapping[str, Any] = {}

    @property
    def key(self) -> tuple:
        """Identity of the row: of two rows with the same key, a table keeps the newer one."""
        return self.measurement, self.metric, self.subset, self.duration


def add(path: Path, scores: Sequence[Score]) -> None:
    """Add scores to a table in place of rows with the same key, and their replicates to `replicates/`.

    Several processes may add at the same time.
    """
    with locked(path.parent):
        _write_replicates(path.parent, [score for score in scores if score.replicates is not None])
        rows = {score.key: score for score in [*read(path), *scores]}
        columns = ("duration", "metric", "subset", "value", "frames")
        write_rows(path, [
            {"recipe": "", **each.measurement._asdict(), **{name: getattr(each, name) for name in columns}}
            | each.provenance
            for each in rows.values()
        ])  # fmt: skip


def remove(path: Path, recipe_hash: str, seed: int) -> None:
    """Remove a run's scores and replicates, of all splits and data versions."""
    with locked(path.parent):
        rows = read_rows(path)
        kept = [row for row in rows if (row["recipe_hash"], row["seed"]) != (recipe_hash, str(seed))]
        if len(kept) < len(rows):
            write_rows(path, kept)
        if old := _replicates_file(path.parent, recipe_hash, seed):
            old.unlink()


def read(path: Path) -> Sequence[Score]:
    """Return the scores of a table, in its order; none if there is no table."""
    if not path.exists():
        return ()
    status = path.stat()
    # Together these numbers change when the file is replaced, even within one tick of the file system's clock.
    return _read(path, (status.st_mtime_ns, status.st_ino, status.st_size))


@functools.lru_cache(maxsize=4)
def _read(path: Path, state: tuple) -> Sequence[Score]:
    with _damage_named(path):
        return [_from_row(row) for row in read_rows(path)]


def read_replicates(folder: Path, score: Score) -> np.ndarray | None:
    """Return the bootstrap replicates of a score, fractions `(draws,)`; None if none are stored."""
    path, name = _replicates_file(folder, score.measurement.recipe_hash, score.measurement.seed), _array_name(score)
    if path is None:
        return None
    with _damage_named(path), np.load(path, allow_pickle=False) as stored:
        return stored[name] / UNITS if name in stored else None


@contextlib.contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Raise `DataError` with the path for whatever a damaged table trips over."""
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: is damaged ({reason}); restore it, e.g. with 'git checkout -- {path}'") from error


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of any table as text; none if there is no table."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))) if path.exists() else []


def write_rows(path: Path, rows: Collection[Mapping[str, Any]]) -> None:
    """Write a whole table in place of the old one. Columns without any value are left out."""
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)
    columns = [name for name in names if any(row.get(name) not in (None, "") for row in rows)]
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    files.write(path, text.getvalue())


def _from_row(row: dict[str, str]) -> Score:
    identity = row.pop("recipe_hash"), int(row.pop("seed")), row.pop("data_version"), row.pop("split")
    metric, value, subset = row.pop("metric"), float(row.pop("value")), row.pop("subset", "")
    duration, frames = (int(text) if (text := row.pop(name, "")) else None for name in ("duration", "frames"))
    return Score(Measurement(*identity), metric, value, subset, duration, frames, provenance=row)


def _replicates_file(folder: Path, recipe_hash: str, seed: int) -> Path | None:
    return next((folder / REPLICATES).glob(f"*-{recipe_hash}-s{seed}.npz"), None)


def _array_name(score: Score) -> str:
    where = score.measurement
    return f"{where.split} {where.data_version} {score.duration} {score.metric} {score.subset}"


def _write_replicates(folder: Path, scores: Sequence[Score]) -> None:
    """Write the replicates of each run into its file, beside the arrays that are there."""
    runs = itertools.groupby(scores, lambda score: (score.measurement.recipe_hash, score.measurement.seed))
    for (recipe_hash, seed), (*rows,) in runs:
        arrays = {}
        if old := _replicates_file(folder, recipe_hash, seed):
            with np.load(old, allow_pickle=False) as stored:
                arrays = dict(stored)
        arrays |= {_array_name(row): np.round(row.replicates * UNITS).astype(np.int32) for row in rows}
        name = str(rows[0].provenance.get("recipe", "")).replace("/", "-")
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        files.write(old or folder / REPLICATES / f"{name}-{recipe_hash}-s{seed}.npz", content.getvalue())
