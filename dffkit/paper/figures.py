"""All figures and result tables, as `python -m dffkit figures` writes them."""

import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    key_frame_curves,
    ledger,
    network_drawings,
    speed_accuracy,
    variations,
)
from dffkit.paper.cost_ratio import cost_ratio_figure
from dffkit.paper.lost_boxes_figure import lost_boxes_figure
from dffkit.paper.settings import SHOWN, find_setting
from dffkit.paper.style import METRICS, STYLE
from dffkit.paper.tables import AT, markdown_table
from dffkit.support import files
from dffkit.support.errors import DataError
from dffkit.support.files import root

# Name -> what of the paper it is or belongs to, what it shows, and the function that returns it with its numbers.
FIGURES: dict[str, tuple[str, str, Callable[..., tuple[Figure, pandas.DataFrame]]]] = {
    "figure1": ("Fig. 1", "features of single filters, propagated between two frames", figure1.draw),
    "figure2": ("Fig. 2", "recognition and training, with shapes and costs", complexity_figures.figure2),
    "n_feat": (
        "Sec. 4",
        "the feature network, beside torchvision's, and where Table 5 cuts it",
        network_drawings.n_feat,
    ),
    "r_fcn": ("Sec. 4", "R-FCN's halves and maps, and up to where features are carried", network_drawings.r_fcn),
    "flow_resolutions": ("Sec. 4", "the flow network's resolutions and units", network_drawings.flow_resolutions),
    "table2": ("Table 2", "1/r of the six pairs of networks, counted", complexity_figures.table2),
    "cost_ratio": ("Table 2", "r of the six pairs: printed, by formula, counted, measured", cost_ratio_figure),
    "equation7": ("Eq. 7", "speedup by key frame duration, by the counted r", complexity_figures.equation7),
    "table3": ("Table 3", "how each row of Table 4 is trained", ablation_figures.table3),
    "table4": ("Table 4", "points that each row loses to Frame", ablation_figures.table4),
    "table5": ("Table 5", "accuracy and speed by layers in the task network", variations.draw_table5),
    "sparse_labels": ("Sec. 3", "scores by the interval between labelled frames", variations.draw_sparse_labels),
    "figure3": ("Fig. 3", "accuracy over speed, for each pair of networks", speed_accuracy.figure3),
    "lost_boxes": ("none", "boxes that DFF loses nine frames after the key frame", lost_boxes_figure),
    "fix_n": ("Table 4", "gain by training N jointly, by key frame duration", ablation_figures.fix_n),
    "flow_quality": ("Sec. 6", "endpoint error of each row's flow", ablation_figures.flow_quality),
    "key_frames": ("Sec. 6", "accuracy over the rate of key frames, by schedule", key_frame_curves.figure),
    "real_video": ("none", "scores on CamVid and PETS09 by key frame duration", variations.draw_real_video),
}
BESIDE = ("table4", "table5", "figure3")  # draw a reader's rows beside ours
# How far a number may be from the stored one, in units of the larger of 1 and the column's largest. Figure 1's are a
# network's outputs, rounded to thousandths.
TOLERANCE, TOLERANCE_OF = 1e-6, {"figure1": 1.5e-3}
BEGIN, END = "<!-- tables: begin, written by python -m dffkit figures -->", "<!-- tables: end -->"
REAL = {"camvid": "CamVid, mIoU", "pets09": "PETS09-S2L1, AP@0.5"}


def draw(name: str, **options: Any) -> Figure:
    """Draw one of `FIGURES`, for the notebooks; options are its own, as `settings=["handheld"]` of "table4"."""
    with plt.style.context(STYLE):
        figure, _ = FIGURES[name][-1](**options)
    plt.close(figure)  # or Jupyter shows it a second time at the end of the cell
    return figure


