"""All statements with verdicts, of the paper and of the kit, in one setting."""

import numpy as np
import pandas

from dffkit.paper import ablation, aggregation, equal_speed, key_frame_curves, ledger, speed_accuracy, variations
from dffkit.paper.settings import DRIVE, find_setting
from dffkit.scores.differences import Difference, below, statement


def all_statements(setting: str) -> pandas.DataFrame:
    """All statements of the paper and of the kit that a setting has results for, with verdicts.

    Returns:
        Columns as in `ablation.statements`; `by` may be "talk" too; and `printed`, the difference in points that is
        printed, NaN where there is none.
    """
    tables = [ablation.statements(setting), _losses(setting), variations.statements(setting)]
    tables += [speed_accuracy.statements(setting), ablation.slower(setting)]
    tables += [aggregation.statements(setting), key_frame_curves.seq_nms_statements(setting)]
    if setting in DRIVE:  # the films have one labelled frame each, and no recipes with fewer
        tables.append(variations.sparse_statements(setting).assign(by="kit"))
    found = pandas.concat([table for table in tables if len(table)] or [pandas.DataFrame()], ignore_index=True)
    found = found.reindex(columns=["by", "statement", "difference", "low", "high", "probability", "seeds", "verdict"])
    printed = [printed_difference(text, find_setting(setting).task) for text in found.statement]
    return found.fillna({"by": "paper"}).assign(printed=printed)


def _losses(setting: str) -> pandas.DataFrame:
    """What Deep Feature Flow costs: at Table 4's key frame duration, and ten times as fast with FlowNet Inception."""
    lines, frame, printed = [], ablation.scores(setting, "Frame"), _printed_losses(find_setting(setting).task)
    table4, ten_times = printed
    loss = ablation.common_difference(frame, ablation.scores(setting, "DFF"))
    if loss.seeds:
        lines.append(statement(table4, loss) | {"verdict": below(loss, printed[table4] / 100)})
    points = speed_accuracy.curves(setting)
    if {"frame", "dff-inception"} <= set(points["name"]):
        point = equal_speed.loss_at_speed(setting)
        loss = Difference(*(point[name] / 100 for name in ("loss", "low", "high")), np.nan, 1)
        verdict = below(loss, printed[ten_times] / 100) if point.speedup >= 10 else "not reached"
        lines.append(statement(ten_times, loss) | {"verdict": verdict})
    return pandas.DataFrame(lines)


def _printed_losses(task: str) -> dict[str, float]:
    frame, fastest, _ = equal_speed.printed(task)
    return {
        "DFF loses no more than in Table 4": ablation.printed_loss(task, "DFF"),
        "ten times as fast loses no more than in the text": frame - fastest,
    }


def printed_difference(text: str, task: str) -> float:
    """Return the difference in points that the paper or the talk has for a statement, NaN if it printed none."""
    if text in aggregation.STATEMENTS:
        return aggregation.printed_difference(text)
    for first, second in ablation.PAPERS_ORDER:
        if text == f"{first} above {second}":
            return ablation.printed(task, first)[0] - ablation.printed(task, second)[0]
    found = _printed_losses(task).get(text, ledger.printed("statement").get((task, text)))
    return np.nan if found is None else found
