"""`train RECIPE --rehearse`: made-up files in the readers' layouts, its report, and its refusals."""

import argparse
import dataclasses
import itertools
import os
import tempfile
from unittest import mock

import pytest
import torch

from dffkit.commands import experiments
from dffkit.datasets.snippets import Snippet
from dffkit.experiments import full_scale, made_up
from dffkit.support.errors import CommandError
from dffkit.training.jobs import make_job
from dffkit.training.recipes import REAL, find

PAPER = [name for name in REAL if name.startswith("paper/")]
SIZES = {"paper/flow": (384, 512), "paper/imagenet-vid/dff": (600, 1000), "paper/cityscapes/dff": (1024, 2048)}
# Readers leave frames of these sizes as they are: their longer sides are as long as the paper allows.
SMALL = {"imagenet_vid": (64, 1000), "cityscapes": (64, 2048), "flying_chairs": (128, 128)}


def tiny(name):
    recipe = find(name)
    return dataclasses.replace(recipe, depth=14, width=1 / 16, flow_width=1 / 16 if recipe.flow_width else 0)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Make up small files, and return the folder in which temporary ones are made."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with mock.patch.dict(made_up.SIZES, SMALL):
        yield tmp_path / "temporary"


@pytest.mark.parametrize("name", SIZES)
def test_made_up_files_are_read_at_the_papers_size(name, tmp_path):
    recipe = dataclasses.replace(tiny(name), batch=1)
    data = full_scale.made_up_data(recipe, tmp_path, made_up.SIZES[recipe.data])
    job = make_job(recipe, full_scale.SEED, data)
    for number in range(full_scale.ITERATIONS):
        batch = job.batch([number])
        current, key = (batch.current, batch.key) if recipe.job == "flow" else (batch.frames, batch.key_frames)
        assert current.shape == key.shape == (1, 3, *SIZES[name])
        assert not torch.equal(current, key), "F has work in both iterations"
        if recipe.job == "pairs":
            assert not batch.same.any()
    for snippet in data:
        if isinstance(snippet, Snippet):
            found = [target for _, target in snippet.targets.items()]
            assert found
            assert all(len(each["labels"] if isinstance(each, dict) else each.unique()) >= 3 for each in found)


def test_made_up_flow_is_exact(tmp_path):
    (pair,) = full_scale.made_up_data(find("paper/flow"), tmp_path, (32, 64))
    assert torch.equal(pair.current[..., 1:], pair.key[..., :-1])
    assert pair.flow[:, 3, 5].tolist() == [-1, 0]


@pytest.mark.parametrize("name", PAPER)
def test_a_rehearsal_reports_and_leaves_nothing(name, small, bare_workspace):
    former = dict(os.environ)
    report = full_scale.rehearse(tiny(name), bare_workspace)
    recipe = find(name)
    height, width = SMALL[recipe.data]
    rows = [line.split() for line in report.splitlines()]
    assert rows[0][0] == f"{name},"
    assert f"of {height} x {width} in an iteration" in report
    (memory,) = (float(row[2]) for row in rows if row[:2] == ["peak", "memory"])
    (seconds,) = (float(row[2]) for row in rows if row[:2] == ["an", "iteration"])
    assert memory > 0
    assert f"{recipe.iterations} iterations of 8" in report
    table = [[float(each) for each in row] for row in rows if len(row) == 4 and row[0].isdecimal()]
    assert [row[:2] for row in table] == [[1, 8], [2, 4], [4, 2], [8, 1]]
    assert table[-1][2] == memory
    assert table[-1][3] == pytest.approx(recipe.iterations * seconds / 3600, abs=recipe.iterations * 0.05 / 3600 + 0.05)
    for more, fewer in itertools.pairwise(table):
        assert more[2] >= fewer[2]
        assert more[3] >= fewer[3]
    assert "hours of this machine's processor" in report
    assert ("it takes 8 processes" in report) == ("imagenet-vid" in name)
    assert list(small.iterdir()) == []
    assert not any(path.exists() for path in (bare_workspace.runs, bare_workspace.results, bare_workspace.cache))
    assert dict(os.environ) == former


