"""Networks that recipes describe, their weights, parts loaded from other networks; and the optimiser."""

import math

import pytest
import torch
from hand_made import DETECTION, FLOW, STILLS, recipe, snippets
from tiny_trainings import log, run

from dffkit.baselines.without_flow import NoFlow
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.detection import RFCN
from dffkit.networks.segmentation import ScoreMaps
from dffkit.training.assembly import build, load_part, make_optimiser, rate_factor
from dffkit.training.jobs import make_job

pytestmark = pytest.mark.usefixtures("one_thread")


def test_each_job_builds_its_network():
    pairs, detection = build(recipe()), build(recipe(task=DETECTION, scale=False))
    assert isinstance(pairs, DeepFeatureFlow)
    assert isinstance(pairs.task_network, ScoreMaps)
    assert pairs.flow_network.scale_channels == pairs.feature_network.channels == 64
    assert isinstance(detection.task_network, RFCN)
    assert detection.task_network.bins == 2
    assert detection.flow_network.scale is None
    stills = build(STILLS)
    assert list(stills.heads) == ["segmentation", "detection"]
    assert stills.feature_network.norm == "trained"
    flow = build(FLOW)
    assert list(flow) == ["flow_network"]
    assert flow["flow_network"].scale is None


@pytest.mark.parametrize("split", [0, 1, 2])
def test_the_scale_field_fits_the_split(split):
    model = build(recipe(split=split))
    frames = torch.randint(0, 256, (1, 3, 32, 64), dtype=torch.uint8)
    assert model(frames, frames).shape == (1, 3, 2, 4)


def test_a_split_inside_a_block_is_named():
    with pytest.raises(ValueError, match="split: expected a number of layers that ends at a block"):
        build(recipe(split=3))


def test_the_scale_bias_can_be_frozen():
    assert not build(recipe(scale_bias="frozen")).flow_network.scale.bias.requires_grad
    assert build(recipe()).flow_network.scale.bias.requires_grad


def same(a, b):
    """Return whether two modules have the same weights."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_random_weights_are_of_the_seed_and_the_part_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    pairs = build(recipe(), 3)
    assert torch.equal(torch.random.get_rng_state(), before)
    frames = build(recipe("frames", flow="none", flow_width=0), 3)
    assert same(pairs.task_network, frames.task_network)
    assert same(pairs.feature_network, frames.feature_network)
    assert not same(pairs.task_network, build(recipe(), 4).task_network)


def test_without_flow_features_are_copied():
    model = build(recipe(flow="none", flow_width=0)).eval()
    assert isinstance(model.flow_network, NoFlow)
    torch.manual_seed(0)
    current, key = torch.randint(0, 256, (2, 2, 3, 40, 70), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(model(current, key), model(key))
        maps, kept = model.on_key_frame(key[:1])
        # One frame and two may go through the last layer in other orders of summation.
        torch.testing.assert_close(model.on_current_frame(current, kept), maps.expand(2, -1, -1, -1))


def test_a_part_is_loaded_from_a_whole_network():
    model, stills, flow = build(recipe()), build(STILLS, 8), build(FLOW, 9)
    load_part(model, "feature_network", stills.state_dict())
    load_part(model, "flow_network", flow.state_dict())
    assert same(model.feature_network, stills.feature_network)
    assert torch.equal(model.flow_network.flow.weight, flow["flow_network"].flow.weight)
    assert not model.flow_network.scale.weight.any()  # S is still as all ones
    assert (model.flow_network.scale.bias == 1).all()


def test_a_trained_scale_field_is_loaded_if_the_part_has_one():
    trained = build(recipe(), 1)
    torch.nn.init.normal_(trained.flow_network.scale.weight)
    model, plain = build(recipe(), 2), build(recipe(scale=False), 2)
    load_part(model, "flow_network", trained.state_dict())
    load_part(plain, "flow_network", trained.state_dict())
    assert same(model.flow_network, trained.flow_network)
    assert torch.equal(plain.flow_network.flow.weight, trained.flow_network.flow.weight)


@pytest.mark.parametrize("other", [{"depth": 26}, {"width": 1 / 8}, {"split": 1, "flow": "none", "flow_width": 0}])
def test_weights_of_another_network_are_refused(other):
    part = "flow_network" if "flow" in other else "feature_network"
    with pytest.raises(ValueError, match=f"start: expected the weights of this {part}, got others"):
        load_part(build(recipe()), part, build(recipe(**other)).state_dict())


# The optimiser


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
