"""Bootstrap replicates of scores, and paired differences between two methods, with intervals and verdicts."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dffkit.datasets.snippets import MOTION_CLASSES
from dffkit.scores.detection import UNKNOWN, UNMATCHED, DetectionScores, average_precision
from dffkit.scores.evaluation import Evaluation
from dffkit.scores.segmentation import intersection_over_union

DRAWS = 500  # of streets
INTERVAL = 95  # percent


class SampledScore(NamedTuple):
    """One training's score, 0..1, and its bootstrap `replicates` `(draws,)` over other draws of the streets."""

    value: float
    replicates: np.ndarray


class Difference(NamedTuple):
    """The score of one method minus that of another.

    Attributes:
        mean: mean difference over seeds.
        low, high: ends of its interval of 95%.
        probability: share of draws in which the difference is above 0.
        seeds: number of trainings of each method. With one, interval and probability hold for these two trainings on
            other streets; with more, they hold for the methods, given the pre-training that all trainings started from.
    """

    mean: float
    low: float
    high: float
    probability: float
    seeds: int

    def points(self, prefix: str = "", mean: str = "difference") -> dict[str, float]:
        """Return the mean and the ends of its interval in points, by column names of a table."""
        return {mean: 100 * self.mean, f"{prefix}low": 100 * self.low, f"{prefix}high": 100 * self.high}

    @property
    def verdict(self) -> str:
        """One of "better" and "worse", or "not resolved" if the interval contains 0."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not resolved"


def replicates(evaluation: Evaluation, *, draws: int = DRAWS, seed: int = 0, subset: str = "all") -> Tensor:
    """Return the mIoU, or mAP, at every key frame duration on drawn sets with the same number of snippets.

    Whole streets are drawn with replacement (Efron's bootstrap), as the frames of one street resemble each other. The
    draws depend on `seed` and the number of snippets only. So two models on the same streets get the same draws, and
    the difference of their scores, draw by draw, cancels the difficulty of the streets.

    Args:
        evaluation: the scores of a model.
        draws: number of sets.
        seed: seed of the draws.
        subset: "all", or for boxes one of `MOTION_CLASSES`.

    Returns:
        `(max_duration, draws)` float64, fractions, 0..1. Row l - 1 is duration l: the mean over the offsets 0 .. l - 1.
    """
    count = len(evaluation.snippets)
    rng = np.random.default_rng(seed)
    times = torch.from_numpy(rng.multinomial(count, np.full(count, 1 / count), size=draws)).double()  # (draws, S)
    offsets = zip(*(snippet.offsets for snippet in evaluation.snippets), strict=True)
    detection = isinstance(evaluation.snippets[0].offsets[0], DetectionScores)
    score = partial(_mean_average_precision, subset=subset) if detection else _mean_iou
    scores = torch.stack([score(each, times) for each in offsets])
    return scores.cumsum(0) / torch.arange(1, len(scores) + 1)[:, None]


def _mean_iou(scores: tuple, times: Tensor) -> Tensor:
    """Return the mIoU `(draws,)` where the scores of snippet s count `times[:, s]` times."""
    confusion = torch.stack([each.confusion.sum(0) for each in scores]).double()
    return intersection_over_union(torch.einsum("ds,sij->dij", times, confusion)).nanmean(-1)


def _mean_average_precision(scores: tuple, times: Tensor, subset: str = "all") -> Tensor:
    """Return the mAP `(draws,)` where the scores of snippet s count `times[:, s]` times."""
    motions = range(UNKNOWN + 1) if subset == "all" else [MOTION_CLASSES.index(subset)]
    counts = torch.stack([each.boxes for each in scores]).double()  # (S, C + 1, motion classes)
    boxes = times @ counts[..., motions].sum(2)  # (draws, C + 1)
    share = boxes.sum(1, keepdim=True) / (times @ counts.sum((1, 2)))[:, None]  # as in `DetectionScores.values`
    snippet = torch.cat([torch.full_like(each.labels, s, dtype=torch.int64) for s, each in enumerate(scores)])
    joined = DetectionScores.merge(scores)
    order = joined.scores.argsort(descending=True, stable=True)
    precisions = []
    for label in range(1, boxes.shape[1]):
        found = order[joined.labels[order] == label]
        weights, matched = times[:, snippet[found]], joined.matched[found]
        true, false = weights * torch.isin(matched, torch.tensor(motions)), weights * (matched == UNMATCHED)
        if subset != "all":
            inside = joined.weights[motions[0], found].double()
            false = false * torch.where(inside.isnan(), share, inside)
        precisions.append(average_precision(true, false, boxes[:, label]))
    return torch.stack(precisions).nanmean(0)


def difference(
    first: Mapping[int, SampledScore], second: Mapping[int, SampledScore], *, draws: int = 5000, seed: int = 0
) -> Difference:
    """Return the score of the first method minus that of the second.

    Streets are bootstrapped. The spread of other trainings is drawn from Student's t for the mean over seeds, as
    resampling three trainings would make the interval much too narrow. Differences between trainings that vary from
    street to street are in both spreads, so the interval is slightly too wide.

    Args:
        first, second: seed of a training -> its score. Only seeds that both have are compared, seed by seed, as both
            trainings saw the same samples in the same order.
        draws: number of draws of streets and seeds together; with one seed, the draws of streets are taken as they are.
        seed: seed of these draws.

    Raises:
        ValueError: if they have no seed in common, or different numbers of draws of streets.
    """
    common = sorted(first.keys() & second.keys())
    if not common:
        raise ValueError(f"seeds: expected some in common, got {sorted(first)} and {sorted(second)}")
    pairs = [(first[each], second[each]) for each in common]
    counts = {len(score.replicates) for pair in pairs for score in pair}
    if len(counts) > 1:
        raise ValueError(f"replicates: expected as many in each, got {sorted(counts)}")
    differences = np.stack([one.replicates - other.replicates for one, other in pairs])  # (seeds, draws of streets)
    found = np.array([one.value - other.value for one, other in pairs])
    sampled = differences.mean(0)
    if len(common) > 1:
        rng = np.random.default_rng(seed)
        sampled = sampled[rng.integers(len(sampled), size=draws)]
        sampled = sampled + found.std(ddof=1) / np.sqrt(len(common)) * rng.standard_t(len(common) - 1, size=draws)
    return with_interval(found.mean(), sampled, len(common))


def mean_score(runs: Mapping[int, SampledScore]) -> Difference:
    """Return the mean score of a method's trainings, by seed, with its interval: its `difference` from 0."""
    return difference(runs, {seed: SampledScore(0, np.zeros_like(run.replicates)) for seed, run in runs.items()})


def with_interval(mean: float, draws: np.ndarray, seeds: int) -> Difference:
    """Return a difference with its interval and probability from its values in many draws `(draws,)`."""
    tail = (100 - INTERVAL) / 2
    low, high = np.percentile(draws, [tail, 100 - tail])
    above = (draws > 0).mean() + (draws == 0).mean() / 2
    return Difference(float(mean), float(low), float(high), float(above), seeds)


def below(found: Difference, limit: float) -> str:
    """Return the verdict on "the difference is below a limit": "holds", "does not hold" or "not resolved"."""
    if found.high < limit:
        return "holds"
    return "does not hold" if found.low > limit else "not resolved"


def within(found: Difference, limit: float) -> str:
    """Return the verdict on "the difference is between -limit and limit", in the words of `below`."""
    other_way_round = found._replace(low=-found.high, high=-found.low)
    sides = {below(found, limit), below(other_way_round, limit)}
    return "does not hold" if "does not hold" in sides else "not resolved" if "not resolved" in sides else "holds"


def statement(text: str, found: Difference) -> dict[str, object]:
    """Return a line of a table for the statement that a difference is above 0, in points (or percent), with verdict."""
    verdict = {"better": "holds", "worse": "does not hold"}.get(found.verdict, found.verdict)
    return {
        "statement": text,
        **found.points(),
        "probability": found.probability,
        "seeds": found.seeds,
        "verdict": verdict,
    }
