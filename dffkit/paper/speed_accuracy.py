"""Figure 3: accuracy and speed of each pair of networks at every key frame duration.

Speed is given in three ways, always relative to Frame with ResNet-101:

* by counted FLOPs (Eq. 7), the same on every machine;
* by frames a second, results included, as `python -m dffkit speed` measured them;
* by frames a second of the same pair with all channels and frames of the paper's size, as `python -m dffkit benchmark`
  measured them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from dffkit.baselines import NO_FLOW
from dffkit.experiments.sources import TOYTOWN_DURATIONS
from dffkit.experiments.speed import Architecture, Speed
from dffkit.paper import ledger
from dffkit.paper.settings import SHOWN, find_setting
from dffkit.paper.style import COLOURS, DARK_GREY, GREY, LINES, MARKERS, READERS, panels, shared_legend
from dffkit.scores.differences import Difference, statement, with_interval
from dffkit.training.recipes import CURVES

AXES = {"speedup": "speedup over Frame, ResNet-101 (Eq. 7)", "fps": "frames a second, measured here"}
COLUMNS = (
    "name", "features", "flow", "shrink", "duration", "score", "speedup", "fps", "speedup_measured",
    "speedup_full_size",
)  # fmt: skip


def curves(setting: str, split: str = "test") -> pandas.DataFrame:
    """Points of all curves, seed 0: a line for each network and key frame duration that has been scored and measured.

    Returns:
        Columns: `name`; `features`; `flow`, "none" for Frame, which has duration 1 only; `shrink`, by which frames are
        smaller; `duration`; `score` (percent); `speedup` (Eq. 7, counted); `fps` (measured); `speedup_measured`;
        `speedup_full_size`, NaN for networks and frames that the benchmark does not have.
    """
    shown, times = find_setting(setting), ledger.speeds()
    large = full_size(shown.task)
    reference = times.get(Architecture.of(shown.recipe("frame")))
    lines = []
    recipes = {name: recipe for name, recipe in ledger.recipes_of(setting).items() if recipe.name in CURVES}
    for point in ledger.overall(recipes, split).itertuples():
        recipe = recipes[point.name]
        own = times.get(Architecture.of(recipe))
        copied = recipe.job == "frames" and point.duration > 1  # the row copy, no curve of the paper
        if own is None or reference is None or copied:
            continue
        duration, features, full = point.duration, f"ResNet-{recipe.depth}", np.nan
        fps, counted = own.fps(duration), reference.gflop(1) / own.gflop(duration)
        if recipe.shrink == 1 and (features, recipe.flow) in large:
            full = large[features, recipe.flow].fps(duration) / large["ResNet-101", NO_FLOW].fps(1)
        network = point.name, features, recipe.flow, recipe.shrink
        lines.append((*network, duration, point.score, counted, fps, fps / reference.fps(1), full))
    return pandas.DataFrame(lines, columns=COLUMNS)


def full_size(task: str) -> dict[tuple[str, str], Speed]:
    """Speeds of pairs and of Frame (flow "none") at full size, by features and flow.

    They are the stored benchmark's rows in float32, with frames one by one. Counted fields are NaN.
    """
    duration = 10
    rows = ledger.benchmark().query(
        "precision == 'float32' and task == @task and duration == @duration and height == 600"
    )
    found = {}
    for features, pairs in rows.groupby("features"):
        key, decode = pairs.frame_ms.median(), pairs.decode_ms.median()  # the same work with every flow network
        current = {pair.flow: (pair.live_ms - pair.frame_ms) / (duration - 1) for pair in pairs.itertuples()}
        for flow, time in {NO_FLOW: key, **current}.items():
            found[features, flow] = Speed(key, time, decode, np.nan, np.nan, np.nan)
    return found


def envelope(points: pandas.DataFrame) -> pandas.DataFrame:
    """Return the points that no other point beats in both speed (Eq. 7) and score, the fastest last."""
    ordered = points.sort_values(["speedup", "score"], ascending=[False, False])
    best = ordered.score.cummax()
    return ordered[(ordered.score >= best) & ~ordered.score.duplicated()].iloc[::-1]


def statements(setting: str) -> pandas.DataFrame:
    """The paper's statements on Figure 3 with verdicts, for the pairs with ResNet-101 and ResNet-50.

    Speed is that of Eq. 7. In segmentation the curves cross if the second and the third statement hold.

    Returns:
        Columns as in `ablation.statements`. The first difference is a share of accuracies, in percent over one half;
        the others are points of the score. Empty while a network is missing.
    """
    points = curves(setting)
    points = points[points.features.isin(("ResNet-101", "ResNet-50")) & (points["shrink"] == 1)]
    draws = scores_with_replicates(points, setting)
    points, draws = points[~np.isnan(draws[:, 0])], draws[~np.isnan(draws[:, 0])]
    if points.groupby("features").flow.nunique().tolist() != [4, 4]:  # Frame and three flows
        return pandas.DataFrame()
    lead = _lead_of_resnet_101(points, draws)
    found = {
        "FlowNet Inception the fastest at equal accuracy, mostly": _share_of_inception(points, draws) - 0.5,
        "ResNet-101 ahead where accuracy is high": lead[0],
    }
    if find_setting(setting).task == "segmentation":
        found["ResNet-50 ahead where speed is high"] = -lead[-1]
    else:
        # The speed is chosen by the scores themselves: the lowest of many replicates would be below 0 by chance alone.
        found["ResNet-101 ahead at every speed: where it leads by the least"] = lead[lead[:, 0].argmin()]
    return pandas.DataFrame([statement(text, with_interval(each[0], each[1:], 1)) for text, each in found.items()])


def best_on_val(points: pandas.DataFrame, setting: str, times: float, column: str = "speedup") -> int | None:
    """Index of the pair most accurate on val among those at least `times` as fast as Frame with ResNet-101, or None.

    Its score on another split is then free of the choice. The points are lines of `curves` of the setting, of any
    split, and `column` is one of its speeds.
    """
    on_val = curves(setting, "val").set_index(["name", "duration"]).score
    fast = points[(points.flow != NO_FLOW) & (points[column] >= times)]
    scores = pandas.Series([on_val.get((e.name, e.duration), np.nan) for e in fast.itertuples()], fast.index, float)
    return None if scores.isna().all() else scores.idxmax()


def by_motion(setting: str, duration: int, names: Sequence[str]) -> pandas.DataFrame:
    """Scores in percent on slow, medium and fast things: a line for each network, and one for "copy".

    The networks are given by the last parts of their recipes' names. Frame has key frame duration 1, others `duration`.
    """
    chosen = {name: (name, 1 if name.startswith("frame") else duration) for name in names}
    chosen["copy"] = ("frame", duration)
    columns = {}
    for subset in ("slow", "medium", "fast"):
        scores = ledger.overall(ledger.recipes_of(setting), subset=subset).set_index(["name", "duration"]).score
        columns[subset] = {line: scores.get(point, np.nan) for line, point in chosen.items()}
    return pandas.DataFrame(columns)


def scores_with_replicates(points: pandas.DataFrame, setting: str) -> np.ndarray:
    """Each point's score on test, seed 0, and its replicates, 0..1: `(points, 1 + replicates)`; NaN without them."""
    rows = []
    for point in points.itertuples():
        found = ledger.replicates_by_seed(find_setting(setting).recipe(point.name), point.duration).get(0)
        rows.append([np.nan] if found is None else [found.value, *found.replicates])
    longest = max(map(len, rows), default=1)
    return np.array([row if len(row) == longest else [np.nan] * longest for row in rows]).reshape(len(rows), longest)


