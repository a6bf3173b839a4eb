"""All figures and result tables, as `python -m dffkit figures` writes them."""

import io
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas
from matplotlib.figure import Figure

from dffkit.paper import (
    ablation,
    ablation_figures,
    complexity_figures,
    equal_speed,
    figure1,
    ledger,
    speed_accuracy,
    variations,
)
from dffkit.paper.settings import DRIVE, find_setting
from dffkit.paper.style import METRICS, STYLE
from dffkit.support import files
from dffkit.support.errors import DataError

FIGURES: dict[str, Callable[..., tuple[Figure, pandas.DataFrame]]] = {
    "figure1": figure1.draw,
    "figure2": complexity_figures.figure2,
    "table2": complexity_figures.table2,
    "equation7": complexity_figures.equation7,
    "table3": ablation_figures.table3,
    "table4": ablation_figures.table4,
    "table5": variations.draw_table5,
    "sparse_labels": variations.draw_sparse_labels,
    "figure3": speed_accuracy.figure3,
    "fix_n": ablation_figures.fix_n,
    "flow_quality": ablation_figures.flow_quality,
    "real_video": variations.draw_real_video,
}
BEGIN, END = "<!-- tables: begin, written by python -m dffkit figures -->", "<!-- tables: end -->"
REAL = {"camvid": "CamVid, mIoU", "pets09": "PETS09-S2L1, AP@0.5"}


def draw(name: str, **options: Any) -> Figure:
    """Draw one of `FIGURES`, for the notebooks; options are its own, as `settings=["handheld"]` of "table4"."""
    with plt.style.context(STYLE):
        figure, _ = FIGURES[name](**options)
    plt.close(figure)  # or Jupyter shows it a second time at the end of the cell
    return figure


def regenerate_all(folder: Path) -> list[Path]:
    """Redraw every figure into `folder` as PNG, SVG and CSV, with the same bytes each time; return the files."""
    written = []
    for name, make in FIGURES.items():
        with plt.style.context(STYLE), matplotlib.rc_context({"svg.hashsalt": name}):
            figure, numbers = make()
            for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": "dffkit"})):
                buffer = io.BytesIO()
                figure.savefig(buffer, format=kind, metadata=metadata)
                written.append(files.write(folder / f"{name}.{kind}", buffer.getvalue()))
            plt.close(figure)
        written.append(files.write(folder / f"{name}.csv", numbers.to_csv(index=False, lineterminator="\n")))
    return written


def write_tables(path: Path) -> Path:
    """Replace the tables of a Markdown file by those of the stored rows; the rest of the file stays.

    Args:
        path: a file with the lines `BEGIN` and `END`, between which the tables stand.

    Raises:
        DataError: if the file does not have each of these lines once.
    """
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise DataError(f"{path}: expected the lines {BEGIN!r} and {END!r} once, in this order; add them")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    return files.write(path, f"{before}{BEGIN}\n\n{markdown()}\n{after}")


def markdown() -> str:
    """All tables as Markdown, each below its title and its explanation."""
    return "\n".join(f"### {title}\n\n{words}\n\n{_table(rows())}\n" for title, words, rows in TABLES)


def scores_on_toytown() -> list[list[str]]:
    """Scores in percent of Frame and DFF on Toytown's `val` by key frame duration: a line of heads, then the rows."""
    lines = []
    for task, metric in METRICS.items():
        found = ledger.overall(ledger.recipes_of(task), "val")
        lines += [(f"{task}, {metric}", found[found.name == name]) for name in ("frame", "dff")]
    return _by_duration("task", lines, (1, 2, 5, 10, 20))


def scores_on_real_video() -> list[list[str]]:
    """Scores in percent of Frame and DFF on CamVid and PETS09 by key frame duration, as `scores_on_toytown`."""
    lines = []
    for data, label in REAL.items():
        found = variations.real_video(data)
        lines += [(label, found[found.method.isin(methods)]) for methods in (("Frame", "copy"), ("DFF",))]
    return _by_duration("data", lines, (1, 2, 4, 5, 10))


