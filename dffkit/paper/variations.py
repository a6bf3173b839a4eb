"""Variations: split point (Table 5), training length, interval between labelled frames (Sec. 3), and real video."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
from matplotlib.figure import Figure

from dffkit.experiments.speed import Architecture
from dffkit.paper import ledger
from dffkit.paper.ledger import common_difference, replicates_by_seed
from dffkit.paper.settings import DRIVE, SHOWN, find_setting
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, GREY, ORANGE, READERS, RED, panels, shared_legend
from dffkit.scores.differences import SampledScore, statement, with_interval, within
from dffkit.training.recipe import Recipe
from dffkit.training.recipes import REAL

SPLITS = (21, 12, 5, 1, 0)
COLUMNS = ("layers", "score", "paper", "difference", "low", "high", "fps", "paper_fps", "speedup", "ratio")
INTERVALS = (1, 5, 10, 30)
# Methods on sparse labels: the beginning of the recipe's name, and whether the duration is Table 4's instead of 1.
SPARSE = {"Frame": ("frame", False), "DFF, key frames": ("dff", False), "DFF": ("dff", True), "copy": ("frame", True)}
# Rows with twice the iterations, and those that each is compared with.
LONGER = (("frame-2t", "frame"), ("dff-2t", "dff"), ("fix-n-2t", "fix-n"), ("dff-2t", "fix-n"), ("dff-2t", "fix-n-2t"))
FLAT = 0.015  # the kit's limit for "hardly a difference": the paper's own are up to 0.4 points from one layer
# Real video: last part of the recipe's name -> method
METHODS = {
    "frame": "copy", "frame-longer": "Frame, longer", "dff": "DFF", "separate": "DFF separate", "sff-dis": "SFF-DIS"
}  # fmt: skip
TITLES = {
    "camvid": ("CamVid, a clip of 101 frames", "mIoU of 11 classes [%]"),
    "pets09": ("PETS09-S2L1, frames 501 to 600", "AP@0.5 of people [%]"),
}
LEVELS = {"Frame": {"color": "black"}, "Frame, longer": {"color": GREY, "linestyle": "--"}}
LOOKS = {
    "DFF": ("o-", BLUE), "DFF separate": ("s--", ORANGE), "SFF-DIS": ("D-.", GREEN), "copy": ("v:", DARK_GREY),
}  # fmt: skip


def table5(setting: str) -> pandas.DataFrame:
    """Table 5 with our numbers: a line for each split point that has been scored or measured.

    Returns:
        Columns: `layers` in N_task; `score`; `difference` (points over the default of one layer) and its interval,
        `low` and `high`; `ratio` (Eq. 5); `speedup` (Eq. 7); `fps`; `paper` and `paper_fps`, printed. All are at the
        duration of the paper's table, and NaN where nothing is stored.
    """
    shown, times = find_setting(setting), ledger.speeds()
    duration = shown.duration
    recipes = {layers: _at_split(setting, layers) for layers in SPLITS}
    scores = ledger.overall(recipes).set_index(["name", "duration"]).score
    default = ledger.reference_by_seed(recipes[1], duration)
    lines = []
    for layers, recipe in recipes.items():
        score = scores.get((layers, duration), np.nan)
        speed = times.get(Architecture.of(recipe))
        if np.isnan(score) and speed is None:
            continue
        line = {"layers": layers, "score": score}
        line |= common_difference(replicates_by_seed(recipe, duration), default).points()
        line |= {"ratio": np.nan, "speedup": np.nan, "fps": np.nan}
        if speed:
            line |= {"ratio": speed.ratio, "speedup": speed.eq7(duration), "fps": speed.fps(duration)}
        paper, paper_fps = (
            ledger.printed(f"variations.table5:{each}")[shown.task, layers] for each in ("score", "fps")
        )
        lines.append({**line, "paper": paper, "paper_fps": paper_fps})
    return pandas.DataFrame(lines, columns=COLUMNS)


def statements(setting: str) -> pandas.DataFrame:
    """The statements of the paper's Table 5 with verdicts; columns as in `ablation.statements`.

    Moving layers behind the propagation hardly changes accuracy, and costs speed with every layer.
    """
    duration = find_setting(setting).duration
    runs = {layers: replicates_by_seed(_at_split(setting, layers), duration) for layers in SPLITS}
    lines = []
    for layers in (0, 5, 12, 21):
        if (found := common_difference(runs[layers], runs[1])).seeds:
            text = f"{layers} layers in N_task within {100 * FLAT:g} points of 1"
            lines.append(statement(text, found) | {"verdict": within(found, FLAT)})
    fps = table5(setting).set_index("layers").reindex(SPLITS).fps
    if fps.notna().all():  # the most layers first
        slower = "holds" if fps.is_monotonic_increasing else "does not hold"
        lines.append({"statement": "slower with every layer moved, measured", "verdict": slower})
    return pandas.DataFrame(lines)


def _at_split(setting: str, layers: int) -> Recipe:
    return find_setting(setting).recipe("dff" if layers == 1 else f"split-{layers}")


def longer_statements(setting: str = "handheld") -> pandas.DataFrame:
    """Verdicts on training Frame, DFF and fix N for 2T iterations; columns as in `ablation.statements`.

    Frame is at l = 1, the others are at the duration of Table 4. Fix N has Frame's T iterations before its own.
    """
    shown, lines = find_setting(setting), []
    for long, other in LONGER:
        duration = 1 if long == "frame-2t" else shown.duration
        found = common_difference(*(replicates_by_seed(shown.recipe(name), duration) for name in (long, other)))
        if found.seeds:
            lines.append(statement(f"{_length(long)} above {_length(other)}", found))
    return pandas.DataFrame(lines)


def _length(name: str) -> str:
    method = {"frame": "Frame", "dff": "DFF", "fix-n": "DFF fix N"}[name.removesuffix("-2t")]
    return f"{method} at {'2T' if name.endswith('-2t') else 'T'}"


def sparse_labels(setting: str) -> pandas.DataFrame:
    """Scores by the interval between labelled frames: a line for each scored method and interval.

    The handheld world has one labelled frame in each film, and no recipes with fewer.

    Returns:
        Columns: `method` ("Frame" and "DFF, key frames" at l = 1, "DFF" and "copy" at the duration of the paper's
        table); `interval`; `score` in percent, with the 95% interval over streets, `low` and `high`.
    """
    shown, lines = find_setting(setting), []
    for method, (name, long) in SPARSE.items():
        for interval in INTERVALS:
            recipe = shown.recipe(f"{name}-1-in-{interval}")
            if own := replicates_by_seed(recipe, shown.duration if long else 1).get(0):
                found = with_interval(own.value, own.replicates, 1)
                lines.append({"method": method, "interval": interval} | found.points(mean="score"))
    return pandas.DataFrame(lines, columns=["method", "interval", "score", "low", "high"])


def sparse_statements(setting: str) -> pandas.DataFrame:
    """Verdicts on DFF losing less than Frame by sparse labels: a line for each interval.

    DFF is at the duration of Table 4, Frame at 1. Columns as in `ablation.statements`.
    """
    lines = []
    for interval in INTERVALS[1:]:
        found = common_difference(*(_loss_of_labels(method, interval, setting) for method in ("frame", "dff")))
        if found.seeds:
            text = f"with 1 label in {interval} instead of 1 in {INTERVALS[0]}, DFF loses less than Frame"
            lines.append(statement(text, found))
    return pandas.DataFrame(lines)


def _loss_of_labels(method: str, interval: int, setting: str) -> dict[int, SampledScore]:
    """Loss of a method against itself trained on all labels, with its replicates, by seed."""
    shown = find_setting(setting)
    duration = 1 if method == "frame" else shown.duration
    recipes = (shown.recipe(f"{method}-1-in-{each}") for each in (INTERVALS[0], interval))
    all_labels, few = (replicates_by_seed(recipe, duration) for recipe in recipes)
    return {
        seed: SampledScore(all_labels[seed].value - few[seed].value, all_labels[seed].replicates - few[seed].replicates)
        for seed in all_labels.keys() & few.keys()
    }


def draw_table5(settings: Sequence[str] = SHOWN, results: Path | None = None) -> tuple[Figure, pandas.DataFrame]:
    """Draw Table 5: accuracy (with 95% intervals) and speed relative to the default, ours and the paper's.

    Accuracy of a reader's folder `results` is drawn beside ours, and speed too if it was measured.
    """
    numbers = ledger.with_readers(table5, settings, results)
    figure, grid = panels(2, len(settings), 5.1, 5.6, sharex=True)
    for column, setting in zip(grid.T, settings, strict=True):
        shown, (accuracy, speed) = find_setting(setting), column
        looks = {"ours": ("o-", BLUE, "this kit"), "yours": ("s:", READERS, "your rows")}
        both = numbers[numbers.task == setting].set_index("layers")
        both["place"] = [SPLITS.index(layers) for layers in both.index]
        for whose, table in both.groupby("rows"):
            fmt, colour, label = looks[whose]
            scored = table.dropna(subset="difference")  # a line joins the layers that have been scored
            reach = [(scored.difference - scored.low).clip(0), (scored.high - scored.difference).clip(0)]
            accuracy.errorbar(scored.place, scored.difference, reach, fmt=fmt, color=colour, capsize=3, label=label)
            speed.plot(table.place, table.fps / table.fps.get(1, np.nan), fmt, color=colour, label=label)
        ours = both[both.rows == "ours"]
        style = {"markersize": 10, "markerfacecolor": "none", "color": RED, "label": "printed in the paper"}
        accuracy.plot(ours.place, ours.paper - ours.paper.get(1, np.nan), "o:", **style)
        speed.plot(ours.place, ours.paper_fps / ours.paper_fps.get(1, np.nan), "o:", **style)
        flat = 100 * FLAT
        accuracy.axhspan(-flat, flat, color=GREY, alpha=0.15, linewidth=0, label=f"within {flat:g} points")
        accuracy.set_title(f"{shown.title}: {shown.metric}", loc="left")
        accuracy.set_ylabel("points over the default")
        speed.set_ylabel("frames a second / the default's")
        speed.set_xticks(range(len(SPLITS)), labels=SPLITS)
        speed.set_xlabel("layers in the task network")
    shared_legend(figure, columns=3 if len(settings) > 1 else 2)
    return figure, numbers


def draw_sparse_labels() -> tuple[Figure, pandas.DataFrame]:
    """Draw Frame, DFF and copy over the interval between labelled frames (Sec. 3), with 95% intervals."""
    styles = {
        "Frame": ("*-", "black"), "DFF, key frames": ("o--", BLUE), "DFF": ("o-", BLUE), "copy": ("s:", DARK_GREY),
    }  # fmt: skip
    tables = {setting: sparse_labels(setting) for setting in DRIVE}
    figure, (row,) = panels(1, len(DRIVE), 5.5, 4.0)
    for axes, (setting, table) in zip(row, tables.items(), strict=True):
        shown = find_setting(setting)
        for number, (method, (style, colour)) in enumerate(styles.items()):
            line = table[table.method == method]
            reach = [line.score - line.low, line.high - line.score]
            apart = 1.03 ** (number - 1.5)  # so that bars stand side by side
            axes.errorbar(line.interval * apart, line.score, reach, fmt=style, color=colour, capsize=3, label=method)
        axes.set(xscale="log", xlabel="one labelled frame in", ylabel=f"{shown.metric} [%]")
        axes.set_xticks(INTERVALS, labels=INTERVALS)
        axes.minorticks_off()
        axes.set_title(shown.title, loc="left")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure, ledger.by_task(tables)


def real_video(data: str) -> pandas.DataFrame:
    """Scores of each method: columns `method`, `duration`, `score` (percent), a line for each scored point.

    Frame has duration 1 alone, and so has "Frame, longer", which was trained for as many iterations as DFF in all.
    "copy" is Frame that keeps the features of every `duration`-th frame. Data are "camvid" or "pets09", as in `TITLES`.
    """
    recipes = {method: REAL[f"{data}/{name}"] for name, method in METHODS.items()}
    scores = ledger.overall(recipes)
    scores = scores[(scores.name != "Frame, longer") | (scores.duration == 1)]
    method = scores.name.mask((scores.name == "copy") & (scores.duration == 1), "Frame")
    return scores.assign(method=method)[["method", "duration", "score"]]


def draw_real_video() -> tuple[Figure, pandas.DataFrame]:
    """Draw score over key frame duration on CamVid and PETS09; Frame, which has no duration, is a level line."""
    figure, (row,) = panels(1, len(TITLES), 5.1, 4.0)
    tables = []
    for axes, (data, (title, score)) in zip(row, TITLES.items(), strict=True):
        table = real_video(data)
        tables.append(table.assign(data=data))
        for name, style in LEVELS.items():
            for frame in table[table.method == name].itertuples():
                axes.axhline(frame.score, linewidth=1, label=name, **style)
        for method, (style, colour) in LOOKS.items():
            curve = table[table.method == method].sort_values("duration")
            if len(curve):
                axes.plot(curve.duration, curve.score, style, color=colour, markersize=5, label=method)
        axes.set(xlabel="key frame duration l [frames]", ylabel=score, xticks=range(1, 11))
        axes.set_title(title, loc="left")
    row[1].legend(*row[0].get_legend_handles_labels())
    return figure, pandas.concat(tables, ignore_index=True)
