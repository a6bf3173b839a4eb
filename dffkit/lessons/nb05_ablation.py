"""Notebook 05: verdicts with reasons, and rows of Table 4 assembled from the shipped weights.

These rows have shipped weights, or combine Frame's N with a flow that needs no training. Notebook 05 reads the other
rows from data/results.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas
from matplotlib.figure import Figure

from dffkit import weights
from dffkit.baselines.classical_flow import ClassicalFlow
from dffkit.baselines.exact_flow import ExactFlow
from dffkit.baselines.without_flow import NoFlow
from dffkit.datasets import toytown
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.toytown import Film
from dffkit.dff import DeepFeatureFlow
from dffkit.lessons import clip_pictures
from dffkit.lessons.explore import Picture
from dffkit.networks.segmentation import ScoreMaps
from dffkit.paper import ablation, variations
from dffkit.paper.all_statements import printed_difference
from dffkit.paper.settings import SHOWN, find_setting
from dffkit.paper.style import styled
from dffkit.video import Recognition

# What explains a verdict that the text discusses: setting -> statement -> the verdict, and its reason. A reason is
# shown only beside the verdict that it explains.
WHY = {
    "handheld": {
        "Frame above DFF": ("holds", "carried features are never as good as a frame's own"),
        "DFF above DFF fix N": ("not resolved", "fix N has twice the training; other trainings differ by more"),
        "DFF from Frame's N above DFF fix N": ("not resolved", "ahead in each of three trainings, which are too few"),
        "DFF fix N above DFF separate": ("holds", "labels teach F what recognition needs"),
        "DFF above DFF fix F": ("holds", "F from sprites alone is too often wrong inside things"),
        "DFF fix F above DFF separate": ("not resolved", "ahead in each of three trainings, which are too few"),
        "DFF above DFF without S": ("holds", "S can turn down features that the flow brings wrongly"),
        "DFF above SFF-slow": ("holds", "SIFT Flow errs more inside things, and nothing is fitted to it"),
        "SFF-slow above SFF-fast": ("does not hold", "on its finer grid more of the fast things are lost"),
        "DFF above SFF-DIS": ("holds", "DIS is nearer to the true motion, but nothing is fitted to it"),
        "DFF above copy": ("holds", "old features lie in the wrong place"),
    },
    "detection": {
        "Frame above DFF": ("holds", "things are small, and many are new since the key frame"),
        "DFF above DFF fix N": ("not resolved", "other trainings differ by more"),
        "DFF fix N above DFF separate": ("holds", "labels teach F what recognition needs"),
        "DFF above DFF fix F": ("holds", "F from sprites alone is too often wrong inside things"),
        "DFF above SFF-slow": ("holds", "SIFT Flow is nearer to the true motion, but nothing is fitted to it"),
        "SFF-slow above SFF-fast": ("not resolved", "both find nearly the same flow"),
        "DFF separate above copy": ("not resolved", "inside things, F from sprites is little better than no flow"),
    },
    "segmentation": {
        "Frame above DFF": ("holds", "carried features are never as good as a frame's own"),
        "DFF above DFF fix N": ("not resolved", "the lead changes hands near this l: next figure"),
        "DFF fix F above DFF separate": ("does not hold", "N that learns with a wrong flow is worse on key frames too"),
        "DFF above DFF without S": ("holds", "the scale field is part of what is learned"),
        "DFF without S above SFF-DIS": ("does not hold", "so without S, a flow that nobody trained is better"),
        "DFF fix N above exact flow": ("holds", "the true flow draws ghosts: section 6"),
    },
}
HEADS = {
    "statement": "statement", "paper": "paper [points]", "ours": "ours [points]", "seeds": "trainings",
    "verdict": "verdict", "why": "why",
}  # fmt: skip
SHORT_HEADS = {name: head for name, head in HEADS.items() if name != "why"}  # of statements that no text discusses
TABLE_4 = {
    "row": "row", "seeds": "trainings", "score": "score [%]", "loss": "points lost", "loss_low": "from",
    "loss_high": "to", "fps": "frames a second", "eq7": "speedup, counted", "paper": "paper [%]",
    "paper_fps": "paper, frames a second",
}  # fmt: skip
COSTS = {
    "layers": "layers in the task network", "ratio": "r, counted", "speedup": "speedup, counted",
    "fps": "frames a second", "paper_fps": "paper, frames a second",
}  # fmt: skip
DIGITS = {"fps": 0, "ratio": 2, "speedup": 2, "paper_fps": 2}  # decimal places of their columns
# Statistics of the worlds that the text is about.
INPUTS = (
    "boxes per frame", "slow boxes", "medium boxes", "fast boxes", "motion IoU, quantile 0.5",
    "median square root of a box's area, in cells", "boxes with a shorter side below 2.5 cells",
    "boxes that are not annotated nine frames earlier", "boxes more than 30% hidden nine frames earlier",
)  # fmt: skip
SHIPPED = ("DFF", "DFF fix N", "DFF fix F")
LIVE_ROWS = ("Frame", *SHIPPED, "DFF separate", "SFF-DIS", "copy", "exact flow")


def verdicts(setting: str) -> pandas.DataFrame:
    """Return the verdicts on the orders of Table 4, those that the notebook discusses first.

    Returns:
        Columns: `statement`; `paper`, the printed difference in points, or ""; `ours`, with its interval; `seeds`;
        `verdict`; `why`, "" for a verdict that has no reason in `WHY`; `discussed`.
    """
    task, reasons, lines = find_setting(setting).task, WHY[setting], []
    for line in ablation.statements(setting).to_dict("records"):
        verdict, why = reasons.get(line["statement"], ("", ""))
        printed = printed_difference(line["statement"], task)
        line |= {"paper": "" if np.isnan(printed) else f"{printed:.1f}", "ours": interval_text(line)}
        lines.append(line | {"why": why if verdict == line["verdict"] else "", "discussed": bool(why)})
    lines.sort(key=lambda line: [*reasons, line["statement"]].index(line["statement"]))
    return pandas.DataFrame(lines)[[*HEADS, "discussed"]]


def interval_text(line: Mapping[str, float]) -> str:
    """Return `difference`, `low` and `high` of a statement as text, "" where it has no difference."""
    if np.isnan(line["difference"]):
        return ""
    return f"{line['difference']:.1f} ({line['low']:.1f} to {line['high']:.1f})"


def split_settings() -> list[str]:
    """Return the settings in which another split point of Table 5 than the default has been scored."""
    return [setting for setting in SHOWN if variations.table5(setting).score.count() > 1]


def by_setting(table: Callable[[str], pandas.DataFrame], settings: Sequence[str]) -> pandas.DataFrame:
    """Return the statements of several settings, with the setting's title and `ours` as text."""
    tables = [table(setting).assign(setting=find_setting(setting).title) for setting in settings]
    found = pandas.concat(tables, ignore_index=True)
    return found.assign(ours=[interval_text(line) for line in found.to_dict("records")])


