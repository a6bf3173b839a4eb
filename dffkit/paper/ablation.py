"""Tables 3 and 4: score of every row with its interval, its speed, and verdicts on the paper's order.

Everything is read from data/results: scores and their replicates on the test split, and the measured speeds.
"""

from typing import NamedTuple

import numpy as np
import pandas

from dffkit.experiments.sources import TOYTOWN_DURATIONS
from dffkit.experiments.speed import Architecture
from dffkit.paper import ledger
from dffkit.paper.ledger import common_difference
from dffkit.paper.settings import find_setting
from dffkit.scores.differences import SampledScore, below, mean_score, statement
from dffkit.training.recipe import Recipe


class Row(NamedTuple):
    """A row of the tables: a method."""

    recipe: str  # last part of its name
    n: str  # origin of N
    f: str  # origin of F and S


JOINT, FRAMES_N = "trained on pairs", "Frame's"
ROWS = {
    "Frame": Row("frame", "trained on single frames", "none"),
    "DFF": Row("dff", JOINT, "trained jointly"),
    "DFF from Frame's N": Row("dff-from-frame", f"{FRAMES_N}, trained on pairs", "trained jointly"),
    "DFF fix N": Row("fix-n", f"{FRAMES_N}, frozen", JOINT),
    "DFF fix F": Row("fix-f", JOINT, "F from sprites, frozen; S = 1"),
    "DFF separate": Row("separate", FRAMES_N, "F from sprites; S = 1"),
    "SFF-slow": Row("sff-slow", FRAMES_N, "SIFT Flow, slow set; S = 1"),
    "SFF-fast": Row("sff-fast", FRAMES_N, "SIFT Flow, fast set; S = 1"),
    "SFF-DIS": Row("sff-dis", FRAMES_N, "DIS; S = 1"),
    "copy": Row("frame", FRAMES_N, "no flow"),
    "DFF without S": Row("without-s", JOINT, "trained jointly; S = 1"),
    "exact flow": Row("exact-flow", FRAMES_N, "exact flow; S = 1"),
    "exact flow, N trained": Row("exact-flow-trained", "trained on pairs with it", "exact flow; S = 1"),
}
# Pairs of rows, the first with the higher score: those that the paper prints, in Table 4 or (for S) in its text, and
# those that the kit adds for rows of its own.
PAPERS_ORDER = (
    ("Frame", "DFF"), ("DFF", "DFF fix N"), ("DFF fix N", "DFF separate"), ("DFF", "DFF fix F"),
    ("DFF fix F", "DFF separate"), ("DFF", "SFF-slow"), ("DFF", "SFF-fast"), ("SFF-slow", "SFF-fast"),
    ("DFF", "DFF without S"),
)  # fmt: skip
KITS_ORDER = (
    ("DFF from Frame's N", "DFF fix N"),
    ("DFF", "SFF-DIS"), ("DFF without S", "SFF-DIS"), ("DFF", "exact flow"), ("DFF fix N", "exact flow"),
    *((name, "copy") for name in ROWS if name not in ("Frame", "copy", "exact flow, N trained")),
)  # fmt: skip
# Loss of DFF without S: the paper says under one point; two points leave room for another world.
LOSS_WITHOUT_S = {"paper": ("1 point", 0.01), "kit": ("2 points", 0.02)}
SFF = ("SFF-slow", "SFF-fast", "SFF-DIS")


def rows(setting: str) -> dict[str, Row]:
    """Return the rows that a setting has recipes for: the drive's detection has no "DFF from Frame's N"."""
    known = ledger.recipes_of(setting)
    return {name: row for name, row in ROWS.items() if row.recipe in known}


def printed(task: str, row: str) -> tuple[float, float]:
    """Return the paper's score in percent and its frames a second of a row; NaN where it does not have the row."""
    return tuple(ledger.printed(f"ablation.table:{each}").get((task, row), np.nan) for each in ("score", "fps"))


def printed_loss(task: str, row: str) -> float:
    """Return the points that a row loses to Frame in the paper; NaN where it does not have the row."""
    return printed(task, "Frame")[0] - printed(task, row)[0]


def table3(setting: str) -> pandas.DataFrame:
    """Table 3 of a setting, the paper's rows first: columns `row`, `N`, `F and S` and `in the paper`."""
    papers = [name for name in rows(setting) if not np.isnan(printed_loss("segmentation", name))]
    lines = [(name, row.n, row.f, name in papers) for name, row in rows(setting).items()]
    found = pandas.DataFrame(lines, columns=["row", "N", "F and S", "in the paper"])
    return found.sort_values("in the paper", ascending=False, kind="stable", ignore_index=True)


