"""Tables 3 and 4 as pictures, and the error of each row's flow; each picture with the numbers it shows."""

import matplotlib.pyplot as plt
import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from dffkit.experiments.scoring import TABLE_4
from dffkit.paper import ablation, ledger
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, GREY, METRICS, ORANGE, RED

# Rows whose flow is compared: flow without training, then F trained on sprites, then F after joint training.
FLOWS = {
    "copy": ("no flow", GREY), "SFF-fast": ("SIFT Flow, fast", ORANGE), "SFF-slow": ("SIFT Flow, slow", ORANGE),
    "SFF-DIS": ("DIS", ORANGE), "DFF separate": ("F, sprites only", GREEN), "DFF fix N": ("F of DFF fix N", BLUE),
    "DFF without S": ("F of DFF without S", BLUE), "DFF": ("F of DFF", BLUE),
}  # fmt: skip
TOWNS = {
    "test": ("test streets, 95% interval", BLUE, "o"),
    "elsewhere": ("another town at another frame rate, 95% interval", ORANGE, "s"),
}
REGIONS = {"objects": "o", "borders": "s", "background": "D"}


def table3() -> tuple[Figure, pandas.DataFrame]:
    """Table 3, with the kit's own rows below: origin of each row's N and of its flow."""
    printed = [name for name, row in ablation.ROWS.items() if row.paper]
    numbers = pandas.DataFrame(
        [(name, row.n, row.f, name in printed) for name, row in ablation.ROWS.items()],
        columns=["row", "N", "F and S", "in the paper"],
    ).sort_values("in the paper", ascending=False, kind="stable", ignore_index=True)
    figure, axes = plt.subplots(figsize=(7.4, 0.3 * len(numbers) + 0.7), layout="constrained")
    axes.axis("off")
    cells = axes.table(
        numbers[["row", "N", "F and S"]].to_numpy(), colLabels=["row", "N", "F and S"], loc="center",
        cellLoc="left", colLoc="left", colWidths=[0.27, 0.33, 0.4], edges="horizontal",
    )  # fmt: skip
    cells.auto_set_font_size(False)
    cells.set_fontsize(9)
    cells.scale(1, 1.35)
    for (line, _), cell in cells.get_celld().items():
        cell.set_edgecolor(GREY)
        if line == 0:
            cell.set_text_props(weight="bold")
        elif not numbers["in the paper"][line - 1]:
            cell.set_text_props(color=BLUE)
    axes.set_title("in blue: rows that the paper's table does not have", loc="right", fontsize=8, color=BLUE)
    return figure, numbers


def table4() -> tuple[Figure, pandas.DataFrame]:
    """Table 4: points that each row loses to Frame, with the interval, beside the points lost in the paper.

    Rows with one training are hollow: their intervals do not cover other trainings.
    """
    tables = {task: table for task in METRICS if not (table := ablation.table(task)).empty}
    numbers = ledger.by_task(tables)
    figure, panels = plt.subplots(1, 2, figsize=(10.4, 4.6), layout="constrained", sharey=True)
    names = [name for name in ablation.ROWS if name in set(numbers.row)]
    for axes, (task, metric) in zip(panels, METRICS.items(), strict=True):
        axes.axvline(0, color=GREY, linewidth=0.8)
        if task in tables:
            _losses(axes, tables[task].assign(place=[names.index(row) for row in tables[task].row]), task)
        axes.set_title(f"{task.capitalize()}: {metric}, l = {TABLE_4[task]}", loc="left")
    _label_rows(figure, names, "points lost to Frame")
    return figure, numbers


def fix_n() -> tuple[Figure, pandas.DataFrame]:
    """Points that DFF is above DFF fix N at every key frame duration, on the test streets and in another town."""
    figure, panels = plt.subplots(1, 2, figsize=(10.4, 3.8), layout="constrained")
    tables = []
    for axes, task in zip(panels, METRICS, strict=True):
        for split, (label, colour, marker) in TOWNS.items():
            table = ablation.fix_n_by_duration(task, split)
            if table.empty:
                continue
            axes.plot(table.duration, table.difference, f"{marker}-", color=colour, markersize=4, label=label)
            axes.fill_between(table.duration, table.low, table.high, color=colour, alpha=0.2, linewidth=0)
            tables.append(table.assign(task=task, split=split))
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_title(task.capitalize(), loc="left")
        axes.set(xlabel="key frame duration l [frames]", ylabel="points that DFF is above fix N")
        axes.xaxis.set_major_locator(MultipleLocator(2 if task == "segmentation" else 5))
    _legend(figure)
    return figure, pandas.concat(tables, ignore_index=True)


def flow_quality() -> tuple[Figure, pandas.DataFrame]:
    """Endpoint error of each row's flow inside objects, at their borders and outside (the open question of Sec. 6).

    The numbers are means over seeds, in pixels.
    """
    tables = {}
    for task in METRICS:
        table = ledger.flow_errors({row: ablation.recipe(task, row) for row in FLOWS}).rename(columns={"name": "row"})
        tables[task] = table.assign(flow=[FLOWS[row][0] for row in table.row])
    numbers = ledger.by_task(tables)[["task", "row", "flow", "region", "error"]]
    figure, panels = plt.subplots(1, 2, figsize=(10.4, 4.0), layout="constrained", sharey=True)
    for axes, (task, table) in zip(panels, tables.items(), strict=True):
        for place, (row, (_, colour)) in enumerate(FLOWS.items()):
            errors = table[table.row == row].set_index("region").error
            for region, marker in REGIONS.items():
                if region in errors:
                    axes.plot(errors[region], place, marker, color=colour, markersize=6)
        for region, marker in REGIONS.items():
            axes.plot([], [], marker, color=DARK_GREY, linestyle="none", label=region)
        axes.set_title(task.capitalize(), loc="left")
        axes.set_xlim(left=0)
    _label_rows(figure, [flow for flow, _ in FLOWS.values()], "mean endpoint error [pixels]")
    return figure, numbers


def _losses(axes: Axes, table: pandas.DataFrame, task: str) -> None:
    for seeds, rows in table.groupby("seeds"):
        bars = np.abs(rows[["loss_low", "loss_high"]].to_numpy().T - rows.loss.to_numpy())
        alone = seeds == 1  # its interval is not one over trainings
        label = "one training, 95% interval over streets" if alone else "95% interval over streets and trainings"
        look = {"markerfacecolor": "white" if alone else BLUE, "color": BLUE, "capsize": 2.5}
        axes.errorbar(rows.loss, rows.place, xerr=bars, fmt="o", label=f"Toytown, {label}", **look)
    printed = ablation.ROWS["Frame"].paper[task][0] - table.paper
    look = {"markersize": 11, "markerfacecolor": "none", "color": RED, "label": "printed in the paper"}
    axes.plot(printed, table.place, "o", **look)


def _label_rows(figure: Figure, names: list[str], unit: str) -> None:
    """Name the rows of both panels and the unit of their values, and draw the legend."""
    for axes in figure.axes:
        axes.set_xlabel(unit)
        axes.grid(axis="y", color=GREY, linewidth=0.4, linestyle=":")
    figure.axes[0].set_yticks(range(len(names)), labels=names)
    figure.axes[0].invert_yaxis()
    _legend(figure)


def _legend(figure: Figure) -> None:
    """Draw one legend for both panels, above them."""
    labelled = {}
    for axes in figure.axes:
        artists, labels = axes.get_legend_handles_labels()
        labelled |= dict(zip(labels, artists, strict=True))
    figure.legend(
        list(labelled.values()), list(labelled), loc="outside upper right", ncols=len(labelled), frameon=False
    )