def compare(first: np.ndarray, second: np.ndarray) -> Difference:
    """Difference of two points, from their lines of `scores_with_replicates`."""
    over = first - second
    return with_interval(over[0], over[1:], 1)


def _share_of_inception(points: pandas.DataFrame, draws: np.ndarray) -> np.ndarray:
    """Share of the accuracies that every flow network reaches at which FlowNet Inception is the fastest."""
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


def _lead_of_resnet_101(points: pandas.DataFrame, draws: np.ndarray) -> np.ndarray:
    """Lead of the best pair with ResNet-101 over the best with ResNet-50 at equal speed: `(speeds, 1 + replicates)`.

    Speeds run from that of ResNet-50's Frame, its most accurate point, to the highest that both reach.
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


def figure3(
    settings: Sequence[str] = SHOWN, results: Path | None = None, speeds: Sequence[str] = tuple(AXES)
) -> tuple[Figure, pandas.DataFrame]:
    """Figure 3: accuracy over speed, counted and measured, for every pair of networks and key frame duration.

    Points of a reader's folder `results` are drawn beside ours. `speeds` are some of `AXES`, a row of panels for each;
    those of a single setting are side by side.
    """
    numbers = ledger.with_readers(curves, settings, results)
    if len(settings) == 1:
        figure, grid = panels(1, len(speeds), 4.4, 4.4, sharey="row")
        grid = grid.T
    else:
        figure, grid = panels(len(speeds), len(settings), 4.1, 4.1 * len(speeds), sharey="col")
    for row, speed in zip(grid, speeds, strict=True):
        for axes, setting in zip(row, settings, strict=True):
            shown = find_setting(setting)
            points = numbers[numbers.task == setting]
            _readers_points(axes, points[points.rows == "yours"], speed)
            _curves(axes, points[points.rows == "ours"], speed)
            axes.set(xlabel=AXES[speed], ylabel=f"{shown.metric} [%]")
            axes.set_title(f"{shown.title}, l = 1 .. {TOYTOWN_DURATIONS[shown.task]}", loc="left")
    shared_legend(figure, "outside upper center", 4 if len(settings) > 2 else 3)
    return figure, numbers


def _readers_points(axes: Axes, points: pandas.DataFrame, speed: str) -> None:
    """Draw a reader's rows: markers as in `_curves`, joined for each recipe."""
    for _, curve in points.groupby("name", sort=False):
        curve, marker = curve.sort_values("duration"), MARKERS.get(curve.flow.iloc[0], "*")
        look = {"color": READERS, "linestyle": ":", "marker": marker, "markersize": 7, "markerfacecolor": "none"}
        axes.plot(curve[speed], curve.score, label="your rows", **look)


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
    halo = withStroke(linewidth=3, foreground="white")  # labels stay legible above curves
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
