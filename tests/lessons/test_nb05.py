"""Notebook 05: rows assembled from the shipped weights; the exercises' checks."""

import numpy as np
import pytest
import torch

from dffkit import complexity, weights
from dffkit.datasets import toytown
from dffkit.datasets.toytown import FPS, WORLDS, Film
from dffkit.lessons.check.nb05 import paired_interval, split_ratio
from dffkit.lessons.clip_pictures import recognize_frame, score_text
from dffkit.lessons.nb05_ablation import LIVE_ROWS, accuracy_by_visibility, compose, live_scores, row_comparison
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


def test_live_scores_are_in_the_expected_order():
    scores = live_scores("segmentation", ("Frame", "DFF", "copy"), streets=2).set_index("row").score
    assert scores["Frame"] > scores["DFF"] > scores["copy"] > 50


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


@pytest.mark.parametrize(("task", "unit"), [("segmentation", "Pixels right"), ("detection", "Objects found")])
def test_each_row_s_result_is_scored_in_the_text(task, unit):
    film = Film("val", 4, FPS[task], WORLDS[task])
    models = {row: compose(task, row) for row in ("Frame", "DFF", "copy", "DFF separate")}
    picture = row_comparison(film, models, 15, 10)
    target = film.labels(15) if task == "segmentation" else film.boxes(15)
    found = {
        row: score_text(recognize_frame(models[row], film, 15, k), target)
        for row, k in (("Frame", 15), ("DFF", 10), ("copy", 10))
    }
    assert f"{unit}: Frame {found['Frame']}, DFF {found['DFF']}, copy {found['copy']}, DFF separate" in picture.alt
    assert "features of key frame 10" in picture.alt


# The exercises


def percentiles(values, low=2.5, high=97.5):
    return np.percentile(np.asarray(values), [low, high])


@pytest.mark.parametrize(
    ("exercise", "reason", "function"),
    [
        (paired_interval, "The sign is reversed", lambda a, b, draws: percentiles((b[draws] - a[draws]).mean(1))),
        (paired_interval, "subtract street by street",
         lambda a, b, draws: percentiles(a[draws].mean(1)) - percentiles(b[draws].mean(1))),
        (paired_interval, "different streets",
         lambda a, b, draws: percentiles(a[draws].mean(1) - b[draws.flip(0)].mean(1))),
        (paired_interval, "interval of 90%", lambda a, b, draws: percentiles((a - b)[draws].mean(1), 5, 95)),
        (paired_interval, "single streets", lambda a, b, draws: percentiles((a - b)[draws])),
        (paired_interval, "normal distribution", lambda a, b, draws: [
            (a - b).mean() + s * 1.96 * (a - b).std() / len(a) ** 0.5 for s in (-1, 1)]),
        (paired_interval, "A row of `draws`", lambda a, b, draws: percentiles((a - b)[draws].mean(0))),
        (paired_interval, "Expected the shape (2,), got", lambda a, b, draws: (a - b)[draws].mean()),
        (split_ratio, "leave out the moved layers", lambda f, n, t, m: (f + t) / (n + t)),
        (split_ratio, "its cost stays", lambda f, n, t, m: (f + t + m) / (n + t + m)),
        (split_ratio, "now run on every frame", lambda f, n, t, m: (f + t) / (n + t - m)),
        (split_ratio, "above and below", lambda f, n, t, m: f / n + m / n),
        (split_ratio, "has it below as well", lambda f, n, t, m: (f + t + m) / n),
        (split_ratio, "upside down", lambda f, n, t, m: (n + t) / (f + t + m)),
        (split_ratio, "examples are right; the first wrong one", lambda f, n, t, m: (f + t + 2 * m) / (n + t)),
    ],
)  # fmt: skip
def test_wrong_answers_get_their_reason(exercise, reason, function):
    feedback = exercise.feedback(function)
    assert feedback.startswith("not yet. ")
    assert reason in feedback


def test_right_intervals_of_several_kinds():
    for function in (
        lambda a, b, draws: torch.quantile((a - b)[draws].mean(dim=1), torch.tensor([0.025, 0.975], dtype=a.dtype)),
        lambda a, b, draws: percentiles(a[draws].mean(1) - b[draws].mean(1)),
        lambda a, b, draws: percentiles([float((a[row] - b[row]).mean()) for row in draws]).tolist(),
    ):
        assert paired_interval.feedback(function) == "correct, on 3 examples."


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


def test_right_ratios_of_several_kinds():
    def by_frames(flow, features, task, moved):
        key_frame = (features - moved) + (task + moved)
        return (flow + (task + moved)) / key_frame

    for function in (by_frames, lambda f, n, t, m: f / (n + t) + (t + m) / (n + t)):
        assert split_ratio.feedback(function) == "correct, on 4 examples."


def test_the_library_counts_the_same():
    for example in split_ratio.examples:
        flow, features, task, moved = example.arguments
        costs = complexity.Costs(features=features - moved, flow=flow, warp=0, task=task + moved)
        assert complexity.cost_ratio(costs) == pytest.approx(split_ratio.solution(*example.arguments))
