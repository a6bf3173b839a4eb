"""Measured speedup beside Eq. 7's, and memory over a long stream: `python -m dffkit benchmark`."""

import argparse
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torchvision import models
from tqdm import tqdm

from dffkit import complexity
from dffkit.aggregation.model import Aggregation, Embedding
from dffkit.aggregation.stream import aggregate
from dffkit.baselines.grid_sample import grid_sample_warp
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS, flownet
from dffkit.networks.precision import PRECISIONS, autocast, in_lower_precision
from dffkit.networks.segmentation import ScoreMaps
from dffkit.schedules import FixedInterval
from dffkit.support.machine import peak_memory_mib, reset_peak_memory
from dffkit.video import recognize
from dffkit.warp import propagate

TASK_NETWORKS = {"segmentation": lambda: ScoreMaps(num_classes=19), "detection": lambda: RFCN(num_classes=30)}
Part = TypeVar("Part", bound=Hashable)
SETTLED = 200  # frames until buffers and caches have reached their size


def measure(args: argparse.Namespace, precision: str, task: str, depth: int, flow: str) -> dict[str, object]:
    """Return one row of the benchmark. Weights are random; of all times only that of decoding depends on them."""
    torch.manual_seed(0)
    height, width = size = tuple(args.size)
    model = DeepFeatureFlow(FeatureNetwork(depth), FLOW_NETWORKS[flow](), TASK_NETWORKS[task]()).to(args.device).eval()
    costs = complexity.count_costs(model, size)
    bare = torchvision_resnet(depth).to(args.device).eval()
    model, bare = (in_lower_precision(network, PRECISIONS[precision]) for network in (model, bare))
    shape = (args.key_frame_duration, 3, height, width)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, device=args.device)
    reset_peak_memory(args.device)
    with torch.no_grad(), autocast(precision, args.device):
        times = _times(model, bare, frames, args.look_ahead, args.repeats)
    case = {"precision": precision, "task": task, "features": f"ResNet-{depth}", "flow": flow, "height": height}
    case |= {"width": width, "duration": args.key_frame_duration, "look_ahead": args.look_ahead, "seed": 0}
    duration = args.key_frame_duration
    frames_ms, decoding_ms = duration * times["frame"], duration * times["decode"]
    speedup = frames_ms / times["cycle"]
    eq7 = complexity.speedup(duration, complexity.cost_ratio(costs))  # with the r of Eq. 5
    eq7_eq6 = complexity.speedup(duration, complexity.cost_ratio_approximate(costs))
    return case | {f"{part}_ms": time for part, time in times.items()} | {
        "features_of_bare": times["features"] / times["bare"],
        "speedup": speedup,
        "speedup_live": frames_ms / times["live"],
        "speedup_decoded": (frames_ms + decoding_ms) / (times["cycle"] + decoding_ms),
        "eq7": eq7,
        "eq7_eq6": eq7_eq6,
        "of_eq7": speedup / eq7,
        "of_eq7_eq6": speedup / eq7_eq6,
        "peak_mib": peak_memory_mib(args.device),
    }  # fmt: skip


def torchvision_resnet(depth: int) -> nn.Module:
    """Return the reference for Frame's time: torchvision's modules with our strides, dilation and reduction only."""
    build = {50: models.resnet50, 101: models.resnet101}[depth]
    resnet = build(replace_stride_with_dilation=[False, False, True])
    for block in (resnet.layer2[0], resnet.layer3[0]):
        block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    resnet.layer4[0].conv2.dilation = resnet.layer4[0].conv2.padding = (2, 2)
    trunk = [module for name, module in resnet.named_children() if name not in ("avgpool", "fc")]
    reduction = nn.Conv2d(2048, 1024, 3, padding=6, dilation=6)
    return nn.Sequential(*trunk, reduction, nn.ReLU(inplace=True)).to(memory_format=torch.channels_last)


