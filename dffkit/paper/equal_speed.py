"""Accuracy at equal speed: DFF ten times as fast as Frame, and per-frame recognition by smaller networks."""

import numpy as np
import pandas

from dffkit.baselines import NO_FLOW
from dffkit.paper import ledger
from dffkit.paper.settings import find_setting
from dffkit.paper.speed_accuracy import best_on_val, compare, curves, scores_with_replicates
from dffkit.scores.differences import Difference, below

FEATURES = {"segmentation": "ResNet-50", "detection": "ResNet-101"}  # N_feat of the pair in the text on Figure 3
FLOW = "FlowNet Inception"
SPEEDS = {  # as tables name them -> columns of `curves`
    "counted (Eq. 7)": "speedup", "measured": "speedup_measured", "measured at full size": "speedup_full_size"
}  # fmt: skip


def printed(task: str) -> tuple[float, float, float]:
    """Return what the text on Figure 3 prints: the scores of Frame and of the fastest point, and its speedup."""
    columns = ("frame", "score", "speedup")
    return tuple(ledger.printed(f"equal_speed.loss_in_the_text:{each}")[(task,)] for each in columns)


def loss_at_speed(
    setting: str, times: float = 10, column: str = "speedup", features: str = "ResNet-101"
) -> pandas.Series:
    """Return the shortest key frame duration at which DFF with FlowNet Inception is `times` as fast as Frame.

    Speedups are over Frame with the same N_feat, `features`, in `column`, one of the speeds of `curves`.

    Returns:
        A line of `curves` with the speedup over Frame with the same N_feat in `column`, and with `frame` (score of
        Frame), `loss` (points), and the loss's interval, `low` and `high`. Where the pair is never as fast as asked,
        the line of its fastest point.

    Raises:
        ValueError: if the pair, or Frame with its N_feat, has not been scored or measured.
    """
    points = curves(setting)
    points = points[(points.features == features) & (points["shrink"] == 1)].sort_values("duration")
    alone, pair = points[points.flow == NO_FLOW], points[points.flow == FLOW]
    if alone.empty or pair.empty:
        raise ValueError(f"features: expected Frame and DFF that are scored and measured, got {features} with {FLOW}")
    pair = pair.assign(**{column: pair[column] / alone[column].item()})
    chosen = pair.loc[(pair[column] >= times).idxmax() if pair[column].max() >= times else pair[column].idxmax()]
    return _with_loss(chosen, alone.iloc[0], setting)


def best_at_speed(setting: str, times: float = 10, column: str = "speedup") -> pandas.Series:
    """Return the pair most accurate on val among those at least `times` as fast as Frame with ResNet-101, and its loss.

    The line is like that of `loss_at_speed`; it is that of the fastest pair if none is as fast as asked.

    Raises:
        ValueError: if Frame with ResNet-101, or every pair, has not been scored or measured.
    """
    points = curves(setting)
    alone, pairs = points[points.name == "frame"], points[points.flow != NO_FLOW]
    if alone.empty or pairs.empty:
        raise ValueError(f"setting: expected Frame and pairs that are scored and measured on {setting}, test")
    index = best_on_val(points, setting, times, column)
    chosen = points.loc[pairs[column].idxmax() if index is None else index]
    return _with_loss(chosen, alone.iloc[0], setting)


def ten_times_as_fast(setting: str, times: float = 10) -> pandas.DataFrame:
    """Compare the loss at `times` the speed of Frame with ResNet-101 with the loss that the paper's text gives.

    Two lines for each of the three `SPEEDS`: the pair that the paper takes in detection, if it is scored, and the pair
    most accurate on val at that speed. The loss is always that of the scored networks, at full size too.

    Returns:
        Columns: `speed`, `times` (speedup reached), `pair`, `duration`; `loss`, `low`, `high` in points; `printed` (the
        paper's loss); `verdict`, "not reached" where no key frame duration is as fast as asked.
    """
    frame, fastest, _ = printed(find_setting(setting).task)
    papers = {"frame", "dff-inception"} <= set(curves(setting)["name"])
    lines = []
    for speed, column in SPEEDS.items():
        for choose in (loss_at_speed, best_at_speed) if papers else (best_at_speed,):
            point = choose(setting, times, column)
            loss = Difference(point.loss, point.low, point.high, np.nan, 1)
            verdict = below(loss, frame - fastest) if point[column] >= times else "not reached"
            line = {"speed": speed, "times": point[column], "pair": f"{point.features}, {point.flow}"}
            line |= point[["duration", "loss", "low", "high"]].to_dict()
            lines.append(line | {"printed": frame - fastest, "verdict": verdict})
    return pandas.DataFrame(lines)


def loss_in_the_text(setting: str) -> pandas.DataFrame:
    """The loss that the paper's text gives for Figure 3, and ours of the same pair at the same counted speedup.

    Returns:
        Rows "paper" and that of the setting's world; columns `frame` and `score` in percent, `loss` in points, and
        `speedup` over Frame with the same N_feat.
    """
    task = find_setting(setting).task
    frame, score, times = printed(task)
    ours = loss_at_speed(setting, times, features=FEATURES[task])
    rows = {"paper": [frame, score, frame - score, times]}
    rows[find_setting(setting).world] = [ours.frame, ours.score, ours.loss, ours.speedup]
    return pandas.DataFrame(rows, index=["frame", "score", "loss", "speedup"]).T


def alternatives(setting: str) -> pandas.DataFrame:
    """Per-frame recognition by smaller networks or on smaller frames, each beside a pair of DFF at the same speed.

    The pair is the one most accurate on val among those at least as fast, by Eq. 7; without one there is no line.

    Returns:
        Columns: `alternative` (its features, and "half size" for smaller frames), `speedup`, `score`; `pair`,
        `duration` and `dff` (score) of the pair; `gain`, `low`, `high`: points that the pair is better.
    """
    points = curves(setting)
    single = points[(points.flow == NO_FLOW) & (points.name != "frame")]
    lines = []
    for other in single.sort_values("speedup").itertuples():
        index = best_on_val(points, setting, other.speedup)
        if index is None:
            continue
        best = points.loc[index]
        gain = compare(*scores_with_replicates(points.loc[[index, other.Index]], setting))
        name = other.features + (", half size" if other.shrink > 1 else "")
        line = {"alternative": name, "speedup": other.speedup, "score": other.score}
        line |= {"pair": f"{best.features}, {best.flow}", "duration": best.duration, "dff": best.score}
        lines.append(line | gain.points(mean="gain"))
    return pandas.DataFrame(lines)


def _with_loss(point: pandas.Series, frame: pandas.Series, setting: str) -> pandas.Series:
    """A point of `curves` with the score of Frame, and the points that it loses to Frame."""
    loss = compare(*scores_with_replicates(pandas.DataFrame([frame, point]), setting))
    return pandas.concat([point, pandas.Series({"frame": frame.score} | loss.points(mean="loss"))])
