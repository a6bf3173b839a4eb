"""Notebook 05: rows of Table 4 assembled from the shipped weights and scored in the notebook.

These rows have shipped weights, or combine Frame's N with a flow that needs no training. Notebook 05 reads the other
rows from data/results.
"""

from collections.abc import Mapping, Sequence

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
from dffkit.experiments.scoring import METRIC, TABLE_4
from dffkit.lessons import clip_pictures
from dffkit.lessons.explore import Picture
from dffkit.networks.segmentation import ScoreMaps
from dffkit.paper.ablation import recipe
from dffkit.paper.style import styled
from dffkit.scores.evaluation import evaluate
from dffkit.video import Recognition

SHIPPED = ("DFF", "DFF fix N", "DFF fix F")
LIVE_ROWS = ("Frame", *SHIPPED, "DFF separate", "SFF-DIS", "copy", "exact flow")


def compose(task: str, row: str, snippets: Sequence[Snippet] = ()) -> DeepFeatureFlow:
    """Return the network of a row, in eval mode; the row "exact flow" needs the `snippets`.

    Raises:
        ValueError: if the row is not in `LIVE_ROWS`.
        DataError: if the shipped weights are missing or damaged.
    """
    if row not in LIVE_ROWS:
        raise ValueError(
            f"row: expected one of {list(LIVE_ROWS)}, whose weights are shipped or not needed, got {row!r}"
        )
    if row in SHIPPED:
        return weights.load(recipe(task, row).name)
    frame = weights.load(f"toytown/{task}/frame")
    if row in ("Frame", "copy"):
        flow = NoFlow()
    elif row == "DFF separate":
        flow = weights.load("toytown/flow")["flow_network"]
    elif row == "SFF-DIS":
        flow = ClassicalFlow("DIS")
    else:
        flow = ExactFlow()
        flow.register(snippets)
    return DeepFeatureFlow(frame.feature_network, flow, frame.task_network).eval()


def live_scores(task: str, rows: Sequence[str] = LIVE_ROWS, streets: int = 4, split: str = "val") -> pandas.DataFrame:
    """Return columns `row` and `score` in percent, at the duration of Table 4, on the first streets of a split.

    Raises:
        ValueError, DataError: as `compose`.
    """
    snippets = toytown.snippets(split, task, streets)
    scores = []
    for row in rows:
        duration = 1 if row == "Frame" else TABLE_4[task]
        found = evaluate(
            compose(task, row, snippets), snippets, max_duration=duration, history=min(snippets[0].targets) + 1
        )
        scores.append(100 * found.score(METRIC[task], duration=duration))
    return pandas.DataFrame({"row": rows, "score": scores})


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
def row_comparison(
    film: Film, models: Mapping[str, DeepFeatureFlow], frame: int, key_frame: int, columns: int = 3
) -> Picture:
    """Draw a frame with the results of several rows from the same key frame, and last with the truth.

    Args:
        film: the street.
        models: row -> model; "Frame" sees the frame itself.
        frame, key_frame: i and k.
        columns: pictures in a line.
    """
    boxes = not isinstance(next(iter(models.values())).task_network, ScoreMaps)
    count = len(models) + 1
    lines = -(-count // columns)
    figure = Figure(figsize=(8.8, 1.55 * lines + 0.3), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    words = []
    for axes, (row, model) in zip(grid, models.items(), strict=False):
        axes.axis("on")
        result = clip_pictures.recognize_frame(model, film, frame, frame if row == "Frame" else key_frame)
        score = clip_pictures.draw_recognition(axes, film, Recognition(frame, False, result), row)
        words.append(f"{row} {score}")
    grid[count - 1].axis("on")
    truth = Recognition(frame, False, clip_pictures.target_of(film, frame, boxes))
    clip_pictures.draw_recognition(grid[count - 1], film, truth, "the truth", scored=False)
    clip_pictures.add_class_legend(figure, boxes)
    unit = "objects found" if boxes else "pixels right"
    return Picture.of(
        figure,
        f"""Frame {frame} of a street with the results of several rows and with the truth. All rows but Frame have only
        the features of key frame {key_frame}. {unit.capitalize()}: {", ".join(words)}.""",
        bits=5,
    )
