"""Tables of the stored results: Markdown for data/README.md, and the hours that all trainings took."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas

from dffkit.experiments import results
from dffkit.experiments.runs import default_workspace
from dffkit.paper import ablation, equal_speed, real_video, scored
from dffkit.paper.style import METRICS
from dffkit.support import files
from dffkit.support.errors import DataError

BEGIN, END = "<!-- tables: begin, written by python -m dffkit figures -->", "<!-- tables: end -->"
REAL = {"camvid": "CamVid, mIoU", "pets09": "PETS09-S2L1, AP@0.5"}
COPY = "Frame; *copy* from *l* = 2 on"


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
    durations, lines = (1, 2, 5, 10, 20), []
    for task, metric in METRICS.items():
        found = scored.overall(default_workspace().results, scored.on_toytown(task), "val").query("seed == 0")
        for name, label in {"frame": COPY, "dff": "DFF"}.items():
            lines.append([f"{task}, {metric}", label, *_percent(found[found.name == name], durations)])
    return [["task, score", "", *_heads(durations)], *lines]


def scores_on_real_video() -> list[list[str]]:
    """Scores in percent of Frame and DFF on CamVid and PETS09 by key frame duration, as `scores_on_toytown`."""
    durations, lines = (1, 2, 4, 5, 10), []
    for data, label in REAL.items():
        found = real_video.curves(data)
        for methods, name in {("Frame", "copy"): COPY, ("DFF",): "DFF"}.items():
            lines.append([label, name, *_percent(found[found.method.isin(methods)], durations)])
    return [["data, score", "", *_heads(durations)], *lines]


def table4() -> list[list[str]]:
    """Table 4 as points lost to Frame, printed and ours, for both tasks: a line of heads, then the rows.

    "-" stands where the paper has no number or the row has not been run; a row without any number is left out.
    """
    tables = {task: {line.row: line for line in ablation.table(task).itertuples()} for task in METRICS}
    lines = [["row", *(head for task in tables for head in (f"{task}: printed", "ours"))]]
    for name, row in ablation.ROWS.items():
        cells = []
        for task, table in tables.items():
            printed, ours = row.paper.get(task), table.get(name)
            cells.append(f"{ablation.ROWS['Frame'].paper[task][0] - printed[0]:.1f}" if printed else "-")
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


def training_hours() -> pandas.DataFrame:
    """Hours that all stored trainings took, by machine: columns `device`, `threads`, `trainings` (count), `hours`."""
    rows = pandas.DataFrame(results.read_rows(default_workspace().results / "training.csv"))
    # A run has a row for each loss.
    runs = rows.drop_duplicates(["recipe_hash", "data_version", "seed"]).astype({"seconds": float})
    found = runs.groupby(["device", "threads"]).seconds.agg(["count", "sum"]).reset_index()
    return found.assign(hours=found["sum"] / 3600).rename(columns={"count": "trainings"}).drop(columns="sum")


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
        table4,
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


def _heads(durations: Sequence[int]) -> list[str]:
    return [f"*l* = {durations[0]}", *map(str, durations[1:])]


def _percent(scores: pandas.DataFrame, durations: Sequence[int]) -> list[str]:
    found: Mapping[int, float] = scores.set_index("duration").score.to_dict()
    return [f"{found[each]:.1f}" if each in found else "" for each in durations]


def _loss(mean: float, low: float, high: float) -> str:
    return f"{mean:.1f} ({low:.1f} .. {high:.1f})"


def _table(rows: Sequence[Sequence[str]]) -> str:
    heads, *lines = rows
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *lines))