def test_the_prediction_follows_the_measured_growth():
    fixed, share = 10, 4
    part, whole = fixed + share / full_scale.PART, fixed + share
    assert [full_scale._for_shares(n, part, whole) for n in (1, 2, 8)] == [14, 18, 42]
    assert full_scale._for_shares(8, whole + 1, whole) == whole  # a disturbed measurement


def test_on_a_gpu_the_report_is_of_gpus(monkeypatch):
    monkeypatch.setattr(full_scale, "device_name", lambda device: "a GPU")
    part, whole = full_scale.Measured(1, 2048, 0.5, 0.1), full_scale.Measured(1, 3072, 1.0, 0.1)
    report = full_scale._report(find("paper/cityscapes/dff"), (1024, 2048), part, whole, "cuda:0")
    assert "3.0 GiB allocated" in report
    assert "GPUs" in report.splitlines()[5]
    assert "processor," not in report
    assert "8 processes" not in report


@pytest.mark.parametrize(("busy", "told"), [(0.5, True), (1.0, False), (4.0, False)])
def test_a_busy_processor_is_told(busy, told):
    measured = full_scale.Measured(1, 2048, 1.0, busy)
    report = full_scale._report(find("paper/flow"), (384, 512), measured, measured, "cpu")
    assert ("Other work kept this processor busy" in report) == told


@pytest.fixture
def counted(monkeypatch):
    """List the trainings; a second one ends as where a GPU's memory is full."""
    trained, train = [], full_scale.train

    def counting(recipe, *words, **options):
        trained.append(recipe.name)
        if len(trained) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train(recipe, *words, **options)

    monkeypatch.setattr(full_scale, "train", counting)
    return trained


def test_too_little_memory_is_told_before_it_is_used(small, bare_workspace, monkeypatch, counted):
    monkeypatch.setattr(full_scale, "attainable_memory_mib", lambda device: 102.4)
    message = r"frames of 128 x 128 need up to [0-9.]+ GiB of memory, 0\.1 GiB are free\. Estimate: frames of 32 x 128"
    with pytest.raises(CommandError, match=message):
        full_scale.rehearse(tiny("paper/flow"), bare_workspace)
    assert counted == ["paper/flow at 32 x 128"]
    assert list(small.iterdir()) == []


def test_where_the_memory_is_full_the_need_is_told(small, bare_workspace, monkeypatch, counted):
    monkeypatch.setattr(full_scale, "attainable_memory_mib", lambda device: float("nan"))
    with pytest.raises(CommandError, match=r"need up to [0-9.]+ GiB of memory"):
        full_scale.rehearse(tiny("paper/flow"), bare_workspace)
    assert counted == ["paper/flow at 32 x 128", "paper/flow at 128 x 128"]
    assert list(small.iterdir()) == []


@pytest.fixture
def train(bare_workspace, monkeypatch):
    """Call `train` with words, in a workspace of its own."""
    monkeypatch.setattr(experiments, "default_workspace", lambda **_: bare_workspace)
    monkeypatch.setattr(experiments, "keep_freed_memory", lambda: True)

    def call(*words):
        parser = argparse.ArgumentParser()
        experiments.add_train_arguments(parser)
        return experiments.train_main(parser.parse_args([*words, "--rehearse", "--device", "cpu"]))

    return call


def test_the_command_prints_the_report(train, small, capsys):
    with mock.patch.dict(REAL, {"paper/flow": tiny("paper/flow")}):
        assert train("paper/flow") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("paper/flow, rehearsed on ")
    assert "writing made-up files" in printed.err


@pytest.mark.parametrize("name", ["camvid/dff", "toytown/flow"])
def test_smaller_recipes_are_rehearsed_by_experiments(train, name):
    command = f"python -m dffkit experiments {name} --rehearse"
    with pytest.raises(CommandError, match=f"{name} is not of the paper's full scale.* {command}$"):
        train(name)
