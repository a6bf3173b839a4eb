"""Schedules by content: their signals by hand, and key frames where something changes, without another network."""

import pytest
import torch
from torch import nn

from dffkit.aggregation.key_frames import FlowChange, flow_signals
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps
from dffkit.video import recognize

pytestmark = pytest.mark.usefixtures("one_thread")


def test_signals_by_hand():
    key = torch.zeros(1, 3, 32, 32)
    key[..., 8:16] = 1.0  # the second column of four
    still, moved = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    moved[:, 0] = 1.0  # each cell reads its right neighbour; the last column reads outside
    current = torch.zeros(1, 3, 32, 32)
    current[..., :8] = 1.0
    assert flow_signals(key, key, still).tolist() == [[0, 0, 0]]
    assert flow_signals(current, key, moved).tolist() == [[1, 0, 0]]
    assert flow_signals(current, key, still).tolist() == [[0, pytest.approx(255 / 2), 0]]
    away = torch.full((1, 2, 4, 4), 9.0)
    assert flow_signals(current, key, away).tolist() == [[pytest.approx(9 * 2**0.5), 0, 0]]
    scale = torch.tensor([0.5, 1.5, 1.0, 1.0]).view(1, 4, 1, 1).expand(1, 4, 4, 4)
    assert flow_signals(key, key, still, scale).tolist() == [[0, 0, 0.25]]
    together = flow_signals(torch.cat([key, current]), key, torch.cat([still, moved]))  # of one key frame
    assert together.tolist() == [[0, 0, 0], [1, 0, 0]]


def model():
    """A network whose flow is 0."""
    torch.manual_seed(0)
    flow_network = flownet(width=1 / 16, scale_channels=64)
    nn.init.zeros_(flow_network.flow.weight)
    task_network = ScoreMaps(in_channels=64, num_classes=5)
    return DeepFeatureFlow(FeatureNetwork(14, width=1 / 16), flow_network, task_network).eval()


def keys(each, frames, schedule):
    return [result.index for result in recognize(each, frames, schedule) if result.is_key_frame]


FRAMES = [torch.full((3, 48, 64), 10 if i < 5 else 200, dtype=torch.uint8) for i in range(9)]


def test_a_change_makes_the_next_frame_a_key_frame_and_costs_no_network():
    each, runs = model(), []
    each.flow_network.register_forward_hook(lambda *_: runs.append(1))
    assert keys(each, FRAMES, FlowChange(each.flow_network, 20.0, (0.0, 1.0, 0.0))) == [0, 6]
    assert len(runs) == 7


def test_the_weighted_sum_of_signals_counts(monkeypatch):
    each = model()
    monkeypatch.setattr("dffkit.aggregation.key_frames.flow_signals", lambda *_: torch.tensor([[2.0, 3.0, 4.0]]))
    assert keys(each, FRAMES, FlowChange(each.flow_network, 28.9, (2.0, 3.0, 4.0))) == [0, 2, 4, 6, 8]
    assert keys(each, FRAMES, FlowChange(model().flow_network, 0.0)) == [0]  # of another model, which never runs


def test_the_longest_duration_is_kept_and_a_new_video_begins_with_a_key_frame():
    each = model()
    schedule = FlowChange(each.flow_network, 1e9, longest=4)
    assert keys(each, FRAMES, schedule) == [0, 4, 8]
    assert keys(each, FRAMES, schedule) == [0, 4, 8]
