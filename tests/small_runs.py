"""The kit's own recipes made so small that they are trained and scored in a moment; shared by tests of sources."""

import dataclasses

import numpy as np
from PIL import Image

from dffkit.experiments import queue
from dffkit.experiments.runs import Run
from dffkit.training.recipes import find

SMALL = {"depth": 14, "width": 1 / 16, "iterations": 2, "batch": 1, "start": (), "weights": ""}


def small(recipe, **changes):
    """Return a recipe, by its name, made so small that it is trained in a moment."""
    recipe = find(recipe)
    flow = {"flow_width": 1 / 16} if recipe.flow_width else {}
    return dataclasses.replace(recipe, **{**SMALL, **flow, **changes})


def trained_and_scored(recipe, workspace, split="val", duration=2):
    """Train and score a run of a few iterations; return (metric, duration) of its overall scores."""
    queue.train_run(Run(recipe), workspace)
    rows = queue.evaluate_run(Run(recipe), workspace, split=split, duration=duration)
    assert (workspace.results / "evaluation.csv").exists()
    return {(row.metric, row.duration) for row in rows if row.subset == "all"}


def picture(path, size, high=256, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*size, 3) if mode == "RGB" else size
    Image.fromarray(np.random.default_rng(0).integers(0, high, shape, dtype=np.uint8)).save(path)
