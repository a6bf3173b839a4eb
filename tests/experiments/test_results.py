"""results.py: rows are replaced and removed, and none is lost where several processes write."""

import multiprocessing

import pandas

from dffkit.experiments import results


def test_rows_are_replaced_not_repeated(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    row = {"hash": "a", "seed": 0, "metric": "mIoU", "value": 0.5}
    results.add(path, [row, {**row, "seed": 1}])
    results.add(path, [{**row, "value": 0.6, "note": "with, comma"}])
    frame = pandas.read_csv(path)
    assert frame.value.tolist() == [0.6, 0.5]
    assert frame.note.fillna("").tolist() == ["with, comma", ""]
    assert {name.name for name in path.parent.iterdir()} == {"rows.csv", ".lock"}


def test_rows_of_a_run_can_be_removed(tmp_path):
    path = tmp_path / "rows.csv"
    results.add(path, [{"hash": h, "seed": s, "value": 1} for h in "ab" for s in (0, 1)])
    results.remove(path, hash="a", seed=1)
    assert [(row["hash"], row["seed"]) for row in results.read(path)] == [("a", "0"), ("b", "0"), ("b", "1")]
    results.remove(path, hash="a")
    results.remove(path, hash="b")
    assert results.read(path) == []
    results.remove(tmp_path / "missing.csv", hash="b")
    assert not (tmp_path / "missing.csv").exists()


def add_rows(path, process):
    for i in range(20):
        results.add(path, [{"hash": f"{process}", "seed": i, "value": 1}])


def test_processes_that_add_at_the_same_time_lose_no_row(tmp_path):
    path = tmp_path / "rows.csv"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=add_rows, args=(path, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(pandas.read_csv(path)) == 60
