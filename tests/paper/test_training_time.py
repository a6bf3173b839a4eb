"""training_time.py: each training counts once."""

import pytest

from dffkit.experiments import results
from dffkit.experiments.workspace import Workspace
from dffkit.paper import training_time


def test_trainings_are_added_up_by_device(tmp_path, monkeypatch):
    monkeypatch.setattr(training_time, "default_workspace", lambda: Workspace(tmp_path, tmp_path, tmp_path))
    common = {"hash": "a", "world": "w", "split": "", "subset": "", "duration": "", "threads": 1}
    results.add(tmp_path / "training.csv", [
        {**common, "seed": seed, "metric": metric, "seconds": seconds, "device": device}
        for seed, seconds, device in ((0, 1800, "CPU"), (1, 5400, "CPU"), (2, 60, "GPU")) for metric in ("loss", "mIoU")
    ])  # fmt: skip
    found = training_time.by_device().set_index("device")
    assert found.trainings.to_dict() == {"CPU": 2, "GPU": 1}
    assert found.hours.to_dict() == pytest.approx({"CPU": 2, "GPU": 1 / 60})
