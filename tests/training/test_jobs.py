"""Jobs: the samples of a batch, and its loss; F's loss with its units, weights, gradients and errors."""

import dataclasses
import multiprocessing
import os
import signal

import pytest
import torch
import torch.nn.functional as F
from hand_made import DETECTION, FLOW, SEGMENTATION, SIZE, recipe, snippets
from hypothesis import given
from hypothesis import strategies as st

from dffkit.networks.flow import flownet
from dffkit.training.assembly import build
from dffkit.training.jobs import (
    LEVEL_WEIGHTS,
    FlowJob,
    FlowPairs,
    endpoint_error,
    make_job,
    prefetch,
    pyramid_loss,
    task_loss,
)
from dffkit.training.pairs import Pairs
from dffkit.warp import flow_to_cells

pytestmark = pytest.mark.usefixtures("one_thread")


def test_sprites_of_a_batch_are_those_of_its_numbers():
    job = make_job(FLOW, 3)
    assert isinstance(job, FlowJob)
    assert torch.equal(job.batch([5, 6]).flow[1], job.batch([6]).flow[0])
    assert job.batch([5]).current.shape == (1, 3, *SIZE)


def test_each_pair_of_sprites_comes_once_in_each_mirror(monkeypatch):
    monkeypatch.setattr(FlowPairs, "BLOCK", 3)
    job, plain = make_job(dataclasses.replace(FLOW, mirrors=4), 3), make_job(FLOW, 3)
    found, frames = job.batch(range(24)).current, plain.batch(range(6)).current
    for number in range(24):
        block, place = divmod(number, 12)
        mirror, index = divmod(place, 3)
        axes = [(), (-1,), (-2,), (-1, -2)][mirror]
        assert torch.equal(found[number], frames[3 * block + index].flip(axes))
    assert torch.equal(job.batch([17]).flow[0], job.batch(range(24)).flow[17])


@pytest.mark.parametrize("task", [SEGMENTATION, DETECTION])
def test_the_loss_of_a_batch_is_the_mean_of_its_samples(task):
    tiny = recipe("pairs", task)
    job = make_job(tiny, 0, snippets(tiny.task))
    with torch.no_grad():
        batch = job.batch(range(4))
        whole = job.loss(job.forward(batch), batch)
        parts = []
        for number in range(4):
            single = job.batch([number])
            parts.append(job.loss(job.forward(single), single))
    for name in whole:
        torch.testing.assert_close(whole[name], torch.stack([part[name] for part in parts]).mean())


def test_anchors_are_drawn_by_the_sample_alone():
    pairs = Pairs(snippets("detection"), 7)
    tiny = recipe(task=DETECTION)
    batch, head = pairs.batch([3]), build(tiny).task_network
    head.loss = lambda maps, targets, size, generator: {"drawn": torch.rand((), generator=generator[0])}
    first = task_loss(head, torch.zeros(1), batch.targets, batch, 7)["drawn"]
    torch.rand(3)
    assert task_loss(head, torch.zeros(1), batch.targets, batch, 7)["drawn"] == first
    assert task_loss(head, torch.zeros(1), batch.targets, batch._replace(numbers=(4,)), 7)["drawn"] != first


# The loss of F

STRIDES = (128, 64, 32, 16, 8)  # of the frame, coarse to fine


def averages(flow, stride):
    """Means over windows, in plain loops; the border cuts the last ones."""
    rows = [flow[:, :, y : y + stride] for y in range(0, flow.shape[2], stride)]
    cells = [[r[..., x : x + stride].mean(dim=(2, 3)) for x in range(0, flow.shape[3], stride)] for r in rows]
    return torch.stack([torch.stack(row, dim=-1) for row in cells], dim=-2)


def perfect(flow):
    return [averages(flow, stride) / 40 for stride in STRIDES]


def random_flow(height=100, width=150, batch=2):
    return 10 * torch.randn(batch, 2, height, width)


@given(height=st.integers(1, 140), width=st.integers(1, 140))
def test_perfect_predictions_lose_nothing_at_any_size(height, width):
    flow = random_flow(height, width, 1)
    losses = pyramid_loss(perfect(flow), flow, forward_flow=averages(flow, 16) / 16)
    assert max(losses.values()) < 1e-5
    torch.testing.assert_close(flow_to_cells(flow), averages(flow, 16) / 16, rtol=1e-4, atol=1e-5)


