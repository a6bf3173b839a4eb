"""Rows of Table 4 put together from the shipped weights and scored on the spot, for notebook 05.

Rows that are shipped as they are, and those whose N is Frame's and whose flow needs no training of its own; the others
are read from data/results.
"""

from collections.abc import Sequence

import pandas

from dffkit import weights
from dffkit.baselines.classical_flow import ClassicalFlow
from dffkit.baselines.exact_flow import ExactFlow
from dffkit.baselines.no_flow import NoFlow
from dffkit.datasets import toytown
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.toytown import Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.scoring import METRIC, TABLE_4
from dffkit.lessons.breaking import seen_and_new
from dffkit.paper.ablation import recipe
from dffkit.scores.evaluation import evaluate

SHIPPED = ("DFF", "DFF fix N", "DFF fix F")
LIVE = ("Frame", *SHIPPED, "DFF separate", "SFF-DIS", "copy", "exact flow")


def compose(task: str, row: str, snippets: Sequence[Snippet] = ()) -> DeepFeatureFlow:
    """The network of a row, in eval mode; `snippets` are what "exact flow" has to know.

    Raises:
        ValueError: for a row that is not in `LIVE`.
        DataError: if the shipped weights are missing or damaged.
    """
    if row not in LIVE:
        raise ValueError(
            f"row: expected one of {list(LIVE)}, which need no other weights than the shipped, got {row!r}"
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


def live(task: str, rows: Sequence[str] = LIVE, streets: int = 4, split: str = "val") -> pandas.DataFrame:
    """Columns `row` and `score`, percent, at the duration of Table 4, on the first streets of a split.

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


def by_what_is_seen(rows: Sequence[str], gap: int, streets: int = 3, split: str = "val") -> pandas.DataFrame:
    """How many pixels are labelled rightly `gap` frames after the key frame, in percent, over the first streets of a
    split: `seen`, of what the key frame shows too, and `new`, of what it does not. A line for each row; Frame's is with
    the frame's own features.

    Raises:
        ValueError, DataError: as `compose`.
    """
    snippets = toytown.snippets(split, "segmentation", streets)
    films = [Film(split, street) for street in range(streets)]
    lines = []
    for row in rows:
        found = seen_and_new(films, compose("segmentation", row, snippets), [gap]).iloc[0]
        source = "own" if row == "Frame" else "carried"
        lines.append({"row": row, "seen": found[f"seen, {source}"], "new": found[f"new, {source}"]})
    return pandas.DataFrame(lines)
