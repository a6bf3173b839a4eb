"""speed_accuracy.py: Figure 3's points from stored rows."""

import pandas
import pytest

from dffkit import results, speed_accuracy, speed_accuracy_figures
from dffkit.place import Place
from dffkit.recipes import find
from dffkit.speed import Architecture
from dffkit.speed_accuracy import at_speedup, curves, envelope

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
    results.add(tmp_path / "evaluation.csv", [
        {"hash": find(f"{task}/{name}").hash, "world": "w", "seed": seed, "split": "test", "duration": duration,
         "metric": "mIoU", "subset": "all", "value": value - 0.1 * seed}
        for name, scores in SCORES.items() for duration, value in scores.items() for seed in (0, 1)
    ])  # fmt: skip
    names = ("key_ms", "current_ms", "key_gflop", "current_gflop")
    results.write(tmp_path / "speed.csv", [
        Architecture.of(find(f"{task}/{name}"))._asdict() | dict(zip(names, values, strict=True)) | {"ratio": 0.1}
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


def test_the_best_point_that_is_fast_enough():
    points = curves("segmentation")
    assert at_speedup(points, 1.5)["name"] == "dff"
    assert at_speedup(points, 10)["name"] == "dff-50-inception"
    with pytest.raises(ValueError, match=r"speedup: expected at most .* the fastest point's, got 100"):
        at_speedup(points, 100)
