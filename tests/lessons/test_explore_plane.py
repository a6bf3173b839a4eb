"""explore_plane.py: a point of Figure 3, and the frames that it gives."""

import pandas
import pytest

from dffkit import weights
from dffkit.datasets.toytown import Film
from dffkit.lessons import explore_plane
from dffkit.lessons.clip_pictures import recognise, verdict
from dffkit.lessons.explore_plane import NETWORKS, place, plane_explorer


@pytest.fixture(scope="module")
def models():
    dff = weights.load("toytown/segmentation/dff")
    return {"per frame": weights.load("toytown/segmentation/frame"), "DFF, FlowNet": dff}


@pytest.fixture(scope="module")
def points():
    rows = [("frame", "none", 1, 72.0, 1.0)]
    rows += [("dff", "FlowNet", duration, 71.0 - 0.4 * duration, 0.9 * duration) for duration in range(1, 11)]
    table = pandas.DataFrame(rows, columns=["name", "flow", "duration", "score", "speedup"])
    return table.assign(features="ResNet-101", shrink=1)


@pytest.mark.parametrize(("network", "duration"), [("DFF, FlowNet", 1), ("DFF, FlowNet", 10), ("per frame", 10)])
def test_the_picture_says_where_the_point_is_and_how_good_its_frames_are(models, points, network, duration):
    film = Film("val", 4)
    picture = place(film, models, points, network, duration)
    last = 0 if network == "per frame" else duration - 1
    found = recognise(models[network], film.frame(last), film.frame(0), same=last == 0)
    point = points[(points.name == NETWORKS[network]) & (points.duration == last + 1)].iloc[0]
    assert f"l = {last + 1}: {point.score:.1f}% at {point.speedup:.1f} times" in picture.alt
    assert picture.alt.endswith(f"{verdict(found, film.labels(last))}.")


def test_every_network_and_duration_can_be_chosen(monkeypatch, models, points):
    monkeypatch.setattr(explore_plane, "NETWORKS", {name: NETWORKS[name] for name in models})
    monkeypatch.setattr(explore_plane.speed_accuracy, "curves", lambda task, split: points)
    explorer = plane_explorer(Film("val", 4), "segmentation")
    before = explorer.view.value
    explorer.sliders["network"].value = "per frame"
    assert explorer.view.value != before
    assert explorer.sliders["duration"].max == 10
    assert "l = 5" in explorer.fallback.alt
