"""Notebook 04: the picture, the sliders, the tables; the exercises' checks."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from dffkit import complexity
from dffkit.lessons import nb04_complexity
from dffkit.lessons.check.nb04 import duration_for, speedup
from dffkit.paper import ledger


@pytest.mark.parametrize("duration", [1, 2, 10, 30])
@pytest.mark.parametrize("ratio", [0.0, 0.005, 0.08, 0.5])
def test_the_text_holds_equation_7_at_every_slider_position(duration, ratio):
    picture = nb04_complexity.stretch_cost(duration, ratio)
    assert f"a speedup of {complexity.speedup(duration, ratio):.2f}" in picture.alt
    assert f"{duration} frames" in picture.alt
    assert ("no duration reaches" in picture.alt) == (ratio > 0)
    assert Image.open(io.BytesIO(picture.png)).width > 800


def test_moving_a_slider_redraws_the_picture():
    explorer = nb04_complexity.speedup_explorer()
    before = explorer.view.value
    assert "a speedup of 5.81" in before
    explorer.sliders["duration"].value = 20
    between = explorer.view.value
    assert "20 frames" in between
    explorer.sliders["ratio"].value = 0.5
    assert len({before, between, explorer.view.value}) == 3


def test_the_sliders_end_where_the_picture_still_works():
    explorer = nb04_complexity.speedup_explorer()
    for name, slider in explorer.sliders.items():
        for end in (slider.min, slider.max):
            slider.value = end
            assert "a speedup of" in explorer.view.value, (name, end)


def test_the_table_of_costs_is_equation_5s_parts():
    table = nb04_complexity.cost_table("FlowNet Inception")
    for row in table.itertuples(index=False):
        n_feat, flow, warp, task, eq5, eq6 = row
        assert eq5 == pytest.approx((flow + warp + task) / (n_feat + task))
        assert eq6 == pytest.approx(flow / n_feat)
    assert table.loc["detection", "N_task"] > table.loc["detection", "F and S"]
    assert table.loc["segmentation", "N_task"] < 0.03 * table.loc["segmentation", "F and S"]


def test_the_table_of_speeds_is_the_stored_one():
    table = nb04_complexity.benchmark_table()
    rows = ledger.benchmark().query("precision == 'float32' and duration == 10")
    assert len(table) == len(rows) == 12
    assert table.speedup.tolist() == rows.speedup.round(2).tolist()


# The exercises


def solved(target, ratio):
    return target * (1 - ratio) / (1 - target * ratio)


@pytest.mark.parametrize(
    ("exercise", "reason", "function"),
    [
        (speedup, "l - 1 are left", lambda duration, ratio: duration / (1 + duration * ratio)),
        (speedup, "upside down", lambda duration, ratio: 1 / duration + (1 - 1 / duration) * ratio),
        (speedup, "the cost of the l frames", lambda duration, ratio: sum([1] + [ratio] * (duration - 1))),
        (speedup, "the key frame costs 1", lambda l, r: l / (l - 1 + r) if l - 1 + r else float("inf")),  # noqa: E741
        (speedup, "the limit for endless l", lambda duration, ratio: 1 / ratio if ratio > 0 else float("inf")),
        (speedup, "examples are right; the first wrong one", lambda duration, ratio: duration * (1 - ratio)),
        (duration_for, "rounding down falls short", lambda s, r: (
            1 if s <= 1 else None if s * r >= 1 else solved(s, r))),
        (duration_for, "You round down", lambda s, r: (
            1 if s <= 1 else None if s * r >= 1 else int(solved(s, r) + 1e-9))),
        (duration_for, "You take r for 0", lambda s, r: int(-(-s // 1))),
        (duration_for, "raised ZeroDivisionError", lambda s, r: int(solved(s, r))),
    ],
)  # fmt: skip
def test_wrong_answers_get_their_reason(exercise, reason, function):
    feedback = exercise.feedback(function)
    assert feedback.startswith("not yet. ")
    assert reason in feedback


def test_right_speedups_of_several_kinds():
    def by_costs(duration, ratio):
        return duration / sum(1 if frame == 0 else ratio for frame in range(duration))

    def by_average(duration, ratio):
        return 1 / np.mean([1.0] + [ratio] * (duration - 1))

    def by_torch(duration, ratio):
        return torch.tensor(float(duration)) / (1 + (duration - 1) * ratio)

    for function in (by_costs, by_average, by_torch):
        assert speedup.feedback(function).startswith("correct"), function.__name__


def test_right_durations_of_several_kinds():
    def by_counting(target, ratio):
        return next((n for n in range(1, 100_000) if n / (1 + (n - 1) * ratio) >= target - 1e-12), None)

    def by_algebra(target, ratio):
        if target <= 1:
            return 1
        return None if target * ratio >= 1 else int(np.ceil(solved(target, ratio) - 1e-9))

    for function in (by_counting, by_algebra):
        assert duration_for.feedback(function).startswith("correct"), function.__name__


def test_the_warp_is_shown_beside_grid_sample_for_each_task_and_precision():
    table = nb04_complexity.warp_times()
    assert len(table) == len(table[["task", "precision"]].drop_duplicates()) >= 2
    assert (table["warp"] < table["current frame"]).all()
    assert (table["warp by grid_sample"] < table["current frame by grid_sample"]).all()
