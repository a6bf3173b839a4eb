"""Training objectives: each job makes the batches of a run, and their losses; F's own loss is at the end."""

import random
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import cv2
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dffkit.baselines import EXACT_FLOW
from dffkit.datasets import sprites
from dffkit.datasets.snippets import Snippet
from dffkit.networks.flow import PREDICTION_TO_CELLS
from dffkit.training.assembly import build
from dffkit.training.pairs import Batch, MixedPairs, Mixture, Neighbours, Pairs, move
from dffkit.training.recipe import Recipe
from dffkit.warp import flow_to_cells

Losses = dict[str, Tensor]  # scalars; their sum is minimised, and those without gradient are only logged

SMALL_MAPS = 2**22  # values of a batch; at full size a single image has more
FINEST = 8  # pixels of the frame in a cell of the pyramid's last prediction
PIXELS_TO_PREDICTION = 1 / (2 * 20)

# FlowNet's weights, coarse to fine, are 0.32, 0.08, 0.02, 0.01, 0.005, for errors *summed* over a level's cells, as its
# Caffe layer does. A level has four times the cells of the one before, so for *means* they are as 1 : 1 : 1 : 2 : 4.
# Means do not depend on the size of the frame, and with weights that add up to 1 the loss is an endpoint error.
LEVEL_WEIGHTS = (1 / 9, 1 / 9, 1 / 9, 2 / 9, 4 / 9)
FORWARD_WEIGHT = LEVEL_WEIGHTS[-1]


class FlowPairs:
    """Samples to pre-train F on: flying sprites, or the pairs of a data set; number n is a function of (seed, n) alone.

    With four `mirrors` each pair comes four times: as it is, mirrored left to right, upside down, and both. Rendering
    takes longer than training, and a mirrored pair is new to F. The four copies are `BLOCK` samples apart.
    """

    BLOCK = 256

    def __init__(
        self, seed: int, size: tuple[int, int], mirrors: int, data: Sequence[Any], world: sprites.SpriteWorld | None
    ) -> None:
        self.seed, self.size, self.mirrors, self.data, self.world = seed, size, mirrors, data, world

    def batch(self, numbers: Iterable[int]) -> Any:
        """Return the samples of these numbers as a `SpritePair` of batches."""
        pairs = []
        for number in numbers:
            block, place = divmod(number, self.BLOCK * self.mirrors)
            mirror, index = divmod(place, self.BLOCK)
            pair = self._pair(block * self.BLOCK + index)
            pairs.append(sprites.mirrored(pair, left_right=mirror in (1, 3), upside_down=mirror in (2, 3)))
        return sprites.stacked(pairs)

    def _pair(self, index: int) -> Any:
        if self.data:
            return self.data[random.Random(f"{self.seed}/{index}").randrange(len(self.data))]
        make = _kept_pair if self.mirrors > 1 else sprites.sprite_pair
        return make(self.seed, index, self.size, self.world)


# Several threads make batches a little out of order, so the pairs of two blocks are kept.
_kept_pair = lru_cache(maxsize=2 * FlowPairs.BLOCK)(sprites.sprite_pair)


class FlowJob:
    """Pre-training of F: the multi-scale endpoint error (Sec. 4.2)."""

    def __init__(self, module: nn.Module, pairs: FlowPairs) -> None:
        self.module, self.batch, self.pyramid = module, pairs.batch, module["flow_network"].pyramid_and_flow

    def forward(self, batch: Any) -> tuple[list[Tensor], Tensor]:
        """Return the pyramid's five predictions, and the flow of `FlowNetwork.forward`, all float32."""
        flow_network = self.module["flow_network"]
        current, key = flow_network.prepare(batch.current), flow_network.prepare(batch.key)
        predictions, flow = self.pyramid(current, key)
        return [prediction.float() for prediction in predictions], flow

    def loss(self, outputs: tuple[list[Tensor], Tensor], batch: Any) -> Losses:
        """Return FlowNet's loss, with the flow of `FlowNetwork.forward` as one more level."""
        predictions, flow = outputs
        return pyramid_loss(predictions, batch.flow, forward_flow=flow)


