"""Trainings of a moment on hand-made data, their logs, and whether they are equal; the tests of training share them."""

import csv

import torch
from hand_made import snippets

from dffkit.training.loop import train


def run(tiny, folder, **options):
    """Train on hand-made data."""
    task = "both" if tiny.job == "stills" else tiny.task
    data = () if tiny.job == "flow" else snippets(task)
    return train(tiny, folder, data=data, **{"progress": False, "log_every": 1, **options})


def log(folder):
    """The rows of the log, as numbers; None where there is nothing."""
    with (folder / "log.csv").open() as file:
        return [{name: float(value) if value else None for name, value in row.items()} for row in csv.DictReader(file)]


def equal(a, b):
    """Whether two states are the same, bit by bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
