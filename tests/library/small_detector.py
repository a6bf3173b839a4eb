"""A small R-FCN, features and targets for the tests of its maps, losses and detections."""

import pytest
import torch

from dffkit.networks.detection import RFCN
from dffkit.weights.authors.conventions import AUTHORS

SIZE = (95, 125)  # odd on purpose: 6 x 8 cells
PARTS = {"torchvision": {}, "authors": AUTHORS}  # the parts of both conventions

with_all_parts = pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)


def small_network(seed=0, **changes):
    torch.manual_seed(seed)
    settings = {"in_channels": 32, "num_classes": 3, "bins": 3, "anchor_scales": (1, 2, 4), "proposals": 50}
    return RFCN(**settings | changes)


def small_features(batch=2, seed=1, channels=32):
    return torch.randn(batch, channels, 6, 8, generator=torch.Generator().manual_seed(seed))


def target(*rows):
    """A target from rows (x1, y1, x2, y2, label)."""
    table = torch.tensor(rows, dtype=torch.float32).view(-1, 5)
    return {"boxes": table[:, :4], "labels": table[:, 4].long()}


TARGETS = [target((10, 20, 60, 70, 1), (70, 5, 120, 60, 3)), target((30, 30, 100, 80, 2))]


def seeded():
    return torch.Generator().manual_seed(7)
