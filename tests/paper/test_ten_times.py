"""ten_times.py: where Deep Feature Flow is so many times as fast as Frame, and what it loses there."""

import pytest
from stored_curves import two_curves

from dffkit.experiments import results
from dffkit.experiments.runs import Workspace
from dffkit.paper import speed_accuracy, ten_times


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    """Result tables in a folder of the test's own."""
    monkeypatch.setattr(speed_accuracy, "default_workspace", lambda: Workspace(tmp_path, tmp_path, tmp_path))


@pytest.mark.parametrize("column", ["speedup", "speedup_measured"])
def test_the_first_duration_that_is_fast_enough_and_what_it_loses(tmp_path, column):
    two_curves(tmp_path, "detection", faster_is_better=True)
    point = ten_times.at_times("detection", 3, column)
    # l frames cost 10 + 0.2 (l - 1), or 100 + 4 (l - 1) ms: l = 4 is 3.77 times as fast, or 3.57 times.
    assert point.duration == 4
    assert point[column] == pytest.approx(40 / 10.6 if column == "speedup" else 400 / 112)
    assert point.loss == pytest.approx(0.5 + 3 * 1)
    assert point.low == pytest.approx(point.high)  # the same noise in both
    fastest = ten_times.at_times("detection", 10, column)
    assert (fastest.duration, fastest.loss) == (5, pytest.approx(0.5 + 4 * 1))
    assert fastest[column] < 10


@pytest.mark.parametrize(("printed", "counted"), [(3.0, "does not hold"), (4.0, "holds")])
def test_ten_times_as_fast_is_judged_against_the_papers_own_loss(tmp_path, monkeypatch, printed, counted):
    two_curves(tmp_path, "detection", faster_is_better=True, splits=("test", "val"))
    monkeypatch.setitem(ten_times.PRINTED, "detection", ("ResNet-101", 73.9, 73.9 - printed, 3.0))
    lines = ten_times.at_ten_times("detection", 3.6)
    lines = lines[lines.pair == "ResNet-101, FlowNet Inception"].set_index("speed")
    assert lines.loc["counted (Eq. 7)", ["duration", "verdict"]].tolist() == [4, counted]
    assert lines.loc["counted (Eq. 7)", "loss"] == pytest.approx(3.5)
    assert lines.loc["measured", "times"] == pytest.approx(500 / 116)  # l = 4 is only 3.57 times as fast
    assert lines.loc["measured", "duration"] == 5
    large = lines.loc["measured at full size"]  # by the stored benchmark, l frames take about 1590 + 60 (l - 1) ms
    assert (large.duration, large.verdict, large.loss) == (5, "does not hold", pytest.approx(4.5))


@pytest.mark.parametrize(
    ("on_val", "flow", "duration", "loss"),
    # l frames of ResNet-50 cost 6 + 0.5 (l - 1) with FlowNet Half, 6 + 0.2 (l - 1) with Inception, and Frame's 10 l.
    [(0.0, "FlowNet Half", 4, 2 + 3 * 0.1), (-0.1, "FlowNet Inception", 4, 2 + 0.5 + 3 * 0.1)],
)
def test_the_best_pair_at_a_speed_is_chosen_on_val_and_told_of_test(tmp_path, on_val, flow, duration, loss):
    two_curves(tmp_path, "detection", faster_is_better=True, splits=("test", "val"), on_val=on_val)
    point = ten_times.best_at_times("detection", 5.2)
    assert (point.features, point.flow, point.duration) == ("ResNet-50", flow, duration)
    assert point.speedup >= 5.2
    assert point.frame == pytest.approx(70)
    assert point.loss == pytest.approx(loss)


def test_ten_times_may_not_be_reached(tmp_path):
    two_curves(tmp_path, "detection", faster_is_better=True, splits=("test", "val"))
    lines = ten_times.at_ten_times("detection")
    assert lines.verdict.tolist() == 6 * ["not reached"]
    assert lines.duration.tolist() == 6 * [5]
    assert lines.pair.tolist() == 3 * ["ResNet-101, FlowNet Inception", "ResNet-50, FlowNet Inception"]


def test_another_pair_is_compared_with_frame_of_its_own_features(tmp_path):
    two_curves(tmp_path, "segmentation", faster_is_better=False)
    point = ten_times.at_times("segmentation", 3, features="ResNet-50", flow="FlowNet")
    # l frames cost 6 + (l - 1), and Frame 6 l: l = 5 is 3 times as fast.
    assert (point.duration, point.speedup) == (5, pytest.approx(3))
    assert point.frame == pytest.approx(68)
    assert point.loss == pytest.approx(4 * 2)


def test_the_fall_that_the_text_tells_stands_beside_ours(tmp_path, monkeypatch):
    two_curves(tmp_path, "detection", faster_is_better=True)
    monkeypatch.setitem(ten_times.PRINTED, "detection", ("ResNet-101", 73.9, 69.5, 3.0))
    table = ten_times.beside_the_text("detection")
    assert table.loc["paper"].tolist() == pytest.approx([73.9, 69.5, 4.4, 3.0])
    assert table.loc["Toytown"].tolist() == pytest.approx([70, 66.5, 3.5, 40 / 10.6])


def test_a_pair_without_results_is_named(tmp_path):
    two_curves(tmp_path, "segmentation", faster_is_better=True)
    with pytest.raises(ValueError, match="got ResNet-26 with FlowNet Half"):
        ten_times.at_times("segmentation", features="ResNet-26", flow="FlowNet Half")


def test_without_any_result_the_best_pair_says_so(tmp_path):
    results.write(tmp_path / "evaluation.csv", [])
    with pytest.raises(ValueError, match="scored and measured on detection, test"):
        ten_times.best_at_times("detection")
