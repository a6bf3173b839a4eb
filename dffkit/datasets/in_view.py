"""What is seen of boxes when only a part of their picture is: whole ones, cut ones, and regions to ignore."""

from collections.abc import Callable

import torch
from torch import Tensor

LEAST = 1.0  # pixels: what is smaller is not there


def in_view(
    target: dict[str, Tensor], moved: Callable[[Tensor], Tensor], size: tuple[int, int], visible: float
) -> dict[str, Tensor]:
    """A target in a view: boxes are clipped, and those of which too little is seen become regions to ignore.

    Args:
        target: "boxes" `(N, 4)`, perhaps "ignore" `(R, 4)`, and other tensors with a row for each box.
        moved: boxes of the picture -> the same boxes in the view, which they may leave.
        size: (H, W) of the view.
        visible: share of a box that has to be seen.
    """
    boxes, share = _clipped(moved(target["boxes"]), size)
    regions, rest = _clipped(moved(target.get("ignore", torch.zeros(0, 4))), size)
    there, partly = share >= visible, (share > 0) & (share < visible)
    others = {name: rows[there] for name, rows in target.items() if name not in ("boxes", "ignore")}
    return {**others, "boxes": boxes[there], "ignore": torch.cat([regions[rest > 0], boxes[partly]])}


def _clipped(moved: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """What is seen of boxes `(N, 4)`, and which share `(N,)` of each that is; 0 where it is less than a pixel wide."""
    height, width = size
    clipped = moved.clamp(min=0).minimum(torch.tensor([width, height, width, height]))
    sides = clipped[:, 2:] - clipped[:, :2]
    share = sides.prod(1) / (moved[:, 2:] - moved[:, :2]).prod(1)
    return clipped.float(), torch.where((sides >= LEAST).all(1), share, 0)
