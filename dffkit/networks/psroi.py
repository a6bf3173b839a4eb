"""Position-sensitive RoI pooling (R-FCN, Sec. 2), the step that turns score maps into scores for each region.

Boxes have exclusive x2 and y2. The two conventions differ in where a box lies on the feature map:

    "torchvision"  divide by the stride, then round: cell n stands for the pixels around n * stride
    "rfcn"         round to whole pixels, then divide: cell n stands for the pixels n * stride to (n + 1) * stride,
                   as in the official code, so that the authors' checkpoint gives the authors' scores
"""

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor
from torchvision.ops import clip_boxes_to_image

CONVENTIONS = ("torchvision", "rfcn")


def check_convention(convention: str) -> None:
    """Raise ValueError unless `convention` is one of CONVENTIONS."""
    if convention not in CONVENTIONS:
        raise ValueError(f"convention: expected one of {CONVENTIONS}, got {convention!r}")


def ps_roi_pool(
    maps: Tensor, rois: list[Tensor], bins: int = 7, stride: int = 16, convention: str = "torchvision"
) -> Tensor:
    """Average, in each of the k x k bins of a box, the map that belongs to this bin (R-FCN, Eq. 1).

    `maps` is (B, C * k * k, h, w), float32 or float64, channel (c * k + i) * k + j for bin row i and column j. `rois`
    has a tensor (N_b, 4) for each image: xyxy in pixels of the frame, without gradient. `bins` is k, `stride` the
    pixels to a cell. Returns (N_1 + ... + N_B, C, k, k), image after image; an empty bin is 0.
    Raises ValueError for maps of another shape, another number of images in `rois`, or an unknown convention.
    """
    check_convention(convention)
    if maps.dim() != 4 or maps.shape[1] % bins**2:
        raise ValueError(f"maps: expected (B, C * {bins**2}, h, w), got {tuple(maps.shape)}")
    if len(rois) != len(maps):
        raise ValueError(f"rois: expected one tensor for each of {len(maps)} images, got {len(rois)}")
    rois = [boxes.detach().to(maps) for boxes in rois]
    if convention == "torchvision":
        # torchvision (0.29 and before) never reads the last row and column, while its gradient does: give it one more
        # of each to leave out, and no box that reaches there.
        extent = (maps.shape[2] * stride, maps.shape[3] * stride)
        rois = [clip_boxes_to_image(boxes, extent) for boxes in rois]
        return torchvision.ops.ps_roi_pool(F.pad(maps, (0, 1, 0, 1)), rois, bins, 1 / stride)
    return torch.cat([_pool_rfcn(*image, bins, stride) for image in zip(maps, rois, strict=True)])


def _pool_rfcn(maps: Tensor, rois: Tensor, bins: int, stride: int) -> Tensor:
    """Pool one image as the official code does: (C * k * k, h, w) and (N, 4) to (N, C, k, k)."""
    # Half a pixel rounds up, as in C; torch.round would go to the even side. The official "round the inclusive
    # corner, then add 1" is the rounded exclusive corner.
    x1, y1, x2, y2 = ((rois + 0.5).floor() / stride).unbind(1)
    rows = _bin_weights(y1, y2, bins, maps.shape[-2])  # (N, k, h)
    columns = _bin_weights(x1, x2, bins, maps.shape[-1])  # (N, k, w)
    with torch.autocast(maps.device.type, enabled=False):  # a product of matrices would be rounded to bfloat16
        return torch.einsum("njx,cijyx,niy->ncij", columns, maps.unflatten(0, (-1, bins, bins)), rows)


def _bin_weights(start: Tensor, end: Tensor, bins: int, cells: int) -> Tensor:
    """Weights (N, k, cells) that average the cells each bin touches; all 0 for a bin outside the map."""
    step = (end - start).clamp(min=0.1)[:, None] / bins
    index, cell = torch.arange(bins, device=start.device), torch.arange(cells, device=start.device)
    first = (index * step + start[:, None]).floor()[..., None]
    last = ((index + 1) * step + start[:, None]).ceil()[..., None]
    inside = ((cell >= first) & (cell < last)).to(start.dtype)
    return inside / inside.sum(-1, keepdim=True).clamp(min=1)