def _times(model: DeepFeatureFlow, bare: nn.Module, frames: Tensor, look_ahead: int, repeats: int) -> dict[str, float]:
    """Return the median milliseconds of each part of a network."""
    first, current = frames[:1], frames[1:2]
    normalised = first.float().div(255).to(memory_format=torch.channels_last)
    maps, key = model.on_key_frame(first)
    field, scale = model.flow_network(key.flow_input, key.flow_input)

    def propagated_by_grid_sample() -> Tensor:
        maps = grid_sample_warp(key.features, field.to(key.features))
        return maps if scale is None else maps * scale

    def current_by_grid_sample() -> Tensor:
        model.flow_network(model.flow_network.prepare(current), key.flow_input)
        return model.task_network(propagated_by_grid_sample())

    def cycle(batch: int) -> None:
        _, new_key = model.on_key_frame(first)
        for later in frames[1:].split(batch):
            model.on_current_frame(later, new_key)

    parts: dict[str, Callable[[], object]] = {
        "bare": lambda: bare(normalised),
        "frame": lambda: model(first),
        "cycle": lambda: cycle(look_ahead),
        "live": lambda: cycle(1),
        "features": lambda: model.feature_network(first),
        "flow": lambda: model.flow_network(model.flow_network.prepare(current), key.flow_input),
        "warp": lambda: propagate(key.features, field, scale),
        "task": lambda: model.task_network(key.features),
        "decode": lambda: model.task_network.decode(maps, frames.shape[2:]),
        "current": lambda: model.on_current_frame(current, key),
        "warp_grid_sample": propagated_by_grid_sample,
        "current_grid_sample": current_by_grid_sample,
    }
    return {name: statistics.median(times) for name, times in times_in_turns(parts, frames.device, repeats).items()}


def times_in_turns(
    parts: Mapping[Part, Callable[[], object]], device: torch.device | str, repeats: int, progress: bool = False
) -> dict[Part, list[float]]:
    """Run all parts in turns, `repeats` times after a round that warms up; return each part's milliseconds.

    A machine that slows down slows all parts. A GPU is waited for before and after each part.
    """
    device, times = torch.device(device), {part: [] for part in parts}
    wait = (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)
    for repeat in tqdm(range(repeats + 1), desc="speed", unit="round", disable=not progress):
        for part, run in parts.items():
            wait()
            start = time.perf_counter()
            run()
            wait()
            if repeat:
                times[part].append((time.perf_counter() - start) * 1e3)
    return times


def stream_memory(
    frames: int, *, look_ahead: int = 1, reach: int | None = None, size: tuple[int, int] = (96, 128)
) -> list[float]:
    """Recognize a stream of small random frames; return the process's resident memory in MiB after each result.

    Args:
        frames: their number.
        look_ahead: of `recognize`.
        reach: K of `aggregate`, which then takes the place of `recognize`.
        size: (H, W) of frames.
    """
    import psutil

    torch.manual_seed(0)
    features = FeatureNetwork(14, width=0.25)
    flow = flownet(width=0.125, scale_channels=features.channels if reach is None else None)
    parts = features, flow, ScoreMaps(in_channels=features.channels, num_classes=11)
    generator = torch.Generator().manual_seed(0)
    random = (torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for _ in range(frames))
    if reach is None:
        stream = recognize(DeepFeatureFlow(*parts).eval(), random, FixedInterval(10), look_ahead=look_ahead)
    else:
        stream = aggregate(Aggregation(*parts, Embedding(features.channels)).eval(), random, reach)
    process = psutil.Process()
    return [process.memory_info().rss / 2**20 for _ in tqdm(stream, total=frames, desc="stream", unit="frame")]


def report_memory(memory: list[float]) -> str:
    """Return a line with the range of the resident memory after it has settled."""
    first = min(SETTLED, len(memory))
    settled, low, high = memory[first - 1], min(memory[first - 1 :]), max(memory[first - 1 :])
    return (
        f"{len(memory)} frames; resident memory after frame {first}: {settled:.1f} MiB; "
        f"from then on {low:.1f} to {high:.1f} MiB ({low / settled - 1:+.2%} to {high / settled - 1:+.2%})"
    )
