"""Snippets with random labels and boxes, and small networks for them; the tests of the evaluation share them."""

import math

import pytest
import torch
from torch import nn

from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps

CLASSES = 4
SIZE = (48, 64)


def small(split=1, task=None):
    """A whole network that runs in a moment, with flow and scale that do something."""
    torch.manual_seed(3)
    task = task or ScoreMaps(in_channels=64, num_classes=CLASSES)
    flow = flownet(width=0.0625, scale_channels={0: task.out_channels, 1: 64, 2: 128}[split])
    nn.init.normal_(flow.scale.weight, std=0.1)
    return DeepFeatureFlow(FeatureNetwork(14, width=1 / 16), flow, task, split=split).eval()


def detector():
    """The same for boxes."""
    torch.manual_seed(3)
    return small(task=RFCN(in_channels=64, num_classes=CLASSES, bins=2, anchor_scales=(1, 2), proposals=20))


def label_map(generator):
    """Random labels, some of them 255, and motion."""
    target = torch.randint(0, CLASSES, SIZE, dtype=torch.uint8, generator=generator)
    target[:4] = 255
    motion = torch.randint(0, 4, SIZE, dtype=torch.uint8, generator=generator)
    return target, torch.where(motion == 3, 255, motion).to(torch.uint8)


def some_boxes(generator):
    """Three random boxes and motion IoU."""
    corner = torch.rand(3, 2, generator=generator) * 20
    boxes = torch.cat([corner, corner + 10 + 15 * torch.rand(3, 2, generator=generator)], dim=1)
    target = {"boxes": boxes, "labels": torch.tensor([1, 2, 2]), "tracks": torch.arange(3)}
    return target, torch.tensor([0.95, 0.5, math.nan])


def video(name, annotated, count=8, label=label_map):
    """A snippet of random frames."""
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    frames = [torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8, generator=generator) for _ in range(count)]
    labels = {index: label(generator) for index in annotated}
    targets = {index: target for index, (target, _) in labels.items()}
    return Snippet(name, 10.0, frames, targets, {index: motion for index, (_, motion) in labels.items()})


def data(label=label_map):
    """Snippets with sparse and dense labels, one of them with none that counts at three offsets."""
    return [
        video("a", [1, 4], label=label),
        video("b", [0, 1, 2, 3, 4], label=label),
        video("d", [2, 7], label=label),
        video("c", [0, 1], label=label),
    ]


class Counting(list):
    """A list that keeps the indices that were read from it."""

    reads = ()

    def __getitem__(self, index):
        self.reads = (*self.reads, index)
        return super().__getitem__(index)


def assert_close(ours, expected, tolerance=1e-3):
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=tolerance, nan_ok=True), name
