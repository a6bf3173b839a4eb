"""The authors' conventions for boxes, as parts that `RFCN` takes, so that their checkpoint gives their detections.

The library speaks torchvision's convention. The authors' code stores inclusive corners and adds 1 to each width,
x2 - x1 + 1, which is the exclusive x2 minus x1: box regression, IoU and NMS are therefore the same in both. Four
things differ:

    anchors    stand in the middle of a cell, and their sides are rounded before they are scaled; torchvision's are
               centred on a cell's first pixel
    clipping   keeps the nearest pixel of a box outside the frame; torchvision's keeps nothing
    pooling    rounds to whole pixels, then divides: cell n stands for the pixels n * stride to (n + 1) * stride;
               torchvision divides by the stride, then rounds: cell n stands for the pixels around n * stride
    proposals  in the rows >= floor(H / 16) and columns >= floor(W / 16), cells that the frame fills only in part,
               all anchors have score -1; in the library they compete with their own scores
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

from dffkit.networks import proposals
from dffkit.warp import CELL


def cell_anchors(stride: int, scales: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """Return the anchors of the first cell, as `dffkit.networks.proposals.cell_anchors` does."""
    widths = [round((stride**2 / ratio) ** 0.5) for ratio in ratios]
    sides = [(w * scale, round(w * r) * scale) for w, r in zip(widths, ratios, strict=True) for scale in scales]
    return (stride + torch.tensor([[-w, -h, w, h] for w, h in sides])) / 2


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Clip `boxes` (N, 4) to a frame of `size` (H, W); each keeps at least the pixel that is nearest to it."""
    exclusive = boxes.new_tensor([0, 0, 1, 1])
    return clip_boxes_to_image(boxes - exclusive, (size[0] - 1, size[1] - 1)) + exclusive


def propose(scores: Tensor, deltas: Tensor, anchors: Tensor, size: tuple[int, int], **options) -> tuple[Tensor, Tensor]:
    """Propose as `dffkit.networks.proposals.propose`, but give score -1 to anchors in cells that the frame cuts.

    The boxes of these anchors come after all others: they are kept only where NMS leaves fewer others than `post_nms`.
    The features have stride 16.
    """
    rows, columns = (-(-side // CELL) for side in size)
    scores = scores.view(rows, columns, -1).clone()
    scores[size[0] // CELL :] = -1
    scores[:, size[1] // CELL :] = -1
    return proposals.propose(scores.flatten(), deltas, anchors, size, **options)


def ps_roi_pool(maps: Tensor, rois: list[Tensor], bins: int, stride: int) -> Tensor:
    """Pool as `dffkit.networks.detection.ps_roi_pool`, with the authors' rounding."""
    rois = [boxes.detach().to(maps) for boxes in rois]
    return torch.cat([_pool_image(*image, bins, stride) for image in zip(maps, rois, strict=True)])


def _pool_image(maps: Tensor, rois: Tensor, bins: int, stride: int) -> Tensor:
    """Pool one image: maps (C * k * k, h, w) and boxes (N, 4) to (N, C, k, k)."""
    # Half a pixel rounds up, as in C; torch.round would go to the even side. The authors' "round the inclusive
    # corner, then add 1" is the rounded exclusive corner.
    x1, y1, x2, y2 = ((rois + 0.5).floor() / stride).unbind(1)
    rows = _bin_weights(y1, y2, bins, maps.shape[-2])  # (N, k, h)
    columns = _bin_weights(x1, x2, bins, maps.shape[-1])  # (N, k, w)
    with torch.autocast(maps.device.type, enabled=False):  # a product of matrices would be rounded to bfloat16
        return torch.einsum("njx,cijyx,niy->ncij", columns, maps.unflatten(0, (-1, bins, bins)), rows)


def _bin_weights(start: Tensor, end: Tensor, bins: int, cells: int) -> Tensor:
    """Return weights (N, k, cells) that average the cells each bin touches; all 0 for a bin outside the map."""
    step = (end - start).clamp(min=0.1)[:, None] / bins
    index, cell = torch.arange(bins, device=start.device), torch.arange(cells, device=start.device)
    first = (index * step + start[:, None]).floor()[..., None]
    last = ((index + 1) * step + start[:, None]).ceil()[..., None]
    inside = ((cell >= first) & (cell < last)).to(start.dtype)
    return inside / inside.sum(-1, keepdim=True).clamp(min=1)


AUTHORS = {"cell_anchors": cell_anchors, "clip": clip_boxes, "propose": propose, "pool": ps_roi_pool}
