"""Scores of aggregation: each number of test frames is what `aggregate` gives, and one frame is Frame."""

import pytest
import torch
from hand_made import DETECTION, recipe, snippets

from dffkit.aggregation.stream import aggregate
from dffkit.baselines.without_flow import NoFlow
from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments import aggregation, results
from dffkit.experiments.queue import run_queue
from dffkit.experiments.runs import Run
from dffkit.scores import evaluate
from dffkit.training.assembly import build
from dffkit.training.recipe import Measurement

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = recipe("aggregate", DETECTION, iterations=2, max_offset=3)
WHERE = Measurement("hash", 0, "version", "test")


@pytest.fixture
def model():
    made = build(TINY, 1).eval()
    torch.nn.init.normal_(made.feature_network.reduce.weight, std=0.1)
    return made


@pytest.mark.parametrize("index", [1, 5, 11])
@pytest.mark.parametrize("embed_first", [False, True])
def test_predictions_are_those_of_the_stream(model, index, embed_first):
    frames = snippets("detection")[0].frames
    found = aggregation.predictions(model, frames, index, (1, 3, 7), (False, True))
    assert len(found) == 6
    assert not model.embed_first
    model.embed_first = embed_first
    for count in (1, 3, 7):
        streamed = list(aggregate(model, frames, count // 2))[index].output
        ours = found[aggregation.metric(count, embed_first)]
        for name, values in streamed.items():
            torch.testing.assert_close(ours[name], values, rtol=1e-3, atol=1e-3)


def data():
    """Snippets with one annotated frame, of which the boxes' motion is known."""
    made = snippets("detection", annotated=(5,))
    return [Snippet(each.name, each.fps, each.frames, each.targets, {5: torch.tensor([0.5])}) for each in made]


def test_one_test_frame_is_frame(model):
    rows = aggregation.scores(model, data(), WHERE)
    assert {row.metric for row in rows} == {
        aggregation.metric(count, first) for count in aggregation.TEST_FRAMES for first in (False, True)
    }
    expected = evaluate(model_of_frame(model), data(), max_duration=1)
    for row in rows:
        assert (row.measurement, row.frames, row.duration) == (WHERE, 3, None)
        assert (row.replicates is not None) == (row.subset in ("all", "fast"))  # no box is slow or medium
        if row.metric.startswith(aggregation.metric(1)) and row.replicates is not None:
            assert row.replicates.shape == (500,)
            assert row.value == pytest.approx(expected.score("mAP", row.subset, duration=1))


def model_of_frame(model):
    """Return Deep Feature Flow with the same N, for `evaluate`."""
    return DeepFeatureFlow(model.feature_network, NoFlow(), model.task_network)


def test_in_training_and_on_val_there_are_no_replicates(model):
    quick = aggregation.scores(model, data(), WHERE, quick=True)
    assert {row.metric for row in quick} == {aggregation.metric(count) for count in aggregation.QUICK_FRAMES}
    rows = aggregation.scores(model, data(), WHERE._replace(split="val"))
    assert all(row.replicates is None for row in (*quick, *rows))


def test_a_queue_trains_and_scores_aggregation(workspace):
    assert run_queue([Run(TINY)], workspace, split="test") == []
    rows = results.read(workspace.results / "evaluation.csv")
    assert {row.subset for row in rows} == {"all", "slow", "medium", "fast"}
    assert len(rows) == 2 * 7 * 4
    overall = [row for row in rows if row.subset == "all"]
    assert all(results.read_replicates(workspace.results, row) is not None for row in overall)


def test_the_measured_ratio_is_of_medians(model, monkeypatch):
    times = {"frame": [1.0, 2.0, 90.0], "aggregated": [5.0, 3.0, 4.0]}
    monkeypatch.setattr(
        aggregation, "times_in_turns", lambda parts, device, repeats: {name: times[name] for name in parts}
    )
    assert aggregation.measured_ratio(model, (32, 64), 2) == 2
