"""Notebook 06: points of Figure 3, boxes by width, times of frames; the exercises' checks."""

import time

import numpy as np
import pandas
import pytest
import torch

from dffkit import weights
from dffkit.datasets.toytown import Film
from dffkit.lessons import clip_pictures, nb06_speed_accuracy
from dffkit.lessons.check.nb06 import envelope, fastest_within
from dffkit.lessons.clip_pictures import recognize_frame, score_text
from dffkit.lessons.nb06_speed_accuracy import (
    NETWORKS,
    WIDTHS,
    detection_street,
    found_by_width,
    plane_explorer,
    point_in_plane,
)
from dffkit.paper import speed_accuracy


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
    monkeypatch.setattr(nb06_speed_accuracy.speed_accuracy, "curves", lambda task, split: points)
    explorer = plane_explorer(Film("val", 4), "segmentation")
    before = explorer.view.value
    explorer.sliders["network"].value = "per frame"
    assert explorer.view.value != before
    assert explorer.sliders["duration"].max == 10
    assert "l = 5" in explorer.fallback.alt


@pytest.fixture
def calls(monkeypatch):
    """Replace recognition by one that finds every second true box; give the list of its calls."""
    found = []

    def recognize(model, film, index, key_index):
        found.append((model, index, key_index))
        return {"of": index}

    monkeypatch.setattr(clip_pictures, "recognize_frame", recognize)
    every_second = lambda result, target: torch.arange(len(target["boxes"])) % 2 == 0  # noqa: E731
    monkeypatch.setattr(clip_pictures, "found_targets", every_second)
    return found


def test_boxes_are_sorted_by_width_and_counted(calls):
    widths = torch.cat([detection_street(0).boxes(index)["boxes"] for index in (19, 24)])
    widths = (widths[:, 2] - widths[:, 0]) / 16
    table = found_by_width({"DFF": "model"}, streets=1, frames=(19, 24))
    counts = [int(((widths > low) & (widths <= high)).sum()) for low, high in WIDTHS.values()]
    assert table.boxes.tolist() == counts
    assert sum(counts) == len(widths)
    hits = torch.cat([torch.arange(len(detection_street(0).boxes(index)["boxes"])) % 2 == 0 for index in (19, 24)])
    shares = [100 * float(hits[(widths > low) & (widths <= high)].float().mean()) for low, high in WIDTHS.values()]
    assert table.DFF.tolist() == pytest.approx(shares, nan_ok=True)
    assert max(counts[1:]) > 1


def test_frame_uses_its_own_features_and_the_others_earlier_ones(calls):
    found_by_width({"Frame": "one", "DFF": "another"}, gap=9, streets=1, frames=(19,))
    assert calls == [("one", 19, 19), ("another", 19, 10)]


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


# The exercises


def kept(beaten):
    """Return a function that keeps unbeaten points, by `beaten(speed, score, other speed, other score)`."""
    return lambda speeds, scores: [
        not any(beaten(a, b, c, d) for j, (c, d) in enumerate(zip(speeds, scores, strict=True)) if j != i)
        for i, (a, b) in enumerate(zip(speeds, scores, strict=True))
    ]


def good(speeds, scores, needed):
    return [speed for speed, score in zip(speeds, scores, strict=True) if score >= needed]


@pytest.mark.parametrize(
    ("exercise", "reason", "function"),
    [
        (envelope, "You mark the beaten points",
         lambda s, a: [not x for x in kept(lambda a, b, c, d: c >= a and d >= b)(s, a)]),
        (envelope, "equal in the other", kept(lambda a, b, c, d: c > a and d > b)),
        (envelope, "Of two points of the same speed", kept(lambda a, b, c, d: c > a and d >= b)),
        (envelope, "Of two points of the same score", kept(lambda a, b, c, d: c >= a and d > b)),
        (envelope, "Only the most accurate point is left", kept(lambda a, b, c, d: d > b)),
        (envelope, "must not beat itself", lambda s, a: [
            not any(c >= x and d >= y for c, d in zip(s, a, strict=True)) for x, y in zip(s, a, strict=True)]),
        (envelope, "any other point can beat it", lambda s, a: [
            not (i + 1 < len(s) and s[i + 1] >= s[i] and a[i + 1] >= a[i]) for i in range(len(s))]),
        (envelope, "Expected the shape", lambda s, a: max(s)),
        (fastest_within, "exactly as many points as allowed",
         lambda s, a, r, x: max(good(s, a, r - x + 1e-6), default=None)),
        (fastest_within, "a later one may be faster", lambda s, a, r, x: (*good(s, a, r - x), None)[0]),
        (fastest_within, "You take the most accurate",
         lambda s, a, r, x: s[a.index(max(a))] if max(a) >= r - x else None),
        (fastest_within, "not in percent", lambda s, a, r, x: max(good(s, a, r * (1 - x / 100)), default=None)),
        (fastest_within, "take the fastest", lambda s, a, r, x: min(good(s, a, r - x), default=None)),
        (fastest_within, "return None", lambda s, a, r, x: max([0, *good(s, a, r - x)])),
        (fastest_within, "raised ValueError", lambda s, a, r, x: max(good(s, a, r - x))),
    ],
)  # fmt: skip
def test_wrong_answers_get_their_reason(exercise, reason, function):
    feedback = exercise.feedback(function)
    assert feedback.startswith("not yet. ")
    assert reason in feedback


def test_right_envelopes_of_several_kinds():
    def by_library(speeds, scores):
        points = pandas.DataFrame({"speedup": speeds, "score": scores})
        return points.index.isin(speed_accuracy.envelope(points).index).tolist()

    def by_sorting(speeds, scores):
        order = np.lexsort((scores, speeds))[::-1]
        best, result = -np.inf, np.zeros(len(speeds), bool)
        for index in order:
            result[index], best = scores[index] > best, max(best, scores[index])
        return result

    for function in (by_library, by_sorting, kept(lambda a, b, c, d: c >= a and d >= b)):
        assert envelope.feedback(function) == "correct, on 6 examples."


def test_right_choices_of_several_kinds():
    def by_pandas(speeds, scores, reference, loss):
        good = pandas.Series(speeds)[pandas.Series(scores) >= reference - loss]
        return None if good.empty else good.max()

    def by_loop(speeds, scores, reference, loss):
        best = None
        for speed, score in zip(speeds, scores, strict=True):
            if reference - score <= loss and (best is None or speed > best):
                best = speed
        return best

    for function in (by_pandas, by_loop):
        assert fastest_within.feedback(function) == "correct, on 5 examples."
