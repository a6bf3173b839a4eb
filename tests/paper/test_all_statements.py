"""all_statements.py: statements with verdicts in two worlds, on rows whose answers are known."""

import numpy as np
import pytest
from stored_scores import stored as stored_score

from dffkit.experiments import results
from dffkit.paper import ablation
from dffkit.paper.all_statements import all_statements
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


def test_statements_have_a_verdict_beside_the_printed_difference(stored):
    films, drive = (all_statements(each).set_index("statement") for each in SCORES)
    for text, ours, verdict in (
        ("DFF above DFF fix N", 1.5, "holds"),
        ("DFF loses no more than in Table 4", 0.5, "holds"),
    ):
        assert films.printed[text] == pytest.approx(0.8)
        assert (round(films.difference[text], 1), films.verdict[text], films.by[text]) == (ours, verdict, "paper")
    assert (round(drive.difference["DFF above DFF fix N"], 1), drive.verdict["DFF above DFF fix N"]) == (
        -1.0,
        "does not hold",
    )
    loss = drive.loc["DFF loses no more than in Table 4"]
    assert (round(loss.difference, 1), loss.verdict) == (7.0, "does not hold")


def test_statements_about_missing_rows_are_left_out(stored):
    for seed in (0, 1, 2):
        results.remove(stored / "evaluation.csv", ablation.recipe("handheld", "Frame").hash, seed)
    films, drive = (list(all_statements(each).statement) for each in SCORES)
    assert "Frame above DFF" in drive
    assert "Frame above DFF" not in films
    assert "DFF above DFF fix N" in films


def test_without_any_rows_there_are_no_statements(results_folder):
    assert all_statements("handheld").empty
