"""alternatives.py: per-frame recognition by smaller networks, and beside it Deep Feature Flow at equal speed."""

import pytest
from stored_curves import two_curves

from dffkit.experiments import results, sources
from dffkit.experiments.runs import Workspace
from dffkit.paper import alternatives, speed_accuracy
from dffkit.training.recipes import find


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    """Result tables in a folder of the test's own."""
    for module in (alternatives, speed_accuracy):
        monkeypatch.setattr(module, "default_workspace", lambda: Workspace(tmp_path, tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("on_val", "pair", "gain"),
    # ResNet-50 alone is 1.67 times as fast as ResNet-101. So fast are ResNet-101 with l = 2 (a point less than 70
    # percent) and ResNet-50 with l = 1 (two points less).
    [(0.0, "ResNet-101, FlowNet", 1.0), (0.1, "ResNet-50, FlowNet Half", 0.0)],
)
def test_the_pair_beside_a_smaller_network_is_chosen_on_val(tmp_path, on_val, pair, gain):
    two_curves(tmp_path, "segmentation", faster_is_better=False, splits=("test", "val"), on_val=on_val)
    (line,) = alternatives.at_equal_speed("segmentation").itertuples()
    assert (line.alternative, line.pair) == ("ResNet-50", pair)
    assert line.speedup == pytest.approx(10 / 6)
    assert line.score == pytest.approx(68)
    assert line.dff == pytest.approx(68 + gain)
    assert (line.gain, line.low, line.high) == pytest.approx((gain, gain, gain), abs=1e-6)


def test_nothing_stands_beside_a_network_that_no_pair_is_as_fast_as_or_none_scored_on_val(tmp_path):
    two_curves(tmp_path, "segmentation", faster_is_better=False)
    assert alternatives.at_equal_speed("segmentation").empty
    points = speed_accuracy.curves("segmentation")
    assert speed_accuracy.best_on_val(points, "segmentation", 2) is None
    two_curves(tmp_path, "segmentation", faster_is_better=False, splits=("test", "val"))
    assert speed_accuracy.best_on_val(points, "segmentation", 2) is not None
    assert speed_accuracy.best_on_val(points, "segmentation", 100) is None


def test_frame_by_depth_has_its_training_loss_and_the_points_over_resnet_101(tmp_path):
    two_curves(tmp_path, "detection", faster_is_better=False)
    recipe = find("toytown/detection/frame-50")
    row = {"hash": recipe.hash, "world": sources.data_version(recipe), "seed": 0, "metric": "loss", "value": 0.4}
    results.write(tmp_path / "training.csv", [row])
    deep, shallow = alternatives.per_frame("detection").itertuples()
    assert (deep.features, deep.speedup, deep.score, deep.gain) == ("ResNet-101", 1, pytest.approx(70), 0)
    assert (shallow.features, shallow.speedup) == ("ResNet-50", pytest.approx(10 / 6))
    assert (shallow.score, shallow.training_loss) == pytest.approx((68, 0.4))
    assert (shallow.gain, shallow.low, shallow.high) == pytest.approx((-2, -2, -2))
    assert deep.training_loss != deep.training_loss  # not stored
