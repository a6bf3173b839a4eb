"""Schedules by content: their signals by hand, and key frames where something changes, without another network."""

import pytest
import torch
from torch import nn

from dffkit.aggregation.key_frames import FlowChange, LabelChange, RandomKeyFrames, flow_signals, most_likely
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps
from dffkit.video import recognize

pytestmark = pytest.mark.usefixtures("one_thread")


def test_random_key_frames_have_their_rate_and_are_reproducible():
    schedule, same, different = RandomKeyFrames(0.2, 1), RandomKeyFrames(0.2, 1), RandomKeyFrames(0.2, 2)
    drawn, again, others = ([each(i, None) for i in range(4000)] for each in (schedule, same, different))
    assert drawn == again != others
    assert 0.17 < sum(drawn) / 4000 < 0.23
    with pytest.raises(ValueError, match=r"rate: expected a share of the frames, 0 to 1, got 1\.5"):
        RandomKeyFrames(1.5)
    with pytest.raises(ValueError, match="got -1"):
        RandomKeyFrames(-1)


def test_signals_by_hand():
    key = torch.zeros(1, 3, 32, 32)
    key[..., 8:16] = 1.0  # the second column of four
    still, moved = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    moved[:, 0] = 1.0  # each cell reads its right neighbour; the last column reads outside
    current = torch.zeros(1, 3, 32, 32)
    current[..., :8] = 1.0
    assert flow_signals(key, key, still) == (0, 0)
    assert flow_signals(current, key, moved) == (1, 0)
    motion, error = flow_signals(current, key, still)
    assert (motion, error) == (0, pytest.approx(255 / 2))
    away = torch.full((1, 2, 4, 4), 9.0)
    assert flow_signals(current, key, away) == (pytest.approx(9 * 2**0.5), 0)


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
    assert keys(each, FRAMES, FlowChange(each.flow_network, 20.0, (0.0, 1.0))) == [0, 6]
    assert len(runs) == 7


def test_the_weighted_sum_of_signals_counts(monkeypatch):
    each = model()
    monkeypatch.setattr("dffkit.aggregation.key_frames.flow_signals", lambda *_: (2.0, 3.0))
    assert keys(each, FRAMES, FlowChange(each.flow_network, 12.9, (2.0, 3.0))) == [0, 2, 4, 6, 8]
    assert keys(each, FRAMES, FlowChange(model().flow_network, 0.0)) == [0]  # of another model, which never runs


def test_the_longest_duration_is_kept_and_a_new_video_begins_with_a_key_frame():
    each = model()
    schedule = FlowChange(each.flow_network, 1e9, longest=4)
    assert keys(each, FRAMES, schedule) == [0, 4, 8]
    assert keys(each, FRAMES, schedule) == [0, 4, 8]


def test_labels_are_compared_with_those_of_the_key_frame():
    each, shown = model(), iter([0, 0, 0, 1, 1, 1, 1])
    each.task_network = Told(shown)
    assert keys(each, FRAMES[:7], LabelChange(each.task_network, 0.2)) == [0, 4]
    each.task_network = Told(iter([0, 0, 0, 1, 1, 1, 1]))
    assert keys(each, FRAMES[:7], LabelChange(each.task_network, 0.3)) == [0]


class Told(nn.Module):
    """A task network of which a quarter of the cells change their class when it is told so."""

    def __init__(self, shown):
        super().__init__()
        self.shown = shown

    def forward(self, features):
        maps = torch.zeros(len(features), 2, 2, 2)
        maps[:, 1, 0, 0] = 2 * next(self.shown) - 1
        return maps

    def decode(self, maps, size):
        return maps


def test_the_most_likely_class_of_a_detector_is_by_the_mean_of_its_maps():
    head = RFCN(in_channels=8, num_classes=2, bins=2, anchor_scales=(1,), anchor_ratios=(1,))
    maps = torch.zeros(1, head.out_channels, 1, 2)
    first = sum(head.parts[:2])
    maps[0, first + 4 : first + 8, 0, 1] = torch.tensor([3.0, -1, -1, 0])  # class 1: mean 1/4
    maps[0, first + 8, 0, 1] = 2.0  # class 2: mean 1/2
    maps[0, first, 0, 0] = 1.0
    assert most_likely(head, maps).tolist() == [[[0, 2]]]
    assert most_likely(ScoreMaps(in_channels=8, num_classes=2), torch.tensor([[[[0.0]], [[1.0]]]])).tolist() == [[[1]]]
