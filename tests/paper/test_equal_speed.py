"""equal_speed.py: what DFF loses at a given speed, and smaller networks beside DFF at equal speed."""

import pytest
from stored_curves import two_curves
from stored_scores import stored as stored_score

from dffkit.experiments import results
from dffkit.paper import equal_speed, speed_accuracy

pytestmark = pytest.mark.usefixtures("results_folder")  # which is tmp_path


@pytest.mark.parametrize("column", ["speedup", "speedup_measured"])
def test_the_shortest_duration_that_is_fast_enough_is_found_with_its_loss(tmp_path, column):
    two_curves(tmp_path, "detection", faster_is_better=True)
    point = equal_speed.loss_at_speed("detection", 3, column)
    # l frames cost 10 + 0.2 (l - 1), or 100 + 4 (l - 1) ms: l = 4 is 3.77 times as fast, or 3.57 times.
    assert point.duration == 4
    assert point[column] == pytest.approx(40 / 10.6 if column == "speedup" else 400 / 112)
    assert point.loss == pytest.approx(0.5 + 3 * 1)
    assert point.low == pytest.approx(point.high)  # the same noise in both
    fastest = equal_speed.loss_at_speed("detection", 10, column)
    assert (fastest.duration, fastest.loss) == (5, pytest.approx(0.5 + 4 * 1))
    assert fastest[column] < 10


@pytest.mark.parametrize(("printed", "counted"), [(3.0, "does not hold"), (4.0, "holds")])
def test_the_loss_at_ten_times_the_speed_is_compared_with_the_papers(tmp_path, monkeypatch, printed, counted):
    two_curves(tmp_path, "detection", faster_is_better=True, splits=("test", "val"))
    monkeypatch.setattr(equal_speed, "printed", lambda task: (73.9, 73.9 - printed, 3.0))
    lines = equal_speed.ten_times_as_fast("detection", 3.6)
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
def test_the_best_pair_at_a_speed_is_chosen_on_val_and_scored_on_test(tmp_path, on_val, flow, duration, loss):
    two_curves(tmp_path, "detection", faster_is_better=True, splits=("test", "val"), on_val=on_val)
    point = equal_speed.best_at_speed("detection", 5.2)
    assert (point.features, point.flow, point.duration) == ("ResNet-50", flow, duration)
    assert point.speedup >= 5.2
    assert point.frame == pytest.approx(70)
    assert point.loss == pytest.approx(loss)


def test_handheld_films_have_the_speeds_of_their_own_networks(tmp_path):
    two_curves(tmp_path, "handheld", faster_is_better=True, splits=("test", "val"))
    lines = equal_speed.ten_times_as_fast("handheld", 3.6).query("speed == 'counted (Eq. 7)'").set_index("pair")
    assert lines.loc["ResNet-101, FlowNet Inception", ["duration", "loss"]].tolist() == [4, pytest.approx(3.5)]
    assert equal_speed.best_at_speed("handheld", 5.2).features == "ResNet-50"
    results.add(tmp_path / "evaluation.csv", [stored_score("toytown/detection/frame", 0.7, duration=1)])
    assert speed_accuracy.curves("detection").empty


def test_without_a_pair_that_is_fast_enough_the_fastest_is_returned(tmp_path):
    two_curves(tmp_path, "detection", faster_is_better=True, splits=("test", "val"))
    lines = equal_speed.ten_times_as_fast("detection")
    assert lines.verdict.tolist() == 6 * ["not reached"]
    assert lines.duration.tolist() == 6 * [5]
    assert lines.pair.tolist() == 3 * ["ResNet-101, FlowNet Inception", "ResNet-50, FlowNet Inception"]


def test_another_pair_is_compared_with_frame_of_its_own_features(tmp_path):
    two_curves(tmp_path, "segmentation", faster_is_better=False)
    point = equal_speed.loss_at_speed("segmentation", 3, features="ResNet-50")
    # l frames cost 6 + 0.2 (l - 1), and Frame 6 l: l = 4 is 3.64 times as fast.
    assert (point.duration, point.speedup) == (4, pytest.approx(24 / 6.6))
    assert point.frame == pytest.approx(68)
    assert point.loss == pytest.approx(0.5 + 3 * 2)


def test_the_loss_in_the_papers_text_stands_beside_ours(tmp_path, monkeypatch):
    two_curves(tmp_path, "detection", faster_is_better=True)
    monkeypatch.setattr(equal_speed, "printed", lambda task: (73.9, 69.5, 3.0))
    table = equal_speed.loss_in_the_text("detection")
    assert table.loc["paper"].tolist() == pytest.approx([73.9, 69.5, 4.4, 3.0])
    assert table.loc["Toytown"].tolist() == pytest.approx([70, 66.5, 3.5, 40 / 10.6])


def test_a_pair_without_results_is_named(tmp_path):
    two_curves(tmp_path, "segmentation", faster_is_better=True)
    with pytest.raises(ValueError, match="got ResNet-26 with FlowNet Inception"):
        equal_speed.loss_at_speed("segmentation", features="ResNet-26")


def test_without_results_the_error_names_task_and_split(tmp_path):
    results.write_rows(tmp_path / "evaluation.csv", [])
    with pytest.raises(ValueError, match="scored and measured on detection, test"):
        equal_speed.best_at_speed("detection")


@pytest.mark.parametrize(
    ("on_val", "pair", "gain"),
    # ResNet-50 alone is 1.67 times as fast as ResNet-101. So fast are ResNet-101 with l = 2 (a point less than 70
    # percent) and ResNet-50 with l = 1 (two points less).
    [(0.0, "ResNet-101, FlowNet", 1.0), (0.1, "ResNet-50, FlowNet Half", 0.0)],
)
def test_the_pair_beside_a_smaller_network_is_chosen_on_val(tmp_path, on_val, pair, gain):
    two_curves(tmp_path, "segmentation", faster_is_better=False, splits=("test", "val"), on_val=on_val)
    (line,) = equal_speed.alternatives("segmentation").itertuples()
    assert (line.alternative, line.pair) == ("ResNet-50", pair)
    assert line.speedup == pytest.approx(10 / 6)
    assert line.score == pytest.approx(68)
    assert line.dff == pytest.approx(68 + gain)
    assert (line.gain, line.low, line.high) == pytest.approx((gain, gain, gain), abs=1e-6)


def test_an_alternative_without_a_pair_as_fast_and_scored_on_val_is_left_out(tmp_path):
    two_curves(tmp_path, "segmentation", faster_is_better=False)
    assert equal_speed.alternatives("segmentation").empty
    points = speed_accuracy.curves("segmentation")
    assert speed_accuracy.best_on_val(points, "segmentation", 2) is None
    two_curves(tmp_path, "segmentation", faster_is_better=False, splits=("test", "val"))
    assert speed_accuracy.best_on_val(points, "segmentation", 2) is not None
    assert speed_accuracy.best_on_val(points, "segmentation", 100) is None
