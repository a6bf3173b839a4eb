"""Figure 3 on Toytown: how accurate and how fast each pair of networks is at every key frame duration.

Speed is told in two ways, both against Frame with ResNet-101: by counted FLOPs as Eq. 7 does, which is the same on
every machine, and by frames a second, results included, as `python -m dffkit speed` measured them.
"""

from collections.abc import Sequence

import numpy as np
import pandas

from dffkit.experiments.place import default_place
from dffkit.findings import scored
from dffkit.recipes import CURVES, find
from dffkit.recipes.recipe import NO_FLOW
from dffkit.scores.differences import Difference, below, judged, statement
from dffkit.timing.speed import Architecture, measured

# What the text says of Figure 3, with FlowNet Inception: N_feat, the scores of Frame and of the fastest point, and how
# many times as fast that is, measured.
PRINTED = {"segmentation": ("ResNet-50", 69.7, 62.4, 7.8), "detection": ("ResNet-101", 73.9, 69.5, 10.2)}


def curves(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """The points of all curves: a line for each network and key frame duration that has been scored and measured.

    Columns: `name`, `features`, `flow` ("none" for Frame, which is at duration 1 only), `duration`, `score` (percent),
    `speedup` (Eq. 7, counted), `fps` (measured), `speedup_measured`.
    """
    folder = default_place().results
    scores, times = scored.overall(folder, scored.on_toytown(task), split), measured(folder)
    reference = times.get(Architecture.of(find(f"toytown/{task}/frame")))
    lines = []
    for point in scores[scores.seed == seed].itertuples():
        recipe = find(f"toytown/{task}/{point.name}")
        own = times.get(Architecture.of(recipe))
        copied = recipe.job == "frames" and point.duration > 1  # old features: no curve of the paper's
        if recipe.name not in CURVES or own is None or reference is None or copied:
            continue
        duration = point.duration
        fps = own.fps(duration)
        lines.append(
            {"name": point.name, "features": f"ResNet-{recipe.depth}", "flow": recipe.flow, "shrink": recipe.shrink}
            | {"duration": duration, "score": point.score, "speedup": reference.gflop(1) / own.gflop(duration)}
            | {"fps": fps, "speedup_measured": fps / reference.fps(1)}
        )
    return pandas.DataFrame(lines)


def envelope(points: pandas.DataFrame, speed: str = "speedup") -> pandas.DataFrame:
    """The points that no other beats in both speed and score, the fastest last."""
    ordered = points.sort_values([speed, "score"], ascending=[False, False])
    best = ordered.score.cummax()
    return ordered[(ordered.score >= best) & ~ordered.score.duplicated()].iloc[::-1]


def statements(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """What the paper says of Figure 3, each with its verdict, of the pairs with ResNet-101 and ResNet-50.

    Speed is Eq. 7's. Columns as those of `ablation.statements`: the first difference is a share of accuracies, in
    percent over one half, the others are points of the score. Nothing while a network is missing.
    """
    points = curves(task, split, seed)
    points = points[points.features.isin(("ResNet-101", "ResNet-50")) & (points["shrink"] == 1)]
    draws = _draws(points, task, split, seed)
    points, draws = points[~np.isnan(draws[:, 0])], draws[~np.isnan(draws[:, 0])]
    if points.groupby("features").flow.nunique().tolist() != [4, 4]:  # Frame and three flows
        return pandas.DataFrame()
    ahead = _resnet_101_ahead(points, draws)
    found = {
        "FlowNet Inception the fastest at equal accuracy, mostly": _share_of_inception(points, draws) - 0.5,
        "ResNet-101 ahead where accuracy is high": ahead[0],
    }
    if task == "segmentation":
        found["the ResNets' curves cross: ResNet-50 ahead where speed is high"] = -ahead[-1]
    else:
        # The speed is chosen before the draws: the least of many draws would be below 0 by chance alone.
        found["ResNet-101 ahead at every speed: where it leads by the least"] = ahead[ahead[:, 0].argmin()]
    return pandas.DataFrame([statement(text, judged(each[0], each[1:], 1)) for text, each in found.items()])


def at_times(
    task: str, times: float = 10, column: str = "speedup", split: str = "test", seed: int = 0,
    features: str = "ResNet-101", flow: str = "FlowNet Inception",
) -> pandas.Series:  # fmt: skip
    """Where a pair of networks is first so many times as fast as Frame with the same N_feat, by counted ("speedup") or
    measured ("speedup_measured") speed: a line of `curves`, with that speed in the column's place, `frame`, the score
    of Frame, `loss`, the points lost to it, and its interval, `low` and `high`. If it is never so fast, the line is of
    its fastest point.
    """
    points = curves(task, split, seed)
    points = points[(points.features == features) & points.flow.isin((flow, NO_FLOW)) & (points["shrink"] == 1)]
    alone, pair = points[points.flow == NO_FLOW], points[points.flow == flow].sort_values("duration")
    pair = pair.assign(**{column: pair[column] / alone[column].item()})
    chosen = pair.loc[(pair[column] >= times).idxmax() if pair[column].max() >= times else pair[column].idxmax()]
    both = _draws(pandas.DataFrame([alone.iloc[0], chosen]), task, split, seed)
    lost = judged(both[0, 0] - both[1, 0], both[0, 1:] - both[1, 1:], 1)
    found = {"frame": alone.score.item(), "loss": 100 * lost.mean, "low": 100 * lost.low, "high": 100 * lost.high}
    return pandas.concat([chosen, pandas.Series(found)])


def at_ten_times(task: str, times: float = 10, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """Whether ResNet-101 with FlowNet Inception, ten times as fast as Frame, loses no more than the fastest point that
    the paper's text tells of: a line for counted and one for measured speed.

    Columns: `speed`, and `times` that it is as fast; `duration`; `loss`, `low`, `high` in points; `printed`, the
    paper's loss; `verdict`, which is "not reached" where no key frame duration makes it so fast.
    """
    _, frame, fastest, _ = PRINTED[task]
    lines = []
    for speed, column in (("counted (Eq. 7)", "speedup"), ("measured", "speedup_measured")):
        point = at_times(task, times, column, split, seed)
        found = Difference(point.loss, point.low, point.high, np.nan, 1)
        verdict = below(found, frame - fastest) if point[column] >= times else "not reached"
        line = {"speed": speed, "times": point[column], **point[["duration", "loss", "low", "high"]]}
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


def alternatives(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """What a user could take instead of Deep Feature Flow, per-frame recognition by less: each beside the pair that is
    the most accurate on val of those that are at least as fast, by Eq. 7.

    Columns: `alternative` (its features, and "half size" where the frames are), `speedup`, `score`; `pair`, `duration`,
    `dff`: of that pair; `gain`, `low`, `high`: how many points it is better.
    """
    points = curves(task, split, seed)
    on_val = curves(task, "val", seed).set_index(["name", "duration"]).score
    points = points.assign(chosen_by=[on_val.get((each.name, each.duration), np.nan) for each in points.itertuples()])
    pairs, single = points[points.flow != NO_FLOW], points[(points.flow == NO_FLOW) & (points.name != "frame")]
    lines = []
    for other in single.sort_values("speedup").itertuples():
        fast = pairs[pairs.speedup >= other.speedup]
        if fast.chosen_by.isna().all():
            continue
        index = fast.chosen_by.idxmax()
        best = points.loc[index]
        both = _draws(points.loc[[index, other.Index]], task, split, seed)
        gain = judged(both[0, 0] - both[1, 0], both[0, 1:] - both[1, 1:], 1)
        name = other.features + (", half size" if other.shrink > 1 else "")
        line = {"alternative": name, "speedup": other.speedup, "score": other.score}
        line |= {"pair": f"{best.features}, {best.flow}", "duration": best.duration, "dff": best.score}
        lines.append(line | {"gain": 100 * gain.mean, "low": 100 * gain.low, "high": 100 * gain.high})
    return pandas.DataFrame(lines)


def by_motion(task: str, duration: int, names: Sequence[str], split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """Scores in percent by how fast things move, slow, medium and fast: a line for each of these networks (names
    without task), Frame ones at duration 1 and once more, as "copy", at `duration`.
    """
    subsets = ("slow", "medium", "fast")
    folder, recipes = default_place().results, scored.on_toytown(task)
    scores = {subset: scored.overall(folder, recipes, split, subset) for subset in subsets}
    chosen = {name: (name, 1 if name.startswith("frame") else duration) for name in names}
    chosen["copy"] = ("frame", duration)
    found = {
        subset: table[table.seed == seed].set_index(["name", "duration"]).score for subset, table in scores.items()
    }
    return pandas.DataFrame(
        {subset: {line: found[subset].get(point, np.nan) for line, point in chosen.items()} for subset in subsets}
    )


def _draws(points: pandas.DataFrame, task: str, split: str, seed: int) -> np.ndarray:
    """`(points, 1 + draws)`: each point's score, 0..1, and its replicates; NaN where there are none."""
    folder, rows = default_place().results, []
    for point in points.itertuples():
        found = scored.drawn(folder, find(f"toytown/{task}/{point.name}"), point.duration, split).get(seed)
        rows.append([np.nan] if found is None else [found.value, *found.replicates])
    longest = max(map(len, rows), default=1)
    return np.array([row if len(row) == longest else [np.nan] * longest for row in rows])


def _share_of_inception(points: pandas.DataFrame, draws: np.ndarray) -> np.ndarray:
    """The share of accuracies, of those that every flow network reaches, at which FlowNet Inception is the fastest."""
    flows = [name for name in points.flow.unique() if name != NO_FLOW]
    speeds = {flow: points.speedup[points.flow == flow].to_numpy()[:, None] for flow in flows}
    scores = {flow: draws[(points.flow == flow).to_numpy()] for flow in flows}
    low = np.max([each.min(0) for each in scores.values()], axis=0)
    high = np.min([each.max(0) for each in scores.values()], axis=0)
    won = []
    for level in np.linspace(low, high, 101):
        fastest = {flow: np.where(scores[flow] >= level, speeds[flow], 0).max(0) for flow in flows}
        won.append(fastest["FlowNet Inception"] >= np.max(list(fastest.values()), axis=0))
    return np.mean(won, axis=0)


def _resnet_101_ahead(points: pandas.DataFrame, draws: np.ndarray) -> np.ndarray:
    """How many points the best of ResNet-101 is above the best of ResNet-50 at equal speed, `(speeds, 1 + draws)`.

    From the speed of ResNet-50's Frame, which is its most accurate, to the highest that both reach.
    """
    names = ("ResNet-101", "ResNet-50")
    slowest = points.speedup[(points.features == "ResNet-50") & (points.flow == NO_FLOW)].item()
    fastest = points.groupby("features").speedup.max().min()
    best = {name: [] for name in names}
    for speed in np.geomspace(slowest, fastest, 41):
        for name in names:
            fast = (points.features == name) & (points.speedup >= speed * (1 - 1e-9))
            best[name].append(draws[fast.to_numpy()].max(0))
    return np.array(best["ResNet-101"]) - np.array(best["ResNet-50"])
