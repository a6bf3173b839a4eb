"""The talk's tables of flow-guided aggregation (FGFA) with our numbers: its ablation, and frames in testing."""

from collections.abc import Sequence

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dffkit.aggregation.cost import AggregationCosts, count_costs
from dffkit.datasets.snippets import MOTION_CLASSES
from dffkit.experiments.aggregation import TEST_FRAMES, metric
from dffkit.paper import ledger, speed_accuracy
from dffkit.paper.settings import find_setting
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, ORANGE, PURPLE, RED, panels, shared_legend
from dffkit.scores.differences import SampledScore, mean_score, statement
from dffkit.support.errors import DataError
from dffkit.training.assembly import build

SUBSETS = ("all", *MOTION_CLASSES)
FRAMES = 21  # in testing: the talk's K = 10
SINGLE, MEAN, NO_FLOW, FGFA, FROZEN = (
    "(a) single frame", "(b) no flow, equal weights", "(c) no flow", "(d) FGFA", "(e) not end to end",
)  # fmt: skip
# Row of the ablation -> last part of its recipe's name, frames in testing, and its look in the figure.
ROWS = {
    SINGLE: ("fgfa-untrained", 1, DARK_GREY, "*"), MEAN: ("fgfa-plain-mean", FRAMES, ORANGE, "s"),
    NO_FLOW: ("fgfa-without-flow", FRAMES, GREEN, "D"), FGFA: ("fgfa", FRAMES, BLUE, "o"),
    FROZEN: ("fgfa-embedding-only", FRAMES, PURPLE, "^"),
}  # fmt: skip
TRAINED = {"2 frames in training": "fgfa", "5 frames in training": "fgfa-5-frames"}
# Each says that the first of two sums is larger than the second; their terms are scores of a row on a motion class.
STATEMENTS = {
    "FGFA above a single frame": ([(FGFA, "all")], [(SINGLE, "all")]),
    "FGFA gains more on fast boxes than on medium ones": (
        [(FGFA, "fast"), (SINGLE, "medium")], [(SINGLE, "fast"), (FGFA, "medium")]
    ),
    "FGFA gains more on fast boxes than on slow ones": (
        [(FGFA, "fast"), (SINGLE, "slow")], [(SINGLE, "fast"), (FGFA, "slow")]
    ),
    "a single frame above the plain mean on fast boxes": ([(SINGLE, "fast")], [(MEAN, "fast")]),
    "FGFA above aggregation without flow": ([(FGFA, "all")], [(NO_FLOW, "all")]),
    "FGFA above its embedding trained alone": ([(FGFA, "all")], [(FROZEN, "all")]),
}  # fmt: skip


def scores(setting: str, name: str, frames: int, subset: str = "all", first: bool = False) -> dict[int, SampledScore]:
    """Return mAP by seed of the recipe `name` with a number of frames in testing; empty if it has not been run.

    With `first`, frames are embedded before the warp.
    """
    recipe = ledger.recipes_of(setting).get(name)
    return {} if recipe is None else ledger.replicates_by_seed(
        recipe, None, metric=metric(frames, first), subset=subset
    )  # fmt: skip


def ablation(setting: str) -> pandas.DataFrame:
    """Return the talk's ablation with our numbers: a line for each row that has been run.

    Returns:
        Columns: `row`; `seeds`; and for each of `SUBSETS`, here "fast": `fast`, mAP in percent, with its 95% interval,
        `fast_low` and `fast_high`; `fast_gain`, the points over row (a), with `fast_gain_low` and `fast_gain_high`;
        `fast_printed` and `fast_printed_gain`.
    """
    lines = []
    for row, (name, frames, *_) in ROWS.items():
        line = {"row": row, "seeds": len(scores(setting, name, frames))}
        for subset in SUBSETS:
            own = scores(setting, name, frames, subset)
            if not own:
                continue
            gain = ledger.common_difference(own, scores(setting, *ROWS[SINGLE][:2], subset))
            line |= mean_score(own).points(f"{subset}_", subset) | gain.points(f"{subset}_gain_", f"{subset}_gain")
            papers = printed(row, subset)
            line |= {f"{subset}_printed": papers, f"{subset}_printed_gain": papers - printed(SINGLE, subset)}
        lines += [line] if line["seeds"] else []
    return pandas.DataFrame(lines, columns=None if lines else ["row"])


