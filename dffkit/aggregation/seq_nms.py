"""Seq-NMS: boxes of one thing in successive frames form a sequence, and share one score.

A thing that is blurred for a frame gets a low score there. Its box overlaps that of the frame before, so the two are
linked. The sequence of linked boxes with the highest sum of scores is taken out, all of its boxes get one score, and
the boxes that each of them overlaps are dropped. Then comes the next sequence, until no links are left. Constants are
those of the code of FGFA's authors; it counts pixels of a box inclusively, which this kit does not.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_iou

from dffkit.networks.detection import RFCN

LINK = 0.5  # IoU from which on boxes of successive frames are linked
SUPPRESS = 0.3  # IoU from which on a box is dropped for one of a sequence
LEAST_SUM = 1e-2  # sum of scores below which no sequence is taken out
LEAST_SCORE = 1e-3  # of boxes that take part
Detections = Mapping[str, Tensor]


@contextmanager
def without_nms(task_network: RFCN) -> Iterator[None]:
    """Let `decode` return all boxes from `LEAST_SCORE` on, as Seq-NMS needs them, and no more than before."""
    former = task_network.nms, task_network.score_threshold
    task_network.nms, task_network.score_threshold = 1.0, LEAST_SCORE
    try:
        yield
    finally:
        task_network.nms, task_network.score_threshold = former


def seq_nms(clip: Sequence[Detections], *, rescore: str = "mean", nms: float = 0.3) -> list[dict[str, Tensor]]:
    """Return the detections of all frames of a clip with the scores of their sequences, best first in each frame.

    Args:
        clip: for each frame `boxes` (N, 4) xyxy, `labels` (N,), `scores` (N,) above 0, before any NMS.
        rescore: a sequence's score: the "mean" (the authors' code) or the "max" of its boxes' scores.
        nms: IoU above which the NMS that follows in each frame drops the worse of two boxes of a class.

    Raises:
        ValueError: for another `rescore`.
    """
    if rescore not in ("mean", "max"):
        raise ValueError(f'rescore: expected "mean" or "max", got {rescore!r}')
    scores = [frame["scores"].clone() for frame in clip]
    for label in torch.cat([frame["labels"] for frame in clip]).unique().tolist() if clip else ():
        places = [(frame["labels"] == label).nonzero()[:, 0] for frame in clip]
        boxes = [frame["boxes"][place] for frame, place in zip(clip, places, strict=True)]
        found = _rescored(boxes, [each[place] for each, place in zip(scores, places, strict=True)], rescore)
        for each, place, values in zip(scores, places, found, strict=True):
            each[place] = values
    results = []
    for frame, values in zip(clip, scores, strict=True):
        left = (values > 0).nonzero()[:, 0]
        keep = left[batched_nms(frame["boxes"][left], values[left], frame["labels"][left], nms)]
        results.append({"boxes": frame["boxes"][keep], "labels": frame["labels"][keep], "scores": values[keep]})
    return results


def _rescored(boxes: list[Tensor], scores: list[Tensor], rescore: str) -> list[Tensor]:
    """Return the new scores of the boxes of one class by frame; those that are dropped get 0."""
    results, free = [each.clone() for each in scores], [each.clone() for each in scores]  # free: -inf once taken
    links = [box_iou(*pair) >= LINK for pair in pairwise(boxes)]
    while _any_link(links, free):
        total, start, sequence = best_sequence(free, links)
        if total < LEAST_SUM:
            break
        own = [float(scores[start + t][box]) for t, box in enumerate(sequence)]
        value = max(own) if rescore == "max" else sum(own) / len(own)
        for frame, box in enumerate(sequence, start):
            near = (box_iou(boxes[frame][box][None], boxes[frame])[0] >= SUPPRESS) & ~free[frame].isinf()
            results[frame][near], free[frame][near] = 0, -torch.inf
            results[frame][box] = value
    return results


def best_sequence(scores: Sequence[Tensor], links: Sequence[Tensor]) -> tuple[float, int, list[int]]:
    """Find the sequence of linked boxes with the highest sum of scores, by dynamic programming.

    Args:
        scores: of each frame's boxes, `(N_t,)`; -inf for boxes that may not take part.
        links: `(N_t, N_t+1)` bool for each frame but the last.

    Returns:
        The sum, the first frame, and the index of the box in each frame from there on.
    """
    sums, sources = [scores[0]], []
    for score, link in zip(scores[1:], links, strict=True):
        before = torch.where(link, sums[-1][:, None], 0)  # (N_t-1, N_t)
        best, source = torch.cat([before.new_zeros(1, len(score)), before]).max(0)  # row 0: it begins here
        sums.append(score + best)
        sources.append(source - 1)
    best = [float(each.max()) if len(each) else -torch.inf for each in sums]
    frame = max(range(len(best)), key=best.__getitem__)
    total, sequence = best[frame], [int(sums[frame].argmax())]
    while frame > 0 and (source := int(sources[frame - 1][sequence[0]])) >= 0:
        sequence.insert(0, source)
        frame -= 1
    return total, frame, sequence


def _any_link(links: Sequence[Tensor], free: Sequence[Tensor]) -> bool:
    there = [~each.isinf() for each in free]
    return any(bool((link & a[:, None] & b).any()) for link, (a, b) in zip(links, pairwise(there), strict=True))
