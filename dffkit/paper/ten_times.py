"""Where Deep Feature Flow is ten times as fast as Frame, and what that costs: the paper's headline, on Toytown."""

import numpy as np
import pandas

from dffkit.baselines import NO_FLOW
from dffkit.paper.speed_accuracy import best_on_val, compared, curves, draws_of
from dffkit.scores.differences import Difference, below

# What the text says of Figure 3, with FlowNet Inception: N_feat, the scores of Frame and of the fastest point, and how
# many times as fast that is, measured.
PRINTED = {"segmentation": ("ResNet-50", 69.7, 62.4, 7.8), "detection": ("ResNet-101", 73.9, 69.5, 10.2)}
SPEEDS = {
    "counted (Eq. 7)": "speedup",
    "measured": "speedup_measured",
    "measured at full size": "speedup_full_size",
}


def at_times(
    task: str, times: float = 10, column: str = "speedup", split: str = "test", seed: int = 0,
    features: str = "ResNet-101", flow: str = "FlowNet Inception",
) -> pandas.Series:  # fmt: skip
    """Where a pair of networks is first so many times as fast as Frame with the same N_feat, by a column of `curves`:
    that line, with this speed in the column's place, `frame`, the score of Frame, `loss`, the points lost to it, and
    its interval, `low` and `high`. If it is never so fast, the line is of its fastest point.

    Raises:
        ValueError: if the pair, or Frame with its N_feat, has not been scored or measured.
    """
    points = curves(task, split, seed)
    points = points[(points.features == features) & points.flow.isin((flow, NO_FLOW)) & (points["shrink"] == 1)]
    alone, pair = points[points.flow == NO_FLOW], points[points.flow == flow].sort_values("duration")
    if alone.empty or pair.empty:
        raise ValueError(f"flow: expected Frame and a pair that are scored and measured, got {features} with {flow}")
    pair = pair.assign(**{column: pair[column] / alone[column].item()})
    chosen = pair.loc[(pair[column] >= times).idxmax() if pair[column].max() >= times else pair[column].idxmax()]
    return _beside(alone.iloc[0], chosen, task, split, seed)


def best_at_times(
    task: str, times: float = 10, column: str = "speedup", split: str = "test", seed: int = 0
) -> pandas.Series:
    """The pair, of all, that is the most accurate on val of those so many times as fast as Frame with ResNet-101, as a
    line like that of `at_times`; the fastest of all if none is.

    Raises:
        ValueError: if Frame with ResNet-101, or every pair, has not been scored or measured.
    """
    points = curves(task, split, seed)
    alone, pairs = points[points.name == "frame"], points[points.flow != NO_FLOW]
    if alone.empty or pairs.empty:
        raise ValueError(f"task: expected Frame and pairs that are scored and measured on {task}, {split}")
    index = best_on_val(points, task, times, column, seed)
    return _beside(alone.iloc[0], points.loc[pairs[column].idxmax() if index is None else index], task, split, seed)


def at_ten_times(task: str, times: float = 10, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """Whether ten times as fast as Frame with ResNet-101 loses no more than the fastest point that the paper's text
    tells of. Three speeds, as `SPEEDS` has them (the loss is always that of the networks that were scored), and for
    each two lines: the pair that the paper takes in detection, and the best one at that speed, chosen on val.

    Columns: `speed`, and `times` that it is as fast; `pair`, `duration`; `loss`, `low`, `high` in points; `printed`,
    the paper's loss; `verdict`, which is "not reached" where no key frame duration makes it so fast.
    """
    _, frame, fastest, _ = PRINTED[task]
    lines = []
    for speed, column in SPEEDS.items():
        for where in (at_times, best_at_times):
            point = where(task, times, column, split, seed)
            found = Difference(point.loss, point.low, point.high, np.nan, 1)
            verdict = below(found, frame - fastest) if point[column] >= times else "not reached"
            line = {"speed": speed, "times": point[column], "pair": f"{point.features}, {point.flow}"}
            line |= point[["duration", "loss", "low", "high"]].to_dict()
            lines.append(line | {"printed": frame - fastest, "verdict": verdict})
    return pandas.DataFrame(lines)


def beside_the_text(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """The fall that the paper's text tells of Figure 3, and ours of the same pair at the same counted speedup.

    Rows "paper" and "Toytown"; columns `frame` and `score` in percent, `loss`, and `speedup` over Frame with the same
    N_feat.
    """
    features, *printed = PRINTED[task]
    ours = at_times(task, printed[-1], split=split, seed=seed, features=features)
    rows = {"paper": [*printed[:2], printed[0] - printed[1], printed[2]]}
    rows["Toytown"] = [ours.frame, ours.score, ours.loss, ours.speedup]
    return pandas.DataFrame(rows, index=["frame", "score", "loss", "speedup"]).T


def _beside(frame: pandas.Series, point: pandas.Series, task: str, split: str, seed: int) -> pandas.Series:
    """A point of `curves` with the score of Frame, and what the point loses to it."""
    lost = compared(*draws_of(pandas.DataFrame([frame, point]), task, split, seed))
    return pandas.concat([point, pandas.Series({"frame": frame.score} | lost.points(mean="loss"))])
