"""speed_accuracy.py: Figure 3's points from stored rows."""

import pandas
import pytest
from stored_curves import two_curves
from stored_scores import stored as stored_score

from dffkit.experiments import results
from dffkit.experiments.speed import Architecture
from dffkit.paper import ledger, speed_accuracy
from dffkit.paper.speed_accuracy import curves, envelope
from dffkit.training.recipes import find

TIMES = {  # ms and GFLOP of a key frame and of another
    "frame": (100.0, 1.0, 10.0, 0.1), "dff": (102.0, 10.0, 10.0, 0.8), "dff-50-inception": (60.0, 2.0, 5.0, 0.2),
    "frame-50": (58.0, 1.0, 5.0, 0.1),
}  # fmt: skip
SCORES = {"frame": {1: 0.72, 2: 0.6}, "dff": {1: 0.71, 2: 0.70, 10: 0.66}, "dff-50-inception": {10: 0.60},
          "frame-50": {1: 0.67}, "frame-26": {1: 0.5}}  # fmt: skip


@pytest.fixture(autouse=True)
def stored(results_folder):
    """Result tables of a few networks, of which one has not been measured."""
    task = "toytown/segmentation"
    results.add(results_folder / "evaluation.csv", [
        stored_score(f"{task}/{name}", value - 0.1 * seed, seed, duration=duration)
        for name, scores in SCORES.items() for duration, value in scores.items() for seed in (0, 1)
    ])  # fmt: skip
    names = ("key_ms", "current_ms", "key_gflop", "current_gflop")
    results.write_rows(results_folder / "speed.csv", [
        Architecture.of(find(f"{task}/{name}"))._asdict() | dict(zip(names, values, strict=True))
        | {"ratio": 0.1, "decode_ms": 0}
        for name, values in TIMES.items()
    ])  # fmt: skip


def test_figure_3_shows_every_point_by_both_speeds_and_marks_frame():
    figure, numbers = speed_accuracy.figure3()
    assert len(numbers) == 6
    counted, measured = figure.axes[1], figure.axes[4]  # segmentation, in the second of three columns
    for axes, speed in ((counted, "speedup"), (measured, "fps")):
        drawn = sorted(x for line in axes.lines for x in line.get_xdata())
        assert drawn == pytest.approx(sorted(numbers[speed]))
    labels = [line.get_label() for line in counted.lines]
    assert "ResNet-50, FlowNet Inception" in labels
    assert labels.count("Frame: ResNet-101, 50") == 1


def test_figure_3_may_show_one_speed_of_some_settings():
    figure, _ = speed_accuracy.figure3(["detection", "segmentation"], speeds=["fps"])
    assert [axes.get_xlabel() for axes in figure.axes] == [speed_accuracy.AXES["fps"]] * 2
    (row,) = figure.axes[0].get_gridspec().get_geometry()[:1]
    assert row == 1


def test_points_have_score_counted_and_measured_speed():
    points = curves("segmentation").set_index(["name", "duration"])
    assert set(points.index) == {
        ("frame", 1), ("dff", 1), ("dff", 2), ("dff", 10), ("dff-50-inception", 10), ("frame-50", 1)
    }  # fmt: skip
    dff = points.loc["dff", 10]
    assert dff.score == pytest.approx(66)
    assert dff.speedup == pytest.approx(10 * 10 / (10 + 9 * 0.8))
    assert dff.fps == pytest.approx(1000 * 10 / (102 + 9 * 10))
    assert dff.speedup_measured == pytest.approx(dff.fps / 10)
    assert points.loc["frame-50", 1].speedup == pytest.approx(2)
    assert points.loc["frame", 1].speedup == pytest.approx(1)


def test_full_size_speed_is_that_of_the_benchmark(monkeypatch):
    row = {"precision": "float32", "task": "segmentation", "features": "ResNet-101", "duration": 10, "height": 600}
    row |= {"frame_ms": 990.0, "live_ms": 1890.0, "decode_ms": 10.0}
    others = [
        {**row, "flow": "FlowNet", **change}
        for change in ({"precision": "bfloat16"}, {"task": "detection"}, {"duration": 5}, {"height": 1024})
    ]
    rows = [{**row, "flow": "FlowNet"}, *({**other, "live_ms": 1.0} for other in others)]
    monkeypatch.setattr(ledger, "benchmark", lambda: pandas.DataFrame(rows))
    points = curves("segmentation").set_index(["name", "duration"]).speedup_full_size
    assert points["frame", 1] == points["dff", 1] == pytest.approx(1)
    # A key frame takes 1000 ms with its labels, another 100 ms and 10 ms for them.
    assert points["dff", 10] == pytest.approx(10 * 1000 / (1000 + 9 * 110))
    assert points[["dff-50-inception", "frame-50"]].isna().all()


def test_seeds_and_tasks_are_kept_apart():
    assert curves("segmentation").score.max() == pytest.approx(72)  # 62 with seed 1
    assert curves("detection").empty


def test_the_envelope_has_the_points_that_no_other_beats():
    points = pandas.DataFrame({"speedup": [1, 2, 3, 4, 5], "score": [70, 65, 68, 60, 60]})
    assert envelope(points).speedup.tolist() == [1, 3, 5]


@pytest.mark.parametrize("faster_is_better", [True, False])
def test_the_papers_statements_are_tested_at_equal_speed(tmp_path, faster_is_better):
    two_curves(tmp_path, "segmentation", faster_is_better)
    lines = speed_accuracy.statements("segmentation").set_index("statement")
    assert lines.loc["ResNet-101 ahead where accuracy is high", "verdict"] == "holds"
    crossing = lines.loc["ResNet-50 ahead where speed is high"]
    assert crossing.verdict == ("holds" if faster_is_better else "does not hold")
    inception = lines.loc["FlowNet Inception the fastest at equal accuracy, mostly"]
    assert inception.low <= inception.difference <= inception.high <= 50


def test_the_lead_at_every_speed_is_tested_where_it_is_smallest(tmp_path):
    two_curves(tmp_path, "detection", faster_is_better=True)
    lines = speed_accuracy.statements("detection").set_index("statement")
    assert lines.loc["ResNet-101 ahead at every speed: where it leads by the least", "verdict"] == "does not hold"


def test_there_are_no_statements_while_a_network_is_missing():
    assert speed_accuracy.statements("segmentation").empty


def test_figure_3_of_handheld_films_has_the_curves_of_its_networks(tmp_path):
    two_curves(tmp_path, "handheld", faster_is_better=True)
    results.add(tmp_path / "evaluation.csv", [stored_score("handheld/dff-from-frame", 0.9, duration=3)])
    figure, numbers = speed_accuracy.figure3(["handheld"])
    counted, measured = figure.axes
    assert figure.axes[0].get_gridspec().get_geometry() == (1, 2)  # side by side
    assert counted.get_title(loc="left") == measured.get_title(loc="left") == "Handheld films, detection, l = 1 .. 20"
    assert len(counted.lines) == 6 + 1  # pairs, and Frame
    assert len(numbers) == 2 + 6 * 5
    assert numbers.score.max() == pytest.approx(70)  # "DFF from Frame's N" has DFF's networks, and is no curve
    lines = speed_accuracy.statements("handheld").set_index("statement")
    assert lines.loc["ResNet-101 ahead at every speed: where it leads by the least", "verdict"] == "does not hold"
