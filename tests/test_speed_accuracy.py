"""speed_accuracy.py: Figure 3's points from stored rows."""

import numpy as np
import pandas
import pytest

from dffkit import sources
from dffkit.experiments import results
from dffkit.experiments.place import Place
from dffkit.figures import speed_accuracy_figures
from dffkit.findings import speed_accuracy
from dffkit.findings.speed_accuracy import curves, envelope
from dffkit.recipes import find
from dffkit.timing.speed import Architecture

TIMES = {  # ms and GFLOP of a key frame and of another
    "frame": (100.0, 1.0, 10.0, 0.1), "dff": (102.0, 10.0, 10.0, 0.8), "dff-50-inception": (60.0, 2.0, 5.0, 0.2),
    "frame-50": (58.0, 1.0, 5.0, 0.1),
}  # fmt: skip
SCORES = {"frame": {1: 0.72, 2: 0.6}, "dff": {1: 0.71, 2: 0.70, 10: 0.66}, "dff-50-inception": {10: 0.60},
          "frame-50": {1: 0.67}, "frame-26": {1: 0.5}}  # fmt: skip


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    """Result tables of a few networks, of which one has not been measured."""
    monkeypatch.setattr(speed_accuracy, "default_place", lambda: Place(tmp_path, tmp_path, tmp_path))
    task = "toytown/segmentation"
    world = sources.world(find(f"{task}/frame"), "test")
    results.add(tmp_path / "evaluation.csv", [
        {"hash": find(f"{task}/{name}").hash, "world": world, "seed": seed, "split": "test", "duration": duration,
         "metric": "mIoU", "subset": "all", "value": value - 0.1 * seed}
        for name, scores in SCORES.items() for duration, value in scores.items() for seed in (0, 1)
    ])  # fmt: skip
    names = ("key_ms", "current_ms", "key_gflop", "current_gflop")
    results.write(tmp_path / "speed.csv", [
        Architecture.of(find(f"{task}/{name}"))._asdict() | dict(zip(names, values, strict=True))
        | {"ratio": 0.1, "decode_ms": 0}
        for name, values in TIMES.items()
    ])  # fmt: skip


def test_figure_3_has_every_point_twice_and_frame_apart():
    figure, numbers = speed_accuracy_figures.figure3()
    assert len(numbers) == 6
    counted, measured = figure.axes[0], figure.axes[2]
    for axes, speed in ((counted, "speedup"), (measured, "fps")):
        drawn = sorted(x for line in axes.lines for x in line.get_xdata())
        assert drawn == pytest.approx(sorted(numbers[speed]))
    labels = [line.get_label() for line in counted.lines]
    assert "ResNet-50, FlowNet Inception" in labels
    assert labels.count("Frame: ResNet-101, 50, 26, 14") == 1


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


def test_another_seed_and_another_task_are_apart():
    assert curves("segmentation", seed=1).score.max() == pytest.approx(62)
    assert curves("detection").empty


def test_the_envelope_is_what_nothing_else_beats():
    points = pandas.DataFrame({"speedup": [1, 2, 3, 4, 5], "score": [70, 65, 68, 60, 60]})
    assert envelope(points).speedup.tolist() == [1, 3, 5]


def two_curves(folder, task, faster_is_better):
    """All pairs of the two ResNets. Inception is the fastest and half a point worse; ResNet-50 is two points under
    ResNet-101 where nothing is propagated, and then loses less with each frame, or more.
    """
    key_gflop = {101: 10.0, 50: 6.0}
    flow_gflop = {"": 1.0, "half": 0.5, "inception": 0.2}
    rows, speeds = [], []
    for depth, number in ((101, ""), (50, "50")):
        for flow in (None, *flow_gflop):
            parts = ["frame" if flow is None else "dff", number, flow or ""]
            recipe = find(f"toytown/{task}/" + "-".join(part for part in parts if part))
            gflop = (key_gflop[depth], 0.0 if flow is None else flow_gflop[flow])
            for duration in [1] if flow is None else range(1, 6):
                slope = 0.01 if depth == 101 else 0.001 if faster_is_better else 0.02
                value = 0.7 - 0.02 * (depth == 50) - 0.005 * (flow == "inception") - slope * (duration - 1)
                noise = 0.001 * np.random.default_rng(0).standard_normal(50)
                rows.append({
                    "hash": recipe.hash, "world": sources.world(recipe, "test"), "seed": 0, "split": "test",
                    "duration": duration,
                    "metric": {"segmentation": "mIoU", "detection": "mAP"}[task], "subset": "all", "value": value,
                    "replicates": " ".join(str(round(1e5 * (value + each))) for each in noise),
                })  # fmt: skip
            times = {"key_ms": 10 * gflop[0], "current_ms": 20 * gflop[1], "decode_ms": 0}
            times |= {"key_gflop": gflop[0], "current_gflop": gflop[1], "ratio": 0.1}
            speeds.append(Architecture.of(recipe)._asdict() | times)
    for table in ("evaluation.csv", "replicates.csv"):
        results.write(folder / table, rows)
    results.write(folder / "speed.csv", speeds)