class RecognitionJob:
    """Training of Frame, DFF or aggregation by the task network's own loss on the current frame (Fig. 2)."""

    def __init__(self, module: nn.Module, pairs: Pairs | Neighbours) -> None:
        self.module, self.pairs, self.batch = module, pairs, pairs.batch

    def forward(self, batch: Batch) -> Tensor:
        """Return the task network's maps of the current frames."""
        return self.module(batch.frames, batch.key_frames, batch.same)

    def loss(self, maps: Tensor, batch: Batch) -> Losses:
        """Return the task network's losses."""
        return task_loss(self.module.task_network, maps, batch.targets, batch, self.pairs.seed)


class StillsJob(RecognitionJob):
    """Pre-training of N_feat on single frames by the losses of several task networks at once."""

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return each head's maps."""
        return self.module(batch.frames)

    def loss(self, maps: dict[str, Tensor], batch: Batch) -> Losses:
        """Return the losses of all heads; targets are tuples in the heads' order."""
        losses = {}
        for (task, head), targets in zip(self.module.heads.items(), batch.targets, strict=True):
            losses |= task_loss(head, maps[task], targets, batch, self.pairs.seed)
        return losses


def task_loss(task_network: nn.Module, maps: Tensor, targets: Any, batch: Batch, seed: int) -> Losses:
    """Return a task network's losses, means over the batch.

    Each image has a random generator of its own, which chooses the anchors. So a sample's loss does not depend on the
    rest of the batch, and processes that share a batch get the same losses as one process.

    The losses of boxes are hundreds of small operations. Each of them takes a GPU longer than the processor, so maps
    that are small are moved there.
    """
    size = tuple(batch.frames.shape[2:])
    if isinstance(targets, Tensor):
        return task_network.loss(maps, targets, size)
    generators = [Generator().manual_seed(seed * 2**32 + number) for number in batch.numbers]
    losses = task_network.loss(maps if maps.numel() > SMALL_MAPS else maps.cpu(), targets, size, generators)
    return {name: loss.to(maps.device) for name, loss in losses.items()}


def make_job(recipe: Recipe, seed: int, data: Sequence[Snippet] = ()) -> FlowJob | RecognitionJob:
    """Return the job of a recipe, with its untrained network; `seed` is that of the weights and of the samples.

    `data` are the snippets to train on, none for job "flow" on sprites.
    """
    module = build(recipe, seed)
    if recipe.job == "flow":
        return FlowJob(module, FlowPairs(seed, recipe.size, recipe.mirrors, data, sprites.WORLDS.get(recipe.data)))
    offset = recipe.max_offset if recipe.job == "pairs" else None
    if recipe.job == "pairs" and recipe.flow == EXACT_FLOW:
        module.flow_network.register(data)
    classes = None if recipe.job == "stills" else module.task_network.num_classes
    options = {"max_offset": offset, "label_interval": recipe.label_interval, "flip": recipe.flip, "classes": classes}
    pairs = (MixedPairs if isinstance(data, Mixture) else Pairs)(data, seed, **options)
    if recipe.job == "aggregate":
        pairs = Neighbours(pairs, recipe.max_offset, recipe.neighbours)
    return (StillsJob if recipe.job == "stills" else RecognitionJob)(module, pairs)


def prefetch(
    make: Callable[[range], Any], samples: Sequence[range], workers: int, *, processes: bool, pin: bool
) -> Iterator[Any]:
    """Yield `make(numbers)` for each range of samples in order; up to `workers` make the next ones meanwhile.

    Workers are threads. With `processes`, several of them are processes: rendering holds Python's lock too often for
    threads to run side by side. Each takes every n-th batch, so with 2, 4 or 8 of them the mirrored copies of a pair
    come to the same process. With `pin` a batch lies in pinned memory, where a thread beside the training puts it.
    """
    if processes and workers > 1:
        options = {"num_workers": workers, "multiprocessing_context": "spawn", "worker_init_fn": _start_worker}
        yield from DataLoader(_Batches(make), batch_size=None, sampler=samples, pin_memory=pin, **options)
        return

    def ready(numbers: range) -> Any:
        return move(make(numbers), Tensor.pin_memory) if pin else make(numbers)

    yield from _in_threads(ready, samples, workers) if workers else map(ready, samples)


