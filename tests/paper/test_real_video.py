"""real_video.py: the curves on real video from stored rows, and their picture."""

import dataclasses

import pytest
from stored_scores import stored as stored_score

from dffkit.experiments import results
from dffkit.experiments.runs import Workspace
from dffkit.paper import real_video

SCORES = {
    "camvid/frame": (0.5, 0.4), "camvid/frame-longer": (0.51, 0.41), "camvid/dff": (0.49, 0.48),
    "pets09/frame": (0.9, 0.6),
}  # fmt: skip


@pytest.fixture(autouse=True)
def stored(tmp_path, monkeypatch):
    """Rows of two durations; and some that do not belong to the curves."""
    monkeypatch.setattr(real_video, "default_workspace", lambda: Workspace(tmp_path, tmp_path, tmp_path))
    rows = []
    for name, scores in SCORES.items():
        rows += [stored_score(name, value, duration=length) for length, value in zip((1, 10), scores, strict=True)]
        other = stored_score(name, 0.1, duration=10)
        rows += [stored_score(name, 0.1, duration=10, **change) for change in (
            {"split": "val"}, {"seed": 1}, {"subset": "car"}, {"metric": "loss"}
        )]  # fmt: skip
        rows += [
            other._replace(measurement=dataclasses.replace(other.measurement, **former))
            for former in ({"recipe_hash": "0"}, {"data_version": "0"})
        ]
    results.add(tmp_path / "evaluation.csv", rows)


def test_frame_has_one_duration_and_copy_the_others():
    table = real_video.curves("camvid")
    found = {(row.method, row.duration): row.score for row in table.itertuples()}
    assert found == pytest.approx(
        {("DFF", 1): 49, ("DFF", 10): 48, ("Frame", 1): 50, ("copy", 10): 40, ("Frame, longer", 1): 51}
    )
    assert len(table) == 5
    assert set(real_video.curves("pets09").method) == {"Frame", "copy"}


def test_each_panel_has_its_curves():
    figure, numbers = real_video.draw()
    camvid, pets = figure.axes
    level, longer, dff, copied = camvid.lines
    assert level.get_ydata() == pytest.approx([50, 50])
    assert longer.get_ydata() == pytest.approx([51, 51])
    assert dff.get_ydata() == pytest.approx([49, 48])
    assert copied.get_ydata() == pytest.approx([40])
    assert len(pets.lines) == 2
    assert [text.get_text() for text in pets.get_legend().get_texts()] == ["Frame", "Frame, longer", "DFF", "copy"]
    assert len(numbers) == 7
