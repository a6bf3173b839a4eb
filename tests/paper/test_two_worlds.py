"""two_worlds.py: the paper's statements in two worlds, on rows whose answers are known."""

import numpy as np
import pytest
from stored_scores import stored as stored_score

from dffkit.experiments import results
from dffkit.paper import ablation, two_worlds
from dffkit.paper.settings import find_setting

SPREAD = 0.05 * np.random.default_rng(0).standard_normal(500)  # over streets, the same for every row
SCORES = {
    "handheld": {"Frame": 0.70, "DFF": 0.695, "DFF fix N": 0.68},  # loses half a point, the paper 0.8
    "detection": {"Frame": 0.80, "DFF": 0.73, "DFF fix N": 0.74},
}


@pytest.fixture
def stored(results_folder):
    """Three trainings of three rows in each world."""
    rng = np.random.default_rng(1)
    rows = []
    for setting, scores in SCORES.items():
        for name, value in scores.items():
            duration = 1 if name == "Frame" else find_setting(setting).duration
            for seed in (0, 1, 2):
                replicates = value + SPREAD + 0.0005 * rng.standard_normal(500)
                recipe = ablation.recipe(setting, name).name
                rows.append(stored_score(recipe, value, seed, duration=duration, replicates=replicates))
    results.add(results_folder / "evaluation.csv", rows)
    return results_folder


def test_each_world_has_its_verdict_beside_the_printed_difference(stored):
    table = two_worlds.side_by_side().set_index("statement")
    assert list(table.columns) == ["paper", "Handheld films", "Toytown"]
    order = table.loc["DFF above DFF fix N"]
    assert order.paper == "0.8"
    assert order["Handheld films"].startswith("holds: 1.5 (")
    assert order["Toytown"].startswith("does not hold: -1.0 (")
    loss = table.loc["DFF loses no more than in Table 4"]
    assert loss.paper == "0.8"
    assert loss["Handheld films"].startswith("holds: 0.5 (")
    assert loss["Toytown"].startswith("does not hold: 7.0 (")


def test_a_world_without_rows_has_dashes(stored):
    for seed in (0, 1, 2):
        results.remove(stored / "evaluation.csv", ablation.recipe("handheld", "Frame").hash, seed)
    table = two_worlds.side_by_side().set_index("statement")
    assert table.loc["Frame above DFF", "Handheld films"] == "-"
    assert table.loc["Frame above DFF", "Toytown"].startswith("holds: 7.0 (")


def test_without_any_rows_the_table_is_empty(results_folder):
    assert two_worlds.side_by_side().empty