class _Batches(Dataset):
    """A data set whose items are batches, by their samples."""

    def __init__(self, make: Callable[[range], Any]) -> None:
        self.make = make

    def __getitem__(self, numbers: range) -> Any:
        return self.make(numbers)


def _start_worker(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training stops at its next checkpoint, and ends its workers
    cv2.setNumThreads(1)  # or each of the processes takes all cores for a picture


def _in_threads(make: Callable[[range], Any], samples: Sequence[range], workers: int) -> Iterator[Any]:
    pool = ThreadPoolExecutor(workers)
    try:
        coming = [pool.submit(make, numbers) for numbers in samples[:workers]]
        for i in range(len(samples)):
            batch = coming.pop(0).result()
            if i + workers < len(samples):
                coming.append(pool.submit(make, samples[i + workers]))
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def pyramid_loss(predictions: Sequence[Tensor], flow: Tensor, forward_flow: Tensor | None = None) -> dict[str, Tensor]:
    """Return FlowNet's multi-scale endpoint error, on the five predictions of `FlowNetwork.pyramid` (Sec. 4.2).

    The pyramid alone does not train the flow that is used later: `FlowNetwork.forward` applies the last predictor to
    features that were averaged 2x2, so its 3x3 kernel spans twice as many pixels as in the pyramid. Joint training
    mends that, but a pre-trained F with fixed weights (Table 3) is never trained jointly. So `forward_flow` can join
    the loss, with the weight of the finest level.

    Args:
        predictions: coarse to fine, `(B, 2, ., .)`, pixels of the half-size input / 20.
        flow: exact flow `(B, 2, H, W)` in pixels of the frame. Occluded pixels count as all others, as in FlowNet.
        forward_flow: flow of `FlowNetwork.forward`, `(B, 2, h, w)` in cells; None to train the pyramid alone.

    Returns:
        "flow", the loss; and without gradient, for the log, "flow/64" ... "flow/4" and "flow/forward", the mean
        endpoint errors of the levels, by their stride in the half-size input, all in units of the prediction.

    Raises:
        ValueError: if the flow has another shape, there are not five predictions, or one does not fit the flow's size.
    """
    cells = flow_to_cells(flow)
    if len(predictions) != len(LEVEL_WEIGHTS):
        raise ValueError(f"predictions: expected {len(LEVEL_WEIGHTS)} levels, coarse to fine, got {len(predictions)}")
    errors, total = {}, 0
    for level, (prediction, weight) in enumerate(zip(predictions, LEVEL_WEIGHTS, strict=True)):
        stride = FINEST << (len(predictions) - 1 - level)
        # Exact windows and not adaptive pooling: a cell of the networks is `stride` pixels, also where the frame is no
        # multiple of it. At 192 rows the coarsest level's first cell is 128 rows, and adaptive pooling would take 96.
        target = F.avg_pool2d(flow, stride, ceil_mode=True) * PIXELS_TO_PREDICTION
        error = endpoint_error(prediction, target)
        errors[f"flow/{stride // 2}"], total = error.detach(), total + weight * error
    if forward_flow is not None:
        error = endpoint_error(forward_flow, cells) / PREDICTION_TO_CELLS
        errors["flow/forward"], total = error.detach(), total + FORWARD_WEIGHT * error
    return {"flow": total, **errors}


def endpoint_error(flow: Tensor, target: Tensor) -> Tensor:
    """Return the mean length of `flow - target`, both `(B, 2, h, w)`, in their common unit, as a scalar.

    Raises:
        ValueError: if the shapes differ.
    """
    if flow.shape != target.shape:
        raise ValueError(f"flow: expected the target's shape {tuple(target.shape)}, got {tuple(flow.shape)}")
    # The norm's gradient at 0 is 0 in PyTorch, so a perfect prediction stays as it is.
    return torch.linalg.vector_norm(flow.float() - target.float(), dim=1).mean()
