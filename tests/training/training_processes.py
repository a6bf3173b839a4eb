"""Trainings in processes of their own, forked from this one, which alone loads torch; see test_training_processes.py.

python training_processes.py kill FOLDER      kills a training at random moments until it ends
python training_processes.py share FOLDER     trains in one process, and in two that share each batch

"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from hand_made import DETECTION, recipe, snippets

from dffkit.experiments import runs, scoring, sources
from dffkit.experiments.queue import run_queue
from dffkit.experiments.runs import Workspace
from dffkit.support.errors import TrainingError
from dffkit.support.processes import join_processes
from dffkit.training import checkpoint
from dffkit.training.loop import train

KILLED = recipe(iterations=40, lr=0.01, clip=10.0)


def fork(function, *arguments):
    """Run a function in a child process; returns its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        function(*arguments)
        status = 0
    finally:
        os._exit(status)


def wait(child):
    """Its exit status; negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train_killed(folder):
    train(KILLED, folder, data=snippets(), progress=False, checkpoint_every=2, log_every=5, workers=1)


def kill(folder):
    """Train whole; then the same again, killed at random moments. Prints how often, and from where it went on."""
    began = time.monotonic()
    assert wait(fork(train_killed, folder / "whole")) == 0
    whole = time.monotonic() - began
    rng, killed, reached = random.Random(int(time.time())), 0, set()
    while True:
        child = fork(train_killed, folder / "killed")
        time.sleep(whole * rng.uniform(0.1, 0.5))
        os.kill(child, signal.SIGKILL)
        status = wait(child)
        found = sorted((folder / "killed").glob("*.pt"))
        reached |= {checkpoint.read(path)["iteration"] for path in found}  # every file there is can be loaded
        if status == 0:
            break
        assert status == -signal.SIGKILL, status
        killed += 1
        if killed == 40:
            raise SystemExit("it never got to the end")
    print(killed, len(reached))


def train_shared(folder, rank, processes):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    if processes > 1:
        assert join_processes("cpu") == "cpu"
    for name, tiny in {
        "segmentation": recipe(batch=4, clip=1.0),
        "detection": recipe(task=DETECTION, batch=4, optimiser="adamw", lr=0.001),
        "frames": recipe("frames", batch=4, flow="none", flow_width=0),
    }.items():
        train(tiny, folder / name, data=snippets(tiny.task), progress=False, log_every=1)
    if processes > 1:
        try:
            train(recipe(batch=3), folder / "odd", data=snippets(), progress=False)
        except TrainingError as error:
            print(error)
        sources.snippets = lambda tiny, split, streets, folder: snippets(count=streets or 3)
        sources.prepare, sources.data_version = lambda *words: None, lambda tiny, split="train": "hand-made"
        sources.counts = lambda tiny: {"val": 3}
        scoring.STREETS_IN_TRAINING = 1  # fewer than there are processes
        place = Workspace(folder / "runs", folder / "results", folder / "cache", progress=False)
        run_queue([runs.Run(recipe())], place, split="val", duration=2)


def share(folder):
    """Train in one and in two processes."""
    assert wait(fork(train_shared, folder / "one", 0, 1)) == 0
    children = [fork(train_shared, folder / "two", rank, 2) for rank in range(2)]
    assert [wait(child) for child in children] == [0, 0]


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"kill": kill, "share": share}[sys.argv[1]](Path(sys.argv[2]))
