"""Figure 3 on Toytown: how accurate and how fast each pair of networks is at every key frame duration.

Speed is told in three ways, all against Frame with ResNet-101: by counted FLOPs as Eq. 7 does, which is the same on
every machine; by frames a second, results included, as `python -m dffkit speed` measured them; and by those that the
same pair has with all its channels and the paper's frames, as `python -m dffkit benchmark` measured them.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from dffkit.baselines import NO_FLOW
from dffkit.experiments.runs import default_workspace
from dffkit.experiments.speed import Architecture, Speed, measured
from dffkit.paper import claims, scored
from dffkit.paper.style import COLOURS, DARK_GREY, GREY, LINES, MARKERS, METRICS
from dffkit.scores.differences import Difference, statement, with_interval
from dffkit.training.recipes import CURVES, find

COLUMNS = (
    "name", "features", "flow", "shrink", "duration", "score", "speedup", "fps", "speedup_measured",
    "speedup_full_size",
)  # fmt: skip


def curves(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """The points of all curves: a line for each network and key frame duration that has been scored and measured.

    Columns: `name`, `features`, `flow` ("none" for Frame, which is at duration 1 only), `duration`, `score` (percent),
    `speedup` (Eq. 7, counted), `fps` (measured), `speedup_measured`; `speedup_full_size`, which smaller networks than
    the paper's and smaller frames have not.
    """
    folder, large = default_workspace().results, full_size(task)
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
        features, fps = f"ResNet-{recipe.depth}", own.fps(duration)
        line = {"name": point.name, "features": features, "flow": recipe.flow, "shrink": recipe.shrink}
        line |= {"duration": duration, "score": point.score, "speedup": reference.gflop(1) / own.gflop(duration)}
        line |= {"fps": fps, "speedup_measured": fps / reference.fps(1), "speedup_full_size": np.nan}
        if recipe.shrink == 1 and (features, recipe.flow) in large:
            paper_frame = large["ResNet-101", NO_FLOW].fps(1)
            line["speedup_full_size"] = large[features, recipe.flow].fps(duration) / paper_frame
        lines.append(line)
    return pandas.DataFrame(lines, columns=COLUMNS)


def full_size(task: str, duration: int = 10, height: int = 600) -> dict[tuple[str, str], Speed]:
    """How fast pairs and Frame ("none") are at full size, by features and flow: the stored benchmark's float32 rows.

    Frames come one by one. Nothing is counted here: those fields are NaN.
    """
    rows = claims.benchmark().query(
        "precision == 'float32' and task == @task and duration == @duration and height == @height"
    )
    found = {}
    for features, pairs in rows.groupby("features"):
        key, decode = pairs.frame_ms.median(), pairs.decode_ms.median()  # the same work, whatever the flow network is
        current = {pair.flow: (pair.live_ms - pair.frame_ms) / (duration - 1) for pair in pairs.itertuples()}
        for flow, time in {NO_FLOW: key, **current}.items():
            found[features, flow] = Speed(key, time, decode, np.nan, np.nan, np.nan)
    return found


def envelope(points: pandas.DataFrame, speed: str = "speedup") -> pandas.DataFrame:
    """The points that no other beats in both speed and score, the fastest last."""
    ordered = points.sort_values([speed, "score"], ascending=[False, False])
    best = ordered.score.cummax()
    return ordered[(ordered.score >= best) & ~ordered.score.duplicated()].iloc[::-1]


def statements(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """What the paper says of Figure 3, each with its verdict, of the pairs with ResNet-101 and ResNet-50.

    Speed is Eq. 7's. Columns as those of `ablation.statements`: the first difference is a share of accuracies, in
    percent over one half, the others are points of the score. (In segmentation the curves cross if the second and the
    third hold.) Nothing while a network is missing.
    """
    points = curves(task, split, seed)
    points = points[points.features.isin(("ResNet-101", "ResNet-50")) & (points["shrink"] == 1)]
    draws = scores_with_replicates(points, task, split, seed)
    points, draws = points[~np.isnan(draws[:, 0])], draws[~np.isnan(draws[:, 0])]
    if points.groupby("features").flow.nunique().tolist() != [4, 4]:  # Frame and three flows
        return pandas.DataFrame()
    ahead = _resnet_101_ahead(points, draws)
    found = {
        "FlowNet Inception the fastest at equal accuracy, mostly": _share_of_inception(points, draws) - 0.5,
        "ResNet-101 ahead where accuracy is high": ahead[0],
    }
    if task == "segmentation":
        found["ResNet-50 ahead where speed is high"] = -ahead[-1]
    else:
        # The speed is chosen before the draws: the least of many draws would be below 0 by chance alone.
        found["ResNet-101 ahead at every speed: where it leads by the least"] = ahead[ahead[:, 0].argmin()]
    return pandas.DataFrame([statement(text, with_interval(each[0], each[1:], 1)) for text, each in found.items()])


def best_on_val(
    points: pandas.DataFrame, task: str, times: float, column: str = "speedup", seed: int = 0
) -> int | None:
    """The place, among points of `curves`, of the pair that is the most accurate on val of those at least so many times
    as fast as Frame with ResNet-101; None if there is none. So what is shown of it on another split was not chosen.
    """
    on_val = curves(task, "val", seed).set_index(["name", "duration"]).score
    fast = points[(points.flow != NO_FLOW) & (points[column] >= times)]
    scores = pandas.Series([on_val.get((e.name, e.duration), np.nan) for e in fast.itertuples()], fast.index, float)
    return None if scores.isna().all() else scores.idxmax()


def by_motion(task: str, duration: int, names: Sequence[str], split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """Scores in percent by how fast things move, slow, medium and fast: a line for each of these networks (names
    without task), Frame ones at duration 1 and once more, as "copy", at `duration`.
    """
    subsets = ("slow", "medium", "fast")
    folder, recipes = default_workspace().results, scored.on_toytown(task)
    scores = {subset: scored.overall(folder, recipes, split, subset) for subset in subsets}
    chosen = {name: (name, 1 if name.startswith("frame") else duration) for name in names}
    chosen["copy"] = ("frame", duration)
    found = {
        subset: table[table.seed == seed].set_index(["name", "duration"]).score for subset, table in scores.items()
    }
    return pandas.DataFrame(
        {subset: {line: found[subset].get(point, np.nan) for line, point in chosen.items()} for subset in subsets}
    )


def scores_with_replicates(points: pandas.DataFrame, task: str, split: str, seed: int) -> np.ndarray:
    """`(points, 1 + draws)`: each point's score, 0..1, and its replicates; NaN where there are none."""
    folder, rows = default_workspace().results, []
    for point in points.itertuples():
        found = scored.replicates_by_seed(folder, find(f"toytown/{task}/{point.name}"), point.duration, split).get(seed)
        rows.append([np.nan] if found is None else [found.value, *found.replicates])
    longest = max(map(len, rows), default=1)
    return np.array([row if len(row) == longest else [np.nan] * longest for row in rows])


