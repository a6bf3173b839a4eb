"""The queue: order of runs, scoring, stopping and resuming."""

import dataclasses
import shutil

import pytest
import torch
from hand_made import FLOW, STILLS
from tiny_queue import FRAMES, PAIRS, table

from dffkit.experiments import queue, results, runs, scoring, sources
from dffkit.experiments.queue import run_queue, status
from dffkit.experiments.runs import Run, in_order, load_trained
from dffkit.support import machine
from dffkit.support.errors import DataError, TrainingError
from dffkit.support.files import locked
from dffkit.training import checkpoint
from dffkit.training.checkpoint import FINISHED

AFTER = dataclasses.replace(
    PAIRS, name="seg/after", iterations=0, start=(("feature_network", PAIRS), ("flow_network", FLOW))
)


def test_runs_that_others_start_from_come_first_and_once():
    order = in_order([Run(AFTER, 1), Run(PAIRS, 1), Run(AFTER, 2)])
    assert order == [Run(STILLS), Run(FLOW), Run(PAIRS, 1), Run(AFTER, 1), Run(PAIRS, 2), Run(AFTER, 2)]


def test_folders_differ_by_name_hash_and_seed(workspace):
    folder = Run(PAIRS, 3).folder(workspace)
    assert folder == workspace.runs / "seg" / f"dff-{PAIRS.hash}-s3"
    assert Run(dataclasses.replace(PAIRS, lr=1.0), 3).folder(workspace) != folder


def test_a_queue_trains_and_scores_everything_once(workspace):
    wanted = [Run(PAIRS, 0), Run(PAIRS, 1), Run(FRAMES, 0)]
    assert run_queue(wanted, workspace, split="test", duration=3) == []
    trained, scored = table(workspace, "training"), table(workspace, "evaluation")
    assert set(zip(trained.recipe, trained.seed, strict=True)) == {
        ("stills", 0), ("flow", 0), ("seg/dff", 0), ("seg/dff", 1), ("detection/frames", 0)
    }  # fmt: skip
    dff = scored[scored.recipe_hash == PAIRS.hash]
    assert set(dff.seed) == {0, 1}
    everything = dff[(dff.metric == "mIoU") & (dff.subset == "all")]
    assert everything.groupby("seed").duration.apply(list).tolist() == [[1, 2, 3]] * 2
    assert everything.value.between(0, 1).all()
    assert set(dff.data_version) == {"version of toytown"}
    assert (dff.iterations == 2).all()
    assert (dff.frames == 2 * 10).all()  # two snippets of twelve frames, ten of which have all their history
    assert set(machine.describe()) <= set(dff.columns) & set(trained.columns)
    assert (trained[trained.metric == "loss"].value > 0).all()
    assert set(scored[scored.recipe == "stills"].metric) == {"mIoU", "mAP"}
    flow = scored[scored.recipe == "flow"]
    assert set(zip(flow.metric, flow.subset, strict=True)) == {
        (f"EPE{of}", f"{where} {part}")
        for of in ("", " of no flow", " of DIS") for where in ("sprites", "toytown") for part in ("all", "visible")
    }  # fmt: skip
    for path in workspace.results.glob("*.csv"):
        assert len({row.key for row in results.read(path)}) == len(results.read(path))
    replicates = {
        (row.measurement.recipe_hash, row.measurement.seed, row.subset, row.duration): len(found)
        for row in results.read(workspace.results / "evaluation.csv")
        if (found := results.read_replicates(workspace.results, row)) is not None
    }
    overall = {(recipe.hash, seed, "all", 1) for recipe, seed in ((PAIRS, 0), (PAIRS, 1), (FRAMES, 0))}
    assert replicates == dict.fromkeys(overall, 500)

    before = [path.read_bytes() for path in sorted(workspace.results.glob("*.csv"))]
    run_queue(wanted, workspace, split="test", duration=3)
    assert [path.read_bytes() for path in sorted(workspace.results.glob("*.csv"))] == before


def test_pretraining_has_seed_0_and_a_run_has_the_weights_it_starts_from(workspace):
    run_queue([Run(AFTER, 1)], workspace, duration=2)
    assert Run(STILLS, 0).finished(workspace)
    assert not Run(STILLS, 1).finished(workspace)
    start, end = (runs.state(Run(each, 1), workspace) for each in (PAIRS, AFTER))
    assert all(torch.equal(start[name], end[name]) for name in start if name.startswith("feature_network"))


