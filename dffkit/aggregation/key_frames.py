"""Key frames by content, decided by what the networks computed anyway: the paper leaves this to future work (Sec. 3).

These are schedules as in `dffkit.schedules`. A schedule is called before a frame is computed, so it looks at what the
frame before has left: no network runs for it. It looks at one network, so a copy of the model (as `recognize` makes
under autocast) needs a schedule of its own, and frames must come one by one (`look_ahead=1`).
"""

import random

import torch.nn.functional as F
from torch import Tensor, nn

from dffkit.networks.detection import RFCN
from dffkit.warp import warp


class RandomKeyFrames:
    """Each frame is a key frame with the same probability: what a schedule by content has to beat at equal rate.

    Raises:
        ValueError: unless the rate is in 0..1.
    """

    def __init__(self, rate: float, seed: int = 0) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate: expected a share of the frames, 0 to 1, got {rate!r}")
        self.rate, self.random = rate, random.Random(seed)

    def __call__(self, index: int, frame: Tensor) -> bool:
        """Return True if frame `index` is a key frame; the frame itself does not matter."""
        return self.random.random() < self.rate


class _AfterChange:
    """A key frame as soon as the change since the last one, seen on the frame before, exceeds a threshold."""

    def __init__(self, network: nn.Module, threshold: float, *, longest: int = 30) -> None:
        self.threshold, self.longest = threshold, longest
        network.register_forward_hook(self._look)

    def __call__(self, index: int, frame: Tensor) -> bool:
        """Return True if frame `index` is a key frame; the frame itself is not looked at."""
        self.at_key = index == 0 or index - self.key_index >= self.longest or self.change > self.threshold
        if self.at_key:
            self.key_index, self.change = index, 0.0
        return self.at_key


class FlowChange(_AfterChange):
    """A schedule by what F says of the frame before: a weighted sum of `flow_signals`.

    Args:
        flow_network: *F* of the model that is run.
        threshold: sum from which on the next frame is a key frame.
        weights: of the flow's mean length and of the carried picture's error.
        longest: largest number of frames from one key frame to the next.
    """

    def __init__(
        self, flow_network: nn.Module, threshold: float, weights: tuple[float, float] = (1.0, 0.0), *, longest: int = 30
    ) -> None:
        super().__init__(flow_network, threshold, longest=longest)
        self.weights = weights

    def _look(self, _: nn.Module, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor | None]) -> None:
        signals = flow_signals(*inputs, output[0])
        self.change = sum(weight * signal for weight, signal in zip(self.weights, signals, strict=True))


class LabelChange(_AfterChange):
    """Clockwork's schedule: the share of cells whose most likely class is no longer the key frame's.

    Clockwork looks at a shallow classifier on the frame itself; here it is the last result of N_task.

    Args:
        task_network: *N_task* of the model that is run, `ScoreMaps` or `RFCN`.
        threshold: share of the cells, 0 to 1.
        longest: largest number of frames from one key frame to the next.
    """

    def _look(self, task_network: nn.Module, _: tuple, maps: Tensor) -> None:
        labels = most_likely(task_network, maps)
        if self.at_key:
            self.key_labels = labels
        else:
            self.change = (labels != self.key_labels).float().mean().item()


def flow_signals(current: Tensor, key: Tensor, flow: Tensor) -> tuple[float, float]:
    """Return the flow's mean length in cells, and the error of the key frame carried to the current one.

    The error is the mean absolute difference of means over cells, in grey levels 0..255: what flow can't explain.

    Args:
        current, key: frames from F's `prepare`, `(1, 3, H/2, W/2)`.
        flow: `(1, 2, h, w)` in cells.
    """
    small, small_key = (F.avg_pool2d(frame, 8, ceil_mode=True) for frame in (current, key))
    inside = warp(small_key.new_ones(1, 1, *flow.shape[2:]), flow)  # 0 where the flow leaves the frame
    error = ((small - warp(small_key, flow)).abs() * inside).sum() / (3 * inside.sum()).clamp(min=1)
    return flow.norm(dim=1).mean().item(), 255 * error.item()


def most_likely(task_network: nn.Module, maps: Tensor) -> Tensor:
    """Return the most likely class of each cell `(B, h, w)`; for R-FCN by the mean over its k x k maps of a class."""
    if isinstance(task_network, RFCN):
        classes, bins = task_network.num_classes + 1, task_network.bins**2
        first = sum(task_network.parts[:2])
        maps = maps[:, first : first + bins * classes].unflatten(1, (classes, bins)).mean(2)
    return maps.argmax(1)