def printed(row: str, subset: str) -> float:
    """Return the talk's mAP in percent of a row of the ablation."""
    return ledger.printed(f"aggregation.ablation:{subset}")["detection", row]


def by_frames(setting: str) -> pandas.DataFrame:
    """Return mAP by the number of frames in testing: a line for each of `TRAINED`, and for the other order.

    Returns:
        Columns: `row`, and for each of `TEST_FRAMES`, here 5: `5`, `5_low`, `5_high`, `5_gain`, `5_gain_low`,
        `5_gain_high`, as in `ablation`; gains are over one frame in testing. Names are text.
    """
    lines = []
    kinds = {row: (name, False) for row, name in TRAINED.items()} | {"2 frames, embedded first": ("fgfa", True)}
    for row, (name, first) in kinds.items():
        alone, line = scores(setting, name, 1, first=first), {"row": row}
        for frames in TEST_FRAMES if alone else ():
            own = scores(setting, name, frames, first=first)
            gain = ledger.common_difference(own, alone)
            line |= mean_score(own).points(f"{frames}_", str(frames)) | gain.points(f"{frames}_gain_", f"{frames}_gain")
        lines += [line] if alone else []
    return pandas.DataFrame(lines, columns=None if lines else ["row"])


def statements(setting: str) -> pandas.DataFrame:
    """Return the talk's statements on the ablation with verdicts, as `ablation.statements` of Table 4 does."""
    found = [(text, ledger.common_difference(*(_sum(setting, side) for side in sides)))
             for text, sides in STATEMENTS.items()]  # fmt: skip
    return pandas.DataFrame([{"by": "talk"} | statement(text, each) for text, each in found if each.seeds])


def printed_difference(text: str) -> float:
    """Return the points by which the talk's numbers have a statement hold."""
    first, second = (sum(printed(*term) for term in side) for side in STATEMENTS[text])
    return first - second


def _sum(setting: str, terms: Sequence[tuple[str, str]]) -> dict[int, SampledScore]:
    """Return the sum of scores, each a row's on a motion class, by the seeds that all of them have."""
    runs = [scores(setting, *ROWS[row][:2], subset) for row, subset in terms]
    common = set.intersection(*(set(run) for run in runs))
    return {seed: SampledScore(*(sum(parts) for parts in zip(*(run[seed] for run in runs), strict=True)))
            for seed in sorted(common)}  # fmt: skip


def costs(setting: str) -> AggregationCosts:
    """Return the counted costs of the setting's network for aggregation."""
    recipe = find_setting(setting).recipe("fgfa")
    return count_costs(build(recipe), recipe.size)


