"""Notebook 03's checks want what the training wants."""

import torch

from dffkit.lessons.check.nb03 import flow_target
from dffkit.training.jobs import pyramid_loss


def test_the_right_target_is_what_the_loss_wants():
    flow = 30 * torch.randn(1, 2, 64, 128)
    predictions = [flow_target.solution(flow[0], stride)[None] for stride in (64, 32, 16, 8, 4)]
    assert pyramid_loss(predictions, flow)["flow"] < 1e-6
