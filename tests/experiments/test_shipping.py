"""Shipping trained runs, and scoring what was shipped again."""

import dataclasses
from unittest import mock

import pytest
import torch
from hand_made import FLOW, STILLS, recipe
from tiny_queue import PAIRS

from dffkit import weights
from dffkit.commands import reproduce
from dffkit.experiments import queue, results, runs, scoring, shipping, sources
from dffkit.experiments.queue import run_queue, status
from dffkit.experiments.runs import Run
from dffkit.support.errors import CommandError
from dffkit.training.recipes import RECIPES
from dffkit.weights import storage

FRAME = dataclasses.replace(
    recipe("frames", iterations=2, flow="none", flow_width=0), name="seg/frame", start=(("feature_network", STILLS),)
)


@pytest.fixture
def workspace(workspace, monkeypatch):
    """The queue's workspace with three shipped recipes."""
    monkeypatch.setattr(sources, "counts", lambda tiny: {"val": 3})
    monkeypatch.setattr(scoring, "TABLE_4", {"segmentation": 3, "detection": 3})
    monkeypatch.setattr(shipping, "SHIPPED", ("flow", "seg/frame", "seg/dff"))
    monkeypatch.setattr(shipping, "CHECKED", {"segmentation": (1, 2)})
    with mock.patch.dict(RECIPES, {each.name: each for each in (FLOW, STILLS, PAIRS, FRAME)}, clear=True):
        yield workspace


def test_what_is_not_trained_is_not_shipped(workspace, tmp_path):
    with pytest.raises(CommandError, match="is not trained yet"):
        shipping.ship(workspace, tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_shipped_weights_give_their_scores_again_and_others_do_not(workspace, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "weights"
    run_queue([Run(PAIRS), Run(FRAME)], workspace)
    assert shipping.ship(workspace, folder) == ["flow", "seg/frame", "seg/dff"]
    assert weights.names(folder) == ["flow", "seg/dff", "seg/frame"]
    about = weights.entry("seg/dff", folder)
    assert about["recipe_hash"] == PAIRS.hash
    assert about["data_version"] == "version of toytown"
    assert {"val mIoU@1", "check mIoU@1", "check mIoU@2"} <= about["scores"].keys()
    assert any(name.startswith("val EPE") for name in weights.entry("flow", folder)["scores"])

    rows = shipping.recheck(workspace, folder)
    assert [(row["model"], row["score"]) for row in rows] == [
        (name, key) for name in ("seg/frame", "seg/dff") for key in ("mIoU@1", "mIoU@2")
    ]
    assert all(row["agree"] and row["here"] == row["shipped"] for row in rows)

    monkeypatch.setattr(runs, "default_workspace", lambda: workspace)
    monkeypatch.setattr(shipping, "recheck", lambda _place: rows)
    assert reproduce.weights_agree()
    rows[0] |= {"here": rows[0]["here"] - 0.02, "agree": False}
    assert not reproduce.weights_agree()
    assert "NO" in capsys.readouterr().out


def test_a_shipping_that_is_killed_leaves_no_weights_without_their_scores(workspace, tmp_path, monkeypatch):
    run_queue([Run(PAIRS), Run(FRAME)], workspace)

    def killed(*words):
        raise KeyboardInterrupt

    monkeypatch.setattr(shipping, "check_scores", killed)
    with pytest.raises(KeyboardInterrupt):
        shipping.ship(workspace, tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_a_score_beyond_its_tolerance_does_not_agree(workspace, tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    run_queue([Run(PAIRS), Run(FRAME)], workspace)
    shipping.ship(workspace, folder)
    honest = shipping.check_scores
    for change, agree in ((0.004, True), (0.006, False), (-0.006, False)):
        with monkeypatch.context() as patch:
            patch.setattr(
                shipping, "check_scores", lambda *words, by=change: {k: v + by for k, v in honest(*words).items()}
            )
            assert {row["agree"] for row in shipping.recheck(workspace, folder)} == {agree}


def test_training_starts_from_shipped_parts_where_none_are_trained(workspace, tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    run_queue([Run(PAIRS)], workspace)
    monkeypatch.setattr(shipping, "SHIPPED", ("flow", "stills"))
    shipping.ship(workspace, folder)
    for module in (weights, storage):
        monkeypatch.setattr(module, "weights_folder", lambda given: given or folder)
    elsewhere = dataclasses.replace(workspace, runs=tmp_path / "elsewhere")
    assert runs.is_shipped(Run(STILLS))
    assert not runs.is_shipped(Run(dataclasses.replace(STILLS, iterations=9)))
    assert not runs.is_shipped(Run(PAIRS))
    shipped, trained = (runs.state(Run(STILLS), here) for here in (elsewhere, workspace))
    assert shipped.keys() == trained.keys()
    assert max(float((shipped[name] - trained[name]).abs().max()) for name in trained) < 1e-2
    assert any(not torch.equal(shipped[name], trained[name]) for name in trained), "in half precision"
    queue.train_run(Run(PAIRS), elsewhere)
    assert Run(PAIRS).finished(elsewhere)
    assert not Run(STILLS).finished(elsewhere)
    with pytest.raises(CommandError, match="is not trained yet"):
        runs.state(Run(FRAME), elsewhere)


def test_the_queue_scores_what_is_shipped_without_training_it(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "counts", lambda tiny: {"val": 3, "test": 3})
    folder = tmp_path / "weights"
    run_queue([Run(PAIRS), Run(FRAME)], workspace)
    shipping.ship(workspace, folder)
    for module in (weights, storage):
        monkeypatch.setattr(module, "weights_folder", lambda given: given or folder)
    monkeypatch.setattr(shipping, "SHIPPED", ("flow", "seg/frame", "seg/dff"))
    elsewhere = dataclasses.replace(workspace, runs=tmp_path / "elsewhere")
    assert "shipped, scored" in status([Run(FRAME)], elsewhere)
    assert "shipped\n" in status([Run(FRAME)], elsewhere, "test") + "\n"
    assert run_queue([Run(FRAME)], elsewhere, split="test") == []
    assert not Run(FRAME).finished(elsewhere)
    rows = results.read(workspace.results / "evaluation.csv")
    rows = [row for row in rows if row.measurement.recipe_hash == FRAME.hash]
    trained, scored = ([row for row in rows if row.measurement.split == split] for split in ("val", "test"))
    assert scored
    assert scored[0].provenance["seconds"] == trained[0].provenance["seconds"], "of the training, as its row says"
    shipping.ship(elsewhere, tmp_path / "again")
    assert weights.entry("seg/frame", tmp_path / "again")["files"] == weights.entry("seg/frame", folder)["files"]
