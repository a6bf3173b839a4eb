"""The queue: what runs after what, what is scored, stopping and going on."""

import dataclasses
import shutil

import pytest
import torch
from hand_made import FLOW, STILLS
from tiny_queue import FRAMES, PAIRS, table

from dffkit import machine, sources
from dffkit.experiments import execution, results, runs, scoring
from dffkit.experiments.queue import run_queue, status
from dffkit.experiments.runs import Run, in_order

AFTER = dataclasses.replace(
    PAIRS, name="seg/after", iterations=0, start=(("feature_network", PAIRS), ("flow_network", FLOW))
)


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
    target = {"train": (execution, "train"), "evaluate": (scoring, "score"), "write": (results, "add")}[where]
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
    execution.train_run(Run(STILLS), place)
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


def test_a_run_that_is_trained_again_is_scored_again(place):
    run_queue([Run(FLOW)], place)
    shutil.rmtree(Run(FLOW).folder(place))
    execution.train_run(Run(FLOW), place)
    assert not execution.is_written(Run(FLOW), place, "evaluation.csv")
    run_queue([Run(FLOW)], place)
    assert execution.is_written(Run(FLOW), place, "evaluation.csv")
