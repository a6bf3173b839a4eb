"""Trainings in processes of their own, forked from this one, so that torch is loaded once; see test_processes.py.

python training_processes.py kill FOLDER      kills a training again and again until it ends
python training_processes.py share FOLDER     trains in one process, and in two that share each batch
python training_processes.py stop FOLDER      stops trainings by signals, in one process and in two, and resumes them
"""

import itertools
import os
import signal
import sys
from pathlib import Path

import torch
from hand_made import DETECTION, recipe, snippets

from dffkit.experiments import runs, scoring, sources
from dffkit.experiments.queue import run_queue
from dffkit.experiments.runs import Workspace
from dffkit.support.errors import TrainingError
from dffkit.support.machine import join_processes
from dffkit.training import checkpoint
from dffkit.training.jobs import RecognitionJob
from dffkit.training.loop import train

KILLED = recipe(iterations=40, lr=0.01, clip=10.0)
STOPPED = recipe(iterations=5, lr=0.01, clip=10.0)


def fork(function, *arguments):
    """Run a function in a child process, and return the child's id."""
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
    """Wait for a child, and return its exit status; negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train_killed(folder, events=None):
    """Train; the process kills itself at an event: at an iteration, or just before a file is flushed or renamed."""
    number = itertools.count(1)

    def event(function):
        def call(*arguments):
            if next(number) == events:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return call

    os.fsync, os.replace = event(os.fsync), event(os.replace)
    each = {"validate": event(lambda model: {}), "validate_every": 1, "checkpoint_every": 2, "log_every": 5}
    train(KILLED, folder, data=snippets(), precision="float32", progress=False, workers=1, **each)


def kill(folder):
    """Train whole, then kill the same training at a later event each time until it ends.

    Prints the number of kills, and the number of iterations at which there was a checkpoint after a kill.
    """
    assert wait(fork(train_killed, folder / "whole")) == 0
    reached = set()
    for killed in range(200):  # the training has fewer events
        status = wait(fork(train_killed, folder / "killed", killed + 1))
        found = sorted((folder / "killed").glob("*.pt"))
        reached |= {checkpoint.read(path)["iteration"] for path in found}  # each file can be loaded
        if status == 0:
            print(killed, len(reached))
            return
        assert status == -signal.SIGKILL, status
    raise SystemExit("the training never ended")


def train_shared(folder, rank, processes):
    """Train as one of several processes; then run the queue if there are several."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    if processes > 1:
        assert join_processes("cpu") == "cpu"
    for name, tiny in {
        "segmentation": recipe(batch=4, clip=1.0),
        "detection": recipe(task=DETECTION, batch=4, optimiser="adamw", lr=0.001),
        "frames": recipe("frames", batch=4, flow="none", flow_width=0),
    }.items():
        train(tiny, folder / name, data=snippets(tiny.task), precision="float32", progress=False, log_every=1)
    if processes > 1:
        try:
            train(recipe(batch=3), folder / "odd", data=snippets(), progress=False)
        except TrainingError as error:
            print(error)
        sources.snippets = lambda tiny, split, streets, *more: snippets(count=streets or 3)
        sources.data_version = lambda tiny, split="train": "hand-made"
        sources.counts = lambda tiny: {"val": 3}
        scoring.STREETS_IN_TRAINING = 1  # fewer streets than processes
        folders = (folder / name for name in ("runs", "results", "cache"))
        workspace = Workspace(*folders, precision="float32", progress=False)
        run_queue([runs.Run(recipe())], workspace, split="val", duration=2)


def share(folder):
    """Train in one and in two processes."""
    assert wait(fork(train_shared, folder / "one", 0, 1)) == 0
    children = [fork(train_shared, folder / "two", rank, 2) for rank in range(2)]
    assert [wait(child) for child in children] == [0, 0]


def train_stopped(folder, number=None, rank=0, processes=1):
    """Train as one of several processes; the last one sends itself a signal in its second step, if a number is given.

    Its exit status is that of the command line.
    """
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    if processes > 1:
        join_processes("cpu")
    steps, forward = itertools.count(1), RecognitionJob.forward

    def step(*words):
        if next(steps) == 2 and rank == processes - 1 and number:
            signal.raise_signal(number)
        return forward(*words)

    RecognitionJob.forward = step
    try:
        train(STOPPED, folder, data=snippets(), precision="float32", progress=False, log_every=3)
    except (SystemExit, KeyboardInterrupt) as stop:
        os._exit(getattr(stop, "code", 130))


def stop(folder):
    """Stop trainings by each signal, print the exit status and the checkpoints of each, and let them go on."""
    assert wait(fork(train_stopped, folder / "whole")) == 0
    for name, number, processes in (("int", signal.SIGINT, 1), ("term", signal.SIGTERM, 1), ("two", signal.SIGTERM, 2)):
        for given in (number, None):
            children = [fork(train_stopped, folder / name, given, rank, processes) for rank in range(processes)]
            print(name, *map(wait, children), *(path.name for path in sorted((folder / name).glob("*.pt"))))


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"kill": kill, "share": share, "stop": stop}[sys.argv[1]](Path(sys.argv[2]))
