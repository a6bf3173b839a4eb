"""The warp as most code has it, by `F.grid_sample`: what `dffkit.warp` is compared with, and its usual mistakes."""

import torch
import torch.nn.functional as F
from torch import Tensor


def grid_sample_warp(
    features: Tensor, flow: Tensor, *, divide_by_size: bool = False, align_corners: bool = True
) -> Tensor:
    """Warp by `F.grid_sample`, which takes coordinates scaled to -1..1.

    Args:
        features: `(B, C, h, w)`.
        flow: `(B, 2, h, w)`, in cells.
        divide_by_size: make the mistake of dividing by w instead of w - 1.
        align_corners: for `F.grid_sample`; True puts -1 and 1 on the centres of the border cells.

    Returns:
        The warped features, `(B, C, h, w)`.
    """
    height, width = flow.shape[2:]
    x = flow[:, 0] + torch.arange(width, dtype=flow.dtype, device=flow.device)
    y = flow[:, 1] + torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None]
    less = 0 if divide_by_size else 1
    grid = torch.stack([2 * x / (width - less) - 1, 2 * y / (height - less) - 1], dim=-1)
    return F.grid_sample(features, grid, align_corners=align_corners)
