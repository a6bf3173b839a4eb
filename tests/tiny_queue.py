"""Tiny recipes that start from each other, in a workspace of hand-made data; tests of queue and commands share them."""

import dataclasses

import pandas
import pytest
from hand_made import DETECTION, FLOW, SIZE, STILLS, recipe, snippets

from dffkit.experiments import scoring, sources
from dffkit.experiments.runs import Workspace
from dffkit.scores import flow_error

PAIRS = dataclasses.replace(
    recipe(iterations=2), name="seg/dff", start=(("feature_network", STILLS), ("flow_network", FLOW))
)
FRAMES = dataclasses.replace(
    recipe("frames", DETECTION, iterations=2, flow="none", flow_width=0), start=(("feature_network", STILLS),)
)


def table(workspace, name):
    """Return a result table as a DataFrame."""
    return pandas.read_csv(workspace.results / f"{name}.csv")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace of its own, with hand-made data."""

    def data(tiny, split, streets=None, folder=None, progress=False):
        assert folder == tmp_path / "cache"
        if tiny.job == "flow":
            return ()
        return snippets("both" if tiny.job == "stills" else tiny.task, count=streets or 3)

    monkeypatch.setattr(sources, "snippets", data)
    monkeypatch.setattr(sources, "data_version", lambda tiny, split="train": f"version of {tiny.data}")
    monkeypatch.setattr(sources, "counts", lambda tiny: {"val": 1, "test": 2})
    monkeypatch.setattr(scoring, "STREETS_IN_TRAINING", 2)
    monkeypatch.setattr(scoring, "TABLE_4", {"segmentation": 10, "detection": 10})
    monkeypatch.setattr(scoring, "SPRITE_PAIRS", 8)
    monkeypatch.setattr(scoring.lost_boxes, "lost_boxes", lambda *words: {"all": (0.25, 4)})
    monkeypatch.setattr(scoring, "_errors_by_region", lambda *words: [])  # they would render streets
    monkeypatch.setattr(scoring, "films", lambda recipe, split, count: range(count))
    monkeypatch.setattr(flow_error, "film_pairs", lambda film: next(flow_error.sprites(1, SIZE)))
    return Workspace(tmp_path / "runs", tmp_path / "results", tmp_path / "cache", progress=False)
