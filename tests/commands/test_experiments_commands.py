"""experiments.py: runs, output, rows and refusals of `train`, `evaluate` and `experiments`."""

import argparse
import dataclasses
import shutil
from unittest import mock

import pandas
import pytest
import torch
from hand_made import FLOW, STILLS
from tiny_queue import FRAMES, PAIRS, table

from dffkit.commands import experiments
from dffkit.experiments import queue, scoring
from dffkit.experiments.queue import rehearsed, status
from dffkit.experiments.runs import Run
from dffkit.support.errors import CommandError, DataError
from dffkit.training import checkpoint
from dffkit.training.checkpoint import FINISHED
from dffkit.training.recipes import AGGREGATION, HANDHELD, REAL, RECIPES


@pytest.fixture
def tiny_recipes(monkeypatch):
    """Replace the kit's recipes by tiny ones."""
    tiny = {each.name: each for each in (FLOW, STILLS, PAIRS, FRAMES)}
    with mock.patch.dict(RECIPES, tiny, clear=True), mock.patch.dict(HANDHELD, clear=True):
        yield


@pytest.fixture
def here(workspace, tiny_recipes, monkeypatch):
    """Let the commands use this workspace."""
    monkeypatch.setattr(experiments, "default_workspace", lambda **options: dataclasses.replace(workspace, **options))
    monkeypatch.setattr(scoring, "TABLE_4", {"segmentation": 3, "detection": 3})
    monkeypatch.setattr(experiments, "keep_freed_memory", lambda: True)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    return workspace


QUIET = ("--no-progress", "--device", "cpu", "--threads", "1")


def arguments(add, *words):
    parser = argparse.ArgumentParser()
    add(parser)
    return parser.parse_args(words)


def test_train_trains_what_a_recipe_starts_from_too(here, capsys):
    words = ("seg/dff", "--seed", "2", *QUIET)
    assert experiments.train_main(arguments(experiments.add_train_arguments, *words)) == 0
    assert [Run(*run).finished(here) for run in ((STILLS,), (FLOW,), (PAIRS, 2), (PAIRS, 0))] == [True] * 3 + [False]
    assert str(Run(PAIRS, 2).folder(here)) in capsys.readouterr().out


def test_train_with_other_settings_is_another_recipe(here):
    words = (FRAMES.name, "--iterations", "1", *QUIET)
    assert experiments.train_main(arguments(experiments.add_train_arguments, *words)) == 0
    assert Run(dataclasses.replace(FRAMES, iterations=1)).finished(here)
    assert not Run(FRAMES).finished(here)
    assert Run(STILLS).finished(here)


def test_the_precision_is_no_change_of_the_recipe(here):
    for add, main in (
        (experiments.add_train_arguments, experiments.train_main),
        (experiments.add_experiments_arguments, experiments.experiments_main),
    ):
        main(arguments(add, FRAMES.name, "--precision", "bfloat16", *QUIET))
        run = Run(FRAMES)
        assert checkpoint.read(run.folder(here) / FINISHED)["precision"] == "bfloat16"
        shutil.rmtree(here.runs)
        shutil.rmtree(here.results)


def test_rows_of_other_recipes_than_the_kits_stay_out_of_the_shipped_tables(here, monkeypatch, tmp_path):
    workspace = dataclasses.replace(here, results=tmp_path / "shipped")
    monkeypatch.setattr(experiments, "default_workspace", lambda **options: dataclasses.replace(workspace, **options))
    for words in ((FRAMES.name,), (FRAMES.name, "--iterations", "1")):
        assert experiments.train_main(arguments(experiments.add_train_arguments, *words, *QUIET)) == 0
        assert experiments.evaluate_main(arguments(experiments.add_evaluate_arguments, *words, *QUIET)) == 0
    other = dataclasses.replace(FRAMES, iterations=1)
    for name in ("training", "evaluation"):
        shipped, own = table(workspace, name), table(here, name)
        assert FRAMES.hash in set(shipped.recipe_hash)
        assert other.hash not in set(shipped.recipe_hash)
        assert set(own.recipe_hash) == {other.hash}


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("seg/dff", "--data", "my_clips"), CommandError, "--data: expected \"module:function\", got 'my_clips'"),
        (("flow", "--classes", "3"), CommandError, "--classes: expected a recipe for one task, .*, got flow"),
        (
            ("stills", "--data", "own_clips:dataset"),
            CommandError,
            "--data: expected a recipe for one task, .* stills",
        ),
        (("seg/dff", "--data", "os:path"), DataError, "os:path: can't be imported: os has no function 'path'"),
        (("seg/dff", "--data", "own_clips:dataset", "--classes", "3"), CommandError, "--classes: expected 2, "),
        (("seg/dff", "--data", "own_clips:nameless"), CommandError, "own_clips:nameless: how many classes has it"),
    ],
)
def test_changes_that_a_recipe_can_not_have_are_refused(here, tmp_path, monkeypatch, words, error, message):
    (tmp_path / "own_clips.py").write_text(
        "def dataset(split): return []\ndataset.names = ('a', 'b')\ndef nameless(split): return []\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(error, match=message):
        experiments.train_main(arguments(experiments.add_train_arguments, *words, *QUIET))


def test_imagenet_weights_are_refused_for_a_network_that_they_do_not_fit(here):
    with pytest.raises(CommandError, match=r'seg/dff-imagenet .*weights: "imagenet" needs depth 50 or 101'):
        experiments.train_main(arguments(experiments.add_train_arguments, "seg/dff", "--imagenet", *QUIET))


def test_train_fresh_begins_again(here):
    options = arguments(experiments.add_train_arguments, "flow", *QUIET)
    experiments.train_main(options)
    path = Run(FLOW).folder(here) / FINISHED
    first = path.stat().st_mtime_ns
    experiments.train_main(options)
    assert path.stat().st_mtime_ns == first
    experiments.train_main(arguments(experiments.add_train_arguments, "flow", "--fresh", *QUIET))
    assert path.stat().st_mtime_ns != first


def test_train_without_a_name_lists_the_recipes(here, capsys):
    assert experiments.train_main(arguments(experiments.add_train_arguments)) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        *RECIPES,
        *HANDHELD,
        *AGGREGATION,
        *REAL,
    ]


