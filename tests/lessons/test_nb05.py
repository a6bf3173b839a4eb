"""Notebook 05: rows assembled from the shipped weights; the exercises' checks."""

import numpy as np
import pandas
import pytest
import torch

from dffkit import complexity, weights
from dffkit.datasets import toytown
from dffkit.datasets.toytown import FPS, HANDHELD, WORLDS, Film, statistics
from dffkit.lessons.check.nb05 import paired_interval, split_ratio
from dffkit.lessons.clip_pictures import found_targets, recognize_frame, score_text
from dffkit.lessons.nb05_ablation import (
    INPUTS,
    LIVE_ROWS,
    WHY,
    accuracy_by_visibility,
    by_setting,
    compose,
    interval_text,
    row_comparison,
    split_settings,
    verdicts,
)  # fmt: skip
from dffkit.paper import ablation, variations
from dffkit.scores.differences import SampledScore, difference
from dffkit.training.assembly import build
from dffkit.training.recipes import find


def assert_same(one, other):
    assert one.state_dict().keys() == other.state_dict().keys()
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_a_row_has_the_parts_that_its_recipe_names(task):
    frame, flow = weights.load(f"toytown/{task}/frame"), weights.load("toytown/flow")["flow_network"]
    separate = compose(task, "DFF separate")
    for part in ("feature_network", "task_network"):
        assert_same(getattr(separate, part), getattr(frame, part))
    assert_same(separate.flow_network, flow)
    assert separate.state_dict().keys() == build(find(f"toytown/{task}/separate")).state_dict().keys()
    assert not separate.training


@pytest.mark.parametrize("setting", list(WHY))
def test_every_stored_verdict_that_is_discussed_is_the_one_that_its_reason_explains(setting):
    found = verdicts(setting)
    assert list(found[found.discussed].statement) == list(WHY[setting])
    assert list(found[found.discussed].why) == [why for _, why in WHY[setting].values()]
    assert set(found.statement) == set(ablation.statements(setting).statement)
    assert set(found[~found.discussed].why) == {""}


def test_a_reason_does_not_stand_beside_another_verdict(monkeypatch):
    monkeypatch.setitem(WHY, "handheld", {"DFF above copy": ("does not hold", "the world is upside down")})
    line = verdicts("handheld").iloc[0]
    assert line[["statement", "verdict", "why", "discussed"]].tolist() == ["DFF above copy", "holds", "", True]


def test_verdicts_have_the_printed_difference_and_ours_as_text():
    found = verdicts("handheld").set_index("statement")
    kit = ablation.statements("handheld").set_index("statement").loc["DFF fix N above DFF separate"]
    line = found.loc["DFF fix N above DFF separate"]
    assert line.paper == "4.9"  # 72.3 - 67.4
    assert line.ours == f"{kit.difference:.1f} ({kit.low:.1f} to {kit.high:.1f})"
    assert found.loc["DFF above copy", "paper"] == ""
    assert interval_text({"difference": np.nan}) == ""


def test_orders_that_are_ahead_in_each_training_are():
    for statement, (_, why) in WHY["handheld"].items():
        if why.startswith("ahead in each"):
            runs = [ablation.scores("handheld", row) for row in statement.split(" above ")]
            assert len(runs[0]) == 3
            assert all(runs[0][seed].value > runs[1][seed].value for seed in runs[0])


def test_the_statistics_that_the_text_is_about_exist():
    assert set(INPUTS) < {entry["name"] for entry in statistics.targets()}


def test_table_5_is_shown_for_the_settings_that_have_rows(monkeypatch):
    scores = {"handheld": [np.nan, 92.7], "segmentation": [69.5, 68.8], "detection": [np.nan, np.nan]}
    monkeypatch.setattr(variations, "table5", lambda setting: pandas.DataFrame({"score": scores[setting]}))
    assert split_settings() == ["segmentation"]
    scores["handheld"] = [93.0, 92.7]
    assert split_settings() == ["handheld", "segmentation"]


