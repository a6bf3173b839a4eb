"""Short trainings on hand-made data, their logs, and their comparison, for all tests of training."""

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
    """Return the rows of the log as numbers; None for empty cells."""
    with (folder / "log.csv").open() as file:
        return [{name: float(value) if value else None for name, value in row.items()} for row in csv.DictReader(file)]


def equal(a, b):
    """Return whether two states are equal, bit by bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
