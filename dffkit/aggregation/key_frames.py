"""Key frames by what the flow network computes anyway: the paper leaves scheduling to future work (Sec. 3).

`FlowChange` is a schedule as in `dffkit.schedules`. A schedule is called before a frame is computed, so it looks at
what the frame before has left, and no network runs for it. It looks at one network, so a copy of the model (as
`recognize` makes under autocast) needs a schedule of its own, and frames must come one by one (`look_ahead=1`).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dffkit.warp import warp


class FlowChange:
    """A key frame as soon as a weighted sum of `flow_signals`, on the frame before, exceeds a threshold.

    Args:
        flow_network: *F* of the model that is run.
        threshold: sum above which the next frame is a key frame.
        weights: of the flow's mean length, the carried picture's error, and the change by S.
        longest: largest number of frames from one key frame to the next.
    """

    def __init__(
        self,
        flow_network: nn.Module,
        threshold: float,
        weights: tuple[float, float, float] = (1.0, 0.0, 0.0),
        *,
        longest: int = 30,
    ) -> None:
        self.threshold, self.weights, self.longest = threshold, weights, longest
        flow_network.register_forward_hook(self._look)

    def __call__(self, index: int, frame: Tensor) -> bool:
        """Return True if frame `index` is a key frame; the frame itself is not looked at."""
        at_key = index == 0 or index - self.key_index >= self.longest or self.change > self.threshold
        if at_key:
            self.key_index, self.change = index, 0.0
        return at_key

    def _look(self, _: nn.Module, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor | None]) -> None:
        self.change = float(flow_signals(*inputs, *output)[0].cpu() @ torch.tensor(self.weights))


def flow_signals(current: Tensor, key: Tensor, flow: Tensor, scale: Tensor | None = None) -> Tensor:
    """Return three signs of change since the key frame, `(B, 3)`.

    The first is the flow's mean length in cells. The second is the error of the key frame carried to the current one:
    the mean absolute difference of means over cells, in grey levels 0..255, which flow can't explain. The third is the
    mean absolute difference of the scale field from 1; 0 without S.

    Args:
        current: frames from F's `prepare`, `(B, 3, H/2, W/2)`.
        key: the same, or one key frame `(1, 3, H/2, W/2)` for all.
        flow: `(B, 2, h, w)` in cells.
        scale: `(B, C, h, w)`.
    """
    small, small_key = (F.avg_pool2d(frame, 8, ceil_mode=True) for frame in (current, key))
    with_ones = torch.cat([small_key, torch.ones_like(small_key[:, :1])], 1)
    carried, inside = warp(with_ones, flow).split([3, 1], 1)  # inside: 0 where the flow leaves the frame
    error = ((small - carried).abs() * inside).sum((1, 2, 3)) / (3 * inside.sum((1, 2, 3))).clamp(min=1)
    scaled = torch.zeros_like(error) if scale is None else (scale - 1).abs().mean((1, 2, 3))
    return torch.stack([flow.norm(dim=1).mean((1, 2)), 255 * error, scaled], dim=1)
