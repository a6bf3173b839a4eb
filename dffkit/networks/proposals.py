"""The region proposal network (RPN) without its layers: anchors, box regression, proposals, and the loss (Sec. 4.1).

Boxes are xyxy in pixels with exclusive x2 and y2. The official code stores inclusive corners and adds 1 to each width,
x2 - x1 + 1, which is the exclusive x2 minus x1: box regression, IoU and NMS are therefore the same in both conventions.
What differs is the anchors' place (torchvision centres them on a cell's first pixel, the official code in its middle),
how the border clips a box (to nothing, or to its last pixel), and the pooling (`dffkit.networks.psroi`).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_area, box_iou, clip_boxes_to_image, remove_small_boxes
from torchvision.ops import nms as non_maximum_suppression

from dffkit.networks.psroi import check_convention

RPN_STD = (0.1, 0.1, 0.4, 0.4)  # regression targets are divided by these, so that a typical target is about 1
SAMPLES = 256  # anchors an image that train the RPN
MAX_LOG_SIZE = 10.0  # exp(10) times any box covers the frame; without a bound exp overflows


def make_anchors(
    height: int, width: int, *, stride: int = 16,
    scales: Sequence[float] = (8, 16, 32), ratios: Sequence[float] = (0.5, 1, 2), positions: int = 1,
    convention: str = "torchvision", device: torch.device | str = "cpu",
) -> Tensor:  # fmt: skip
    """Put A = positions ** 2 * len(ratios) * len(scales) anchors on each cell of an h x w feature map.

    `scales` are in units of `stride` pixels, `ratios` are height / width. With more than one of `positions` along each
    axis a cell's anchors stand on a grid within it: objects narrower than a cell need that to meet an anchor at all.
    Returns (h * w * A, 4) float32 boxes in pixels, some reaching over the border; neighbours share the cell, scale
    varies fastest, position slowest. Raises ValueError for an unknown convention.
    """
    check_convention(convention)
    generator = AnchorGenerator((tuple(stride * scale for scale in scales),), (tuple(ratios),))
    if convention == "rfcn":  # rounds the sides before it scales them
        widths = [round((stride**2 / ratio) ** 0.5) for ratio in ratios]
        sides = [(w * scale, round(w * r) * scale) for w, r in zip(widths, ratios, strict=True) for scale in scales]
        generator.cell_anchors = [(stride + torch.tensor([[-w, -h, w, h] for w, h in sides])) / 2]
    generator.set_cell_anchors(torch.float32, device)
    anchors = generator.grid_anchors([(height, width)], [(stride, stride)])[0]
    steps = torch.arange(positions, device=device) * stride / positions
    shifts = torch.cartesian_prod(steps, steps).view(-1, 2).flip(1).repeat(1, 2)
    return (anchors.view(height * width, 1, -1, 4) + shifts[:, None]).view(-1, 4)


def encode_boxes(boxes: Tensor, anchors: Tensor, std: Sequence[float]) -> Tensor:
    """Express `boxes` (N, 4) relative to `anchors` (N, 4): deltas (dx, dy, dw, dh), (N, 4), divided by `std`."""
    size = anchors[:, 2:] - anchors[:, :2]
    shift = (boxes[:, :2] + boxes[:, 2:] - anchors[:, :2] - anchors[:, 2:]) / (2 * size)
    growth = ((boxes[:, 2:] - boxes[:, :2]) / size).log()
    return torch.cat([shift, growth], 1) / boxes.new_tensor(std)


def decode_boxes(deltas: Tensor, anchors: Tensor, std: Sequence[float]) -> Tensor:
    """Move `anchors` (N, 4) by `deltas` (N, 4): the inverse of `encode_boxes`, (N, 4) in pixels, not clipped."""
    shift, growth = (deltas * deltas.new_tensor(std)).split(2, 1)
    size = anchors[:, 2:] - anchors[:, :2]
    center = (anchors[:, :2] + anchors[:, 2:]) / 2 + shift * size
    half = size * growth.clamp(max=MAX_LOG_SIZE).exp() / 2
    return torch.cat([center - half, center + half], 1)


def clip_boxes(boxes: Tensor, size: tuple[int, int], convention: str = "torchvision") -> Tensor:
    """Clip `boxes` (N, 4) to a frame of `size` (H, W); "rfcn" leaves of a box outside the frame the nearest pixel."""
    check_convention(convention)
    if convention == "torchvision":
        return clip_boxes_to_image(boxes, size)
    exclusive = boxes.new_tensor([0, 0, 1, 1])
    return clip_boxes_to_image(boxes - exclusive, (size[0] - 1, size[1] - 1)) + exclusive


@torch.no_grad()
def propose(
    scores: Tensor, deltas: Tensor, anchors: Tensor, size: tuple[int, int], *,
    pre_nms: int = 6000, post_nms: int = 300, nms: float = 0.7, convention: str = "torchvision",
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Keep the boxes of one image that most look like objects (the proposal layer).

    `scores` (N,) are the foreground's, `deltas` (N, 4) those of `encode_boxes` with RPN_STD, `anchors` (N, 4), `size`
    is the frame's (H, W). Returns boxes (M, 4) in pixels, within the frame, and scores (M,), best first; no gradient.
    M <= post_nms: where NMS leaves fewer, the official code repeats some, this function does not.
    Raises ValueError for an unknown convention.
    """
    scores, order = scores.sort(descending=True, stable=True)
    scores, order = scores[:pre_nms], order[:pre_nms]
    boxes = clip_boxes(decode_boxes(deltas[order], anchors[order], RPN_STD), size, convention)
    keep = remove_small_boxes(boxes, 1e-3)  # what lay outside the frame
    keep = keep[first_kept(boxes[keep], scores[keep], nms, post_nms)]
    return boxes[keep], scores[keep]