def test_evaluate_prints_scores_and_writes_rows(here, capsys):
    experiments.train_main(arguments(experiments.add_train_arguments, "seg/dff", *QUIET))
    words = ("seg/dff", "--durations", "2", *QUIET)
    assert experiments.evaluate_main(arguments(experiments.add_evaluate_arguments, *words)) == 0
    said = capsys.readouterr().out
    assert "l =  2  mIoU" in said
    assert not (here.results / "evaluation.csv").exists()  # fewer than the tables need: the run is not scored by that
    assert experiments.evaluate_main(arguments(experiments.add_evaluate_arguments, "seg/dff", *QUIET)) == 0
    assert set(table(here, "evaluation").split) == {"val"}
    assert max(table(here, "evaluation").duration) == 3


def test_what_is_scored_on_one_split_is_not_scored_on_another(here):
    experiments.train_main(arguments(experiments.add_train_arguments, "seg/dff", *QUIET))
    queue.evaluate_run(Run(PAIRS), here)
    assert "trained, scored" in status([Run(PAIRS)], here).splitlines()[-1]
    assert status([Run(PAIRS)], here, "test").splitlines()[-1].endswith("trained")


def test_a_training_keeps_the_name_of_its_machine(here, monkeypatch):
    words = ("flow", *QUIET)
    experiments.train_main(arguments(experiments.add_train_arguments, *words))
    first = set(table(here, "training").device)
    monkeypatch.setattr(queue, "describe", lambda device: {"device": "another"})
    experiments.train_main(arguments(experiments.add_train_arguments, *words))
    assert set(table(here, "training").device) == first


def test_evaluate_asks_for_training_first(here):
    options = arguments(experiments.add_evaluate_arguments, "seg/dff", *QUIET)
    with pytest.raises(CommandError, match=r"not trained yet\. Train it with:  python -m dffkit train seg/dff"):
        experiments.evaluate_main(options)


def test_experiments_runs_everything(here, capsys):
    options = arguments(experiments.add_experiments_arguments, "--seeds", "0", "1", *QUIET)
    assert experiments.experiments_main(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6  # pre-training once, the others for both seeds
    assert all(line.endswith("trained, scored") for line in lines)


def test_a_rehearsal_runs_everything_in_a_folder_of_its_own(here, capsys):
    words = ("seg/dff", "--rehearse", *QUIET)
    assert experiments.experiments_main(arguments(experiments.add_experiments_arguments, *words)) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["scored"] * 3
    assert not here.runs.exists()
    assert not here.results.exists()
    folder = here.runs.parent / "rehearsal"
    rows = pandas.read_csv(folder / "results" / "training.csv")
    assert set(rows.recipe) == {"stills", "flow", "seg/dff"}
    assert (rows.iterations == 1).all()


def test_a_rehearsed_recipe_is_short_and_so_is_what_it_starts_from():
    short = rehearsed(RECIPES["toytown/detection/separate"])
    assert short.iterations == 0
    assert short.streets == 4
    assert {part: needed.iterations for part, needed in short.start} == {
        "feature_network": 3, "task_network": 3, "flow_network": 30
    }  # fmt: skip


def test_experiments_can_only_list(here, capsys):
    assert experiments.experiments_main(arguments(experiments.add_experiments_arguments, "--list", *QUIET)) == 0
    assert "waits for stills, flow" in capsys.readouterr().out
    assert not here.runs.exists()


@pytest.mark.parametrize(
    ("main", "add"),
    [
        (experiments.train_main, experiments.add_train_arguments),
        (experiments.evaluate_main, experiments.add_evaluate_arguments),
        (experiments.experiments_main, experiments.add_experiments_arguments),
    ],
)
def test_unknown_recipes_are_named_with_close_ones(here, main, add):
    with pytest.raises(CommandError, match=r"recipe: no 'seg/dfg'; did you mean seg/dff"):
        main(arguments(add, "seg/dfg", *QUIET))


def test_damaged_weights_are_refused(here):
    options = arguments(experiments.add_train_arguments, "flow", *QUIET)
    experiments.train_main(options)
    (Run(FLOW).folder(here) / FINISHED).write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"trained.pt: is no checkpoint, or a damaged one .* delete it"):
        experiments.train_main(options)
    shutil.rmtree(here.runs)
    assert experiments.train_main(options) == 0
