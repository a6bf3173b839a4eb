"""The flow network that sees no motion: what is left of Deep Feature Flow without *F* and *S*."""

import torch
from torch import Tensor, nn


class NoFlow(nn.Module):
    """Stands in for a flow network: zero flow and no scale field.

    Later frames get a copy of the key frame's features: the baseline that every flow has to beat, as it costs nothing.
    """

    scale_channels = None

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames `(B, 3, H, W)` as they are."""
        return frames

    def forward(self, current: Tensor, key: Tensor) -> tuple[Tensor, None]:
        """Zeros `(B, 2, ceil(H/16), ceil(W/16))` float32 for frames `(B, 3, H, W)`, and no scale field."""
        batch, _, height, width = current.shape
        return torch.zeros(batch, 2, -(-height // 16), -(-width // 16), device=current.device), None
