"""ledger.py: which stored rows are those of today's recipes and data."""

import dataclasses

import numpy as np
import pytest
from places import REPOSITORY
from stored_scores import stored

from dffkit.experiments import results, runs
from dffkit.networks.precision import DIFFERENCE
from dffkit.paper import ledger
from dffkit.paper.claims import claims
from dffkit.training.recipes import find


def test_only_seeds_with_stored_replicates_are_compared(results_folder):
    replicates = {0: None, 1: np.array([0.25, 0.123454])}
    rows = [stored("camvid/dff", 0.5, seed, duration=5, replicates=replicates[seed]) for seed in (0, 1)]
    results.add(results_folder / "evaluation.csv", rows)
    ((seed, found),) = ledger.replicates_by_seed(find("camvid/dff"), 5).items()
    assert (seed, found.value, found.replicates.tolist()) == (1, 0.5, [0.25, 0.12345])  # in units of 1e-5
    assert ledger.replicates_by_seed(find("camvid/dff"), 4) == {}


def readers_rows(folder, iterations):
    """Store a row of a reader's DFF for CamVid, as if it had been trained for other numbers of iterations."""
    for number, value in iterations:
        row = stored("camvid/dff", value, duration=5, replicates=np.array([value]))
        own = row._replace(measurement=row.measurement._replace(recipe_hash=str(number)))
        results.add(folder / "evaluation.csv", [own])


def test_a_readers_rows_belong_to_a_recipe_by_its_name_and_the_newest_counts(tmp_path):
    readers_rows(tmp_path, [(500, 0.25), (1000, 0.5)])
    with ledger.reading(tmp_path):
        found = ledger.overall({"dff": find("camvid/dff")})
        assert ledger.replicates_by_seed(find("camvid/dff"), 5)[0].replicates.tolist() == [0.5]
    assert found.to_dict("records") == [{"name": "dff", "duration": 5, "score": 50}]
    assert len(ledger.overall({"dff": find("camvid/dff")})) > 1, "the kit's rows again"


def test_what_a_reader_has_not_is_taken_from_the_kit(tmp_path):
    readers_rows(tmp_path, [(500, 0.25)])
    frame, kits = ledger.replicates_by_seed(find("camvid/frame"), 1), ledger.speeds()
    with ledger.reading(tmp_path):
        assert ledger.replicates_by_seed(find("camvid/frame"), 1) == {}
        assert ledger.reference_by_seed(find("camvid/frame"), 1).keys() == frame.keys() == {0}
        assert ledger.reference_by_seed(find("camvid/dff"), 5)[0].value == 0.25
        assert ledger.speeds().keys() == kits.keys()
        results.write_rows(tmp_path / "speed.csv", [
            of._asdict() | speed._asdict() for of, speed in list(kits.items())[:1]
        ])  # fmt: skip
        assert len(ledger.speeds()) == 1
    assert len(ledger.speeds()) == len(kits)


def test_sources_are_those_of_the_rows_that_were_read(results_folder):
    for seed, commit in ((0, "a"), (1, "b"), (2, "b")):
        provenance = {"recipe": "camvid/dff", "commit": commit, "device": "CPU"}
        row = stored("camvid/dff", 0.5, seed, duration=5, replicates=np.array([0.5]), provenance=provenance)
        results.add(results_folder / "evaluation.csv", [row, row._replace(duration=4)])
    recipe = find("camvid/dff")
    with ledger.collected_sources() as all_seeds:
        ledger.replicates_by_seed(recipe, 5)
        with ledger.collected_sources() as first_seed:
            ledger.overall({"": recipe})
    ledger.replicates_by_seed(recipe, 4)
    start = f"{results_folder}/evaluation.csv: camvid/dff, test; recipe_hash {recipe.hash}; seed "
    assert ledger.describe_sources(all_seeds) == f"{start}0, 1, 2; commit a, b; device CPU"
    assert ledger.describe_sources(first_seed) == f"{start}0; commit a; device CPU"


