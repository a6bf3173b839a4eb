"""Figure 3, Table 5 and the sparse labels as pictures, each with the numbers it shows."""

import matplotlib.pyplot as plt
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from dffkit.baselines import NO_FLOW
from dffkit.paper import speed_accuracy, variations
from dffkit.paper.style import BLUE, COLOURS, DARK_GREY, GREY, LINES, MARKERS, RED

TASKS = {"segmentation": "mIoU", "detection": "mAP@0.5"}
AXES = {"speedup": "speedup over Frame with ResNet-101, counted (Eq. 7)", "fps": "frames a second, measured here"}


def figure3(split: str = "test") -> tuple[Figure, pandas.DataFrame]:
    """Figure 3: accuracy over speed for every pair of networks and key frame duration, both tasks, speed told twice."""
    numbers = pandas.concat([speed_accuracy.curves(task, split).assign(task=task) for task in TASKS], ignore_index=True)
    figure, grid = plt.subplots(2, 2, figsize=(10.6, 8.2), layout="constrained", sharey="col")
    for row, speed in zip(grid, AXES, strict=True):
        for axes, (task, metric) in zip(row, TASKS.items(), strict=True):
            _curves(axes, numbers[numbers.task == task], speed)
            axes.set(xlabel=AXES[speed], ylabel=f"{metric} [%]")
            axes.set_title(f"{task.capitalize()}, l = 1 .. {10 if task == 'segmentation' else 20}", loc="left")
    artists, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(artists, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure, numbers


def table5(split: str = "test") -> tuple[Figure, pandas.DataFrame]:
    """Table 5: accuracy (with 95% intervals) and speed by split point, ours and the paper's, against the default's."""
    tables = {task: variations.table5(task, split) for task in TASKS}
    figure, grid = plt.subplots(2, 2, figsize=(10.2, 5.6), layout="constrained", sharex=True)
    for column, (task, metric) in zip(grid.T, TASKS.items(), strict=True):
        table = tables[task].set_index("layers")
        places = [variations.SPLITS.index(layers) for layers in table.index]
        default = table.loc[1]
        accuracy, speed = column
        reach = [(table.difference - table.low).clip(0), (table.high - table.difference).clip(0)]
        accuracy.errorbar(places, table.difference, reach, fmt="o-", color=BLUE, capsize=3, label="Toytown")
        speed.plot(places, table.fps / default.fps, "o-", color=BLUE, label="Toytown")
        style = {"markersize": 10, "markerfacecolor": "none", "color": RED, "label": "printed in the paper"}
        accuracy.plot(places, table.paper - default.paper, "o:", **style)
        speed.plot(places, table.paper_fps / default.paper_fps, "o:", **style)
        flat = 100 * variations.FLAT
        accuracy.axhspan(-flat, flat, color=GREY, alpha=0.15, linewidth=0, label=f"within {flat:g} points")
        accuracy.set_title(f"{task.capitalize()}: {metric}", loc="left")
        accuracy.set_ylabel("points over the default")
        speed.set_ylabel("frames a second / the default's")
        speed.set_xticks(range(len(variations.SPLITS)), labels=variations.SPLITS)
        speed.set_xlabel("layers in the task network")
    figure.legend(*grid[0, 1].get_legend_handles_labels(), loc="outside upper right", ncols=3, frameon=False)
    numbers = pandas.concat([table.assign(task=task) for task, table in tables.items()], ignore_index=True)
    return figure, numbers


def sparse_labels(split: str = "test") -> tuple[Figure, pandas.DataFrame]:
    """Section 3: Frame, DFF and copy by how many frames of a training snippet share one label, with 95% intervals.

    A panel for each task that has been run.
    """
    styles = {
        "Frame": ("*-", "black"), "DFF, key frames": ("o--", BLUE), "DFF": ("o-", BLUE), "copy": ("s:", DARK_GREY),
    }  # fmt: skip
    tables = {task: table for task in TASKS if not (table := variations.sparse_labels(task, split)).empty}
    figure, panels = plt.subplots(
        1, len(tables), figsize=(1.8 + 4.6 * len(tables), 4.0), layout="constrained", squeeze=False
    )
    for axes, task in zip(panels[0], tables, strict=True):
        for number, (method, (style, colour)) in enumerate(styles.items()):
            line = tables[task][tables[task].method == method]
            reach = [line.score - line.low, line.high - line.score]
            apart = 1.03 ** (number - 1.5)  # so that no bar hides another
            axes.errorbar(line.interval * apart, line.score, reach, fmt=style, color=colour, capsize=3, label=method)
        axes.set(xscale="log", xlabel="one labelled frame in", ylabel=f"{TASKS[task]} [%]")
        axes.set_xticks(variations.INTERVALS, labels=variations.INTERVALS)
        axes.minorticks_off()
        axes.set_title(task.capitalize(), loc="left")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    numbers = pandas.concat([table.assign(task=task) for task, table in tables.items()], ignore_index=True)
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