def test_one_cell_to_the_right_is_16_pixels():
    flow = torch.zeros(1, 2, 64, 96)
    flow[:, 0] = 16
    cells = torch.zeros(1, 2, 4, 6)
    cells[:, 0] = 1
    assert torch.equal(flow_to_cells(flow), cells)
    predictions = [torch.zeros(1, 2, -(-64 // s), -(-96 // s)) for s in STRIDES]
    for prediction in predictions:
        prediction[:, 0] = 16 / 2 / 20
    assert pyramid_loss(predictions, flow, forward_flow=cells)["flow"] == pytest.approx(0, abs=1e-7)
    for prediction in predictions:
        prediction.zero_()
    assert pyramid_loss(predictions, flow)["flow"] == pytest.approx(16 / 2 / 20)


def test_the_networks_units_are_the_losss():
    # A network that predicts 0.4 everywhere is right, in both its outputs, for 16 pixels.
    network = flownet(width=0.0625, scale_channels=4)
    with torch.no_grad():
        for module in (*network.flows, network.flow):
            module.weight.zero_()
            module.bias.copy_(torch.tensor([0.4, -0.8]))
    frame = network.prepare(torch.randint(0, 256, (1, 3, 75, 130), dtype=torch.uint8))
    flow = torch.tensor([16.0, -32.0]).view(1, 2, 1, 1).expand(1, 2, 75, 130)
    losses = pyramid_loss(network.pyramid(frame, frame), flow, forward_flow=network(frame, frame)[0])
    assert max(losses.values()) < 1e-5


def test_levels_weigh_as_in_flownet():
    # FlowNet sums over cells, with these weights; up to a factor ours are the same.
    flow, weights = random_flow(256, 384, 1), (0.32, 0.08, 0.02, 0.01, 0.005)
    predictions = [torch.randn_like(level) for level in perfect(flow)]
    sums = [(p - t).norm(dim=1).sum() for p, t in zip(predictions, perfect(flow), strict=True)]
    expected = sum(w * s for w, s in zip(weights, sums, strict=True)) / (9 * 0.32 * 6)
    torch.testing.assert_close(pyramid_loss(predictions, flow)["flow"], expected, rtol=1e-4, atol=0)
    assert sum(LEVEL_WEIGHTS) == pytest.approx(1)


def test_the_parts_are_the_levels_errors():
    flow = random_flow()
    predictions = [torch.randn_like(level) for level in perfect(flow)]
    losses = pyramid_loss(predictions, flow)
    assert list(losses) == ["flow", "flow/64", "flow/32", "flow/16", "flow/8", "flow/4"]
    for name, prediction, target in zip(list(losses)[1:], predictions, perfect(flow), strict=True):
        torch.testing.assert_close(losses[name], (prediction - target).norm(dim=1).mean(), rtol=1e-4, atol=1e-6)


def test_the_forward_flow_joins_with_the_finest_levels_weight():
    flow = random_flow()
    target = averages(flow, 16) / 16
    losses = pyramid_loss(perfect(flow), flow, forward_flow=target + torch.tensor([2.5, 0]).view(1, 2, 1, 1))
    assert losses["flow/forward"] == pytest.approx(1, rel=1e-4)
    assert losses["flow"] == pytest.approx(LEVEL_WEIGHTS[-1], rel=1e-4)


def test_gradients_reach_every_weight_of_f_but_the_scale_field():
    network = flownet(width=0.0625, scale_channels=4)
    current, key = (network.prepare(torch.randint(0, 256, (2, 3, 80, 130), dtype=torch.uint8)) for _ in range(2))
    losses = pyramid_loss(network.pyramid(current, key), random_flow(80, 130))
    losses["flow"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in network.named_parameters() if "scale" not in n)
    assert network.scale.weight.grad is None
    assert not any(loss.requires_grad for name, loss in losses.items() if name != "flow")


def test_gradients_reach_the_forward_flow_and_are_finite_at_perfection():
    flow = random_flow()
    cells = (averages(flow, 16) / 16).requires_grad_()
    levels = [p.requires_grad_() for p in perfect(torch.zeros_like(flow))]
    losses = pyramid_loss(levels, torch.zeros_like(flow), forward_flow=cells)
    losses["flow"].backward()
    assert not losses["flow/forward"].requires_grad
    assert cells.grad.abs().sum() > 0
    assert all((level.grad == 0).all() for level in levels)


def test_endpoint_error_is_a_mean_length():
    flow = torch.zeros(1, 2, 2, 2)
    target = flow.clone()
    target[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    assert endpoint_error(flow, target) == 5 / 4


def test_low_precision_predictions_meet_exact_flow_in_float32():
    flow = random_flow(64, 64)
    levels = [level.bfloat16() for level in perfect(flow)]
    assert pyramid_loss(levels, flow)["flow"].dtype == torch.float32


def test_a_steady_flow_stays_steady_at_cut_borders():
    flow = torch.full((1, 2, 33, 47), 8.0)
    cells = flow_to_cells(flow)
    assert torch.equal(cells, torch.full((1, 2, 3, 3), 0.5))


def test_wrong_arguments_are_named():
    flow = random_flow(64, 64)
    good = perfect(flow)
    with pytest.raises(ValueError, match="predictions: expected 5 levels, coarse to fine, got 4"):
        pyramid_loss(good[1:], flow)
    with pytest.raises(ValueError, match="flow: expected the target's shape"):
        pyramid_loss(good[::-1], flow)
    with pytest.raises(ValueError, match="flow: expected the target's shape"):
        pyramid_loss(good, flow, forward_flow=good[-1])
    for bad in (flow[0], flow[:, :1], flow.long()):
        with pytest.raises(ValueError, match="flow: expected \\(B, 2, H, W\\) floating point"):
            pyramid_loss(good, bad)


def test_windows_are_exact_and_not_adaptive():
    flow = torch.zeros(1, 2, 192, 128)
    flow[:, :, 128:] = 40  # the coarsest level's second row: 64 rows of the frame
    target = torch.tensor([0.0, 1.0]).view(1, 1, 2, 1).expand(1, 2, 2, 1)
    assert not torch.equal(F.adaptive_avg_pool2d(flow / 40, (2, 1)), target)
    assert pyramid_loss([target, *perfect(flow)[1:]], flow)["flow/64"] == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_ctrl_c_leaves_it_to_the_training_to_end_the_processes_that_prepare_batches():
    samples = [range(i, i + 2) for i in range(8)]
    batches = prefetch(list, samples, 2, processes=True, pin=False)
    first = [next(batches) for _ in range(2)]  # one of each process: so both have begun
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker.pid, signal.SIGINT)
    assert [*first, *batches] == [list(numbers) for numbers in samples]