def test_each_training_counts_once_in_the_hours(results_folder):
    common = {"recipe_hash": "a", "data_version": "d", "threads": 1}
    results.write_rows(results_folder / "training.csv", [
        {**common, "seed": seed, "metric": metric, "seconds": seconds, "device": device}
        for seed, seconds, device in ((0, 1800, "CPU"), (1, 5400, "CPU"), (2, 60, "GPU")) for metric in ("loss", "mIoU")
    ])  # fmt: skip
    found = ledger.training_hours().set_index("device")
    assert found.trainings.to_dict() == {"CPU": 2, "GPU": 1}
    assert found.hours.to_dict() == pytest.approx({"CPU": 2, "GPU": 1 / 60})


@pytest.mark.parametrize("precision", ["", "bfloat16"])  # older rows have none, which stands for the recipe's
def test_compared_rows_of_different_precisions_are_named(results_folder, precision):
    def row(name, seed, precision):
        return stored(name, 0.5, seed, duration=5, provenance={"recipe": name, "precision": precision})

    dff, frame = "toytown/segmentation/dff", "toytown/segmentation/frame"
    results.add(results_folder / "evaluation.csv", [row(dff, 0, precision), row(frame, 0, precision)])
    results.add(results_folder / "evaluation.csv", [row("toytown/detection/dff", 0, "float32")])
    assert ledger.mixed_precisions() == []
    results.add(results_folder / "evaluation.csv", [row(dff, 1, "float32")])
    (line,) = ledger.mixed_precisions()
    assert line.startswith("toytown/segmentation: some trainings are in bfloat16 and float32. Trained in float32")


def test_only_the_films_have_rows_of_two_precisions_and_that_is_told():
    (line,) = ledger.mixed_precisions()  # of Table 5 the networks with 5 and 21 layers
    assert line.startswith("handheld: some trainings are in bfloat16 and float32.")


def test_every_claim_has_our_number_and_its_source():
    table = ledger.claims_beside_ours()
    assert list(table.columns) == ["claim", "place", "paper", "ours", "source"]
    assert set(table.source) == {"recomputed", "read"}
    table2 = table[table.place == "Table 2"]
    assert table2.paper.tolist() == table2.ours.tolist()
    assert (table.ours != "nan").all()


def test_claims_by_construction_are_marked():
    inception = [each for each in claims().values() if each.how == "inverse_ratio" and "FlowNet Inception" in each.of]
    assert len(inception) == 2
    assert all(each.kind == "by-construction" and "by construction" in each.claim for each in inception)


def test_stored_measurements_name_their_machine_and_run():
    rows = ledger.benchmark()
    for column in ("device", "threads", "torch", "commit", "date", "seed", "height", "width", "duration", "look_ahead"):
        assert rows[column].notna().all(), column
    assert not rows.commit.str.endswith("+").any(), "measured on code that was never committed"


def test_the_stated_effect_of_the_precision_is_that_of_the_stored_rows():
    folder, recipe = REPOSITORY / "data" / "results", find("toytown/segmentation/dff")
    recipes = {"bfloat16": recipe, "float32": dataclasses.replace(recipe, precision="float32")}
    rows = runs.stored_scores(folder / "evaluation.csv", recipes, "test")
    for duration, stated in ((5, ("0.03", "0.13", "0.08")), (10, ("0.16", "0.04", "0.27"))):
        wanted = (0, "all", duration)
        score = {key: row for key, row in rows if (row.measurement.seed, row.subset, row.duration) == wanted}
        drawn = {key: results.read_replicates(folder, row) for key, row in score.items()}
        loss = 100 * (score["bfloat16"].value - score["float32"].value)
        low, high = np.percentile(100 * (drawn["bfloat16"] - drawn["float32"]), [2.5, 97.5])
        ends = (high, -low) if low < 0 else (low, high)
        assert tuple(f"{value:.2f}" for value in (loss, *ends)) == stated
        assert all(value in DIFFERENCE for value in stated)