def test_statements_of_settings_stand_below_each_other():
    def table(setting):
        return pandas.DataFrame({"statement": [setting], "difference": [1.26], "low": [-0.5], "high": [3.0]})

    found = by_setting(table, ["handheld", "segmentation"])
    assert list(found.setting) == ["Handheld films, detection", "The drive, segmentation"]
    assert list(found.ours) == ["1.3 (-0.5 to 3.0)"] * 2


def test_the_exact_flow_comes_from_the_snippets():
    snippets = toytown.snippets("val", "detection", 1)
    model = compose("detection", "exact flow", snippets)
    frames = [snippets[0].frames[index][None] for index in (19, 15)]
    field, scale = model.flow_network(*frames)
    assert scale is None
    assert field.abs().max() > 0.1


def test_the_exact_flow_fails_only_where_the_key_frame_does_not_show_the_surface():
    found = accuracy_by_visibility(("Frame", "exact flow", "DFF"), gap=9, streets=2).set_index("row")
    assert found.seen["exact flow"] > 85
    assert found.new["exact flow"] < 50 < found.new["DFF"] < found.new["Frame"]


def test_rows_that_need_other_weights_are_named():
    with pytest.raises(ValueError, match=r"row: expected one of .*'DFF separate'.*, got 'DFF without S'"):
        compose("segmentation", "DFF without S")
    assert "DFF without S" not in LIVE_ROWS


@pytest.mark.parametrize(
    ("setting", "world", "rows", "unit"),
    [
        ("segmentation", WORLDS["segmentation"], ("Frame", "DFF", "copy", "DFF separate"), "Pixels right"),
        ("detection", WORLDS["detection"], ("Frame", "DFF", "copy"), "Objects found"),
        ("handheld", HANDHELD, ("Frame", "DFF", "copy"), "Objects found"),
    ],
)
def test_each_row_s_result_is_scored_in_the_text(setting, world, rows, unit):
    film = Film("val", 4, FPS["segmentation" if setting == "segmentation" else "detection"], world)
    models = {row: compose(setting, row) for row in rows}
    picture = row_comparison(film, models, 9, 4)
    target = film.labels(9) if setting == "segmentation" else film.boxes(9)
    found = {row: score_text(recognize_frame(model, film, 9, 9 if row == "Frame" else 4), target)
             for row, model in models.items()}  # fmt: skip
    words = ", ".join(f"{row} {score}" for row, score in found.items())
    assert f"{unit}: {words}." in picture.alt
    assert "features of key frame 4" in picture.alt


def test_the_notebook_s_films_show_what_its_text_says():
    film = Film("val", 16, FPS["detection"], HANDHELD)
    copy = row_comparison(film, {row: compose("handheld", row) for row in ("DFF", "copy")}, 9, 0)
    assert "DFF 2 of 2, copy 0 of 2" in copy.alt
    street = Film("val", 28, FPS["detection"], WORLDS["detection"])
    found = found_targets(recognize_frame(compose("detection", "DFF"), street, 9, 0), street.boxes(9))
    tracks = street.boxes(9)["tracks"][~found].tolist()
    assert len(tracks) == 2
    assert not set(tracks) & set(street.boxes(0)["tracks"].tolist())


# The exercises


def test_the_library_gives_the_same_interval():
    for example in paired_interval.examples:
        first, second, draws = example.arguments
        one, other = (SampledScore(float(scores.mean()), scores[draws].mean(1).numpy()) for scores in (first, second))
        found = difference({0: one}, {0: other}, draws=20000)
        means = np.sort(one.replicates - other.replicates)  # 200: the ends are the 5th from either side, about
        assert means[3] <= found.low <= means[6]
        assert means[-7] <= found.high <= means[-4]
        expected = paired_interval.solution(first, second, draws)
        assert means[3] <= expected[0] <= means[6]


def test_the_library_counts_the_same():
    for example in split_ratio.examples:
        flow, features, task, moved = example.arguments
        costs = complexity.Costs(features=features - moved, flow=flow, warp=0, task=task + moved)
        assert complexity.cost_ratio(costs) == pytest.approx(split_ratio.solution(*example.arguments))
