"""Baselines that need no flow: copied features, and smaller frames, the other way to save time (Fig. 3)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dffkit.networks.features import FeatureNetwork, check_frames


class FlowStandIn(nn.Module):
    """Base of flow networks without weights: each has `field(current, key)`, and no scale field (S = 1)."""

    scale_channels = None

    def prepare(self, frames: Tensor) -> Tensor:
        """Return the frames `(B, 3, H, W)` uint8 unchanged."""
        return frames

    def forward(self, current: Tensor, key: Tensor) -> tuple[Tensor, None]:
        """Return flow `(B, 2, ceil(H/16), ceil(W/16))` in cells, on the frames' device, and None.

        Args:
            current: frames `(B, 3, H, W)` uint8.
            key: frames `(B, 3, H, W)`, or one key frame `(1, 3, H, W)` for all.
        """
        fields = [self.field(*pair) for pair in zip(current, key.expand_as(current), strict=True)]
        return torch.stack(fields).to(current.device), None


class NoFlow(FlowStandIn):
    """Zero flow: later frames get a copy of the key frame's features, the baseline that every flow has to beat.

    Args:
        stride: of the features, in pixels of the frame.
    """

    def __init__(self, stride: int = 16) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, current: Tensor, key: Tensor) -> tuple[Tensor, None]:
        """Return zeros `(B, 2, ceil(H/stride), ceil(W/stride))` float32 for frames `(B, 3, H, W)`, and None."""
        batch, _, height, width = current.shape
        cells = (-(-side // self.stride) for side in (height, width))
        return torch.zeros(batch, 2, *cells, device=current.device), None


class LowResolution(FeatureNetwork):
    """A `FeatureNetwork` that shrinks frames first: its features have stride 16 * `shrink`.

    Args:
        depth: of the network.
        shrink: how many times smaller each side becomes, by averaging.
        options: those of `FeatureNetwork`.

    Raises:
        ValueError: for a shrink below 1, or an option that `FeatureNetwork` refuses.
    """

    def __init__(self, depth: int = 101, *, shrink: int = 2, **options) -> None:
        if shrink < 1:
            raise ValueError(f"shrink: expected a whole number of at least 1, got {shrink!r}")
        super().__init__(depth, **options)
        self.shrink = shrink

    def forward(self, frames: Tensor, stop: int | None = None) -> Tensor:
        """Compute features `(B, channels, ceil(H/(16 * shrink)), ...)` of `frames` `(B, 3, H, W)` uint8."""
        check_frames(frames)
        small = F.avg_pool2d(frames.to(self.mean.dtype), self.shrink, ceil_mode=True)
        return super().forward(small.round().to(torch.uint8), stop)