@pytest.mark.parametrize("faster_is_better", [True, False])
def test_the_papers_statements_are_judged_on_equal_speed(tmp_path, faster_is_better):
    two_curves(tmp_path, "segmentation", faster_is_better)
    lines = speed_accuracy.statements("segmentation").set_index("statement")
    assert lines.loc["ResNet-101 ahead where accuracy is high", "verdict"] == "holds"
    crossing = lines.loc["the ResNets' curves cross: ResNet-50 ahead where speed is high"]
    assert crossing.verdict == ("holds" if faster_is_better else "does not hold")
    inception = lines.loc["FlowNet Inception the fastest at equal accuracy, mostly"]
    assert inception.low <= inception.difference <= inception.high <= 50


def test_ahead_at_every_speed_is_judged_where_it_is_least_so(tmp_path):
    two_curves(tmp_path, "detection", faster_is_better=True)
    lines = speed_accuracy.statements("detection").set_index("statement")
    assert lines.loc["ResNet-101 ahead at every speed: where it leads by the least", "verdict"] == "does not hold"


def test_nothing_is_said_while_a_network_is_missing():
    assert speed_accuracy.statements("segmentation").empty


@pytest.mark.parametrize("column", ["speedup", "speedup_measured"])
def test_the_first_duration_that_is_fast_enough_and_what_it_loses(tmp_path, column):
    two_curves(tmp_path, "detection", faster_is_better=True)
    point = speed_accuracy.at_times("detection", 3, column)
    # l frames cost 10 + 0.2 (l - 1), or 100 + 4 (l - 1) ms: l = 4 is 3.77 times as fast, or 3.57 times.
    assert point.duration == 4
    assert point[column] == pytest.approx(40 / 10.6 if column == "speedup" else 400 / 112)
    assert point.loss == pytest.approx(0.5 + 3 * 1)
    assert point.low == pytest.approx(point.high)  # the same noise in both
    fastest = speed_accuracy.at_times("detection", 10, column)
    assert (fastest.duration, fastest.loss) == (5, pytest.approx(0.5 + 4 * 1))
    assert fastest[column] < 10


@pytest.mark.parametrize(("printed", "counted"), [(3.0, "does not hold"), (4.0, "holds")])
def test_ten_times_as_fast_is_judged_against_the_papers_own_loss(tmp_path, monkeypatch, printed, counted):
    two_curves(tmp_path, "detection", faster_is_better=True)
    monkeypatch.setitem(speed_accuracy.PRINTED, "detection", ("ResNet-101", 73.9, 73.9 - printed, 3.0))
    lines = speed_accuracy.at_ten_times("detection", 3.6).set_index("speed")
    assert lines.loc["counted (Eq. 7)", ["duration", "verdict"]].tolist() == [4, counted]
    assert lines.loc["counted (Eq. 7)", "loss"] == pytest.approx(3.5)
    assert lines.loc["measured", "times"] == pytest.approx(500 / 116)  # l = 4 is only 3.57 times as fast
    assert lines.loc["measured", "duration"] == 5


def test_ten_times_may_not_be_reached(tmp_path):
    two_curves(tmp_path, "detection", faster_is_better=True)
    lines = speed_accuracy.at_ten_times("detection")
    assert lines.verdict.tolist() == ["not reached", "not reached"]
    assert lines.duration.tolist() == [5, 5]


def test_another_pair_is_compared_with_frame_of_its_own_features(tmp_path):
    two_curves(tmp_path, "segmentation", faster_is_better=False)
    point = speed_accuracy.at_times("segmentation", 3, features="ResNet-50", flow="FlowNet")
    # l frames cost 6 + (l - 1), and Frame 6 l: l = 5 is 3 times as fast.
    assert (point.duration, point.speedup) == (5, pytest.approx(3))
    assert point.frame == pytest.approx(68)
    assert point.loss == pytest.approx(4 * 2)


def test_the_fall_that_the_text_tells_stands_beside_ours(tmp_path, monkeypatch):
    two_curves(tmp_path, "detection", faster_is_better=True)
    monkeypatch.setitem(speed_accuracy.PRINTED, "detection", ("ResNet-101", 73.9, 69.5, 3.0))
    table = speed_accuracy.beside_the_text("detection")
    assert table.loc["paper"].tolist() == pytest.approx([73.9, 69.5, 4.4, 3.0])
    assert table.loc["Toytown"].tolist() == pytest.approx([70, 66.5, 3.5, 40 / 10.6])
