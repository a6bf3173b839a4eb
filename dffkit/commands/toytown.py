"""`python -m dffkit toytown`: a report on the rendered world in numbers."""

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dffkit.commands.cli import at_least
from dffkit.datasets import toytown
from dffkit.datasets.snippets import MOTION_CLASSES, motion_class
from dffkit.datasets.toytown import statistics
from dffkit.networks.proposals import make_anchors, overlaps
from dffkit.networks.segmentation import upsample
from dffkit.scores import SegmentationScores
from dffkit.training.handheld_recipes import DETECTOR
from dffkit.training.toytown_recipes import HEADS

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FIT_STEPS, FIT_RATE = 80, 0.3


def add_toytown_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `toytown`."""
    parser.add_argument("--split", choices=toytown.SPLITS[:3], default="val", help="default: val")
    count = "count the boxes of 1000 films of either world again and store them: 4 minutes on two cores"
    parser.add_argument("--count", action="store_true", help=count)
    parser.add_argument("--streets", type=at_least(1), default=12, metavar="N", help="number of streets (default: 12)")


def toytown_main(arguments: argparse.Namespace) -> int:
    """Print the handheld world's statistics beside ImageNet VID's; render some streets of the drive and report."""
    if arguments.count:
        for world in statistics.COUNTED:
            statistics.store(world, statistics.observe_films(world))
    print("\n".join(beside_vid()), end="\n\n")
    torch.set_num_threads(1)  # frames a second are per core
    toytown.record(arguments.split, 0, 1.0, 1)  # compiles the renderer
    print(f"Toytown, {arguments.streets} streets of {arguments.split}")
    for task, fps in toytown.FPS.items():
        world, streets = toytown.WORLDS[task], range(arguments.streets)
        began = time.process_time()
        records = [toytown.record(arguments.split, number, fps, toytown.LENGTH, world) for number in streets]
        seconds = time.process_time() - began
        print(f"\nworld {toytown.data_version(world)}, for {task}, {fps:g} frames a second of the street:")
        print(f"  rendered with all labels, frames a second and core: {len(records) * toytown.LENGTH / seconds:.0f}")
        print("\n".join(f"  {line}" for line in report(task, records)))
    return 0


def beside_vid() -> list[str]:
    """Return a table of both worlds' statistics beside ImageNet VID's and what was aimed at in the handheld world."""
    seen = statistics.stored()
    lines = [f"handheld world {toytown.data_version(toytown.HANDHELD)} and the drive, {seen.films} films of train each"]
    lines += statistics.beside_vid().to_string(index=False, float_format="{:.3f}".format, na_rep="?").splitlines()
    boxes = torch.tensor([thing[2:6] for thing in seen.things]).float()
    lines.append(f"boxes of the handheld world with an anchor of IoU 0.5: {anchor_recall([boxes], dict(DETECTOR)):.1%}")
    return lines


def report(task: str, records: Sequence[dict[str, Tensor]]) -> list[str]:
    """Return the lines of the report on one task's streets, given as `toytown.record` returns them."""
    frames = toytown.ANNOTATED[task]
    boxes = [r["boxes"][i, : r["counts"][i]] for r in records for i in frames]
    every = torch.cat(boxes)
    shares = [float((motion_class(every[:, 7]) == k).float().mean()) for k in range(len(MOTION_CLASSES))]
    lines = [
        "motion classes of boxes: " + ", ".join(f"{n} {s:.0%}" for n, s in zip(MOTION_CLASSES, shares, strict=True))
    ]
    for name, low in (("width", 0), ("height", 1)):
        sides = (every[:, 2 + low] - every[:, low]).quantile(torch.tensor(QUANTILES)).tolist()
        lines.append(f"box {name}s in pixels, quantiles {QUANTILES}: " + ", ".join(f"{side:.0f}" for side in sides))
    if task == "detection":
        lines.append(f"boxes with an anchor of IoU 0.5: {anchor_recall([b[:, :4] for b in boxes], HEADS[task]):.1%}")
        return lines
    labels = torch.cat([r["labels"][list(frames)] for r in records])
    share = torch.bincount(labels.flatten().long(), minlength=len(toytown.LABELS)) / labels.numel()
    lines.append("pixels: " + ", ".join(f"{n} {s:.1%}" for n, s in zip(toytown.LABELS, share.tolist(), strict=True)))
    lines.append(f"mIoU of labels averaged over the cells of stride 16: {averaged_ceiling(labels):.3f}")
    lines.append(f"mIoU of score maps of stride 16 fitted to each label map: {fitted_ceiling(labels):.3f}")
    return lines


def anchor_recall(boxes: Sequence[Tensor], head: Mapping[str, Any]) -> float:
    """Return the share of boxes `(N, 4)` that have an IoU of at least 0.5 with some anchor of a head's options."""
    options = {name.removeprefix("anchor_"): v for name, v in dict(head).items() if name.startswith("anchor_")}
    anchors = make_anchors(192 // 16, 384 // 16, **options)
    best = torch.cat([overlaps(anchors, each)[:, :-1].amax(0) for each in boxes if len(each)])
    return float((best >= 0.5).float().mean())


def averaged_ceiling(labels: Tensor) -> float:
    """Return the mIoU of label maps `(B, H, W)` averaged over cells of stride 16 and upsampled like score maps."""
    shares = F.avg_pool2d(_one_hot(labels), 16, ceil_mode=True)
    return _miou(upsample(shares, tuple(labels.shape[1:])).argmax(1), labels)


def fitted_ceiling(labels: Tensor) -> float:
    """Return the mIoU of score maps of stride 16 fitted to each label map by gradient descent: a ceiling."""
    predictions = []
    for some in labels.split(6):
        maps = (F.avg_pool2d(_one_hot(some), 16, ceil_mode=True) * 6).requires_grad_()
        optimiser = torch.optim.Adam([maps], lr=FIT_RATE)
        for _ in range(FIT_STEPS):
            optimiser.zero_grad()
            F.cross_entropy(upsample(maps, tuple(some.shape[1:])), some.long()).backward()
            optimiser.step()
        predictions.append(upsample(maps.detach(), tuple(some.shape[1:])).argmax(1))
    return _miou(torch.cat(predictions), labels)


def _one_hot(labels: Tensor) -> Tensor:
    return F.one_hot(labels.long(), len(toytown.LABELS)).movedim(-1, 1).float()


def _miou(predictions: Tensor, labels: Tensor) -> float:
    return SegmentationScores.of(predictions, labels, num_classes=len(toytown.LABELS)).values()["mIoU", "all"]
