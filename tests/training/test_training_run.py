"""The optimiser: learning rates of parts and over time, and the first step by hand."""

import math

import pytest
import torch
from hand_made import recipe, snippets
from tiny_trainings import log, run

from dffkit.training.assembly import build
from dffkit.training.jobs import make_job
from dffkit.training.training_run import make_optimiser, rate_factor

pytestmark = pytest.mark.usefixtures("one_thread")


def test_per_part_learning_rates_and_weight_decay(tmp_path):
    tiny = recipe(lr_factors=(("flow_network.scale", 0.5), ("flow_network", 0.1)), weight_decay=0.01, lr=0.2)
    model = build(tiny)
    optimiser = make_optimiser(dict(model.named_parameters()), tiny)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in optimiser.param_groups for p in g["params"]}
    assert found[id(model.flow_network.scale.weight)] == pytest.approx((0.1, 0.01))
    assert found[id(model.flow_network.flow.weight)] == pytest.approx((0.02, 0.01))
    assert found[id(model.flow_network.flow.bias)] == pytest.approx((0.02, 0.0))
    assert found[id(model.task_network.score.weight)] == pytest.approx((0.2, 0.01))
    assert len(found) == len(list(model.parameters()))


def test_the_first_step_equals_sgd_by_hand(tmp_path):
    tiny = recipe("frames", iterations=1, flow="none", flow_width=0, warm_up=3, clip=0.01, lr_factors=(("task", 0.5),))
    model, before = run(tiny, tmp_path), build(tiny)
    job = make_job(tiny, 0, snippets())
    batch = job.batch(range(2))
    job.loss(job.forward(batch), batch)["segmentation"].backward()
    norm = log(tmp_path)[0]["gradient"]
    gradients = {name: p.grad for name, p in job.module.named_parameters() if p.grad is not None}
    assert norm == pytest.approx(math.sqrt(sum(float(g.square().sum()) for g in gradients.values())), rel=1e-5)
    for name, old in before.named_parameters():
        if name in gradients:
            step = gradients[name] * 0.01 / norm + (tiny.weight_decay * old if old.ndim > 1 else 0)
            rate = tiny.lr * 0.25 * (0.5 if name.startswith("task") else 1)
            torch.testing.assert_close(model.get_parameter(name), old - rate * step, rtol=1e-4, atol=1e-6)


def test_learning_rates_over_time():
    step, cosine = recipe(iterations=30), recipe(iterations=30, schedule="cosine", warm_up=4)
    assert [rate_factor(step, i) for i in (0, 19, 20, 29)] == [1, 1, 0.1, 0.1]
    assert [rate_factor(cosine, i) for i in range(3)] == pytest.approx(
        [(j + 1) / 5 * (1 + math.cos(math.pi * j / 30)) / 2 for j in range(3)]
    )
    assert rate_factor(cosine, 15) == pytest.approx(0.5)
    assert 0 < rate_factor(cosine, 29) < 0.01
