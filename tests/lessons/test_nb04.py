"""Notebook 04: the picture, the sliders, the tables; the exercises' checks."""

import io

import pytest
from PIL import Image

from dffkit import complexity
from dffkit.lessons import nb04_complexity
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


def test_the_warp_is_shown_beside_grid_sample_for_each_task_and_precision():
    table = nb04_complexity.warp_times()
    assert len(table) == len(table[["task", "precision"]].drop_duplicates()) >= 2
    assert (table["warp"] < table["current frame"]).all()
    assert (table["warp by grid_sample"] < table["current frame by grid_sample"]).all()
