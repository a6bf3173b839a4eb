"""Figure 3 on Toytown: how accurate and how fast each pair of networks is at every key frame duration.

Speed is told in two ways, both against Frame with ResNet-101: by counted FLOPs as Eq. 7 does, which is the same on
every machine, and by frames a second as `python -m dffkit speed` measured them.
"""

import pandas

from dffkit import scored
from dffkit.place import default_place
from dffkit.recipes import CURVES, find
from dffkit.speed import Architecture, frames_per_second, measured


def curves(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """The points of all curves: a line for each network and key frame duration that has been scored and measured.

    Columns: `name`, `features`, `flow` ("none" for Frame, which is at duration 1 only), `duration`, `score` (percent),
    `speedup` (Eq. 7, counted), `fps` (measured), `speedup_measured`.
    """
    folder = default_place().results
    scores, times = scored.overall(folder, task, split), measured(folder)
    reference = times.get(Architecture.of(find(f"toytown/{task}/frame")))
    lines = []
    for point in scores[scores.seed == seed].itertuples():
        recipe = find(f"toytown/{task}/{point.name}")
        own = times.get(Architecture.of(recipe))
        copied = recipe.job == "frames" and point.duration > 1  # old features: no curve of the paper's
        if recipe.name not in CURVES or own is None or reference is None or copied:
            continue
        duration = point.duration
        counted = (own["key_gflop"] + (duration - 1) * own["current_gflop"]) / duration
        fps = frames_per_second(own["key_ms"], own["current_ms"], duration)
        lines.append(
            {"name": point.name, "features": f"ResNet-{recipe.depth}", "flow": recipe.flow, "shrink": recipe.shrink}
            | {"duration": duration, "score": point.score, "speedup": reference["key_gflop"] / counted}
            | {"fps": fps, "speedup_measured": fps * reference["key_ms"] / 1000}
        )
    return pandas.DataFrame(lines)


def envelope(points: pandas.DataFrame, speed: str = "speedup") -> pandas.DataFrame:
    """The points that no other beats in both speed and score, the fastest last."""
    ordered = points.sort_values([speed, "score"], ascending=[False, False])
    best = ordered.score.cummax()
    return ordered[(ordered.score >= best) & ~ordered.score.duplicated()].iloc[::-1]


def at_speedup(points: pandas.DataFrame, speedup: float, column: str = "speedup") -> pandas.Series:
    """The most accurate point that is at least so many times as fast.

    Raises:
        ValueError: if none is.
    """
    fast = points[points[column] >= speedup]
    if fast.empty:
        raise ValueError(f"speedup: expected at most {points[column].max():.1f}, the fastest point's, got {speedup:g}")
    return fast.loc[fast.score.idxmax()]