def table(setting: str) -> pandas.DataFrame:
    """Table 4 with our numbers: one line for each row that has been run.

    Returns:
        Columns: `row`, `n`, `f`; `seeds`, the count of trainings; `score`, `low`, `high`: percent, mean over the
        trainings and 95% interval over snippets and trainings; `paper`, the printed score; `loss`, `loss_low`,
        `loss_high`: points lost to Frame, likewise; `fps`, measured; `paper_fps`, printed; `speedup` by `fps`; `eq7`,
        by counted FLOPs, NaN for hand-crafted flow. Printed values are NaN where the paper has none.
    """
    lines, frame = [], ledger.reference_by_seed(recipe(setting, "Frame"), 1)
    for name, row in rows(setting).items():
        if not (runs := scores(setting, name)):
            continue
        line = {"row": name, "n": row.n, "f": row.f, "seeds": len(runs)}
        paper, paper_fps = printed(find_setting(setting).task, name)
        line |= mean_score(runs).points(mean="score") | {"paper": paper}
        line |= common_difference(frame, runs).points("loss_", mean="loss")
        lines.append(line | {"fps": np.nan, "paper_fps": paper_fps} | speed(setting, name))
    return pandas.DataFrame(lines)


def statements(setting: str) -> pandas.DataFrame:
    """Orders of the paper and of the kit, each with a verdict: "holds", "does not hold" or "not resolved".

    Statements are left out where a row has not been run or the two rows have no seed in common.

    Returns:
        Columns: `by`, "paper" or "kit"; `statement`, `difference`, `low`, `high` (points), `probability`, `seeds`,
        `verdict`.
    """
    runs, lines = {name: scores(setting, name) for name in rows(setting)}, []
    without_s = common_difference(runs["DFF"], runs["DFF without S"])
    for by, order in {"paper": PAPERS_ORDER, "kit": KITS_ORDER}.items():
        for first, second in order:
            if (found := common_difference(runs.get(first, {}), runs[second])).seeds:
                lines.append({"by": by} | statement(f"{first} above {second}", found))
        if without_s.seeds:
            words, limit = LOSS_WITHOUT_S[by]
            line = statement(f"DFF without S less than {words} below DFF", without_s)
            lines.append({"by": by} | line | {"verdict": below(without_s, limit)})
    return pandas.DataFrame(lines)


def fix_n_by_duration(setting: str, split: str = "test") -> pandas.DataFrame:
    """Points that DFF is above DFF fix N at each key frame duration at which both have been scored.

    Returns:
        Columns: `duration`; `difference`, `low`, `high` in points; `seeds`; `verdict`, as in `statements`.
    """
    lines = []
    for duration in range(1, TOYTOWN_DURATIONS[find_setting(setting).task] + 1):
        runs = (ledger.replicates_by_seed(recipe(setting, row), duration, split) for row in ("DFF", "DFF fix N"))
        if (found := common_difference(*runs)).seeds:
            line = {"duration": duration} | statement("", found)
            lines.append({name: line[name] for name in ("duration", "difference", "low", "high", "seeds", "verdict")})
    return pandas.DataFrame(lines)


def slower(setting: str) -> pandas.DataFrame:
    """Compare SFF with Frame by measured frames a second: a line for each measured row of SFF, with a verdict."""
    fps = {row: speed(setting, row)["fps"] for row in ("Frame", *SFF)}
    lines = []
    for row in SFF:
        if fps[row] > 0:
            verdict = "holds" if fps[row] < fps["Frame"] else "does not hold"
            line = {"statement": f"{row} slower than Frame", "fps": fps[row], "Frame": fps["Frame"], "verdict": verdict}
            lines.append(line)
    return pandas.DataFrame(lines)


def scores(setting: str, row: str) -> dict[int, SampledScore]:
    """Score of a row on test, 0..1, with its replicates, by seed; empty if the row has not been run."""
    duration = 1 if row == "Frame" else find_setting(setting).duration
    return ledger.replicates_by_seed(recipe(setting, row), duration)


def recipe(setting: str, row: str) -> Recipe:
    """Return the recipe of a row."""
    return find_setting(setting).recipe(ROWS[row].recipe)


def speed(setting: str, row: str) -> dict[str, float]:
    """Measured speed of a row at its duration in Table 4.

    Returns:
        `fps`: frames a second, results included; `speedup` over Frame by `fps`; `eq7`: speedup by Eq. 7. All are NaN
        where the row or Frame has not been measured.
    """
    times = ledger.speeds()
    own, frame = (times.get(Architecture.of(recipe(setting, name))) for name in (row, "Frame"))
    if own is None or frame is None:
        return {"fps": np.nan, "speedup": np.nan, "eq7": np.nan}
    duration = 1 if row == "Frame" else find_setting(setting).duration
    fps = own.fps(duration)
    return {"fps": fps, "speedup": fps / frame.fps(1), "eq7": own.eq7(duration)}