def _by_duration(
    first: str, lines: Sequence[tuple[str, pandas.DataFrame]], durations: Sequence[int]
) -> list[list[str]]:
    """Heads, then a row for each (label, scores by `duration`); the methods alternate, Frame with *copy* and DFF."""
    rows = [[f"{first}, score", "", f"*l* = {durations[0]}", *map(str, durations[1:])]]
    for (label, table), method in zip(lines, cycle(("Frame; *copy* from *l* = 2 on", "DFF")), strict=False):
        scores = table.set_index("duration").score
        rows.append([label, method, *(f"{scores[each]:.1f}" if each in scores else "" for each in durations)])
    return rows


def points_lost(settings: Sequence[str] = DRIVE) -> list[list[str]]:
    """Table 4 as points lost to Frame, printed and ours, for each setting: a line of heads, then the rows.

    "-" stands where the paper has no number or the row has not been run; a row without any number is left out.
    """
    tables = {each: {line.row: line for line in ablation.table(each).itertuples()} for each in settings}
    lines = [["row", *(head for each in tables for head in (f"{each}: printed", "ours"))]]
    for name in ablation.ROWS:
        cells = []
        for setting, table in tables.items():
            task = find_setting(setting).task
            printed, ours = ablation.printed_loss(task, name), table.get(name)
            cells.append("-" if np.isnan(printed) else f"{printed:.1f}")
            cells.append(_loss(ours.loss, ours.loss_low, ours.loss_high) if ours else "-")
        if name != "Frame" and set(cells) != {"-"}:
            lines.append([name, *cells])
    return lines


def ten_times_as_fast() -> list[list[str]]:
    """Points that detection loses to Frame with ResNet-101 where it is ten times as fast by counted FLOPs."""
    found = equal_speed.ten_times_as_fast("detection").query("speed == 'counted (Eq. 7)'")
    lines = [
        [line.pair, str(line.duration), _loss(line.loss, line.low, line.high), f"{line.printed:.1f}"]
        for line in found.itertuples()
    ]
    return [["networks", "*l*", "points lost", "lost in the paper"], *lines]


TABLES: Sequence[tuple[str, str, Callable[[], list[list[str]]]]] = (
    (
        "Toytown: scores by key frame duration",
        "Percent, on 48 streets of `val` that no training has seen; seed 0. As in the paper, the score at key frame\n"
        "duration *l* is the mean over frames that are 0 to *l* − 1 frames away from their key frame. *copy* is Frame\n"
        "that keeps its features for *l* frames: Deep Feature Flow without a flow network.",
        scores_on_toytown,
    ),
    (
        "Toytown: points lost to Frame (Table 4)",
        "At *l* = 5 (mIoU) and *l* = 10 (mAP@0.5), on 60 streets of `test`, which nothing was tuned on. Ours are\n"
        "means of three trainings, with 95% intervals over streets and trainings. Fix N and fix F freeze the\n"
        "recognition networks, or the flow network, as earlier training left them; *separate* freezes both. SFF takes\n"
        "hand-crafted flow, *copy* none. The exact flow is the rendered world's own, and S is the scale field.",
        points_lost,
    ),
    (
        "Toytown: ten times as fast as Frame",
        "Detection on `test`, against Frame with ResNet-101. Speed is counted (Eq. 7) for these narrow networks with\n"
        "their detection head. First the paper's pair, then the pair most accurate on `val` at this speed.",
        ten_times_as_fast,
    ),
    (
        "Real video: scores by key frame duration",
        "Percent, on frames that no training has seen: CamVid's clip of 101 frames, and frames 501 to 600 of\n"
        "PETS09-S2L1.",
        scores_on_real_video,
    ),
)


def _loss(mean: float, low: float, high: float) -> str:
    return f"{mean:.1f} ({low:.1f} .. {high:.1f})"


def _table(rows: Sequence[Sequence[str]]) -> str:
    heads, *lines = rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines))
