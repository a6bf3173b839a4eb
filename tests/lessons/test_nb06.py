"""Notebook 06: points of Figure 3, verdicts, lost things, times of frames; the exercises' checks."""

import time

import numpy as np
import pandas
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from dffkit import weights
from dffkit.datasets.toytown import WORLDS, Film
from dffkit.experiments import annotate, rendered
from dffkit.lessons import clip_pictures, nb06_speed_accuracy
from dffkit.lessons.clip_pictures import recognize_frame, score_text
from dffkit.lessons.nb06_speed_accuracy import (
    NETWORKS,
    WHY,
    by_setting,
    draw_found,
    film_of,
    own_and_carried,
    plane_explorer,
    point_in_plane,
    verdicts,
)
from dffkit.paper import speed_accuracy
from dffkit.paper.settings import find_setting


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
def test_the_text_holds_the_point_and_the_scores_of_its_frames(models, points, network, duration):
    film = Film("val", 4)
    picture = point_in_plane(film, models, points, network, duration)
    last = 0 if network == "per frame" else duration - 1
    found = recognize_frame(models[network], film, last, 0)
    point = points[(points.name == NETWORKS[network]) & (points.duration == last + 1)].iloc[0]
    assert f"l = {last + 1}: {point.score:.1f}% at {point.speedup:.1f} times" in picture.alt
    assert picture.alt.endswith(f"{score_text(found, film.labels(last))}.")


def test_every_network_and_duration_can_be_chosen(monkeypatch, models, points):
    monkeypatch.setattr(nb06_speed_accuracy, "NETWORKS", {name: NETWORKS[name] for name in models})
    monkeypatch.setattr(nb06_speed_accuracy.speed_accuracy, "curves", lambda setting: points)
    explorer = plane_explorer("handheld", 4)
    before = explorer.view.value
    explorer.sliders["network"].value = "per frame"
    assert explorer.view.value != before
    assert explorer.sliders["duration"].max == 20
    assert "l = 5" in explorer.fallback.alt


def test_each_verdict_has_a_reason_that_is_shown_beside_no_other_verdict(monkeypatch):
    for setting, reasons in WHY.items():
        found = verdicts(setting)
        assert len(found) == len(reasons)
        assert found.why.all(), "a verdict turned: give its reason"
    turned = speed_accuracy.statements("segmentation").assign(verdict="not resolved")
    monkeypatch.setattr(speed_accuracy, "statements", lambda setting: turned)
    assert verdicts("segmentation").why.tolist() == ["", "", ""]


def test_a_share_of_accuracies_and_a_lead_in_points_are_written_with_their_intervals(monkeypatch):
    texts = ("FlowNet Inception the fastest at equal accuracy, mostly", "ResNet-50 ahead where speed is high")
    numbers = {
        "difference": [23.2, 1.57],
        "low": [-1.4, 1.32],
        "high": [47, 1.85],
        "verdict": ["not resolved", "holds"],
    }
    monkeypatch.setattr(speed_accuracy, "statements", lambda setting: pandas.DataFrame({"statement": texts} | numbers))
    share, lead = verdicts("segmentation").itertuples()
    assert share.ours == "73% (49 to 97)"
    assert (lead.ours, lead.paper) == ("by 1.6 points (1.3 to 1.9)", "from 6.35 fps on")
    monkeypatch.setattr(speed_accuracy, "statements", lambda setting: pandas.DataFrame())
    assert verdicts("segmentation").empty


def test_tables_of_settings_stand_below_each_other_with_their_names():
    found = by_setting(lambda setting: pandas.DataFrame({"word": [setting, "more"]}), ["detection", "handheld"])
    assert found["where"].tolist() == ["drive, detection"] * 2 + ["films, detection"] * 2
    assert found.word.tolist() == ["detection", "more", "handheld", "more"]


