"""`python -m dffkit toytown`: the rendered worlds in numbers."""

import argparse
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dffkit.datasets import toytown
from dffkit.datasets.toytown import statistics
from dffkit.networks.proposals import make_anchors, overlaps
from dffkit.training.handheld_recipes import DETECTOR
from dffkit.training.toytown_recipes import HEADS


def add_toytown_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `toytown`."""
    count = "count the boxes of 1000 films of either world again and store them: 4 minutes on two cores"
    parser.add_argument("--count", action="store_true", help=count)


def toytown_main(arguments: argparse.Namespace) -> int:
    """Print the statistics of both worlds' boxes beside ImageNet VID's, and how many boxes the anchors meet."""
    if arguments.count:
        for world in statistics.COUNTED:
            statistics.store(world, statistics.observe_films(world))
    films = statistics.stored().films
    print(f"handheld world {toytown.data_version(toytown.HANDHELD)} and the drive, {films} films of train each")
    print(statistics.beside_vid().to_string(index=False, float_format="{:.3f}".format, na_rep="?"))
    for world, head in {"handheld": dict(DETECTOR), "drive": HEADS["detection"]}.items():
        boxes = torch.tensor([thing[2:6] for thing in statistics.stored(world).things]).float()
        print(f"{world}, boxes with an anchor of IoU 0.5: {anchor_recall(boxes, head):.1%}")
    return 0


def anchor_recall(boxes: Tensor, head: Mapping[str, Any]) -> float:
    """Return the share of boxes `(N, 4)` that have an IoU of at least 0.5 with some anchor of a head's options."""
    options = {name.removeprefix("anchor_"): v for name, v in dict(head).items() if name.startswith("anchor_")}
    anchors = make_anchors(192 // 16, 384 // 16, **options)
    best = torch.cat([overlaps(anchors, some)[:, :-1].amax(0) for some in boxes.split(1000)])
    return float((best >= 0.5).float().mean())
