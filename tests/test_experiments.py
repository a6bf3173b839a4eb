"""The queue: what runs after what, the rows it writes, stopping and going on; and the commands."""

import argparse
import builtins
import contextlib
import dataclasses
import multiprocessing
import shutil
import subprocess
import sys

import pandas
import pytest
import torch
from hand_made import DETECTION, FLOW, SEGMENTATION, SIZE, STILLS, recipe, snippets

from dffkit import flow_quality, machine, sources
from dffkit.experiments import commands, results, runs, scoring
from dffkit.experiments.commands import run_queue, status
from dffkit.experiments.place import Place
from dffkit.experiments.runs import Run, in_order
from dffkit.recipes import RECIPES
from dffkit.recipes.real import REAL
from dffkit.repository import CommandError
from dffkit.training.loop import FINISHED

PAIRS = dataclasses.replace(
    recipe(iterations=2), name="seg/dff", start=(("feature_network", STILLS), ("flow_network", FLOW))
)
FRAMES = dataclasses.replace(
    recipe("frames", DETECTION, iterations=2, flow="none", flow_width=0), start=(("feature_network", STILLS),)
)
AFTER = dataclasses.replace(
    PAIRS, name="seg/after", iterations=0, start=(("feature_network", PAIRS), ("flow_network", FLOW))
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place of its own, with hand-made data."""

    def data(tiny, split, streets=None, folder=None):
        assert folder == tmp_path / "cache"
        if tiny.job == "flow":
            return ()
        return snippets("both" if tiny.job == "stills" else tiny.task, count=streets or 3)

    monkeypatch.setattr(sources, "snippets", data)
    monkeypatch.setattr(sources, "prepare", lambda *words: None)
    monkeypatch.setattr(sources, "world", lambda tiny, split="train": f"world of {tiny.data}")
    monkeypatch.setattr(sources, "counts", lambda tiny: {"val": 1, "test": 2})
    monkeypatch.setattr(scoring, "STREETS_IN_TRAINING", 2)
    monkeypatch.setattr(scoring, "TABLE_4", {"segmentation": 10, "detection": 10})
    monkeypatch.setattr(scoring, "SPRITE_PAIRS", 8)
    monkeypatch.setattr(scoring, "_region_rows", lambda *words: [])  # they would render streets
    monkeypatch.setattr(flow_quality, "streets", lambda split, numbers: flow_quality.sprites(len(numbers), SIZE))
    return Place(tmp_path / "runs", tmp_path / "results", tmp_path / "cache", progress=False)


@pytest.fixture
def tiny_recipes(monkeypatch):
    """In place of the kit's recipes."""
    kept = dict(RECIPES)
    RECIPES.clear()
    RECIPES.update({each.name: each for each in (FLOW, STILLS, PAIRS, FRAMES)})
    yield
    RECIPES.clear()
    RECIPES.update(kept)


def table(place, name):
    """A result table as its readers get it."""
    return pandas.read_csv(place.results / f"{name}.csv")


def arguments(add, *words):
    parser = argparse.ArgumentParser()
    add(parser)
    return parser.parse_args(words)


def test_what_a_run_starts_from_comes_first_and_once():
    order = in_order([Run(AFTER, 1), Run(PAIRS, 1), Run(AFTER, 2)])
    assert order == [Run(STILLS), Run(FLOW), Run(PAIRS, 1), Run(AFTER, 1), Run(PAIRS, 2), Run(AFTER, 2)]


def test_folders_differ_by_name_hash_and_seed(place):
    folder = Run(PAIRS, 3).folder(place)
    assert folder == place.runs / "seg" / f"dff-{PAIRS.hash}-s3"
    assert Run(dataclasses.replace(PAIRS, lr=1.0), 3).folder(place) != folder


def test_a_queue_trains_and_scores_everything_once(place):
    wanted = [Run(PAIRS, 0), Run(PAIRS, 1), Run(FRAMES, 0)]
    assert run_queue(wanted, place, split="test", duration=3) == []
    trained, scored = table(place, "training"), table(place, "evaluation")
    assert set(zip(trained.recipe, trained.seed, strict=True)) == {
        ("stills", 0), ("flow", 0), ("seg/dff", 0), ("seg/dff", 1), ("detection/frames", 0)
    }  # fmt: skip
    dff = scored[scored.hash == PAIRS.hash]
    assert set(dff.seed) == {0, 1}
    everything = dff[(dff.metric == "mIoU") & (dff.subset == "all")]
    assert everything.groupby("seed").duration.apply(list).tolist() == [[1, 2, 3]] * 2
    assert everything.value.between(0, 1).all()
    assert set(dff.world) == {"world of toytown"}
    assert (dff.iterations == 2).all()
    assert (dff.frames == 2 * 10).all()  # two snippets of twelve frames, ten of which have all their history
    assert set(machine.describe()) <= set(dff.columns) & set(trained.columns)
    assert (trained[trained.metric == "loss"].value > 0).all()
    assert set(scored[scored.recipe == "stills"].metric) > {"mIoU", "mAP"}
    flow = scored[scored.recipe == "flow"]
    assert set(zip(flow.metric, flow.subset, strict=True)) == {
        (f"EPE{of}", f"{where} {part}")
        for of in ("", " of no flow", " of DIS") for where in ("sprites", "toytown") for part in ("all", "visible")
    }  # fmt: skip
    assert not scored.duplicated(list(results.KEY)).any()
    assert not trained.duplicated([name for name in results.KEY if name in trained]).any()

    before = (place.results / "evaluation.csv").read_bytes(), (place.results / "training.csv").read_bytes()
    run_queue(wanted, place, split="test", duration=3)
    assert ((place.results / "evaluation.csv").read_bytes(), (place.results / "training.csv").read_bytes()) == before


def test_pretraining_is_of_seed_0_and_what_starts_from_a_run_has_its_weights(place):
    run_queue([Run(AFTER, 1)], place, duration=2)
    assert Run(STILLS, 0).finished(place)
    assert not Run(STILLS, 1).finished(place)
    start, end = (runs.trained_state(Run(each, 1), place) for each in (PAIRS, AFTER))
    assert all(torch.equal(start[name], end[name]) for name in start if name.startswith("feature_network"))


@pytest.mark.parametrize("where", ["train", "evaluate", "write"])
def test_a_queue_that_was_stopped_goes_on(place, monkeypatch, where):
    target = {"train": (runs, "train"), "evaluate": (scoring, "score"), "write": (results, "add")}[where]
    whole, calls = getattr(*target), []

    def stops(*words, **options):
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(*target, stops)
        with pytest.raises(KeyboardInterrupt):
            run_queue([Run(PAIRS)], place, duration=2)
    run_queue([Run(PAIRS)], place, duration=2)
    for name in ("training", "evaluation"):
        rows = table(place, name)
        assert set(rows.recipe) == {"stills", "flow", "seg/dff"}
        assert not rows.duplicated([column for column in results.KEY if column in rows]).any()


def test_what_another_process_trains_is_left_and_so_is_what_waits_for_it(place, capsys):
    with results.locked(Run(STILLS).folder(place)):
        left = run_queue([Run(PAIRS)], place)
    assert left == [Run(STILLS), Run(PAIRS)]
    assert Run(FLOW).finished(place)
    said = capsys.readouterr().out
    assert f"stills ({STILLS.hash}), seed 0 is being trained by another process" in said
    assert "stills" in said.splitlines()[-1]
    assert "is not trained yet. Train it with:  python -m dffkit train stills" in said
    assert run_queue([Run(PAIRS)], place, duration=2) == []


def test_status_says_what_is_done(place):
    run_queue([Run(FLOW)], place)
    runs.train_run(Run(STILLS), place)
    (Run(FRAMES).folder(place)).mkdir(parents=True)
    (Run(FRAMES).folder(place) / "checkpoint-00000001.pt").touch()
    lines = status([Run(FRAMES), Run(AFTER)], place).splitlines()
    assert [line.split("  ")[-1] for line in lines] == [
        "trained", "1 of 2 iterations", "trained, scored", "0 of 2 iterations", "waits for seg/dff"
    ]  # fmt: skip
    assert lines[0].split()[:3] == ["stills", STILLS.hash, "s0"]


def test_a_run_on_another_world_is_not_taken_for_this_one(place, monkeypatch):
    run_queue([Run(FLOW)], place)
    monkeypatch.setattr(sources, "world", lambda tiny, split="train": "new world")
    with pytest.raises(Exception, match="another run: expected world 'new world', got 'world of toytown'; delete"):
        run_queue([Run(FLOW)], place)


def test_validation_during_training_is_in_the_log_and_the_table(place):
    run_queue([Run(PAIRS)], place, duration=2)
    rows = table(place, "training")
    scores = {"mIoU@1", "mIoU@5", "mIoU@10"}
    assert {"loss", "segmentation", "gradient", *scores} == set(rows[rows.recipe == "seg/dff"].metric)


def test_rows_are_replaced_not_repeated(tmp_path):
    path = tmp_path / "new" / "rows.csv"
    row = {"hash": "a", "seed": 0, "metric": "mIoU", "value": 0.5}
    results.add(path, [row, {**row, "seed": 1}])
    results.add(path, [{**row, "value": 0.6, "note": "with, comma"}])
    frame = pandas.read_csv(path)
    assert frame.value.tolist() == [0.6, 0.5]
    assert frame.note.fillna("").tolist() == ["with, comma", ""]
    assert [name.name for name in path.parent.iterdir()] == ["rows.csv"]


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


def test_a_run_that_is_trained_again_is_scored_again(place):
    run_queue([Run(FLOW)], place)
    shutil.rmtree(Run(FLOW).folder(place))
    runs.train_run(Run(FLOW), place)
    assert not runs.is_written(Run(FLOW), place, "evaluation.csv")
    run_queue([Run(FLOW)], place)
    assert runs.is_written(Run(FLOW), place, "evaluation.csv")


@pytest.mark.parametrize(
    ("job", "split"), [("stills", "stills"), ("pairs", "val"), ("pairs", "train"), ("pairs", "elsewhere")]
)
def test_toytown_is_rendered_ahead_where_its_snippets_are_looked_for(tmp_path, monkeypatch, job, split):
    from dffkit.datasets.toytown import recordings

    tiny = STILLS if job == "stills" else recipe(length=12, first_label=9)
    monkeypatch.setattr(recordings, "record", lambda *words: {"frames": torch.zeros(1, 3, 2, 2, dtype=torch.uint8)})
    monkeypatch.setattr(recordings, "ProcessPoolExecutor", lambda *words: contextlib.nullcontext(builtins))
    sources.prepare(tiny, split, 2, tmp_path, progress=False)
    files = {path.relative_to(tmp_path): path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(files) == 2
    for snippet in sources.snippets(tiny, split, 2, tmp_path):
        assert snippet.frames[0].shape == (3, 2, 2)
    assert {path.relative_to(tmp_path): path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == files


def test_only_training_streets_are_as_long_and_labelled_as_the_recipe_says():
    tiny = recipe(length=12, first_label=9)
    (train,), (val,) = (sources.snippets(tiny, split, 1) for split in ("train", "val"))
    assert (len(train.frames), list(train.targets)) == (12, [9, 10, 11])
    assert (len(val.frames), list(val.targets)) == (30, [9, 19, 29])


def test_another_data_set_is_named():
    with pytest.raises(ValueError, match=r"data: expected one of .*toytown.*, got 'kitti'"):
        sources.snippets(recipe(data="kitti"), "val")


def test_worlds_are_named_by_what_is_trained_on():
    from dffkit.datasets import sprites, toytown

    assert sources.world(FLOW) == sprites.world_hash()
    assert sources.world(STILLS) == toytown.world_hash()
    for task in (SEGMENTATION, DETECTION):
        assert sources.world(recipe(task=task)) == toytown.world_hash(toytown.WORLDS[task[0]])
        assert sources.world(recipe(task=task), "test") == sources.world(recipe(task=task))
        assert sources.world(recipe(task=task), "elsewhere") == toytown.world_hash(toytown.ELSEWHERE[task[0]][0])


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


def test_a_lock_goes_with_its_process(tmp_path):
    code = "import os, sys; from pathlib import Path; from dffkit.experiments.results import locked\n"
    code += "with locked(Path(sys.argv[1]), wait=False): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == -9
    with results.locked(tmp_path, wait=False), pytest.raises(BlockingIOError), results.locked(tmp_path, wait=False):
        pass


@pytest.fixture
def here(place, tiny_recipes, monkeypatch):
    """The commands, at this place."""
    monkeypatch.setattr(commands, "default_place", lambda **options: dataclasses.replace(place, **options))
    monkeypatch.setattr(scoring, "TABLE_4", {"segmentation": 3, "detection": 3})
    monkeypatch.setattr(commands, "keep_freed_memory", lambda: True)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    return place


QUIET = ("--no-progress", "--device", "cpu", "--threads", "1")


def test_train_trains_what_a_recipe_starts_from_too(here, capsys):
    words = ("seg/dff", "--seed", "2", *QUIET)
    assert commands.train_main(arguments(commands.add_train_arguments, *words)) == 0
    assert [Run(*run).finished(here) for run in ((STILLS,), (FLOW,), (PAIRS, 2), (PAIRS, 0))] == [True] * 3 + [False]
    assert str(Run(PAIRS, 2).folder(here)) in capsys.readouterr().out


def test_train_with_other_settings_is_another_recipe(here):
    words = (FRAMES.name, "--iterations", "1", "--precision", "bfloat16", *QUIET)
    assert commands.train_main(arguments(commands.add_train_arguments, *words)) == 0
    assert Run(dataclasses.replace(FRAMES, iterations=1, precision="bfloat16")).finished(here)
    assert not Run(FRAMES).finished(here)
    assert Run(STILLS).finished(here)


def test_rows_of_other_recipes_than_the_kits_stay_out_of_the_shipped_tables(here, monkeypatch, tmp_path):
    place = dataclasses.replace(here, results=tmp_path / "shipped")
    monkeypatch.setattr(commands, "default_place", lambda **options: dataclasses.replace(place, **options))
    for words in ((FRAMES.name,), (FRAMES.name, "--iterations", "1")):
        assert commands.train_main(arguments(commands.add_train_arguments, *words, *QUIET)) == 0
        assert commands.evaluate_main(arguments(commands.add_evaluate_arguments, *words, *QUIET)) == 0
    other = dataclasses.replace(FRAMES, iterations=1)
    for name in ("training", "evaluation"):
        shipped, own = table(place, name), table(here, name)
        assert FRAMES.hash in set(shipped.hash)
        assert other.hash not in set(shipped.hash)
        assert set(own.hash) == {other.hash}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("seg/dff", "--data", "my_clips"), "--data: expected \"module:function\", got 'my_clips'"),
        (("flow", "--classes", "3"), "--data, --classes, --imagenet: expected a recipe for one task, .*, got flow"),
        (("stills", "--data", "own_clips:dataset"), "--data, --classes, --imagenet: expected a recipe for one task"),
        (("seg/dff", "--data", "os:path"), "os:path: expected a function, got module"),
        (
            ("seg/dff", "--data", "own_clips:dataset", "--classes", "3"),
            "--classes: expected 2",
        ),
        (("seg/dff", "--data", "own_clips:nameless"), "own_clips:nameless: how many classes has it"),
    ],
)
def test_changes_that_a_recipe_can_not_have_are_named(here, tmp_path, monkeypatch, words, message):
    (tmp_path / "own_clips.py").write_text(
        "def dataset(split): return []\ndataset.names = ('a', 'b')\ndef nameless(split): return []\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CommandError, match=message):
        commands.train_main(arguments(commands.add_train_arguments, *words, *QUIET))


def test_train_fresh_begins_again(here):
    options = arguments(commands.add_train_arguments, "flow", *QUIET)
    commands.train_main(options)
    path = Run(FLOW).folder(here) / FINISHED
    first = path.stat().st_mtime_ns
    commands.train_main(options)
    assert path.stat().st_mtime_ns == first
    commands.train_main(arguments(commands.add_train_arguments, "flow", "--fresh", *QUIET))
    assert path.stat().st_mtime_ns != first


def test_train_without_a_name_lists_the_recipes(here, capsys):
    assert commands.train_main(arguments(commands.add_train_arguments)) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [*RECIPES, *REAL]


def test_evaluate_prints_scores_and_writes_rows(here, capsys):
    commands.train_main(arguments(commands.add_train_arguments, "seg/dff", *QUIET))
    words = ("seg/dff", "--durations", "2", *QUIET)
    assert commands.evaluate_main(arguments(commands.add_evaluate_arguments, *words)) == 0
    said = capsys.readouterr().out
    assert "l =  2  mIoU" in said
    assert not (here.results / "evaluation.csv").exists()  # fewer than the tables need: the run is not scored by that
    assert commands.evaluate_main(arguments(commands.add_evaluate_arguments, "seg/dff", *QUIET)) == 0
    assert set(table(here, "evaluation").split) == {"val"}
    assert max(table(here, "evaluation").duration) == 3


def test_what_is_scored_on_one_split_is_not_scored_on_another(here):
    commands.train_main(arguments(commands.add_train_arguments, "seg/dff", *QUIET))
    runs.evaluate_run(Run(PAIRS), here)
    assert "trained, scored" in status([Run(PAIRS)], here).splitlines()[-1]
    assert status([Run(PAIRS)], here, "test").splitlines()[-1].endswith("trained")


def test_a_training_keeps_the_name_of_its_machine(here, monkeypatch):
    words = ("flow", *QUIET)
    commands.train_main(arguments(commands.add_train_arguments, *words))
    first = set(table(here, "training").device)
    monkeypatch.setattr(runs, "describe", lambda device: {"device": "another"})
    commands.train_main(arguments(commands.add_train_arguments, *words))
    assert set(table(here, "training").device) == first


def test_evaluate_asks_for_training_first(here):
    options = arguments(commands.add_evaluate_arguments, "seg/dff", *QUIET)
    with pytest.raises(CommandError, match=r"not trained yet\. Train it with:  python -m dffkit train seg/dff"):
        commands.evaluate_main(options)


def test_experiments_runs_everything(here, capsys):
    options = arguments(commands.add_experiments_arguments, "--seeds", "0", "1", *QUIET)
    assert commands.experiments_main(options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6  # pre-training once, the others for both seeds
    assert all(line.endswith("trained, scored") for line in lines)


def test_a_rehearsal_runs_everything_in_a_place_of_its_own(here, capsys):
    words = ("seg/dff", "--rehearse", *QUIET)
    assert commands.experiments_main(arguments(commands.add_experiments_arguments, *words)) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["scored"] * 3
    assert not here.runs.exists()
    assert not here.results.exists()
    folder = here.runs.parent / "rehearsal"
    rows = pandas.read_csv(folder / "results" / "training.csv")
    assert set(rows.recipe) == {"stills", "flow", "seg/dff"}
    assert (rows.iterations == 1).all()


def test_a_rehearsed_recipe_is_short_and_so_is_what_it_starts_from():
    short = commands.rehearsed(RECIPES["toytown/detection/separate"])
    assert short.iterations == 0
    assert short.streets == 4
    assert {part: needed.iterations for part, needed in short.start} == {
        "feature_network": 3, "task_network": 3, "flow_network": 30
    }  # fmt: skip


def test_experiments_can_only_list(here, capsys):
    assert commands.experiments_main(arguments(commands.add_experiments_arguments, "--list", *QUIET)) == 0
    assert "waits for stills, flow" in capsys.readouterr().out
    assert not here.runs.exists()


@pytest.mark.parametrize(
    ("main", "add"),
    [
        (commands.train_main, commands.add_train_arguments),
        (commands.evaluate_main, commands.add_evaluate_arguments),
        (commands.experiments_main, commands.add_experiments_arguments),
    ],
)
def test_unknown_recipes_are_named_with_close_ones(here, main, add):
    with pytest.raises(CommandError, match=r"recipe: no 'seg/dfg'; did you mean seg/dff"):
        main(arguments(add, "seg/dfg", *QUIET))


def test_damaged_weights_are_a_clear_error(here):
    options = arguments(commands.add_train_arguments, "flow", *QUIET)
    commands.train_main(options)
    (Run(FLOW).folder(here) / FINISHED).write_bytes(b"damaged")
    with pytest.raises(CommandError, match=r"trained.pt: is no checkpoint, or a damaged one .* delete it"):
        commands.train_main(options)
    shutil.rmtree(here.runs)
    assert commands.train_main(options) == 0
