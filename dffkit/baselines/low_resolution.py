"""A feature network for smaller frames: the other way to save time, which Figure 3's curves are to be compared with."""

import torch
from torch import Tensor
from torch.nn import functional as F

from dffkit.networks.features import FeatureNetwork, check_frames


class LowResolution(FeatureNetwork):
    """A `FeatureNetwork` that makes frames smaller first: its features have stride 16 * `shrink`.

    Args:
        depth: of the network.
        shrink: how many times smaller each side becomes, by averaging.
        options: those of `FeatureNetwork`.

    Raises:
        ValueError: for a shrink below 1, or what `FeatureNetwork` refuses.
    """

    def __init__(self, depth: int = 101, *, shrink: int = 2, **options) -> None:
        if shrink < 1:
            raise ValueError(f"shrink: expected a whole number of at least 1, got {shrink!r}")
        super().__init__(depth, **options)
        self.shrink = shrink

    def forward(self, frames: Tensor, stop: int | None = None) -> Tensor:
        """Features `(B, channels, ceil(H/(16 * shrink)), ...)` of `frames` `(B, 3, H, W)` uint8."""
        check_frames(frames)
        small = F.avg_pool2d(frames.to(self.mean.dtype), self.shrink, ceil_mode=True)
        return super().forward(small.round().to(torch.uint8), stop)
