"""variations.py: Table 5, the sparse labels and real video from stored rows, and their pictures."""

from types import MappingProxyType

import numpy as np
import pytest
from stored_scores import stored as stored_score

from dffkit.experiments import results
from dffkit.experiments.scoring import TABLE_4
from dffkit.experiments.speed import Architecture
from dffkit.paper import variations
from dffkit.training.recipes import find

SPLITS = {"split-21": 0.693, "split-5": 0.692, "dff": 0.690, "split-0": 0.687}
SPARSE = {"frame-1-in-1": (0.70, 0.60), "dff-1-in-1": (0.69, 0.67), "frame-1-in-30": (0.60, 0.5),
          "dff-1-in-30": (0.59, 0.58)}  # fmt: skip
REAL = {
    "camvid/frame": (0.5, 0.4), "camvid/frame-longer": (0.51, 0.41), "camvid/dff": (0.49, 0.48),
    "pets09/frame": (0.9, 0.6),
}  # fmt: skip


@pytest.fixture(autouse=True)
def stored(results_folder):
    """Result tables of some split points."""
    results.add(results_folder / "evaluation.csv", [
        stored_score(f"toytown/{task}/{name}", value, duration=TABLE_4[task])
        for task in TABLE_4 for name, value in SPLITS.items()
    ])  # fmt: skip
    times = {"key_ms": 50, "decode_ms": 0, "key_gflop": 1, "current_gflop": 0.1}
    results.write_rows(results_folder / "speed.csv", [
        Architecture.of(find(f"toytown/segmentation/{name}"))._asdict() | times | {"current_ms": current, "ratio": r}
        for name, current, r in (("dff", 5, 0.1), ("split-12", 15, 0.3), ("split-21", 20, 0.4))
    ])  # fmt: skip
    return results_folder


def with_replicates(folder, spread=MappingProxyType({})):
    """Replicates for the split points of segmentation: the same noise in each, but those that have a `spread`."""
    noise, other = np.random.default_rng(0).standard_normal((2, 200))
    results.add(folder / "evaluation.csv", [
        stored_score(f"toytown/segmentation/{name}", value, duration=5,
                     replicates=value + 0.001 * noise + spread.get(name, 0) * other)
        for name, value in SPLITS.items()
    ])  # fmt: skip


def sparse_replicates(folder):
    """Replicates for the sparse labels of detection, the same noise in each."""
    noise = 0.001 * np.random.default_rng(0).standard_normal(200)
    results.add(folder / "evaluation.csv", [
        stored_score(f"toytown/detection/{name}", value, duration=duration, replicates=value + noise)
        for name, scores in SPARSE.items()
        for duration, value in zip((1, TABLE_4["detection"]), scores, strict=True)
    ])  # fmt: skip


def test_table_5_has_the_split_points_that_were_scored_or_measured():
    table = variations.table5("segmentation").set_index("layers")
    assert list(table.index) == [21, 12, 5, 1, 0]
    assert table.score.tolist() == pytest.approx([69.3, np.nan, 69.2, 69.0, 68.7], nan_ok=True)
    assert table.loc[1, "fps"] == pytest.approx(5000 / (50 + 4 * 5))
    assert table.loc[21, "speedup"] == pytest.approx(5 / (1 + 4 * 0.4))
    assert np.isnan(table.loc[5, "fps"])
    assert table.paper.tolist() == [69.1, 69.1, 69.2, 69.2, 69.5]
    assert list(variations.table5("detection").layers) == [21, 5, 1, 0]


def test_sparse_labels_have_scores_with_intervals_where_they_were_run(stored):
    sparse_replicates(stored)
    table = variations.sparse_labels("detection").set_index(["method", "interval"])
    assert table.score.to_dict() == pytest.approx({
        ("Frame", 1): 70, ("Frame", 30): 60, ("DFF, key frames", 1): 69, ("DFF, key frames", 30): 59,
        ("DFF", 1): 67, ("DFF", 30): 58, ("copy", 1): 60, ("copy", 30): 50,
    })  # fmt: skip
    assert (table.score - table.low).tolist() == pytest.approx([0.196] * 8, abs=0.08)
    assert (table.high - table.score).tolist() == pytest.approx([0.196] * 8, abs=0.08)
    assert variations.sparse_labels("segmentation").empty


def test_table_5_is_drawn_against_the_default(stored):
    with_replicates(stored)
    figure, numbers = variations.draw_table5()
    assert set(numbers.task) == {"segmentation", "detection"}  # the films have no rows here
    (ours,) = figure.axes[1].containers
    assert list(ours.lines[0].get_xdata()) == [0, 2, 3, 4]  # 12 layers have no score
    assert list(ours.lines[0].get_ydata()) == pytest.approx([0.3, 0.2, 0, -0.3])


def test_table_5_has_the_interval_of_each_difference_from_the_default(stored):
    with_replicates(stored, {"split-21": 0.002})
    table = variations.table5("segmentation").set_index("layers")
    moved = table.loc[21]
    assert moved.low < moved.difference - 0.2 < moved.difference + 0.2 < moved.high
    assert table.loc[5, ["low", "difference", "high"]].tolist() == pytest.approx([0.2, 0.2, 0.2], abs=0.002)
    assert table.loc[1, ["low", "difference", "high"]].tolist() == [0, 0, 0]
    assert table.loc[12, ["low", "difference", "high"]].isna().all()


