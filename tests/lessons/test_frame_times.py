"""frame_times.py: the time of each frame, and its picture."""

import time

import numpy as np
import pytest

from dffkit import weights
from dffkit.datasets.toytown import Film
from dffkit.lessons import frame_times as lesson


def test_each_frame_has_its_own_time(monkeypatch):
    clock = iter(np.cumsum([0, 5, 1, 1, 5, 0, 9, 2, 2, 9, 0, 7, 3, 1, 7]) / 1000)
    monkeypatch.setattr(lesson.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(lesson, "recognize", lambda model, frames, schedule: iter(frames))
    # The first pass warms up; of the two others these are the medians.
    assert lesson.frame_times(None, "abcd", 3, repeats=2) == pytest.approx([8, 2.5, 1.5, 8])


def test_times_are_taken_of_a_network():
    film, before = Film("val", 0), time.perf_counter()
    frames = [film.frame(index) for index in range(3)]
    times = lesson.frame_times(weights.load("toytown/segmentation/dff"), frames, 2, repeats=1)
    assert times.shape == (3,)
    assert 0 < times.sum() < 1000 * (time.perf_counter() - before)


def test_key_frames_and_others_are_told_apart(monkeypatch):
    figures = []
    monkeypatch.setattr(lesson.Picture, "of", lambda figure, alt: figures.append((figure, alt)))
    lesson.frame_time_bars(np.array([30.0, 5, 6, 31, 5, 6]), 3)
    figure, alt = figures[0]
    keys, others = figure.axes[0].containers
    assert [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in keys] == [(0, 30), (3, 31)]
    assert [bar.get_height() for bar in others] == [5, 6, 5, 6]
    assert alt.endswith("of 6 frames, with l = 3: key frames take 30 ms, the others 6 ms; the mean is 14 ms.")