def redraw(folder: Path, names: Iterable[str] | None = None, results: Path | None = None) -> list[Path]:
    """Draw figures as PNG, SVG and CSV, with the same bytes each time; return the files.

    Pictures have the sources of their numbers in their metadata: commits, recipe hashes, seeds and devices.

    Args:
        folder: where they are written. Its `README.md`, if there is one, lists all figures.
        names: of `FIGURES`; None for all.
        results: a reader's folder of rows, which are drawn beside ours, or else alone.

    Raises:
        DataError: if `results` has no rows that a figure shows.
    """
    written, seconds = [], {}
    for name in names or FIGURES:
        start = time.perf_counter()
        with plt.style.context(STYLE), matplotlib.rc_context({"svg.hashsalt": name}):
            figure, numbers, sources = _draw(name, results)
            about = {"Title": f"{name}: {FIGURES[name][1]}", "Source": sources}
            for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": "dffkit"})):
                buffer = io.BytesIO()
                figure.savefig(buffer, format=kind, metadata=metadata | about)
                written.append(files.write(folder / f"{name}.{kind}", buffer.getvalue()))
            plt.close(figure)
        written.append(files.write(folder / f"{name}.csv", numbers.to_csv(index=False, lineterminator="\n")))
        seconds[name] = time.perf_counter() - start
    if names is None and (readme := folder / "README.md").exists():
        written.append(write_tables(readme, overview(seconds)))
    return written


def _draw(name: str, results: Path | None) -> tuple[Figure, pandas.DataFrame, str]:
    """Draw a figure; return it with its numbers and the description of their sources."""
    make = FIGURES[name][-1]
    with ledger.collected_sources() as sources:
        if name in BESIDE:
            figure, numbers = make(results=results)
        else:
            with ledger.reading(results):
                figure, numbers = make()
            if results:
                figure.suptitle(f"only the rows of {results}")
    if results and not any((root() / file).is_relative_to(results) for file, *_ in sources):
        raise DataError(f"{results}: has no rows that {name} shows; draw it without --results")
    return figure, numbers, ledger.describe_sources(sources)


def moved(redrawn: Path, stored: Path) -> list[str]:
    """Compare the CSV files of two folders; return a line for each column that moved beyond its tolerance."""
    lines = []
    for name in FIGURES:
        now, was = (pandas.read_csv(folder / f"{name}.csv") for folder in (redrawn, stored))
        if (len(now), *now) != (len(was), *was):
            lines.append(f"{name}.csv: {len(now)} rows of {', '.join(now)}; stored: {len(was)} of {', '.join(was)}")
            continue
        for column in now:
            new, old = now[column], was[column]
            numeric = new.dtype.kind in "fi" and old.dtype.kind in "fi"
            gap = (new - old).abs() if numeric else (new != old).astype(float)
            gap = gap.mask(new.isna() & old.isna(), 0).fillna(np.inf)  # a cell that only one of them has
            far = gap > (TOLERANCE_OF.get(name, TOLERANCE) * max(1, old.abs().max()) if numeric else 0)
            if far.any():
                size = f", by up to {gap.max():.3g}" if numeric else ""
                lines.append(f"{name}.csv, {column}: {far.sum()} of {len(now)} moved{size}")
    return lines


def overview(seconds: Mapping[str, float]) -> str:
    """Return the table of figures/README.md; `seconds` of drawing are rounded up to 1, 2, 5, 10, 20, ..."""
    steps = [factor * 10**power for power in range(4) for factor in (1, 2, 5)]
    rows = [["figure", "in the paper", "shows", "command", "seconds"]]
    for name, (place, shows, _) in FIGURES.items():
        rounded = next(step for step in steps if step >= seconds[name])
        rows.append([f"[{name}]({name}.png)", place, shows, f"`python -m dffkit figures {name}`", str(rounded)])
    return markdown_table(rows) + "\n"


def write_tables(path: Path, tables: str | None = None) -> Path:
    """Replace the tables of a Markdown file; the rest of the file stays.

    Args:
        path: a file with the lines `BEGIN` and `END`, between which the tables stand.
        tables: by default `markdown()`, those of the stored rows.

    Raises:
        DataError: if the file does not have each of these lines once.
    """
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise DataError(f"{path}: expected the lines {BEGIN!r} and {END!r} once, in this order; add them")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    return files.write(path, f"{before}{BEGIN}\n\n{markdown() if tables is None else tables}\n{after}")


def markdown() -> str:
    """All tables as Markdown, each below its title and its explanation."""
    tables = "\n".join(f"### {title}\n\n{words}\n\n{markdown_table(rows())}\n" for title, words, rows in TABLES)
    return tables.replace("@", AT)


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


def points_lost(settings: Sequence[str] = SHOWN) -> list[list[str]]:
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


def headline() -> str:
    """The README's table: points that detection loses to Frame, printed, on handheld films and on the drive."""
    _, *lines = points_lost(("handheld", "detection"))
    rows = [[name, papers, films, drive] for name, papers, films, _, drive in lines if films != "-"]
    return markdown_table([["points lost, *l* = 10", "the paper", "handheld films", "the drive"], *rows]) + "\n"


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