def plane(setting: str) -> pandas.DataFrame:
    """Return accuracy and counted speed of Frame, DFF at each l, and FGFA at each K: Sec. 5's plane with both halves.

    Returns:
        Columns: `method`; `number`, l or K; `speedup` over Frame by counted FLOPs, below 1 for FGFA; `score` of seed 0
        in percent, with its 95% interval over scenes, `low` and `high`.
    """
    points, lines = speed_accuracy.curves(setting), []
    for point in points[points["name"].isin(("frame", "dff"))].itertuples():
        method = "Frame" if point.name == "frame" else "DFF"
        runs = ledger.replicates_by_seed(find_setting(setting).recipe(point.name), point.duration)
        lines.append((method, point.duration, point.speedup, runs))
    count = costs(setting)
    reaches = [frames // 2 for frames in TEST_FRAMES if frames > 1]
    lines += [("FGFA", k, 1 / count.ratio(k), scores(setting, "fgfa", 2 * k + 1)) for k in reaches]
    return pandas.DataFrame([
        {"method": method, "number": number, "speedup": times} | mean_score({0: runs[0]}).points(mean="score")
        for method, number, times, runs in lines if 0 in runs
    ])  # fmt: skip


def figure(setting: str = "handheld") -> tuple[Figure, pandas.DataFrame]:
    """Draw the ablation's gains by motion class, and mAP over frames in testing, with the talk's as open markers.

    Raises:
        DataError: if nothing is stored.
    """
    rows, frames = ablation(setting), by_frames(setting)
    if rows.empty or frames.empty:
        names = " ".join(find_setting(setting).start + name for name, *_ in ROWS.values())
        command = f"python -m dffkit experiments {names} --seeds 0 1 2 --split test"
        raise DataError(f"{ledger.folder()}: expected rows of aggregation, got none; train and score:  {command}")
    figure, ((left, right),) = panels(1, 2, 5.6, 4.2)
    for number, line in enumerate(rows[rows.row != SINGLE].to_dict("records")):
        _, _, colour, marker = ROWS[line["row"]]
        places = [place + 0.16 * (number - 1.5) for place in range(len(SUBSETS))]
        _bars(left, places, line, SUBSETS, fmt=marker, color=colour, label=line["row"])
        papers = [line[f"{subset}_printed_gain"] for subset in SUBSETS]
        left.plot(places, papers, marker, color=RED, markerfacecolor="none", markersize=9)
    left.plot([], [], "o", color=RED, markerfacecolor="none", markersize=9, label="printed in the talk")
    left.axhline(0, color=DARK_GREY, linewidth=0.8)
    left.set(title=f"the talk's ablation, {FRAMES} frames in testing", ylabel="points over (a), a single frame")
    left.set_xticks(range(len(SUBSETS)), labels=["all boxes", *MOTION_CLASSES])
    for line, (colour, look) in zip(frames.to_dict("records"), ((BLUE, "o-"), (ORANGE, "s--"), (GREEN, "D:")),
                                    strict=False):  # fmt: skip
        _bars(right, TEST_FRAMES, line, TEST_FRAMES, fmt=look, color=colour, label=line["row"])
        if line["row"] in TRAINED:
            papers = [ledger.printed(f"aggregation.by_frames:{each}")["detection", line["row"]] for each in TEST_FRAMES]
            right.plot(TEST_FRAMES, [each - papers[0] for each in papers], look[0], color=RED, markerfacecolor="none")
    right.axhline(0, color=DARK_GREY, linewidth=0.8)
    right.set(title="frames in testing", xlabel="frames (2K + 1)", ylabel="points over 1 frame", xticks=TEST_FRAMES)
    shared_legend(figure, "outside lower center", columns=4)
    return figure, pandas.concat([rows.assign(table="ablation"), frames.assign(table="frames")], ignore_index=True)


def _bars(axes: Axes, places: Sequence[float], line: dict, names: Sequence, **look: object) -> None:
    """Draw the gains of a line of a table with their intervals."""
    mean, low, high = (np.array([line[f"{name}_gain{end}"] for name in names]) for end in ("", "_low", "_high"))
    reach = [(mean - low).clip(0), (high - mean).clip(0)]
    axes.errorbar(places, mean, reach, markersize=5, capsize=2, linewidth=1, **look)


def plane_figure(setting: str = "handheld") -> tuple[Figure, pandas.DataFrame]:
    """Draw Frame, DFF and FGFA in one plane of speed and accuracy, seed 0, with 95% intervals over scenes."""
    numbers = plane(setting)
    figure, ((axes,),) = panels(1, 1, 6.4, 4.2)
    for method, look, colour, number in (
        ("FGFA", "s-", BLUE, "K"),
        ("DFF", "o-", ORANGE, "l"),
        ("Frame", "*", "k", ""),
    ):
        points = numbers[numbers.method == method].sort_values("speedup")
        reach = [(points.score - points.low).clip(0), (points.high - points.score).clip(0)]
        axes.errorbar(points.speedup, points.score, reach, fmt=look, color=colour, capsize=2, linewidth=1, label=method,
                      markersize=5 if number else 13)  # fmt: skip
        for point in points.sort_values("number").iloc[-1:].itertuples() if number else ():
            axes.annotate(f"{number} = {point.number}", (point.speedup, point.score), (5, 5), fontsize=8,
                          textcoords="offset points", color=colour)  # fmt: skip
    axes.set(xscale="log", xlabel="speedup over Frame by counted FLOPs", ylabel=f"{find_setting(setting).metric} [%]")
    axes.set_xticks([0.2, 0.5, 1, 2, 5, 10], labels=["0.2", "0.5", "1", "2", "5", "10"])
    axes.minorticks_off()
    axes.legend()
    return figure, numbers
