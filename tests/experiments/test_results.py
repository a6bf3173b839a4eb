"""results.py: rows and replicates are replaced and removed, and none is lost where several processes write."""

import multiprocessing
import subprocess
import sys

import numpy as np
import pandas
import pytest

from dffkit.experiments import results
from dffkit.experiments.results import Score
from dffkit.support.errors import CommandError
from dffkit.support.files import locked
from dffkit.training.recipe import Measurement


def score(value, recipe_hash="a", seed=0, split="val", duration=5, **fields):
    measurement = Measurement(recipe_hash, seed, "d", split)
    fields = {"provenance": {"recipe": "toytown/dff", "note": "with, comma"}} | fields
    return Score(measurement, "mIoU", value, "all", duration, 9, **fields)


def test_rows_are_replaced_not_repeated(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    results.add(path, [score(0.5), score(0.5, seed=1), score(0.4, duration=None)])
    results.add(path, [score(0.6)])
    assert results.read(path) == [score(0.6), score(0.5, seed=1), score(0.4, duration=None)]
    frame = pandas.read_csv(path)
    assert frame.value.tolist() == [0.6, 0.5, 0.4]
    assert not any(frame.isna().all())  # no empty column
    assert {name.name for name in path.parent.iterdir()} == {"rows.csv", ".lock"}


def test_a_table_that_is_not_there_is_empty(tmp_path):
    path = tmp_path / "rows.csv"
    assert list(results.read(path)) == []
    assert results.read_rows(path) == []
    results.remove(path, "a", 0)
    assert not path.exists()


def test_replicates_lie_beside_the_table_in_units_of_1e_5(tmp_path):
    path, draws = tmp_path / "rows.csv", np.array([0.123454, 0.5])
    rows = [score(0.5, replicates=draws), score(0.5, split="test", replicates=draws + 0.1), score(0.4, duration=2)]
    results.add(path, rows)
    results.add(path, [score(0.5, seed=1, replicates=draws), score(0.6, replicates=draws + 0.2)])
    assert sorted(each.name for each in (tmp_path / "replicates").iterdir()) == [
        "toytown-dff-a-s0.npz", "toytown-dff-a-s1.npz"
    ]  # fmt: skip
    assert results.read_replicates(tmp_path, rows[0]).tolist() == [0.32345, 0.7]
    assert results.read_replicates(tmp_path, rows[1]).tolist() == [0.22345, 0.6]
    assert results.read_replicates(tmp_path, rows[2]) is None
    assert results.read_replicates(tmp_path, rows[0]._replace(subset="slow")) is None
    assert results.read_replicates(tmp_path, score(0, "b")) is None
    with np.load(tmp_path / "replicates" / "toytown-dff-a-s1.npz") as stored:
        assert {(array.dtype.name, array.shape) for array in stored.values()} == {("int32", (2,))}


def test_rows_and_replicates_of_a_run_can_be_removed(tmp_path):
    path = tmp_path / "rows.csv"
    results.add(path, [score(1, name, seed, replicates=np.ones(2)) for name in "ab" for seed in (0, 1)])
    results.remove(path, "a", 1)
    left = [(row.measurement.recipe_hash, row.measurement.seed) for row in results.read(path)]
    assert left == [("a", 0), ("b", 0), ("b", 1)]
    assert results.read_replicates(tmp_path, score(1, "a", 1)) is None
    for name, seed in left:
        assert results.read_replicates(tmp_path, score(1, name, seed)) is not None
        results.remove(path, name, seed)
    assert results.read(path) == []


def add_rows(path, process):
    for i in range(20):
        results.add(path, [score(1, f"{process}", i, replicates=np.ones(2))])


def test_processes_that_add_at_the_same_time_lose_no_row(tmp_path):
    path = tmp_path / "rows.csv"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=add_rows, args=(path, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(pandas.read_csv(path)) == len(list((tmp_path / "replicates").iterdir())) == 60


def test_a_lock_goes_with_its_process(tmp_path):
    code = "import os, sys; from pathlib import Path; from dffkit.experiments.results import locked\n"
    code += "with locked(Path(sys.argv[1]), 'busy'): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == -9
    with locked(tmp_path, "busy"), pytest.raises(CommandError, match="busy"), locked(tmp_path, "busy"):
        pass


def test_table_saved_by_a_spreadsheet_has_the_same_columns(tmp_path):
    (tmp_path / "a.csv").write_bytes("\ufeffrecipe,score\r\ncamvid/dff,0.5\r\n".encode())
    assert results.read_rows(tmp_path / "a.csv") == [{"recipe": "camvid/dff", "score": "0.5"}]
