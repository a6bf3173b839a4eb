"""speed_accuracy.py: Deep Feature Flow beside per-frame recognition by a smaller network, at equal speed."""

import pytest
from stored_curves import two_curves

from dffkit.experiments.place import Place
from dffkit.findings import speed_accuracy


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    """Result tables in a folder of the test's own."""
    monkeypatch.setattr(speed_accuracy, "default_place", lambda: Place(tmp_path, tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("on_val", "pair", "gain"),
    # ResNet-50 alone is 1.67 times as fast as ResNet-101. So fast are ResNet-101 with l = 2 (a point less than 70
    # percent) and ResNet-50 with l = 1 (two points less).
    [(0.0, "ResNet-101, FlowNet", 1.0), (0.1, "ResNet-50, FlowNet Half", 0.0)],
)
def test_the_pair_beside_a_smaller_network_is_chosen_on_val(tmp_path, on_val, pair, gain):
    two_curves(tmp_path, "segmentation", faster_is_better=False, splits=("test", "val"), on_val=on_val)
    (line,) = speed_accuracy.alternatives("segmentation").itertuples()
    assert (line.alternative, line.pair) == ("ResNet-50", pair)
    assert line.speedup == pytest.approx(10 / 6)
    assert line.score == pytest.approx(68)
    assert line.dff == pytest.approx(68 + gain)
    assert (line.gain, line.low, line.high) == pytest.approx((gain, gain, gain), abs=1e-6)


def test_nothing_stands_beside_a_network_that_no_pair_is_as_fast_as_or_none_scored_on_val(tmp_path):
    two_curves(tmp_path, "segmentation", faster_is_better=False)
    assert speed_accuracy.alternatives("segmentation").empty
    points = speed_accuracy.curves("segmentation")
    assert speed_accuracy.best_on_val(points, "segmentation", 2) is None
    two_curves(tmp_path, "segmentation", faster_is_better=False, splits=("test", "val"))
    assert speed_accuracy.best_on_val(points, "segmentation", 2) is not None
    assert speed_accuracy.best_on_val(points, "segmentation", 100) is None
