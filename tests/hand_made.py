"""Small snippets and recipes, which train in a second, for all tests that train."""

import dataclasses

import torch

from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps
from dffkit.training.recipe import Recipe, options

HEIGHT, WIDTH = SIZE = (32, 64)
SEGMENTATION = ("segmentation", options(num_classes=3))
DETECTION = ("detection", options(num_classes=2, bins=2, anchor_scales=(1,), anchor_ratios=(1,), proposals=20))
NETWORKS = {"depth": 14, "width": 1 / 16, "flow_width": 1 / 16}
FLOW = Recipe("flow", "flow", size=SIZE, iterations=4, batch=2, **NETWORKS)
STILLS = Recipe("stills", "stills", (SEGMENTATION, DETECTION), iterations=4, batch=2, norm="trained", **NETWORKS)


def boxes(frame):
    """Return one box of 16x16 pixels that moves right by 2 pixels a frame."""
    x = 2.0 * frame
    return {"boxes": torch.tensor([[x, 8, x + 16, 24]]), "labels": torch.tensor([1 + frame % 2])}


def label_map(frame):
    """Return a map of class 0 with a square of class 1 where the box is, and rows of class 2."""
    labels = torch.zeros(SIZE, dtype=torch.uint8)
    labels[8:24, 2 * frame : 2 * frame + 16] = 1
    labels[-4:] = 2
    return labels


TARGETS = {"segmentation": label_map, "detection": boxes, "both": lambda frame: (label_map(frame), boxes(frame))}


def picture(name, frame):
    """Return a bright square on a noisy background."""
    generator = torch.Generator().manual_seed(sum(map(ord, name)))
    image = torch.randint(0, 100, (3, *SIZE), dtype=torch.uint8, generator=generator)
    image[:, 8:24, 2 * frame : 2 * frame + 16] += 150
    return image


def flow(current, key):
    """Return the exact flow of the square, and the pixels that it hides in the key frame only."""
    field, hidden = torch.zeros(2, *SIZE), torch.zeros(SIZE, dtype=torch.bool)
    field[0, 8:24, 2 * current : 2 * current + 16] = 2.0 * (key - current)
    hidden[8:24, 2 * key : 2 * key + 16] = True
    hidden[8:24, 2 * current : 2 * current + 16] = False
    return field, hidden


def snippets(task="segmentation", count=3, length=12, annotated=range(12)):
    """Return a data set of a few snippets with the targets of a task, or of "both"."""
    return [
        Snippet(
            name,
            30.0,
            [picture(name, frame) for frame in range(length)],
            {frame: TARGETS[task](frame) for frame in annotated if frame < length},
            flow=flow,
        )
        for name in (f"snippet {i}" for i in range(count))
    ]


def recipe(job="pairs", task=SEGMENTATION, **changes):
    """Return a tiny recipe with random weights at its start."""
    fields = {"iterations": 6, "batch": 2, "lr": 0.05, **NETWORKS, **changes}
    return Recipe(f"{task[0]}/{job}", job, (task,), **fields)


def started(tiny):
    """Return the recipe with pre-trained parts to start from, as the kit's own recipes have."""
    return dataclasses.replace(tiny, start=(("feature_network", STILLS), ("flow_network", FLOW)))


def small_model(flow_network=None):
    """Return Deep Feature Flow for Toytown's label maps with small random networks, in double precision."""
    torch.manual_seed(1)
    features = FeatureNetwork(14, width=1 / 16)
    torch.nn.init.normal_(features.reduce.weight, std=0.1)  # so that the maps differ
    if flow_network is None:
        flow_network = flownet(width=1 / 16, scale_channels=features.channels)
        torch.nn.init.normal_(flow_network.scale.weight, std=0.5)  # so that the scale field is not all ones
    task_network = ScoreMaps(in_channels=features.channels, num_classes=10)
    return DeepFeatureFlow(features, flow_network, task_network).double().eval()
