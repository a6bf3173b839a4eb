"""Does memory stay flat on an endless video? `python -m dffkit benchmark --stream 10000`."""

import itertools
from collections.abc import Iterator

import psutil
import torch
from torch import Tensor
from tqdm import tqdm

from dffkit.dff import DeepFeatureFlow
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps
from dffkit.schedules import FixedInterval
from dffkit.video import recognize

SETTLED = 200  # frames until buffers and caches have their size


def resident_memory(frames: int, *, look_ahead: int = 1, size: tuple[int, int] = (96, 128)) -> list[float]:
    """Recognise so many small random frames; the process's resident memory in MiB after each."""
    torch.manual_seed(0)
    features = FeatureNetwork(14, width=0.25)
    flow = flownet(width=0.125, scale_channels=features.channels)
    model = DeepFeatureFlow(features, flow, ScoreMaps(in_channels=features.channels, num_classes=11)).eval()
    stream = recognize(model, itertools.islice(_random_frames(size), frames), FixedInterval(10), look_ahead=look_ahead)
    process = psutil.Process()
    return [process.memory_info().rss / 2**20 for _ in tqdm(stream, total=frames, desc="stream", unit="frame")]


def report(memory: list[float]) -> str:
    """How far memory strayed, once settled, from what it was then."""
    settled = memory[min(SETTLED, len(memory)) - 1]
    later = memory[SETTLED - 1 :] or memory[-1:]
    low, high = min(later), max(later)
    return (
        f"{len(memory)} frames; resident memory after frame {min(SETTLED, len(memory))}: {settled:.1f} MiB; "
        f"from then on {low:.1f} to {high:.1f} MiB ({low / settled - 1:+.2%} to {high / settled - 1:+.2%})"
    )


def _random_frames(size: tuple[int, int]) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    while True:
        yield torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