@pytest.mark.parametrize("where", ["train", "evaluate", "write"])
def test_a_stopped_queue_resumes(workspace, monkeypatch, where):
    target = {"train": (queue, "train"), "evaluate": (scoring, "score"), "write": (results, "add")}[where]
    whole, calls = getattr(*target), []

    def stops(*words, **options):
        calls.append(words)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*words, **options)

    with monkeypatch.context() as patch:
        patch.setattr(*target, stops)
        with pytest.raises(KeyboardInterrupt):
            run_queue([Run(PAIRS)], workspace, duration=2)
    run_queue([Run(PAIRS)], workspace, duration=2)
    for name in ("training", "evaluation"):
        rows = results.read(workspace.results / f"{name}.csv")
        assert {row.provenance["recipe"] for row in rows} == {"stills", "flow", "seg/dff"}
        assert len({row.key for row in rows}) == len(rows)


def test_a_run_that_another_process_trains_is_left_and_so_are_runs_that_need_it(workspace, capsys):
    with locked(Run(STILLS).folder(workspace)):
        left = run_queue([Run(PAIRS)], workspace)
    assert left == [Run(STILLS), Run(PAIRS)]
    assert Run(FLOW).finished(workspace)
    said = capsys.readouterr().out
    assert f"stills ({STILLS.hash}), seed 0 is being trained by another process" in said
    assert "stills" in said.splitlines()[-1]
    assert "is not trained yet. Train it with:  python -m dffkit train stills" in said
    assert run_queue([Run(PAIRS)], workspace, duration=2) == []


def test_a_queue_can_wait_for_what_another_process_trains(workspace, monkeypatch):
    other, waits = locked(Run(STILLS).folder(workspace)), []
    other.__enter__()

    def release(seconds):  # the other queue ends while this one waits
        assert Run(FLOW).finished(workspace)
        assert not Run(PAIRS).finished(workspace)
        waits.append(seconds)
        other.__exit__(None, None, None)

    monkeypatch.setattr(queue.time, "sleep", release)
    assert run_queue([Run(PAIRS)], workspace, duration=2, wait=True) == []
    assert waits == [queue.POLL]


def test_a_queue_that_waits_does_not_repeat_what_failed(workspace, monkeypatch):
    begun, other = [], locked(Run(STILLS).folder(workspace))
    other.__enter__()

    def fails(run, workspace):
        begun.append(run)
        with locked(run.folder(workspace), busy="held"):
            raise TrainingError("diverged")

    monkeypatch.setattr(queue, "train_run", fails)
    monkeypatch.setattr(queue.time, "sleep", lambda seconds: other.__exit__(None, None, None))
    left = run_queue([Run(PAIRS)], workspace, duration=2, wait=True)
    assert set(left) == {Run(STILLS), Run(FLOW), Run(PAIRS)}
    assert begun.count(Run(FLOW)) == 1


@pytest.mark.parametrize("status", [(0, 0), (0, 1)])
def test_queues_run_side_by_side(monkeypatch, status):
    started = []

    class Process:
        def __init__(self, command, start_new_session):
            assert start_new_session
            self.returncode = status[len(started)]
            started.append(command[1:])

        def poll(self):
            return self.returncode

    monkeypatch.setattr(queue.subprocess, "Popen", Process)
    assert queue.side_by_side(["handheld"], 2) == max(status)
    assert started == [["-m", "dffkit", "experiments", "handheld", "--wait", "--threads", "1", "--no-progress"]] * 2


@pytest.mark.parametrize("error", [TrainingError, DataError])
def test_a_run_that_fails_does_not_end_the_queue(workspace, monkeypatch, capsys, error):
    whole = queue.train

    def fails(recipe, *words, **options):
        if recipe == STILLS:
            raise error("stills: iteration 3: the loss is not finite")
        return whole(recipe, *words, **options)

    monkeypatch.setattr(queue, "train", fails)
    assert run_queue([Run(PAIRS)], workspace, duration=2) == [Run(STILLS), Run(PAIRS)]
    assert Run(FLOW).finished(workspace)
    assert "Left for later: stills: iteration 3: the loss is not finite" in capsys.readouterr().out


def test_the_status_of_each_run_is_shown(workspace):
    run_queue([Run(FLOW)], workspace)
    queue.train_run(Run(STILLS), workspace)
    (Run(FRAMES).folder(workspace)).mkdir(parents=True)
    (Run(FRAMES).folder(workspace) / "checkpoint-00000001.pt").touch()
    lines = status([Run(FRAMES), Run(AFTER)], workspace).splitlines()
    assert [line.split("  ")[-1] for line in lines] == [
        "trained", "1 of 2 iterations", "trained, scored", "0 of 2 iterations", "waits for seg/dff"
    ]  # fmt: skip
    assert lines[0].split()[:3] == ["stills", STILLS.hash, "s0"]


