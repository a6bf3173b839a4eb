"""Figure 3 on Toytown: how accurate and how fast each pair of networks is at every key frame duration.

Speed is told in two ways, both against Frame with ResNet-101: by counted FLOPs as Eq. 7 does, which is the same on
every machine, and by frames a second as `python -m dffkit speed` measured them.
"""

import pandas

from dffkit import results
from dffkit.place import default_place
from dffkit.recipes import CURVES, find
from dffkit.speed import Architecture, frames_per_second, measured

METRIC = {"segmentation": "mIoU", "detection": "mAP"}


def curves(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """The points of all curves: a line for each network and key frame duration that has been scored and measured.

    Columns: `name`, `features`, `flow` ("none" for Frame, which is at duration 1 only), `duration`, `score` (percent),
    `speedup` (Eq. 7, counted), `fps` (measured), `speedup_measured`.
    """
    scored, times = _scores(task, split, seed), measured(default_place().results)
    lines = []
    reference = times.get(Architecture.of(find(f"toytown/{task}/frame")))
    for name in sorted(CURVES):
        recipe = find(name)
        own = times.get(Architecture.of(recipe))
        if recipe.task != task or own is None or reference is None:
            continue
        for duration, score in scored.get(recipe.hash, {}).items():
            if recipe.job == "frames" and duration > 1:
                continue  # a copy of old features: no curve of the paper's
            counted = (own["key_gflop"] + (duration - 1) * own["current_gflop"]) / duration
            fps = frames_per_second(own["key_ms"], own["current_ms"], duration)
            lines.append(
                {"name": name.split("/")[-1], "features": f"ResNet-{recipe.depth}", "flow": recipe.flow}
                | {"shrink": recipe.shrink, "duration": duration, "score": 100 * score}
                | {"speedup": reference["key_gflop"] / counted}
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


def _scores(task: str, split: str, seed: int) -> dict[str, dict[int, float]]:
    """Overall scores by recipe hash and duration."""
    found: dict[str, dict[int, float]] = {}
    wanted = {"split": split, "seed": str(seed), "metric": METRIC[task], "subset": "all"}
    for row in results.read(default_place().results / "evaluation.csv"):
        if all(row[name] == value for name, value in wanted.items()):
            found.setdefault(row["hash"], {})[int(row["duration"])] = float(row["value"])
    return found
