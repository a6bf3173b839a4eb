"""scored.py: which stored rows are those of today's recipes and data."""

import dataclasses

import numpy as np
import pytest
from stored_scores import stored

from dffkit.experiments import results
from dffkit.paper import scored
from dffkit.training.recipes import find


def test_the_last_loss_is_that_of_todays_recipe_on_todays_data_and_of_the_given_seed(tmp_path):
    def loss(name, value, seed=0, metric="loss"):
        return stored(f"toytown/detection/{name}", value, seed, split="train", metric=metric, subset="")

    former = [
        row._replace(measurement=dataclasses.replace(row.measurement, **change))
        for row, change in ((loss("frame", 0.9), {"data_version": "0"}), (loss("frame", 0.8), {"recipe_hash": "0"}))
    ]
    rows = [loss("frame", 0.3), loss("frame", 0.1, metric="box"), loss("frame", 0.4, 1), loss("frame-50", 0.5, 1)]
    results.add(tmp_path / "training.csv", rows + former)
    recipes = scored.on_toytown("detection")
    assert scored.training_losses(tmp_path, recipes).to_dict() == pytest.approx({"frame": 0.3})
    assert scored.training_losses(tmp_path, recipes, seed=1).to_dict() == pytest.approx({"frame": 0.4, "frame-50": 0.5})


def test_only_seeds_with_stored_replicates_are_compared(tmp_path):
    replicates = {0: None, 1: np.array([0.25, 0.123454])}
    rows = [stored("camvid/dff", 0.5, seed, duration=5, replicates=replicates[seed]) for seed in (0, 1)]
    results.add(tmp_path / "evaluation.csv", rows)
    ((seed, found),) = scored.replicates_by_seed(tmp_path, find("camvid/dff"), 5).items()
    assert (seed, found.value, found.replicates.tolist()) == (1, 0.5, [0.25, 0.12345])  # in units of 1e-5
    assert scored.replicates_by_seed(tmp_path, find("camvid/dff"), 4) == {}
