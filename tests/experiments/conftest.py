"""A place of its own for runs and results."""

import pytest
from hand_made import SIZE, snippets

from dffkit import flow_quality, sources
from dffkit.experiments import scoring
from dffkit.experiments.place import Place


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place of its own, with hand-made data."""

    def data(tiny, split, streets=None, folder=None):
        assert folder == tmp_path / "cache"
        if tiny.job == "flow":
            return ()
        return snippets("both" if tiny.job == "stills" else tiny.task, count=streets or 3)

    monkeypatch.setattr(sources, "snippets", data)
    monkeypatch.setattr(sources, "prepare", lambda *words: None)
    monkeypatch.setattr(sources, "world", lambda tiny, split="train": f"world of {tiny.data}")
    monkeypatch.setattr(sources, "counts", lambda tiny: {"val": 1, "test": 2})
    monkeypatch.setattr(scoring, "STREETS_IN_TRAINING", 2)
    monkeypatch.setattr(scoring, "TABLE_4", {"segmentation": 10, "detection": 10})
    monkeypatch.setattr(scoring, "SPRITE_PAIRS", 8)
    monkeypatch.setattr(scoring, "_region_rows", lambda *words: [])  # they would render streets
    monkeypatch.setattr(flow_quality, "streets", lambda split, numbers: flow_quality.sprites(len(numbers), SIZE))
    return Place(tmp_path / "runs", tmp_path / "results", tmp_path / "cache", progress=False)
