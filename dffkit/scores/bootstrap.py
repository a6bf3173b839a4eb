"""The spread of a score over streets: its values on many data sets drawn from the same streets (Efron's bootstrap).

Whole streets are drawn with replacement, as the frames of one street resemble each other. Two models on the same
streets get the same draws, so their scores can be subtracted draw by draw, which cancels the difficulty of the streets.
"""

import numpy as np
import torch
from torch import Tensor

from dffkit.scores.detection import UNMATCHED, DetectionScores, average_precision
from dffkit.scores.evaluation import Evaluation
from dffkit.scores.segmentation import intersection_over_union

DRAWS = 500


def replicates(evaluation: Evaluation, *, draws: int = DRAWS, seed: int = 0) -> Tensor:
    """Return the overall mIoU, or mAP, at every key frame duration on drawn sets with the same number of snippets.

    The draws depend on `seed` and the number of snippets only.

    Args:
        evaluation: the scores of a model.
        draws: number of sets.
        seed: seed of the draws.

    Returns:
        `(max_duration, draws)` float64, fractions, 0..1. Row l - 1 is duration l: the mean over the offsets 0 .. l - 1.
    """
    count = len(evaluation.snippets)
    rng = np.random.default_rng(seed)
    times = torch.from_numpy(rng.multinomial(count, np.full(count, 1 / count), size=draws)).double()  # (draws, S)
    offsets = zip(*(snippet.offsets for snippet in evaluation.snippets), strict=True)
    detection = isinstance(evaluation.snippets[0].offsets[0], DetectionScores)
    score = _mean_average_precision if detection else _mean_iou
    scores = torch.stack([score(each, times) for each in offsets])
    return scores.cumsum(0) / torch.arange(1, len(scores) + 1)[:, None]


def _mean_iou(scores: tuple, times: Tensor) -> Tensor:
    """Return the mIoU `(draws,)` where the scores of snippet s count `times[:, s]` times."""
    confusion = torch.stack([each.confusion.sum(0) for each in scores]).double()
    return intersection_over_union(torch.einsum("ds,sij->dij", times, confusion)).nanmean(-1)


def _mean_average_precision(scores: tuple, times: Tensor) -> Tensor:
    """Return the mAP `(draws,)` where the scores of snippet s count `times[:, s]` times."""
    boxes = times @ torch.stack([each.boxes.sum(1) for each in scores]).double()  # (draws, C + 1)
    snippet = torch.cat([torch.full_like(each.labels, s, dtype=torch.int64) for s, each in enumerate(scores)])
    joined = DetectionScores.merge(scores)
    order = joined.scores.argsort(descending=True, stable=True)
    precisions = []
    for label in range(1, boxes.shape[1]):
        found = order[joined.labels[order] == label]
        weights, matched = times[:, snippet[found]], joined.matched[found]
        true, false = weights * (matched >= 0), weights * (matched == UNMATCHED)
        precisions.append(average_precision(true, false, boxes[:, label]))
    return torch.stack(precisions).nanmean(0)
