"""A small aggregation network and a random video, for the tests of this room."""

import torch
from torch import nn

from dffkit.aggregation.model import Aggregation, Embedding
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps


def video(count=9, height=48, width=64):
    """Random frames that differ from each other."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator) for _ in range(count)]


def small(channels=64, flow_network=None, task_network=None, **options):
    """A small whole network whose frames differ in their features, and whose flow is not zero."""
    torch.manual_seed(0)
    features = FeatureNetwork(14, width=1 / 16)
    nn.init.normal_(features.reduce.weight, std=0.1)
    flow_network = flow_network or flownet(width=1 / 16, scale_channels=None)
    task_network = task_network or ScoreMaps(in_channels=channels, num_classes=5)
    options = {"embedding": Embedding(64)} | options
    return Aggregation(features, flow_network, task_network, **options).eval()
