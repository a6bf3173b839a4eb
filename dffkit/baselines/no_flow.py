"""The flow network that sees no motion: what is left of Deep Feature Flow without *F* and *S*."""

import torch
from torch import Tensor, nn


class NoFlow(nn.Module):
    """Stands in for a flow network: zero flow and no scale field.

    Later frames get a copy of the key frame's features: the baseline that every flow has to beat, as it costs nothing.

    Args:
        stride: of the features, in pixels of the frame.
    """

    scale_channels = None

    def __init__(self, stride: int = 16) -> None:
        super().__init__()
        self.stride = stride

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames `(B, 3, H, W)` as they are."""
        return frames

    def forward(self, current: Tensor, key: Tensor) -> tuple[Tensor, None]:
        """Zeros `(B, 2, ceil(H/stride), ceil(W/stride))` float32 for frames `(B, 3, H, W)`, and no scale field."""
        batch, _, height, width = current.shape
        cells = (-(-side // self.stride) for side in (height, width))
        return torch.zeros(batch, 2, *cells, device=current.device), None
