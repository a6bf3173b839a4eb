"""Notebook 01: feature maps beside their frames, ranked filters, curves over the gap, and propagated maps."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas
from matplotlib.figure import Figure
from torch import Tensor

from dffkit.lessons.explore import Explorer, Picture, slider
from dffkit.paper.feature_maps import CLASSES, Choice, PropagatedClip, Survey, correlation
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, GREY, ORANGE, PURPLE, RED, styled
from dffkit.warp import CELL

LAYER_LINES = {
    "pixels": {"color": "black", "linestyle": ":", "marker": "s"},
    "conv1": {"color": ORANGE, "linestyle": (0, (4, 1)), "marker": "^"},
    "conv3": {"color": PURPLE, "linestyle": "-.", "marker": "v"},
    "conv5": {"color": GREEN, "linestyle": "--", "marker": "D"},
    "features": {"color": BLUE, "linestyle": "-", "marker": "o"},
}
WAY_LINES = {
    "own": {"color": "black", "linestyle": "-", "marker": "^"},
    "carried": {"color": BLUE, "linestyle": "-", "marker": "o"},
    "copied": {"color": RED, "linestyle": "--", "marker": "s"},
    "exact flow": {"color": DARK_GREY, "linestyle": ":", "marker": "D"},
}


@styled
def filter_map(frame: Tensor, maps: Tensor, number: int) -> Picture:
    """Draw a frame `(3, H, W)` with the cells' borders, and beside it one of its maps `(1, C, h, w)`."""
    figure = Figure(figsize=(9, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    height, width = frame.shape[1:]
    left.imshow(frame.permute(1, 2, 0).numpy())
    borders = {"color": "white", "linewidth": 0.4, "alpha": 0.6}
    left.hlines([y - 0.5 for y in range(CELL, height, CELL)], -0.5, width - 0.5, **borders)
    left.vlines([x - 0.5 for x in range(CELL, width, CELL)], -0.5, height - 0.5, **borders)
    left.set(title="the frame, and the cells of its maps", xlabel="x [pixels]", ylabel="y [pixels]")
    shown = right.imshow(maps[0, number].numpy(), vmin=0)
    right.set(title=f"filter {number}", xlabel="column [cells]", ylabel="row [cells]")
    figure.colorbar(shown, ax=right, label="value", pad=0.01)
    rows, columns = maps.shape[2:]
    return Picture.of(
        figure,
        f"A frame of a street, {height} pixels high and {width} wide, divided into {rows} rows and {columns} columns "
        f"of square cells; beside it the map of filter {number}, with one value for each of these cells.",
    )


@styled
def filter_ranking(
    test: Survey, choices: Sequence[Choice], drawn: Sequence[Choice], whole: Mapping[str, float]
) -> Picture:
    """Draw the correlation of all filters with each class on test, from the highest to the lowest.

    Args:
        test: the survey of the test split.
        choices, drawn: the filters chosen on val and a random filter, which get marks.
        whole: class -> correlation of the network's own probability, which gets a line.
    """
    figure = Figure(figsize=(9, 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(CLASSES), sharey=True), CLASSES, strict=True):
        ordered = correlation(test.features, test.shares[name]).sort(descending=True).values.tolist()
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.plot(range(1, len(ordered) + 1), ordered, "-", color=DARK_GREY, label="every filter, in order")
        axes.axhline(whole[name], linestyle="--", color=GREEN, label="the network's own probability")
        for marks, look in ((choices, {"marker": "o", "color": BLUE}), (drawn, {"marker": "s", "color": RED})):
            for mark in (choice for choice in marks if choice.name == name):
                label = f"filter {mark.filter}, {'chosen on val' if marks is choices else 'drawn at random'}"
                axes.plot(mark.rank, mark.test, linestyle="none", markersize=8, label=label, **look)
        axes.set(title=f"“{name}”", xlabel="rank among the filters on test", ylim=(-1, 1))
        axes.legend(loc="lower left")
    figure.axes[0].set_ylabel("correlation on test")
    found = ", ".join(
        f"for {c.name} filter {c.filter} at {c.test:.2f}, rank {c.rank} of {len(ordered)}" for c in choices
    )
    blind = ", ".join(f"{c.test:.2f} for {c.name}" for c in drawn)
    return Picture.of(
        figure,
        f"Correlation on test of all {len(ordered)} filters, sorted, one curve for each class. Chosen on val: {found}. "
        f"Drawn at random, filter {drawn[0].filter}: {blind}. The network's own probability, which uses all filters: "
        f"{', '.join(f'{value:.2f} for {name}' for name, value in whole.items())}.",
    )


@styled
def similarity_curves(curves: Mapping[str, pandas.DataFrame], label: str = "similarity") -> Picture:
    """Draw similarity over the gap, one panel for each table; a row "another street" becomes dashes at the right."""
    in_time = {title: table.drop("another street", errors="ignore") for title, table in curves.items()}
    figure = _curves(in_time, LAYER_LINES, "gap between the two frames [frames]", markersize=4)
    texts = []
    for axes, (title, table) in zip(figure.axes, curves.items(), strict=True):
        last, others = in_time[title].index[-1], table.reindex(["another street"]).dropna()
        axes.set_ylim(0, 1.02)
        texts.append(f"{title}, at {last} frames: {_listed(table.loc[last])}")
        if len(others):
            for layer, look in LAYER_LINES.items():
                dash = {"color": look["color"], "linestyle": look["linestyle"]}
                axes.hlines(others[layer].item(), last + 0.6, last + 1.6, **dash)
            axes.annotate("another\nstreet", (last + 1.1, 0.02), ha="center", fontsize=8, color=DARK_GREY)
            texts.append(f"in another street: {_listed(others.iloc[0])}")
    figure.axes[0].set_ylabel(label)
    figure.axes[0].legend(loc="lower left")
    return Picture.of(figure, f"Curves of {label} over the gap, from 1 at gap 0 downwards. {'; '.join(texts)}.")


@styled
def result_curves(table: pandas.DataFrame) -> Picture:
    """Draw the percentage of pixels with the right label over the gap, a line for each column of the table."""
    figure = _curves({"": table}, WAY_LINES, width=6.4)
    figure.axes[0].set(ylabel="pixels with the right label [%]")
    figure.legend(loc="outside right upper")
    return Picture.of(
        figure,
        "Percentage of pixels with the right label over the gap to the key frame. At the key frame: "
        f"{_listed(table.iloc[0], 1)}; after {table.index[-1]} frames: {_listed(table.iloc[-1], 1)}.",
    )


@styled
def error_curves(table: pandas.DataFrame) -> Picture:
    """Draw the error of propagated features over the gap, a table of `propagation_errors`."""
    figure = _curves({"": table}, WAY_LINES, width=6.4)
    figure.axes[0].set(ylabel="error, in parts of\nthe features' own mean", ylim=(0, None))
    figure.legend(loc="outside right upper")
    return Picture.of(
        figure,
        f"Error of the propagated features over the gap. After {table.index[1]} frame: {_listed(table.iloc[1])}; "
        f"after {table.index[-1]}: {_listed(table.iloc[-1])}.",
    )


@styled
def flow_gain_curves(table: pandas.DataFrame) -> Picture:
    """Draw each layer's error with the exact flow over its error without, a table of `flow_gain_by_layer`."""
    figure = _curves({"": table}, LAYER_LINES, width=6.4)
    figure.axes[0].axhline(1, color=GREY, linewidth=0.8, zorder=1.9)
    figure.axes[0].set(ylabel="error with the exact flow\nover error without", ylim=(0, None))
    figure.legend(loc="outside right upper")
    return Picture.of(
        figure,
        "Error with the exact flow over error without any, for each layer; below 1 the flow helps. "
        f"After {table.index[0]} frames: {_listed(table.iloc[0])}; after {table.index[-1]}: {_listed(table.iloc[-1])}.",
    )


def _curves(
    tables: Mapping[str, pandas.DataFrame],
    lines: Mapping[str, Mapping[str, Any]],
    xlabel: str = "gap to the key frame [frames]",
    *,
    width: float = 9,
    markersize: float = 4.5,
) -> Figure:
    """Draw a panel for each table with a line for each of its columns, which looks as `lines` says."""
    figure = Figure(figsize=(width, 3.3), layout="constrained")
    panels = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axes, (title, table) in zip(panels, tables.items(), strict=True):
        gaps = table.index.tolist()
        for name in table:
            axes.plot(gaps, table[name].tolist(), markersize=markersize, label=name, **lines[name])
        axes.set(title=title, xlabel=xlabel, xticks=gaps)
    return figure


def _listed(row: pandas.Series, digits: int = 2) -> str:
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in row.items())


# The widget


@styled
def propagated_filter(scene: PropagatedClip, number: int, gap: int) -> Picture:
    """Draw a filter's map on the key frame, on the frame `gap` frames later, propagated there, and the difference."""
    key, own, carried = (part[number] for part in (scene.features[0], scene.features[gap], scene.propagated[gap]))
    brightest = float(scene.features[:, number].max()) or 1.0  # of all gaps, so that colours keep their meaning
    figure = Figure(figsize=(9.4, 3.5))
    figure.subplots_adjust(left=0.005, right=0.955, top=0.93, bottom=0.015, wspace=0.04, hspace=0.18)
    (*above, change_bar), (*below, map_bar) = figure.subplots(2, 4, width_ratios=(1, 1, 1, 0.03))
    for axes, frame in zip(above, (scene.frames[0], scene.frames[gap]), strict=False):
        axes.imshow(frame.permute(1, 2, 0).numpy())
    change = above[2].imshow((carried - own).numpy(), cmap="PuOr_r", vmin=-brightest, vmax=brightest)
    titles = ["key frame k", f"current frame i = k + {gap}", "propagated minus the frame's own"]
    titles += [f"filter {number} on k", f"filter {number} on i, its own", f"filter {number}, propagated from k to i"]
    for axes, values in zip(below, (key, own, carried), strict=True):
        shown = axes.imshow(values.numpy(), vmin=0, vmax=brightest)
    for axes, title in zip((*above, *below), titles, strict=True):
        axes.set(xticks=[], yticks=[], title=title)
        axes.spines[:].set_visible(False)
    for axes, values in ((change_bar, change), (map_bar, shown)):
        figure.colorbar(values, cax=axes)
    return Picture.of(figure, f"Filter {number}, {gap} frames after the key frame. {_in_words(key, carried, own)}")


def propagation_explorer(scene: PropagatedClip, number: int, gap: int = 5) -> Explorer:
    """Return a widget that compares a filter's propagated map with the frame's own, at a chosen gap."""
    last_frame, last_filter = len(scene.frames) - 1, scene.features.shape[1] - 1
    return Explorer(
        partial(propagated_filter, scene),
        played="gap",
        number=slider("filter", 0, last_filter, 1, number),
        gap=slider("frames since the key frame", 0, last_frame, 1, min(gap, last_frame)),
    )


def _in_words(key: Tensor, carried: Tensor, own: Tensor) -> str:
    mean = float(own.abs().mean())
    if not mean:
        return "The filter is silent on the current frame: its own map is 0 everywhere."
    copied, moved = (100 * float((guess - own).abs().mean()) / mean for guess in (key, carried))
    return (
        f"The key frame's map differs from the current frame's own by {copied:.0f}% of its mean, "
        f"the propagated map by {moved:.0f}%."
    )
