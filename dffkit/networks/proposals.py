"""The region proposal network (RPN) without its layers: anchors, box regression, proposals, and the loss (Sec. 4.1).

Boxes are xyxy in pixels with exclusive x2 and y2, and are placed and clipped as in torchvision. The authors' code
differs in this, and so does `dffkit.weights.authors.conventions`, whose parts can be injected into `RFCN`.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_area, box_iou, clip_boxes_to_image, remove_small_boxes
from torchvision.ops import nms as non_maximum_suppression

RPN_STD = (0.1, 0.1, 0.4, 0.4)  # regression targets are divided by these, so that a typical target is about 1
SAMPLES = 256  # anchors of an image that train the RPN
MAX_LOG_SIZE = 10.0  # exp(10) times any box covers the frame; without a bound exp overflows


def cell_anchors(stride: int, scales: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """Return the anchors of the first cell, centred on the frame's first pixel.

    Args:
        stride: pixels of the frame in a cell, along each axis.
        scales: sides of the square anchors, in units of `stride`.
        ratios: height / width of the anchors.

    Returns:
        `(len(ratios) * len(scales), 4)` float32 boxes in pixels, scale varying fastest.
    """
    return AnchorGenerator((tuple(stride * scale for scale in scales),), (tuple(ratios),)).cell_anchors[0]


def make_anchors(
    height: int, width: int, *, stride: int = 16,
    scales: Sequence[float] = (8, 16, 32), ratios: Sequence[float] = (0.5, 1, 2), positions: int = 1,
    cell: Callable[..., Tensor] = cell_anchors, device: torch.device | str = "cpu",
) -> Tensor:  # fmt: skip
    """Put A = positions ** 2 * len(ratios) * len(scales) anchors on each cell of an h x w feature map.

    Args:
        height, width: of the feature map, in cells.
        stride, scales, ratios: as in `cell_anchors`.
        positions: anchor positions in a cell along each axis, on a grid. Objects narrower than a cell need more than
            one position to meet an anchor at all.
        cell: returns the anchors of the first cell, as `cell_anchors` does.
        device: the result's device.

    Returns:
        `(h * w * A, 4)` float32 boxes in pixels, some reaching over the border. Anchors of a cell are neighbours;
        scale varies fastest, position slowest.
    """
    shapes = cell(stride, scales, ratios).to(device)  # (len(ratios) * len(scales), 4)
    rows, columns = (torch.arange(cells, device=device) * stride for cells in (height, width))
    steps = torch.arange(positions, device=device) * stride / positions
    corners, shifts = (torch.cartesian_prod(*axes).flip(1).repeat(1, 2) for axes in ((rows, columns), (steps, steps)))
    return ((corners[:, None, None] + shapes) + shifts[:, None]).view(-1, 4)


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


@torch.no_grad()
def propose(
    scores: Tensor, deltas: Tensor, anchors: Tensor, size: tuple[int, int], *,
    pre_nms: int = 6000, post_nms: int = 300, nms: float = 0.7, clip: Callable[..., Tensor] = clip_boxes_to_image,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Keep the boxes of one image that most look like objects (the proposal layer).

    Args:
        scores: `(N,)`, the foreground's.
        deltas: `(N, 4)`, in the units of `encode_boxes` with RPN_STD.
        anchors: `(N, 4)`, in pixels.
        size: (H, W) of the frame.
        pre_nms: number of boxes, best first, that take part in non-maximum suppression (NMS).
        post_nms: largest number of boxes to keep. If NMS leaves fewer, the authors' code repeats some; this function
            does not.
        nms: IoU above which NMS drops the worse of two boxes.
        clip: clips boxes `(N, 4)` to a frame of `size`.

    Returns:
        Boxes `(M, 4)` in pixels, within the frame, and scores `(M,)`, best first, without gradient.
    """
    scores, order = scores.sort(descending=True, stable=True)
    scores, order = scores[:pre_nms], order[:pre_nms]
    boxes = clip(decode_boxes(deltas[order], anchors[order], RPN_STD), size)
    keep = remove_small_boxes(boxes, 1e-3)  # drops what lay outside the frame
    keep = keep[first_kept(boxes[keep], scores[keep], nms, post_nms)]
    return boxes[keep], scores[keep]