def compose(setting: str, row: str, snippets: Sequence[Snippet] = ()) -> DeepFeatureFlow:
    """Return the network of a row, in eval mode; the row "exact flow" needs the `snippets`.

    Raises:
        ValueError: if the row is not in `LIVE_ROWS`.
        DataError: if the weights are not shipped for this setting, missing or damaged.
    """
    if row not in LIVE_ROWS:
        raise ValueError(
            f"row: expected one of {list(LIVE_ROWS)}, whose weights are shipped or not needed, got {row!r}"
        )
    if row in SHIPPED:
        return weights.load(ablation.recipe(setting, row).name)
    frame = weights.load(ablation.recipe(setting, "Frame").name)
    if row in ("Frame", "copy"):
        flow = NoFlow()
    elif row == "DFF separate":
        world = find_setting(setting).start.partition("/")[0]
        flow = weights.load(f"{world}/flow")["flow_network"]
    elif row == "SFF-DIS":
        flow = ClassicalFlow("DIS")
    else:
        flow = ExactFlow()
        flow.register(snippets)
    return DeepFeatureFlow(frame.feature_network, flow, frame.task_network).eval()


def accuracy_by_visibility(rows: Sequence[str], gap: int, streets: int = 3, split: str = "val") -> pandas.DataFrame:
    """Return the percentage of right labels `gap` frames after the key frame, on the first streets of a split.

    Each row has columns `seen`, for pixels that the key frame shows too, and `new`, for the others. Frame uses the
    frame's own features.

    Raises:
        ValueError, DataError: as `compose`.
    """
    snippets = toytown.snippets(split, "segmentation", streets)
    films = [Film(split, street) for street in range(streets)]
    lines = []
    for row in rows:
        found = clip_pictures.accuracy_by_gap(films, compose("segmentation", row, snippets), [gap]).iloc[0]
        source = "own" if row == "Frame" else "carried"
        lines.append({"row": row, "seen": found[f"seen, {source}"], "new": found[f"new, {source}"]})
    return pandas.DataFrame(lines)


@styled
def row_comparison(film: Film, models: Mapping[str, DeepFeatureFlow], frame: int, key_frame: int) -> Picture:
    """Draw a frame with the results of several rows from the same key frame, and last with the truth, two in a line.

    Args:
        film: the film.
        models: row -> model; "Frame" sees the frame itself.
        frame, key_frame: i and k.
    """
    boxes = not isinstance(next(iter(models.values())).task_network, ScoreMaps)
    lines = len(models) // 2 + 1
    figure = Figure(figsize=(8.8, 2.2 * lines + 0.35), layout="constrained")
    grid = figure.subplots(lines, 2, squeeze=False).ravel()
    words = []
    for axes, (row, model) in zip(grid, models.items(), strict=False):
        result = clip_pictures.recognize_frame(model, film, frame, frame if row == "Frame" else key_frame)
        score = clip_pictures.draw_recognition(axes, film, Recognition(frame, False, result), row)
        words.append(f"{row} {score}")
    for axes in grid[len(models) + 1 :]:
        axes.axis("off")
    truth = Recognition(frame, False, clip_pictures.target_of(film, frame, boxes))
    clip_pictures.draw_recognition(grid[len(models)], film, truth, "the truth", scored=False)
    clip_pictures.add_class_legend(figure, boxes, classes=film.world.classes)
    unit = "objects found" if boxes else "pixels right"
    return Picture.of(
        figure,
        f"""Frame {frame} of a film with the results of several rows and with the truth. All rows but Frame have only
        the features of key frame {key_frame}. {unit.capitalize()}: {", ".join(words)}.""",
        bits=5,
    )