def first_kept(boxes: Tensor, scores: Tensor, nms: float, count: int) -> Tensor:
    """The indices of the first `count` boxes (N, 4) that non-maximum suppression keeps; `scores` (N,) are falling.

    Suppression goes from the best box down, so what it keeps of the best n is what it keeps of all, as far as they go.
    Its time grows with n times what is kept: of 2,000 boxes the best few hundred mostly leave enough.
    """
    considered = 4 * count
    keep = non_maximum_suppression(boxes[:considered], scores[:considered], nms)
    while len(keep) < count and considered < len(boxes):
        considered *= 2
        keep = non_maximum_suppression(boxes[:considered], scores[:considered], nms)
    return keep[:count]


def overlaps(boxes: Tensor, targets: Tensor) -> Tensor:
    """IoU of N boxes and G targets, (N, G + 1): the last column is a target that meets nothing, as G may be 0."""
    return F.pad(box_iou(boxes, targets), (0, 1))


def covered(boxes: Tensor, regions: Tensor | None) -> Tensor:
    """Which of N boxes lie by half or more in one of the regions (R, 4) that nobody has labelled: (N,) bool."""
    regions = boxes[:0] if regions is None else regions
    corners = boxes[:, None].maximum(regions)[..., :2], boxes[:, None].minimum(regions)[..., 2:]
    shared = (corners[1] - corners[0]).clamp(min=0).prod(-1)  # (N, R)
    return (2 * shared >= box_area(boxes)[:, None]).any(1)


def sample_anchors(
    anchors: Tensor, boxes: Tensor, size: tuple[int, int], generator: Generator | None = None,
    ignore: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Draw up to 256 of the anchors (N, 4) within a frame of `size` (H, W) to train on, at most half as foreground.

    Foreground has IoU >= 0.7 with one of the `boxes` (G, 4), or is the best anchor of a box; background has IoU < 0.3
    with all, and does not lie in a region (R, 4) to `ignore`. Returns indices, int64: of the foreground, of the box
    that each of it overlaps most, of the background. `generator` is on the CPU.
    """
    inside = (anchors[:, :2] >= 0).all(1) & (anchors[:, 2] <= size[1]) & (anchors[:, 3] <= size[0])
    iou = overlaps(anchors, boxes) * inside[:, None]
    overlap, target = iou.max(1)
    best = ((iou == iou.amax(0)) & (iou > 0)).any(1)  # in the official code all anchors are best if none meets a box
    positive = best | (overlap >= 0.7)
    foreground = _draw(positive, SAMPLES // 2, generator)
    negative = inside & ~positive & (overlap < 0.3) & ~covered(anchors, ignore)
    background = _draw(negative, SAMPLES - len(foreground), generator)
    return foreground, target[foreground], background


def _draw(mask: Tensor, count: int, generator: Generator | None) -> Tensor:
    """Random indices, `count` at most, where `mask` is true."""
    index = mask.nonzero()[:, 0]
    return index[torch.randperm(len(index), generator=generator)[:count].to(index.device)]


def rpn_loss(
    scores: Tensor, deltas: Tensor, anchors: Tensor, boxes: Tensor, size: tuple[int, int],
    generator: Generator | None, ignore: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Score and box loss of one image: logits (N, 2), background first, and deltas (N, 4) against `boxes` (G, 4)."""
    foreground, target, background = sample_anchors(anchors, boxes, size, generator, ignore)
    drawn = torch.cat([foreground, background])
    labels = torch.cat([torch.ones_like(foreground), torch.zeros_like(background)])
    score = F.cross_entropy(scores[drawn], labels, reduction="sum") / max(len(drawn), 1)
    goal = encode_boxes(boxes[target], anchors[foreground], RPN_STD)
    return score, F.smooth_l1_loss(deltas[foreground], goal, reduction="sum") / SAMPLES