def first_kept(boxes: Tensor, scores: Tensor, nms: float, count: int) -> Tensor:
    """Return the indices of the first `count` boxes (N, 4) that NMS keeps; `scores` (N,) are in falling order.

    NMS goes from the best box down, so the boxes kept among the best n are the first of those kept among all. Its time
    grows with n times the number of boxes kept: 2,000 boxes are too many where the best few hundred leave enough.
    """
    considered = 4 * count
    keep = non_maximum_suppression(boxes[:considered], scores[:considered], nms)
    while len(keep) < count and considered < len(boxes):
        considered *= 2
        keep = non_maximum_suppression(boxes[:considered], scores[:considered], nms)
    return keep[:count]


def overlaps(boxes: Tensor, targets: Tensor) -> Tensor:
    """Return the IoU of N boxes and G targets, (N, G + 1); the last column is 0, so that G may be 0."""
    return F.pad(box_iou(boxes, targets), (0, 1))


def covered(boxes: Tensor, regions: Tensor | None) -> Tensor:
    """Mark the boxes (N, 4) of which half or more lies in one of the unlabelled `regions` (R, 4): (N,) bool."""
    if regions is None:
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    corners = boxes[:, None].maximum(regions)[..., :2], boxes[:, None].minimum(regions)[..., 2:]
    shared = (corners[1] - corners[0]).clamp(min=0).prod(-1)  # (N, R)
    return (2 * shared >= box_area(boxes)[:, None]).any(1)


def sample_anchors(
    anchors: Tensor, boxes: Tensor, size: tuple[int, int], generator: Generator | None = None,
    ignore: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Draw up to 256 anchors within the frame to train on, at most half of them as foreground.

    Foreground has IoU >= 0.7 with a box, or is the best anchor of a box. Background has IoU < 0.3 with all boxes.

    Args:
        anchors: `(N, 4)`.
        boxes: `(G, 4)`, the targets.
        size: (H, W) of the frame.
        generator: a generator on the CPU.
        ignore: regions `(R, 4)` in which no anchor is background.

    Returns:
        int64 indices: of the foreground anchors, of the box that each of them overlaps most, and of the background
        anchors.
    """
    inside = (anchors[:, :2] >= 0).all(1) & (anchors[:, 2] <= size[1]) & (anchors[:, 3] <= size[0])
    iou = overlaps(anchors, boxes) * inside[:, None]
    overlap, target = iou.max(1)
    best = ((iou == iou.amax(0)) & (iou > 0)).any(1)  # in the authors' code all anchors are best if none meets a box
    positive = best | (overlap >= 0.7)
    foreground = _draw(positive, SAMPLES // 2, generator)
    negative = inside & ~positive & (overlap < 0.3) & ~covered(anchors, ignore)
    background = _draw(negative, SAMPLES - len(foreground), generator)
    return foreground, target[foreground], background


def _draw(mask: Tensor, count: int, generator: Generator | None) -> Tensor:
    """Draw at most `count` indices at which `mask` is true."""
    index = mask.nonzero()[:, 0]
    return index[torch.randperm(len(index), generator=generator)[:count].to(index.device)]


def rpn_loss(
    scores: Tensor, deltas: Tensor, anchors: Tensor, boxes: Tensor, size: tuple[int, int],
    generator: Generator | None, ignore: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return the score and box loss of one image: logits (N, 2), background first, and deltas (N, 4) for N anchors.

    The other arguments are those of `sample_anchors`.
    """
    foreground, target, background = sample_anchors(anchors, boxes, size, generator, ignore)
    drawn = torch.cat([foreground, background])
    labels = torch.cat([torch.ones_like(foreground), torch.zeros_like(background)])
    score = F.cross_entropy(scores[drawn], labels, reduction="sum") / max(len(drawn), 1)
    goal = encode_boxes(boxes[target], anchors[foreground], RPN_STD)
    return score, F.smooth_l1_loss(deltas[foreground], goal, reduction="sum") / SAMPLES
