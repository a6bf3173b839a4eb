"""Whole films: accuracy of key frame schedules by their rate (Sec. 3 and 6: future work), and the gain by Seq-NMS."""

from collections.abc import Mapping

import numpy as np
import pandas
from matplotlib.figure import Figure

from dffkit.experiments.key_frames import DURATIONS, FIXED, LEARNED
from dffkit.paper import ledger
from dffkit.paper.settings import find_setting
from dffkit.paper.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, panels, shared_legend
from dffkit.scores.differences import SampledScore, difference, mean_score, statement
from dffkit.support.errors import DataError

LOOKS = {
    FIXED: (BLUE, "o-"), "random": (GREY, "v:"), "frame difference": (ORANGE, "s--"), "flow length": (GREEN, "D-."),
    "carried error": (PURPLE, "^--"), LEARNED: (RED, "P-"),
}  # fmt: skip
SEQ_NMS = ("Seq-NMS mean", "Seq-NMS max")
CLIPS = {"Frame": ("frame", 1), "DFF": ("dff", 10), "FGFA": ("fgfa", None)}  # recipe and key frame duration


def schedules(subset: str = "all") -> pandas.DataFrame:
    """Return the accuracy of each schedule on handheld films: a line for each mean key frame duration.

    The rate that a schedule has on test is near that of the fixed one, which it was given on val, but not the same. So
    its score is compared with that of the fixed schedule at the same rate, on the line through the two nearest rates.

    Args:
        subset: "all", or the motion class "slow", "medium" or "fast".

    Returns:
        Columns: `schedule`; `duration`, chosen on val; `rate`, key frames in percent of all frames; `score`, with its
        95% interval over films, `low` and `high`; `difference` in points to the fixed schedule at the same rate, with
        `difference_low` and `difference_high`; `verdict`, "better", "worse" or "not resolved", "" for the fixed one.

    Raises:
        DataError: if nothing is stored.
    """
    recipe, lines = find_setting("handheld").recipe("dff"), []
    overall = rates = ledger.clip_scores(recipe)
    found = overall if subset == "all" else ledger.clip_scores(recipe, subset)
    if not found:
        path, command = ledger.folder() / "clips.csv", f"python -m dffkit evaluate {recipe.name} --clips --split test"
        raise DataError(f"{path}: expected rows of {recipe.name}, got none; score it:  {command}")
    fixed = [(rates[f"rate, key frames: {FIXED}", each].value, _score(found, FIXED, each)) for each in DURATIONS]
    for schedule in LOOKS:
        for duration in DURATIONS:
            rate, own = rates[f"rate, key frames: {schedule}", duration].value, _score(found, schedule, duration)
            line = {"schedule": schedule, "duration": duration, "rate": 100 * rate}
            line |= mean_score({0: own}).points(mean="score") | {"verdict": ""}
            if schedule != FIXED:
                gain = difference({0: own}, {0: at_rate(fixed, rate)})
                line |= gain.points("difference_") | {"verdict": gain.verdict}
            lines.append(line)
    return pandas.DataFrame(lines)


def at_rate(points: list[tuple[float, SampledScore]], rate: float) -> SampledScore:
    """Return the score at a rate of key frames, on the line through the two nearest of some points (rate, score)."""
    points = sorted(points, key=lambda point: point[0])
    after = np.clip(np.searchsorted([each for each, _ in points], rate), 1, len(points) - 1)
    (low, one), (high, other) = points[after - 1 : after + 1]
    share = (rate - low) / (high - low)
    return SampledScore(*(a + share * (b - a) for a, b in zip(one, other, strict=True)))


def figure() -> tuple[Figure, pandas.DataFrame]:
    """Draw accuracy over the rate of key frames, with the fixed schedule's interval, and the differences to it."""
    numbers = schedules()
    figure, ((left, right),) = panels(1, 2, 5.1, 4.0)
    for number, (name, table) in enumerate(numbers.groupby("schedule", sort=False)):
        colour, look = LOOKS[name]
        left.plot(table.rate, table.score, look, color=colour, label=name)
        if name == FIXED:
            left.fill_between(table.rate, table.low, table.high, color=colour, alpha=0.15, linewidth=0)
            continue
        ends = np.abs(table[["difference_low", "difference_high"]].sub(table.difference, axis=0).T)
        places = table.rate + 0.12 * (number - len(LOOKS) / 2)  # beside each other
        right.errorbar(places, table.difference, ends, fmt=look[0], color=colour, markersize=5, linewidth=1)
    right.axhline(0, color=LOOKS[FIXED][0], linewidth=1)
    left.set(title="accuracy", ylabel=f"{find_setting('handheld').metric} [%]")
    right.set(title="difference to the fixed schedule at the same rate", ylabel="points")
    for axes in (left, right):
        axes.set_xlabel("key frames [% of all frames]")
    shared_legend(figure, "outside lower center", columns=len(LOOKS))
    return figure, numbers


def seq_nms(setting: str) -> pandas.DataFrame:
    """Return what Seq-NMS adds to Frame, to DFF at l = 10 and to FGFA at K = 10: mAP of one frame of each film.

    Returns:
        Columns: `row`, one of `CLIPS` with the way to score a sequence, as in "Frame, Seq-NMS mean"; `score` in
        percent; `gain` in points over the row without Seq-NMS, with its 95% interval, `low` and `high`; `verdict`, ""
        for scores without Seq-NMS. Empty for a setting without rows.
    """
    lines = []
    for row, found in _clips(setting).items():
        plain, *ways = found
        lines.append({"row": row, "score": 100 * plain.value, "verdict": ""})
        for way, own in zip(SEQ_NMS, ways, strict=True):
            gain = difference({0: own}, {0: plain})
            line = {"row": f"{row}, {way}", "score": 100 * own.value} | gain.points(mean="gain")
            lines.append(line | {"verdict": gain.verdict})
    return pandas.DataFrame(lines, columns=["row", "score", "gain", "low", "high", "verdict"])


def seq_nms_statements(setting: str) -> pandas.DataFrame:
    """Return the statement that Seq-NMS, by the mean, adds to a row, with its verdict, as `ablation.statements`."""
    gains = {row: difference({0: mean}, {0: plain}) for row, (plain, mean, _) in _clips(setting).items()}
    lines = [statement(f"Seq-NMS adds to {row}", gain) for row, gain in gains.items()]
    return pandas.DataFrame([{"by": "kit" if line["statement"].endswith("DFF") else "talk"} | line for line in lines])


def _clips(setting: str) -> dict[str, list[SampledScore]]:
    """Return the scores of each row that has been run: without Seq-NMS, then in each way of `SEQ_NMS`."""
    known, found = ledger.recipes_of(setting), {}
    for row, (name, duration) in CLIPS.items():
        scores = ledger.clip_scores(known[name]) if name in known else {}
        if scores:
            names = ["mAP of clips", *(f"mAP of clips, {way}" for way in SEQ_NMS)]
            found[row] = [scores[each, duration] for each in names]
    return found


def _score(found: Mapping[tuple[str, int | None], SampledScore], schedule: str, duration: int) -> SampledScore:
    return found[f"mAP, key frames: {schedule}", duration]
