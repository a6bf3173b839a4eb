"""The detection network *N_task*: R-FCN (Sec. 4.1), with its RPN on one half of the features and its head on the other.

Its only learned layers are 1x1 convolutions, "1 layer" in Table 5. They give one stack of maps; losses and boxes are
computed from the maps alone, so the maps themselves can be propagated too (Table 5's "0 layers").
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
import torchvision
from torch import Generator, Tensor, nn
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

from dffkit.networks.proposals import (
    cell_anchors,
    covered,
    decode_boxes,
    encode_boxes,
    make_anchors,
    overlaps,
    propose,
    rpn_loss,
)

HEAD_STD = (0.1, 0.1, 0.2, 0.2)  # proposals are nearer to the objects than anchors are: smaller than RPN_STD


def ps_roi_pool(maps: Tensor, rois: list[Tensor], bins: int = 7, stride: int = 16) -> Tensor:
    """Average, in each of the k x k bins of a box, the map that belongs to this bin (R-FCN, Eq. 1).

    Args:
        maps: `(B, C * k * k, h, w)`, float32 or float64, channel (c * k + i) * k + j for bin row i and column j.
        rois: for each image a tensor `(N_b, 4)`, xyxy in pixels of the frame, x2 and y2 exclusive; without gradient.
        bins: k.
        stride: pixels in a cell. Cell n stands for the pixels around n * stride.

    Returns:
        `(N_1 + ... + N_B, C, k, k)`, image after image. An empty bin is 0.

    Raises:
        ValueError: for maps of another shape, or another number of images in `rois`.
    """
    if maps.dim() != 4 or maps.shape[1] % bins**2:
        raise ValueError(f"maps: expected (B, C * {bins**2}, h, w), got {tuple(maps.shape)}")
    if len(rois) != len(maps):
        raise ValueError(f"rois: expected one tensor for each of {len(maps)} images, got {len(rois)}")
    # torchvision (0.29 and before) never reads the last row and column, while its gradient does: pad the maps by one
    # row and column for it to leave out, and clip the boxes so that none reaches there.
    extent = (maps.shape[2] * stride, maps.shape[3] * stride)
    rois = [clip_boxes_to_image(boxes.detach().to(maps), extent) for boxes in rois]
    return torchvision.ops.ps_roi_pool(F.pad(maps, (0, 1, 0, 1)), rois, bins, 1 / stride)


class RFCN(nn.Module):
    """R-FCN with class-agnostic boxes and online hard example mining (OHEM).

    Args:
        in_channels: channels of the features, an even number: the first half is for the RPN, the second for the head.
        num_classes: C, the number of classes without the background (ImageNet VID: 30).
        bins: k; the head has k x k score maps for each class.
        anchor_scales: sides of the square anchors, in units of `feature_stride`.
        anchor_ratios: height / width of the anchors.
        anchor_positions: anchor positions in a cell along each axis. The paper has one; small objects need more.
        proposals: largest number of regions of an image that the RPN gives to the head.
        pre_nms: number of boxes of an image, best first, that take part in the RPN's NMS.
        rpn_nms: IoU above which the RPN's NMS drops the worse of two boxes.
        nms: IoU above which a detection is dropped for a better one of its class.
        ohem: number of regions of an image, those with the highest loss, that train the head.
        score_threshold: score that every detection exceeds.
        max_detections: largest number of detections of an image.
        feature_stride: pixels of the frame in a cell of the features.
        cell_anchors, clip, propose, pool: functions in which R-FCNs differ, by default `proposals.cell_anchors`,
            `clip_boxes_to_image`, `proposals.propose` and `ps_roi_pool`. `dffkit.weights.authors.conventions` has
            those of the authors.

    Raises:
        ValueError: if `in_channels` is odd, or `num_classes` or `bins` is below 1.
    """

    def __init__(
        self,
        *,
        in_channels: int = 1024,
        num_classes: int,
        bins: int = 7,
        anchor_scales: Sequence[float] = (8, 16, 32),
        anchor_ratios: Sequence[float] = (0.5, 1, 2),
        anchor_positions: int = 1,
        proposals: int = 300,
        pre_nms: int = 6000,
        rpn_nms: float = 0.7,
        nms: float = 0.3,
        ohem: int = 128,
        score_threshold: float = 1e-4,
        max_detections: int = 300,
        feature_stride: int = 16,
        cell_anchors: Callable[..., Tensor] = cell_anchors,
        clip: Callable[..., Tensor] = clip_boxes_to_image,
        propose: Callable[..., tuple[Tensor, Tensor]] = propose,
        pool: Callable[..., Tensor] = ps_roi_pool,
    ) -> None:
        super().__init__()
        if num_classes < 1 or bins < 1:
            raise ValueError(f"num_classes, bins: expected at least 1 of each, got {num_classes} and {bins}")
        if in_channels % 2:
            raise ValueError(f"in_channels: expected an even number, got {in_channels}")
        self.in_channels = in_channels
        self.num_classes, self.bins, self.stride = num_classes, bins, feature_stride
        self.clip, self.propose, self.pool = clip, propose, pool
        self.ohem, self.nms, self.score_threshold, self.max_detections = ohem, nms, score_threshold, max_detections
        shapes = {"scales": anchor_scales, "ratios": anchor_ratios, "positions": anchor_positions}
        self.anchors = {"stride": feature_stride, "cell": cell_anchors, **shapes}
        self.proposals = {"pre_nms": pre_nms, "post_nms": proposals, "nms": rpn_nms, "clip": clip}
        half, anchors = in_channels // 2, anchor_positions**2 * len(anchor_scales) * len(anchor_ratios)
        self.rpn_score = nn.Conv2d(half, 2 * anchors, 1)  # straight from the features, without the usual 3x3 layer
        self.rpn_box = nn.Conv2d(half, 4 * anchors, 1)
        self.score = nn.Conv2d(half, bins**2 * (num_classes + 1), 1)
        self.box = nn.Conv2d(half, bins**2 * 8, 1)  # 4 for the background, never read, and 4: the authors' layout
        self.parts = [2 * anchors, 4 * anchors, bins**2 * (num_classes + 9)]
        self.out_channels = sum(self.parts)  # K
        for layer in self.children():
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, features: Tensor) -> Tensor:
        """Compute maps (B, K, h, w), K = 2 A + 4 A + k k (C + 1) + k k 8, from features (B, in_channels, h, w).

        The channels are, in this order, the RPN's scores and boxes and the position-sensitive scores and boxes, for A
        anchors in a cell.
        """
        rpn, head = features.chunk(2, dim=1)
        return torch.cat([self.rpn_score(rpn), self.rpn_box(rpn), self.score(head), self.box(head)], dim=1)

    def loss(
        self,
        maps: Tensor,
        targets: list[dict[str, Tensor]],
        size: tuple[int, int],
        generator: Generator | Sequence[Generator] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the four losses, which training adds without weights.

        Args:
            maps: `(B, K, h, w)`.
            targets: for each image `boxes` `(N, 4)`, xyxy in pixels, x2 and y2 exclusive, and `labels` `(N,)` in
                1..C; N may be 0. Optionally `ignore` `(R, 4)`, regions that nobody has labelled: a region of which
                half or more lies in one of them is no background.
            size: (H, W) of the frames.
            generator: draws the RPN's anchors, on the CPU; or one for each image.

        Returns:
            `rpn_score`, `rpn_box`, `score` and `box`, each a float32 scalar, the mean over the images.

        Raises:
            ValueError: if the maps do not fit the network and `size`, or a target is not as described.
        """
        self._check_targets(targets, len(maps))
        scores, deltas, anchors, head, rois = self._propose(maps, size)
        boxes = [target["boxes"].to(anchors) for target in targets]
        ignore = [target["ignore"].to(anchors) if "ignore" in target else None for target in targets]
        rois = [torch.cat(pair) for pair in zip(rois, boxes, strict=True)]
        generators = generator if isinstance(generator, Sequence) else [generator] * len(maps)
        losses = []
        for i, votes in enumerate(self._vote(head, rois)):
            rpn = rpn_loss(scores[i], deltas[i], anchors, boxes[i], size, generators[i], ignore[i])
            classes = targets[i]["labels"].to(maps.device, torch.int64)
            losses.append(rpn + self._head_loss(votes, rois[i], boxes[i], classes, ignore[i]))
        means = [torch.stack(loss).mean() for loss in zip(*losses, strict=True)]
        return dict(zip(("rpn_score", "rpn_box", "score", "box"), means, strict=True))

    @torch.no_grad()
    def decode(self, maps: Tensor, size: tuple[int, int]) -> list[dict[str, Tensor]]:
        """Find the detections in maps (B, K, h, w) of frames of `size` (H, W).

        Returns:
            For each image, best detection first: `boxes` `(M, 4)` float32, xyxy in pixels, within the frame, x2 and
            y2 exclusive; `labels` `(M,)` int64 in 1..C; `scores` `(M,)` float32.

        Raises:
            ValueError: if the maps do not fit the network and `size`.
        """
        *_, head, rois = self._propose(maps, size)
        return [self._detect(*image, size) for image in zip(self._vote(head, rois), rois, strict=True)]

    def _propose(self, maps: Tensor, size: tuple[int, int]) -> tuple:
        """Return RPN logits (B, N, 2), deltas (B, N, 4), anchors (N, 4), the head's maps, and proposals, in float32."""
        expected = (self.out_channels, *(-(-side // self.stride) for side in size))  # sides are rounded up
        if maps.shape[1:] != expected:
            raise ValueError(f"maps: expected (B, K, h, w) = (B, {expected}) for {size}, got {tuple(maps.shape)}")
        scores, deltas, head = maps.float().split(self.parts, dim=1)
        scores = scores.unflatten(1, (2, -1)).permute(0, 3, 4, 2, 1).flatten(1, 3)  # channel: class * A + anchor
        deltas = deltas.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3)  # channel: anchor * 4 + delta
        anchors = make_anchors(*expected[1:], device=maps.device, **self.anchors)
        images = zip(scores.softmax(-1)[..., 1], deltas, strict=True)
        rois = [self.propose(*image, anchors, size, **self.proposals)[0] for image in images]
        return scores, deltas, anchors, head, rois

    def _vote(self, head: Tensor, rois: list[Tensor]) -> tuple[Tensor, ...]:
        """Average the bins (R-FCN, Eq. 2), for each image to (N, C + 9): C + 1 logits, 4 unused, 4 deltas."""
        votes = self.pool(head, rois, self.bins, self.stride).mean((2, 3))
        return votes.split([len(boxes) for boxes in rois])

    def _detect(self, votes: Tensor, rois: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        boxes = self.clip(decode_boxes(votes[:, -4:], rois, HEAD_STD), size)
        scores = votes[:, :-8].softmax(1)[:, 1:]  # without the background
        region, label = (scores > self.score_threshold).nonzero().unbind(1)
        boxes, scores = boxes[region], scores[region, label]
        keep = remove_small_boxes(boxes, 1e-3)
        keep = keep[batched_nms(boxes[keep], scores[keep], label[keep], self.nms)[: self.max_detections]]
        return {"boxes": boxes[keep], "labels": label[keep] + 1, "scores": scores[keep]}

    def _head_loss(
        self, votes: Tensor, rois: Tensor, boxes: Tensor, classes: Tensor, ignore: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the score and box loss of one image over its hardest regions."""
        overlap, target = overlaps(rois, boxes).max(1)
        positive = overlap >= 0.5
        known = positive | ~covered(rois, ignore)
        votes, rois, target, positive = (each[known] for each in (votes, rois, target, positive))
        labels = torch.zeros_like(target)
        labels[positive] = classes[target[positive]]
        goal = encode_boxes(boxes[target[positive]], rois[positive], HEAD_STD)
        score = F.cross_entropy(votes[:, :-8], labels, reduction="none")
        box = torch.zeros_like(score)
        box[positive] = F.smooth_l1_loss(votes[positive, -4:], goal, reduction="none").sum(1)
        hard = (score + box).topk(min(self.ohem, len(rois))).indices
        return score[hard].sum() / max(len(hard), 1), box[hard].sum() / self.ohem

    def _check_targets(self, targets: list[dict[str, Tensor]], batch: int) -> None:
        if len(targets) != batch:
            raise ValueError(f"targets: expected one for each of {batch} images, got {len(targets)}")
        for target in targets:
            boxes, labels = target["boxes"], target["labels"]
            if "ignore" in target and (target["ignore"].dim() != 2 or target["ignore"].shape[1] != 4):
                raise ValueError(f"targets: expected ignore (R, 4), got {tuple(target['ignore'].shape)}")
            shapes = tuple(boxes.shape), tuple(labels.shape)
            if boxes.dim() != 2 or boxes.shape[1] != 4 or labels.shape != boxes.shape[:1]:
                raise ValueError("targets: expected boxes (N, 4) and labels (N,), got {} and {}".format(*shapes))
            if not (boxes[:, 2:] > boxes[:, :2]).all():
                raise ValueError(f"targets: expected boxes with x1 < x2 and y1 < y2, got {boxes.tolist()}")
            if ((labels < 1) | (labels > self.num_classes)).any():
                raise ValueError(f"targets: expected labels in 1..{self.num_classes}, got {labels.tolist()}")
