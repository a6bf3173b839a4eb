"""The training loop: that it learns, where it starts, and what stays as it is."""

import dataclasses

import pytest
import torch
from hand_made import DETECTION, FLOW, SEGMENTATION, SIZE, STILLS, label_map, recipe, snippets, started
from tiny_trainings import equal, log, run

from dffkit.training.assembly import build
from dffkit.training.checkpoint import FINISHED

pytestmark = pytest.mark.usefixtures("one_thread")


def changed(model, tiny, seed=0):
    """The parts whose parameters training has changed."""
    before = dict(build(tiny, seed).named_parameters())
    return {name.split(".")[0] for name, now in model.named_parameters() if not torch.equal(now, before[name])}


@pytest.mark.parametrize("task", [SEGMENTATION, DETECTION])
@pytest.mark.parametrize("job", ["frames", "pairs"])
def test_it_learns_a_square(tmp_path, task, job):
    tiny = recipe(job, task, iterations=40, batch=4, optimiser="adamw", lr=0.003)
    model = run(tiny, tmp_path)
    rows = log(tmp_path)
    assert [row["iteration"] for row in rows] == list(range(1, 41))
    first, last = (sum(row["loss"] for row in part) for part in (rows[:5], rows[-5:]))
    assert last < 0.6 * first
    assert changed(model, tiny) == {"feature_network", "task_network", *(("flow_network",) if job == "pairs" else ())}
    assert not model.training
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", FINISHED]


def test_stills_train_all_heads_and_the_statistics(tmp_path):
    model = run(STILLS, tmp_path)
    assert changed(model, STILLS) == {"feature_network", "heads"}
    assert model.feature_network.bn1.running_mean.any()
    assert {"segmentation", "rpn_score", "rpn_box", "score", "box"} < set(log(tmp_path)[0])


def test_what_is_named_in_start_is_where_it_starts(tmp_path):
    tiny = started(recipe(iterations=0))
    stills, flow = build(STILLS, 5), build(FLOW, 6)
    stills.feature_network.bn1.running_mean.fill_(0.5)
    start = {"feature_network": stills.state_dict(), "flow_network": flow.state_dict()}
    model = run(tiny, tmp_path, start=start)
    assert equal(model.feature_network.state_dict(), stills.feature_network.state_dict())
    assert torch.equal(model.flow_network.flow.weight, flow["flow_network"].flow.weight)
    assert torch.equal(model.task_network.score.weight, build(tiny).task_network.score.weight)
    assert log(tmp_path) == []
    with pytest.raises(ValueError, match=r"start: expected weights for flow_network, got them for \['feature_network"):
        run(tiny, tmp_path / "other", start={"feature_network": stills.state_dict()})


@pytest.mark.parametrize("frozen", [("feature_network",), ("flow_network",), ("feature_network", "task_network")])
def test_what_is_frozen_stays(tmp_path, frozen):
    tiny = recipe(freeze=frozen)
    assert changed(run(tiny, tmp_path), tiny) == {"feature_network", "flow_network", "task_network"} - set(frozen)


def test_a_part_of_a_network_can_be_frozen(tmp_path):
    tiny = recipe(freeze=("feature_network.conv1", "feature_network.layer1"))
    model, before = run(tiny, tmp_path), build(tiny)
    assert torch.equal(model.feature_network.conv1.weight, before.feature_network.conv1.weight)
    assert not torch.equal(model.feature_network.reduce.weight, before.feature_network.reduce.weight)


def test_where_i_equals_k_f_does_not_learn(tmp_path):
    tiny = recipe(max_offset=0, weight_decay=0.0)
    assert changed(run(tiny, tmp_path), tiny) == {"feature_network", "task_network"}


def test_seeds_differ(tmp_path):
    models = [run(recipe(), tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    assert not equal(*(model.state_dict() for model in models))


def test_mixed_precision_trains_float32_weights(tmp_path):
    # Without F: on frames this small its coarsest map is one cell, and there oneDNN's bfloat16 convolution of stride 2
    # gives weight gradients from memory that nobody wrote (torch 2.15). From 64x128 on they are right.
    models = {}
    for precision in ("float32", "bfloat16"):
        tiny = recipe("frames", flow="none", flow_width=0, precision=precision, lr=0.005)
        models[precision] = run(tiny, tmp_path / precision)
    assert all(p.dtype == torch.float32 for p in models["bfloat16"].parameters())
    assert not equal(*(model.state_dict() for model in models.values()))
    losses = [[row["loss"] for row in log(tmp_path / precision)] for precision in models]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_f_is_pretrained_on_sprites(tmp_path):
    tiny = dataclasses.replace(FLOW, iterations=3)
    model = run(tiny, tmp_path)
    assert changed(model, tiny) == {"flow_network"}
    row = log(tmp_path)[0]
    assert row["loss"] == row["flow"]  # the single levels are only logged
    assert "flow/forward" in row


def test_a_trained_network_labels_frames(tmp_path):
    tiny = recipe("frames", iterations=60, batch=4, flow="none", flow_width=0, optimiser="adamw", lr=0.003)
    model = run(tiny, tmp_path)
    predicted = model.task_network.decode(model(snippets()[0].frames[3][None]), SIZE)[0]
    assert (predicted == label_map(3)).float().mean() > 0.7