def test_sparse_labels_are_drawn_with_their_intervals(stored):
    sparse_replicates(stored)
    figure, numbers = variations.draw_sparse_labels()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["The drive, segmentation", "The drive, detection"]
    drawn = figure.axes[1].containers
    assert [each.get_label() for each in drawn] == ["Frame", "DFF, key frames", "DFF", "copy"]
    assert [len(each.lines[0].get_xdata()) for each in drawn] == [2] * 4
    low, high = drawn[0].lines[2][0].get_segments()[1][:, 1]  # Frame's bar at 1 in 30
    assert low < 60 < high
    assert len(numbers) == 8


def test_table_5s_statements_have_verdicts(stored):
    with_replicates(stored)
    lines = variations.statements("segmentation").set_index("statement")
    assert lines.verdict.to_dict() == {
        f"{layers} layers in N_task within 1.5 points of 1": "holds" for layers in (0, 5, 21)
    }  # not all speeds are measured
    assert lines.difference.tolist() == pytest.approx([-0.3, 0.2, 0.3])


def test_the_losses_of_frame_and_dff_by_sparse_labels_are_compared(stored):
    sparse_replicates(stored)
    (line,) = variations.sparse_statements("detection").itertuples()
    assert line.statement == "with 1 label in 30 instead of 1 in 1, DFF loses less than Frame"
    assert line.difference == pytest.approx(10 - 9)
    assert line.verdict == "holds"
    assert variations.sparse_statements("segmentation").empty


def test_twice_the_iterations_are_compared_with_once_and_with_fix_n(stored):
    noise = 0.001 * np.random.default_rng(0).standard_normal(200)
    scores = {("frame", 1): 0.95, ("frame-2t", 1): 0.96, ("dff", 10): 0.92, ("dff-2t", 10): 0.94, ("fix-n", 10): 0.93}
    results.add(stored / "evaluation.csv", [
        stored_score(f"handheld/{name}", value, duration=duration, replicates=value + noise)
        for (name, duration), value in scores.items()
    ])  # fmt: skip
    found = variations.longer_statements().set_index("statement")
    expected = {"Frame at 2T above Frame at T": 1, "DFF at 2T above DFF at T": 2, "DFF at 2T above DFF fix N at T": 1}
    assert found.difference.to_dict() == pytest.approx(expected)
    assert set(found.verdict) == {"holds"}


@pytest.fixture
def real_scores(results_folder):
    """Rows of two durations; and some that do not belong to the curves."""
    rows = []
    for name, scores in REAL.items():
        rows += [stored_score(name, value, duration=length) for length, value in zip((1, 10), scores, strict=True)]
        other = stored_score(name, 0.1, duration=10)
        rows += [stored_score(name, 0.1, duration=10, **change) for change in (
            {"split": "val"}, {"seed": 1}, {"subset": "car"}, {"metric": "loss"}
        )]  # fmt: skip
        rows += [
            other._replace(measurement=other.measurement._replace(**former))
            for former in ({"recipe_hash": "0"}, {"data_version": "0"})
        ]
    results.add(results_folder / "evaluation.csv", rows)


def test_frame_has_one_duration_and_copy_the_others(real_scores):
    table = variations.real_video("camvid")
    found = {(row.method, row.duration): row.score for row in table.itertuples()}
    assert found == pytest.approx(
        {("DFF", 1): 49, ("DFF", 10): 48, ("Frame", 1): 50, ("copy", 10): 40, ("Frame, longer", 1): 51}
    )
    assert len(table) == 5
    assert set(variations.real_video("pets09").method) == {"Frame", "copy"}


def test_each_panel_of_real_video_has_its_curves(real_scores):
    figure, numbers = variations.draw_real_video()
    camvid, pets = figure.axes
    level, longer, dff, copied = camvid.lines
    assert level.get_ydata() == pytest.approx([50, 50])
    assert longer.get_ydata() == pytest.approx([51, 51])
    assert dff.get_ydata() == pytest.approx([49, 48])
    assert copied.get_ydata() == pytest.approx([40])
    assert len(pets.lines) == 2
    assert [text.get_text() for text in pets.get_legend().get_texts()] == ["Frame", "Frame, longer", "DFF", "copy"]
    assert len(numbers) == 7


def test_table_5_of_handheld_films_is_beside_the_papers_of_detection(results_folder):
    scores = {"split-5": 0.7, "dff": 0.69}
    results.add(results_folder / "evaluation.csv", [
        stored_score(f"handheld/{name}", value, duration=10, replicates=np.full(9, value))
        for name, value in scores.items()
    ])  # fmt: skip
    times = {"key_ms": 50, "current_ms": 5, "decode_ms": 0, "key_gflop": 1, "current_gflop": 0.1, "ratio": 0.1}
    results.write_rows(results_folder / "speed.csv", [Architecture.of(find("handheld/split-5"))._asdict() | times])
    table = variations.table5("handheld").set_index("layers")
    assert table.fps[[5, 1]].tolist() == pytest.approx([10_000 / (50 + 9 * 5), np.nan], nan_ok=True)
    assert table.difference[[5, 1]].tolist() == pytest.approx([1, 0])
    assert table.paper[[5, 1]].tolist() == [73.2, 73.1]
    figure, _ = variations.draw_table5(["handheld"])
    assert figure.axes[0].get_title(loc="left") == "Handheld films, detection: mAP@0.5"
    assert figure.axes[0].containers[0].get_label() == "this kit"
