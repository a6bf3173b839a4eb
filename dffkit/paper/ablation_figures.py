"""Tables 3 and 4 as pictures, and the error of each row's flow; each picture with the numbers it shows."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from dffkit.paper import ablation, ledger
from dffkit.paper.settings import SHOWN, Setting, find_setting
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, GREY, ORANGE, READERS, RED, panels, shared_legend

# Rows whose flow is compared: flow without training, then F trained on sprites, then F after joint training.
FLOWS = {
    "copy": ("no flow", GREY), "SFF-fast": ("SIFT Flow, fast", ORANGE), "SFF-slow": ("SIFT Flow, slow", ORANGE),
    "SFF-DIS": ("DIS", ORANGE), "DFF separate": ("F, sprites only", GREEN), "DFF fix N": ("F of DFF fix N", BLUE),
    "DFF without S": ("F of DFF without S", BLUE), "DFF": ("F of DFF", BLUE),
}  # fmt: skip
TOWNS = {
    "test": ("test {}, 95% interval", BLUE, "o"),
    "elsewhere": ("another town at another frame rate, 95% interval", ORANGE, "s"),
}
WIDTH = {1: 6.4, 2: 5.0, 3: 3.9}  # number of panels -> width of each, in inches
REGIONS = {"objects": "o", "borders": "s", "background": "D"}


def table3(setting: str = SHOWN[0]) -> tuple[Figure, pandas.DataFrame]:
    """Table 3 of a setting, with the kit's own rows below: origin of each row's N and of its flow."""
    numbers = ablation.table3(setting)
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


def table4(settings: Sequence[str] = SHOWN, results: Path | None = None) -> tuple[Figure, pandas.DataFrame]:
    """Table 4: points that each row loses to Frame, with the interval, beside the points lost in the paper.

    Rows with one training are hollow: their intervals do not cover other trainings. Rows of a reader's folder `results`
    are drawn beside ours.
    """
    numbers = ledger.with_readers(ablation.table, settings, results)
    figure, (row,) = panels(1, len(settings), WIDTH[len(settings)], 4.6, sharey=True)
    names = [name for name in ablation.ROWS if name in set(numbers.row)]
    for axes, setting in zip(row, settings, strict=True):
        axes.axvline(0, color=GREY, linewidth=0.8)
        shown = find_setting(setting)
        for whose, table in numbers[numbers.task == setting].groupby("rows"):
            _losses(axes, table.assign(place=[names.index(name) for name in table.row]), shown, whose)
        axes.set_title(f"{shown.title}: {shown.metric}, l = {shown.duration}", loc="left")
    _label_rows(figure, names, "points lost to Frame")
    return figure, numbers


def fix_n(settings: Sequence[str] = SHOWN) -> tuple[Figure, pandas.DataFrame]:
    """Points that DFF is above DFF fix N at every key frame duration, on the test split and in another town."""
    figure, (row,) = panels(1, len(settings), WIDTH[len(settings)], 3.8)
    tables = []
    for axes, setting in zip(row, settings, strict=True):
        shown = find_setting(setting)
        for split, (label, colour, marker) in TOWNS.items():
            table = ablation.fix_n_by_duration(setting, split)
            if table.empty:
                continue
            look = {"color": colour, "markersize": 4, "label": label.format(shown.scenes)}
            axes.plot(table.duration, table.difference, f"{marker}-", **look)
            axes.fill_between(table.duration, table.low, table.high, color=colour, alpha=0.2, linewidth=0)
            tables.append(table.assign(task=setting, split=split))
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set_title(shown.title, loc="left")
        axes.set(xlabel="key frame duration l [frames]", ylabel="points that DFF is above fix N")
        axes.xaxis.set_major_locator(MultipleLocator(2 if shown.task == "segmentation" else 5))
    numbers = ledger.stack(tables, settings)
    shared_legend(figure, columns=len(settings))
    return figure, numbers


def flow_quality(settings: Sequence[str] = SHOWN) -> tuple[Figure, pandas.DataFrame]:
    """Endpoint error of each row's flow inside objects, at their borders and outside (the open question of Sec. 6).

    The numbers are means over seeds, in pixels.
    """
    tables = {}
    for setting in settings:
        recipes = {row: ablation.recipe(setting, row) for row in FLOWS}
        table = ledger.by_subset(recipes, "EPE").rename(columns={"name": "row", "subset": "region", "value": "error"})
        tables[setting] = table.assign(flow=[FLOWS[row][0] for row in table.row])
    numbers = ledger.by_task(tables)[["task", "row", "flow", "region", "error"]]
    figure, (grid,) = panels(1, len(settings), WIDTH[len(settings)], 4.0, sharey=True)
    for axes, (setting, table) in zip(grid, tables.items(), strict=True):
        for place, (row, (_, colour)) in enumerate(FLOWS.items()):
            errors = table[table.row == row].set_index("region").error
            for region, marker in REGIONS.items():
                if region in errors:
                    axes.plot(errors[region], place, marker, color=colour, markersize=6)
        for region, marker in REGIONS.items():
            axes.plot([], [], marker, color=DARK_GREY, linestyle="none", label=region)
        axes.set_title(find_setting(setting).title, loc="left")
        axes.set_xlim(left=0)
    _label_rows(figure, [flow for flow, _ in FLOWS.values()], "mean endpoint error [pixels]")
    return figure, numbers


def _losses(axes: Axes, table: pandas.DataFrame, setting: Setting, whose: str) -> None:
    name, colour, marker = ("ours", BLUE, "o") if whose == "ours" else ("your rows", READERS, "s")
    for seeds, rows in table.groupby("seeds"):
        bars = np.abs(rows[["loss_low", "loss_high"]].to_numpy().T - rows.loss.to_numpy())
        alone = seeds == 1  # its interval is not one over trainings
        label = "one training, 95% interval over scenes" if alone else "95% interval over scenes and trainings"
        look = {"markerfacecolor": "white" if alone else colour, "color": colour, "capsize": 2.5}
        look["label"] = f"{name}, {label}"
        axes.errorbar(rows.loss, rows.place, xerr=bars, fmt=marker, **look)
    printed = ablation.printed(setting.task, "Frame")[0] - table.paper
    look = {"markersize": 11, "markerfacecolor": "none", "color": RED, "label": "printed in the paper"}
    axes.plot(printed, table.place, "o", **look)


def _label_rows(figure: Figure, names: list[str], unit: str) -> None:
    """Name the rows of all panels and the unit of their values, and draw the legend."""
    for axes in figure.axes:
        axes.set_xlabel(unit)
        axes.grid(axis="y", color=GREY, linewidth=0.4, linestyle=":")
    figure.axes[0].set_yticks(range(len(names)), labels=names)
    figure.axes[0].invert_yaxis()
    shared_legend(figure, columns=len(figure.axes))
