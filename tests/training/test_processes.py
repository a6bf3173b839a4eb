"""Trainings in processes of their own: one that is killed again and again, and two that share each batch."""

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from places import REPOSITORY
from tiny_trainings import equal, log

from dffkit.training import checkpoint
from dffkit.training.checkpoint import FINISHED

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
pytestmark = pytest.mark.usefixtures("one_thread")


def close(a, b, tolerance):
    """Return whether two states are nearly the same."""
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], atol=tolerance, rtol=tolerance) for k in a)


def process(*words):
    """Run training_processes.py, and return its output."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])  # for hand_made.py
    script = Path(__file__).with_name("training_processes.py")
    command = [sys.executable, script, *words]  # the time limit is for a deadlock
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@forks
def test_a_killed_run_resumes_bit_by_bit(tmp_path):
    result = process("kill", tmp_path)
    killed, checkpoints = map(int, result.split())
    assert killed >= 10
    assert checkpoints >= 10
    states = [checkpoint.read(tmp_path / name / FINISHED)["module"] for name in ("whole", "killed")]
    assert equal(*states)
    assert log(tmp_path / "killed") == log(tmp_path / "whole")
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {"log.csv", FINISHED}


@forks
def test_a_stopped_run_keeps_its_last_step_and_resumes_bit_by_bit(tmp_path):
    """One process stops after the step in which the signal came; two agree on the step after, in their next message."""
    lines = process("stop", tmp_path).splitlines()
    assert lines == [
        "int 130 checkpoint-00000002.pt",
        "int 0 trained.pt",
        "term 143 checkpoint-00000002.pt",
        "term 0 trained.pt",
        "two 143 143 checkpoint-00000003.pt",
        "two 0 0 trained.pt",
    ]
    whole, *others = (checkpoint.read(tmp_path / name / FINISHED)["module"] for name in ("whole", "int", "term", "two"))
    assert equal(whole, others[0])
    assert equal(whole, others[1])
    assert close(whole, others[2], 1e-5)
    assert log(tmp_path / "int") == log(tmp_path / "term") == log(tmp_path / "whole")


@forks
def test_two_processes_train_as_one_with_the_whole_batch(tmp_path):
    output = process("share", tmp_path)
    for name in ("segmentation", "detection", "frames"):
        one, two = tmp_path / "one" / name, tmp_path / "two" / name
        states = [checkpoint.read(folder / FINISHED)["module"] for folder in (one, two)]
        assert close(*states, 1e-5)
        for row, other in zip(log(one), log(two), strict=True):
            assert row == pytest.approx(other, rel=1e-4, abs=1e-5)
    assert "expected a multiple of the 2 processes, got 3" in output
    assert not (tmp_path / "two" / "odd").exists()
    with (tmp_path / "two" / "results" / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["duration"] for row in rows if (row["metric"], row["subset"]) == ("mIoU", "all")] == ["1", "2"]