def compare(first: np.ndarray, second: np.ndarray) -> Difference:
    """How much better a point is than another, from their lines of `scores_with_replicates`."""
    over = first - second
    return with_interval(over[0], over[1:], 1)


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


# The picture

AXES = {"speedup": "speedup over Frame with ResNet-101, counted (Eq. 7)", "fps": "frames a second, measured here"}


def figure3(split: str = "test") -> tuple[Figure, pandas.DataFrame]:
    """Figure 3: accuracy over speed for every pair of networks and key frame duration, both tasks, speed told twice."""
    numbers = pandas.concat([curves(task, split).assign(task=task) for task in METRICS], ignore_index=True)
    figure, grid = plt.subplots(2, 2, figsize=(10.6, 8.2), layout="constrained", sharey="col")
    for row, speed in zip(grid, AXES, strict=True):
        for axes, (task, metric) in zip(row, METRICS.items(), strict=True):
            _curves(axes, numbers[numbers.task == task], speed)
            axes.set(xlabel=AXES[speed], ylabel=f"{metric} [%]")
            axes.set_title(f"{task.capitalize()}, l = 1 .. {10 if task == 'segmentation' else 20}", loc="left")
    artists, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(artists, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure, numbers


def _curves(axes: Axes, points: pandas.DataFrame, speed: str) -> None:
    axes.set_xscale("log")
    pairs = points[points.flow != NO_FLOW]
    for (features, flow), curve in pairs.groupby(["features", "flow"], sort=False):
        curve = curve.sort_values("duration")
        style = {"color": COLOURS[flow], "linestyle": LINES[features], "marker": MARKERS[flow], "markersize": 3.5}
        axes.plot(curve[speed], curve.score, label=f"{features}, {flow}", **style)
    single = points[(points.flow == NO_FLOW) & (points["shrink"] == 1)].sort_values(speed)
    depths = ", ".join(name.removeprefix("ResNet-") for name in single.features)
    axes.plot(single[speed], single.score, "*", markersize=11, color="black", label=f"Frame: ResNet-{depths}")
    halo = withStroke(linewidth=3, foreground="white")  # curves may pass under a label
    for point in single.itertuples():
        axes.annotate(point.features.removeprefix("ResNet-"), (getattr(point, speed), point.score), (5, 5),
                      textcoords="offset points", fontsize=8, color=DARK_GREY, path_effects=[halo])  # fmt: skip
    smaller = points[points["shrink"] > 1]
    if not smaller.empty:
        axes.plot(smaller[speed], smaller.score, "v", markersize=8, color=GREY, markeredgecolor="black",
                  label="Frame, half resolution")  # fmt: skip
    ticks = (1, 2, 5, 10, 20) if speed == "speedup" else (10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500)
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