def test_a_film_has_the_frame_rate_and_world_that_its_recipes_are_scored_on():
    for setting in ("handheld", "detection"):
        (film,) = rendered.films(find_setting(setting).recipe("frame"), "val", 1)
        ours = film_of(setting, 0)
        assert (ours.split, ours.number, ours.fps, ours.world) == (film.split, film.number, film.fps, film.world)


def test_a_frame_is_drawn_with_its_own_features_and_with_those_of_an_earlier_one(monkeypatch):
    calls, drawn = [], []

    def recognize(model, film, index, key_index):
        calls.append((model, index, key_index))
        target = film.boxes(index)
        lost = slice(int(key_index < index), None)  # a carried result lacks the first box
        found = {name: target[name][lost] for name in ("boxes", "labels")}
        return found | {"scores": torch.ones(len(found["labels"]))}

    monkeypatch.setattr(nb06_speed_accuracy.weights, "load", lambda name: name)
    monkeypatch.setattr(clip_pictures, "recognize_frame", recognize)
    monkeypatch.setattr(nb06_speed_accuracy.Picture, "of", lambda figure, alt, bits: drawn.append((figure, alt)))
    own_and_carried("detection", 0, 19, gap=9)
    assert calls == [("toytown/detection/frame", 19, 19), ("toytown/detection/dff", 19, 10)]
    ((figure, alt),) = drawn
    count = len(film_of("detection", 0).boxes(19)["boxes"])
    assert f"with its own features, {count} of {count} are found" in alt
    assert f"with the features of frame 10, {count - 1} of {count} are found" in alt
    own, carried = figure.axes
    assert len(own.patches) - len(carried.patches) == 2  # a coloured line on a light rim
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(WORLDS["detection"].classes)


def test_boxes_below_the_score_that_counts_are_not_drawn():
    film, axes = film_of("handheld", 0), Figure().subplots()
    box = torch.tensor([[10.0, 10, 50, 50]])
    target = {"boxes": box, "labels": torch.tensor([1])}
    result = {"boxes": box.repeat(2, 1), "labels": torch.tensor([1, 2]), "scores": torch.tensor([0.9, 0.1])}
    draw_found(axes, film, 19, result, target)
    assert len(axes.patches) == 2 + 2  # the one found on its light rim, then the true box, black below white
    assert axes.patches[1].get_edgecolor() == to_rgba(annotate.COLOURS[annotate.BOX_COLOURS + 1])


def test_each_frame_has_its_own_time(monkeypatch):
    clock = iter(np.cumsum([0, 5, 1, 1, 5, 0, 9, 2, 2, 9, 0, 7, 3, 1, 7]) / 1000)
    monkeypatch.setattr(nb06_speed_accuracy.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(nb06_speed_accuracy, "recognize", lambda model, frames, schedule: iter(frames))
    # The first pass warms up; of the two others these are the medians.
    assert nb06_speed_accuracy.frame_times(None, "abcd", 3, repeats=2) == pytest.approx([8, 2.5, 1.5, 8])


def test_a_network_is_timed():
    film, before = Film("val", 0), time.perf_counter()
    frames = [film.frame(index) for index in range(3)]
    times = nb06_speed_accuracy.frame_times(weights.load("toytown/segmentation/dff"), frames, 2, repeats=1)
    assert times.shape == (3,)
    assert 0 < times.sum() < 1000 * (time.perf_counter() - before)


def test_key_frames_and_other_frames_have_their_own_bars(monkeypatch):
    figures = []
    monkeypatch.setattr(nb06_speed_accuracy.Picture, "of", lambda figure, alt: figures.append((figure, alt)))
    nb06_speed_accuracy.frame_time_bars(np.array([30.0, 5, 6, 31, 5, 6]), 3)
    figure, alt = figures[0]
    keys, others = figure.axes[0].containers
    assert [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in keys] == [(0, 30), (3, 31)]
    assert [bar.get_height() for bar in others] == [5, 6, 5, 6]
    assert alt.endswith("of 6 frames, with l = 3: key frames take 30 ms, the others 6 ms; the mean is 14 ms.")
