"""experiments.py on one's own data: what is trained first, starts from weights, and weights for other data."""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path
from unittest import mock

import pytest
import torch
from hand_made import FLOW, STILLS, snippets
from tiny_queue import FRAMES, PAIRS

from dffkit.commands import experiments
from dffkit.experiments import map_similarity, results, runs, sources
from dffkit.experiments.results import Score
from dffkit.experiments.runs import Run, Workspace
from dffkit.support.errors import CommandError
from dffkit.training import checkpoint
from dffkit.training.checkpoint import FINISHED
from dffkit.training.loop import train
from dffkit.training.recipe import Measurement, Recipe
from dffkit.training.recipes import RECIPES

# Most frames of these short snippets have too few before them to count, which is told.
pytestmark = pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")
QUIET = ("--no-progress", "--device", "cpu", "--threads", "1")

OWN = """
import hand_made
def dataset(split): return hand_made.snippets()
dataset.names = ("ground", "square", "rows")
def two(split): return hand_made.snippets()
two.names = ("ground", "square")
def renamed(split): return hand_made.snippets()
renamed.names = ("ground", "box", "rows")
"""


@pytest.fixture
def own_here(tmp_path, monkeypatch):
    """Let the commands use own data, tiny recipes, and a Frame that DFF starts from; pre-training is done."""
    frame = dataclasses.replace(FRAMES, name="seg/frame", heads=PAIRS.heads)
    dff = dataclasses.replace(PAIRS, start=(("feature_network", frame), ("task_network", frame), *PAIRS.start[1:]))
    (tmp_path / "own_data_here.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path / "runs", tmp_path / "results", tmp_path / "cache", progress=False)
    monkeypatch.setattr(experiments, "default_workspace", lambda **options: workspace)
    monkeypatch.setattr(experiments, "keep_freed_memory", lambda: True)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    for pretrained in (STILLS, FLOW):
        run = Run(pretrained)
        train(pretrained, run.folder(workspace), data=snippets("both") if pretrained is STILLS else (), progress=False,
              data_version=run.measurement(pretrained.data_split).data_version)  # fmt: skip
    with mock.patch.dict(RECIPES, {each.name: each for each in (FLOW, STILLS, frame, dff)}, clear=True):
        yield workspace


def own_command(*words):
    parser = argparse.ArgumentParser()
    add = {"train": experiments.add_train_arguments, "evaluate": experiments.add_evaluate_arguments}[words[0]]
    main = {"train": experiments.train_main, "evaluate": experiments.evaluate_main}[words[0]]
    add(parser)
    return main(parser.parse_args([*words[1:], *QUIET]))


def own_runs(workspace):
    return {"/".join(path.relative_to(workspace.runs).parts[:2]) for path in workspace.runs.rglob(FINISHED)}


def measured(workspace):
    rows = results.read(workspace.results / "evaluation.csv")
    return {(row.measurement.recipe_hash, row.measurement.data_version) for row in rows}


def test_iterations_rule_what_own_data_starts_from_and_weights_replace_it(own_here, capsys):
    own = ("--data", "own_data_here:dataset", "--iterations", "3")
    assert own_command("train", "seg/dff", *own) == 0
    said = capsys.readouterr()
    assert [line.split()[3] for line in said.err.splitlines() if line.startswith("to be trained: ")] == [
        "own_data_here.dataset/frame", "own_data_here.dataset/dff"
    ]  # fmt: skip
    assert said.err.count("3 iterations of 2") == 2
    assert "val mIoU@1 0." in said.err
    assert "on 3 of 3 snippets" in said.err
    frame, dff = (Path(line.partition(" is trained: ")[2]) for line in said.out.splitlines())
    state = checkpoint.read(dff / FINISHED)
    started = Recipe(**json.loads(state["recipe"]))
    assert {part: each.iterations for part, each in started.start} == {
        "feature_network": 3, "task_network": 3, "flow_network": 4
    }  # fmt: skip

    before = own_runs(own_here)
    assert own_command("train", "seg/dff", *own, "--from", str(frame)) == 0
    assert own_runs(own_here) == before  # the same start makes the same run
    capsys.readouterr()
    assert own_command("train", "seg/dff", *own[:2], "--iterations", "2", "--from", str(frame)) == 0
    assert capsys.readouterr().err.count("to be trained: own_data_here.dataset/dff (") == 1
    (new,) = own_runs(own_here) - before
    recipe = Recipe(**json.loads(checkpoint.read(own_here.runs / new / FINISHED)["recipe"]))
    assert {part: each.hash for part, each in recipe.start} == {part: each.hash for part, each in started.start}

    for words in (("seg/dff", *own), (str(dff),), (str(dff), *own[:2])):
        assert own_command("evaluate", *words) == 0
        assert "own_data_here.dataset/dff (" in capsys.readouterr().out
    assert measured(own_here) == {(started.hash, sources.data_version(started, "val"))}
    with pytest.raises(CommandError, match=r"expected a run for one task, without --iterations 3"):
        own_command("evaluate", str(dff), *own)

    copied = shutil.copytree(frame, own_here.runs.parent / "elsewhere")
    shutil.rmtree(frame)
    with pytest.raises(CommandError, match=rf"copy it:  cp -r {copied} {frame}$"):
        own_command("train", "seg/dff", *own, "--from", str(copied))


def test_the_start_from_weights_is_part_of_what_a_run_is(own_here, capsys):
    own = ("--data", "own_data_here:dataset", "--iterations", "1")
    with pytest.raises(CommandError, match=r"seg/frame .* is not trained yet\. .*python -m dffkit train seg/frame$"):
        own_command("train", "seg/dff", *own, "--from", "seg/frame")
    assert own_command("train", "seg/dff", *own, "--from", "stills") == 0
    assert "--from stills: has no fitting task_network, which starts at random" in capsys.readouterr().err
    assert own_command("train", "seg/frame", *own, "--from", "stills", "--seed", "1") == 0
    (frame,) = [each for each in own_runs(own_here) if each.endswith("-s1")]
    folder = str(own_here.runs / frame)
    with pytest.raises(CommandError, match=r"--from .*: is of seed 1, so give --seed 1, this training's too"):
        own_command("train", "seg/dff", *own, "--from", folder)
    assert own_command("train", "seg/dff", *own, "--from", folder, "--seed", "1") == 0
    with pytest.raises(CommandError, match="--from flow: no part of it fits"):
        own_command("train", "seg/frame", *own, "--from", "flow")
    with pytest.raises(CommandError, match="--from: expected a recipe for one task"):
        own_command("train", "flow", "--from", "stills")
    with pytest.raises(CommandError, match="--imagenet, --from: both give weights"):
        own_command("train", "seg/dff", *own, "--from", "stills", "--imagenet")


def test_weights_for_other_data_are_scored_on_own_data(own_here, capsys, monkeypatch):
    frame = Run(RECIPES["seg/frame"])
    version = frame.measurement("train").data_version
    start = {"feature_network": runs.state(Run(STILLS), own_here)}
    names = ("ground", "square", "rows")
    train(frame.recipe, frame.folder(own_here), data=snippets(), start=start, data_version=version, progress=False)
    monkeypatch.setattr(sources, "names", lambda recipe: names)
    with pytest.raises(CommandError, match=r"not trained yet\. .* python -m dffkit train seg/dff --seed 4 "):
        own_command("evaluate", "seg/dff", "--data", "own_data_here:dataset", "--seed", "4")
    assert own_command("evaluate", "seg/frame", "--data", "own_data_here:dataset", "--split", "test") == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{frame}, own_data_here:dataset test, 9 frames\n")
    assert "compared" not in said.err
    own = dataclasses.replace(frame.recipe, data="own_data_here:dataset")
    assert measured(own_here) == {(frame.recipe.hash, sources.data_version(own, "test"))}
    assert own_command("evaluate", "seg/frame", "--data", "own_data_here:renamed") == 0
    said = "its classes ground, box, rows are compared with the weights' ground, square, rows"
    assert said in capsys.readouterr().err
    message = r"seg/frame: its weights know 3 classes \(ground, square, rows\), own_data_here:two has 2. Train it with:"
    with pytest.raises(CommandError, match=message + "  python -m dffkit train seg/frame --data own_data_here:two$"):
        own_command("evaluate", "seg/frame", "--data", "own_data_here:two")


def test_similarities_are_printed_by_gap(capsys):
    of = Measurement("hash", 0, "version", "test")
    metrics = [(gap, layer) for layer in map_similarity.LAYERS for gap in (0, 1, None)]
    rows = [Score(of, f"similarity of {layer}", 0.5, grid, gap) for grid in ("a", "b") for gap, layer in metrics]
    experiments._print_scores([Score(of, "mIoU", 0.25, "all", 1), Score(of, "mIoU", 0.25, "slow", 1), *rows])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  l =  1  mIoU           0.2500"
    assert len(lines) == 7
    values = "pixels 0.500, conv1 0.500, conv3 0.500, conv5 0.500, features 0.500"
    assert lines[2] == f"  similarity of maps a,  1 frames apart: {values}"
    assert lines[6] == f"  similarity of maps b, other moments: {values}"
