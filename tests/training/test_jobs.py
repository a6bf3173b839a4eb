"""Jobs: the samples of a batch, and its loss as the mean of its samples' losses."""

import dataclasses

import pytest
import torch
from hand_made import DETECTION, FLOW, SEGMENTATION, SIZE, recipe, snippets

from dffkit.training.assembly import build
from dffkit.training.jobs import FlowJob, make_job, task_loss
from dffkit.training.pairs import Pairs

pytestmark = pytest.mark.usefixtures("one_thread")


def test_sprites_of_a_batch_are_those_of_its_numbers():
    job = make_job(FLOW, 3)
    assert isinstance(job, FlowJob)
    assert torch.equal(job.batch([5, 6]).flow[1], job.batch([6]).flow[0])
    assert job.batch([5]).current.shape == (1, 3, *SIZE)


def test_each_pair_of_sprites_comes_once_in_each_mirror(monkeypatch):
    monkeypatch.setattr(FlowJob, "BLOCK", 3)
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
    head.loss = lambda maps, targets, size, generator: {"drawn": torch.rand((), generator=generator)}
    first = task_loss(head, torch.zeros(1), batch.targets, batch, 7)["drawn"]
    torch.rand(3)
    assert task_loss(head, torch.zeros(1), batch.targets, batch, 7)["drawn"] == first
    assert task_loss(head, torch.zeros(1), batch.targets, batch._replace(numbers=(4,)), 7)["drawn"] != first