def test_a_run_on_another_data_version_is_refused(workspace, monkeypatch):
    run_queue([Run(FLOW)], workspace)
    monkeypatch.setattr(sources, "data_version", lambda tiny, split="train": "new version")
    expected = "another run: expected data_version 'new version', got 'version of toytown'; delete"
    with pytest.raises(DataError, match=expected):
        queue.train_run(Run(FLOW), workspace)


def test_validation_during_training_is_in_the_log_and_the_table(workspace):
    run_queue([Run(PAIRS)], workspace, duration=2)
    assert not (workspace.results / "replicates").exists(), "val serves to choose"
    rows = table(workspace, "training")
    scores = {"mIoU@1", "mIoU@5", "mIoU@10"}
    assert {"loss", "segmentation", "gradient", *scores} == set(rows[rows.recipe == "seg/dff"].metric)


def test_a_run_that_is_trained_again_is_scored_again(workspace):
    run_queue([Run(FLOW)], workspace)
    shutil.rmtree(Run(FLOW).folder(workspace))
    queue.train_run(Run(FLOW), workspace)
    assert not queue.has_row(Run(FLOW), workspace, "evaluation.csv", "val")
    run_queue([Run(FLOW)], workspace)
    assert queue.has_row(Run(FLOW), workspace, "evaluation.csv", "val")


def test_rows_have_the_precision_of_the_training_and_identities_have_none(workspace):
    run = Run(FRAMES)
    lower = dataclasses.replace(workspace, precision="bfloat16")
    queue.train_run(Run(STILLS), workspace)
    queue.train_run(run, lower)
    queue.evaluate_run(run, workspace, duration=2)  # scored in float32
    tables = [table(workspace, name) for name in ("training", "evaluation")]
    assert [set(rows[rows.recipe_hash == FRAMES.hash].precision) for rows in tables] == [{"bfloat16"}] * 2
    assert set(tables[0][tables[0].recipe == "stills"].precision) == {"float32"}
    assert run.finished(workspace)  # the same run
    queue.train_run(run, workspace, resume=False)
    assert set(table(workspace, "training").precision) == {"float32"}


def test_rows_of_older_runs_have_the_precision_of_the_recipe(workspace):
    older = dataclasses.replace(FLOW, precision="bfloat16")
    queue.train_run(Run(older), workspace)
    path = Run(older).folder(workspace) / FINISHED
    state = checkpoint.read(path)
    del state["precision"]
    checkpoint.write(path, state)
    queue.evaluate_run(Run(older), workspace)
    assert set(table(workspace, "evaluation").precision) == {"bfloat16"}


def test_a_training_that_is_stopped_leaves_the_scores_of_the_weights_before(workspace, monkeypatch):
    run_queue([Run(FLOW)], workspace)
    shutil.rmtree(Run(FLOW).folder(workspace))
    before = (workspace.results / "evaluation.csv").read_bytes()

    def stops(model):
        raise KeyboardInterrupt

    monkeypatch.setattr(scoring, "validation", lambda recipe, workspace: stops)  # the last thing before the end
    with pytest.raises(KeyboardInterrupt):
        queue.train_run(Run(FLOW), workspace)
    assert (workspace.results / "evaluation.csv").read_bytes() == before


def test_a_finished_run_keeps_the_names_of_its_classes(workspace, monkeypatch):
    queue.train_run(Run(STILLS), workspace)
    queue.train_run(Run(FRAMES), workspace)
    names = sources.names(FRAMES)
    monkeypatch.setattr(sources, "names", lambda recipe: pytest.fail("the data set was asked"))
    assert load_trained(Run(FRAMES).folder(workspace))[2] == names
    assert load_trained(Run(STILLS).folder(workspace))[2] == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": '{"name": "a", "job": "flow", "colour": 1}'}, "unexpected keyword argument 'colour'"),
        ({"recipe": '{"name": "a", "job": "pairs"}'}, "heads: expected 1 for job 'pairs'"),
        ({"recipe": "no JSON"}, "Expecting value"),
        ({"module": {}}, "Missing key"),
    ],
)
def test_a_finished_run_of_another_version_is_named(workspace, change, message):
    queue.train_run(Run(FLOW), workspace)
    path = Run(FLOW).folder(workspace) / FINISHED
    checkpoint.write(path, checkpoint.read(path) | change)
    with pytest.raises(DataError, match=rf"(?s)trained\.pt: its recipe and weights make no network: .*{message}"):
        load_trained(path.parent)
