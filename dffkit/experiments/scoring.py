"""The scores of a trained network, as rows for the result tables (Sec. 5.1)."""

import itertools
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from torch import nn

from dffkit.baselines import EXACT_FLOW, HAND_CRAFTED
from dffkit.baselines.classical_flow import ClassicalFlow
from dffkit.baselines.without_flow import NoFlow
from dffkit.datasets.flying_chairs import FlyingChairs, batches
from dffkit.datasets.snippets import MOTION_CLASSES, Snippet, warn_skipped
from dffkit.datasets.sprites import WORLDS
from dffkit.datasets.targets import SuspiciousTargets
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments import aggregation, lost_boxes, map_similarity, sources
from dffkit.experiments.rendered import films, kept_films
from dffkit.experiments.results import Score
from dffkit.experiments.runs import Run, Workspace, data, one_head
from dffkit.scores import Evaluation, differences, evaluate, flow_error
from dffkit.support.errors import DataError
from dffkit.training.progress import announce
from dffkit.training.recipe import Measurement, Recipe
from dffkit.training.recipes import AT_ALL_DURATIONS

# Snippets that are scored during training, of one's own data and others; all are scored at its end. A handheld film has
# one labelled frame.
STREETS_IN_TRAINING, FILMS_IN_TRAINING = 4, 24
METRIC = {"segmentation": "mIoU", "detection": "mAP"}  # the score of a task in all tables
TABLE_4 = {"segmentation": 5, "detection": 10}  # the key frame durations of Tables 4 and 5
LOST = f"lost at offset {lost_boxes.OFFSET}"  # share of the boxes found on the frame itself; `frames` counts those
SPRITE_PAIRS = 64
FLOW_FILMS = 60  # of the films that are scored, those on which flow is measured: exact flow takes a second a film


def score(
    run: Run,
    model: nn.Module,
    workspace: Workspace,
    *,
    split: str,
    streets: int | None = None,
    duration: int | None = None,
    quick: bool = False,
) -> list[Score]:
    """Return a run's scores on a split: mIoU or mAP by the paper's protocol; for job "flow" endpoint errors.

    Job "aggregate" has scores by the number of frames in testing instead.

    Overall scores have bootstrap replicates at the durations of the paper's tables and curves; those on val have none,
    as val serves to choose.

    Args:
        run: what `model` was trained by.
        model: the network, or for pre-training the parts that were trained.
        workspace: where snippets are rendered.
        split: one of `sources.counts`.
        streets: number of snippets; None for the workspace's number, or all of the split.
        duration: the longest key frame duration; None for the recipe's own.
        quick: leave out the errors of the flow on streets, as during training.

    Raises:
        DataError: if data is missing or damaged, or no annotated frame has enough frames before it.
    """
    recipe = run.scored
    streets = streets or workspace.streets or sources.counts(recipe)[split]
    if recipe.job == "flow":
        return _flow_errors(model["flow_network"], run, split, streets, quick)
    if recipe.job == "aggregate":
        found = data(recipe, workspace, split, streets)
        return aggregation.scores(model, found, run.measurement(split), quick=quick)
    rows: list[Score] = []
    rendered = recipe.data in sources.RENDERED
    for task, _ in recipe.heads:
        recognition = model
        if recipe.job == "stills":
            recognition = DeepFeatureFlow(model.feature_network, NoFlow(), model.heads[task])
        single, measurement = one_head(recipe, task), run.measurement(split, task)
        snippets = data(single, workspace, split, streets)
        if recipe.flow == EXACT_FLOW:
            recognition.flow_network.register(snippets)
        if recipe.flow in HAND_CRAFTED:  # the slowest takes a second a pair, and its flow serves every seed
            recognition.flow_network.folder = workspace.cache / "flow"
        longest = _longest_duration(single, snippets, duration or (TABLE_4[task] if quick and rendered else None))
        evaluation = evaluate(
            recognition,
            snippets,
            max_duration=1 if recipe.job == "stills" else longest,
            history=longest,
            progress=workspace.progress and not quick,
        )
        if ":" in recipe.data and not quick:
            early = sum(len(snippet.targets) for snippet in snippets) - evaluation.frames
            text = f"annotated frames do not count, as fewer than {longest - 1} frames come before them"
            warn_skipped(f"{recipe.data}, {split}", f"{text}; a smaller --durations leaves out fewer", early)
            if evaluation.absent:
                names = dict(enumerate(sources.names(single), 0 if task == "segmentation" else 1))
                absent = ", ".join(f"{label} ({names[label]})" for label in evaluation.absent)
                text = f"class {absent} has no labelled pixel or box, and no part in {METRIC[task]}"
                warnings.warn(f"{recipe.data}, {split}: {text}", SuspiciousTargets, stacklevel=2)
        drawn = _replicates(evaluation, recipe) if split != "val" and recipe.job != "stills" else {}
        for length, subset in itertools.product(range(1, evaluation.max_duration + 1), ("all", *MOTION_CLASSES)):
            value = evaluation.score(METRIC[task], subset, duration=length)
            stored = drawn.get(length) if subset == "all" else None
            rows.append(Score(measurement, METRIC[task], value, subset, length, evaluation.frames, stored))
        filmed = not quick and rendered and split != "elsewhere" and recipe.job != "stills"
        # Rendered worlds have exact flow to compare with, and this run's features are carried along a flow of its own.
        if filmed and recipe.shrink == 1 and recipe.flow != EXACT_FLOW:
            rows += _errors_by_region(recognition.flow_network, measurement, recipe, min(streets, FLOW_FILMS))
        if filmed and task == "detection":
            shares = lost_boxes.lost_boxes(
                recognition, snippets, kept_films(recipe, split, len(snippets), workspace.cache)
            )
            rows += [Score(measurement, LOST, share, group, frames=count) for group, (share, count) in shares.items()]
        if not quick and map_similarity.is_measured(recipe, split):
            rows += map_similarity.scores(recognition.feature_network, measurement)
    return rows


def validation(run: Run, workspace: Workspace) -> Callable[[nn.Module], Mapping[str, float]] | None:
    """Return a function that scores a network during training: overall scores at a few durations, by name.

    The function prints them too. None if one's own data has no annotated frame there, which is said.
    """
    count = sources.counts(run.recipe)["val"]
    if count is None:
        count = len(found := data(run.recipe, workspace, "val"))  # faults of one's own targets are told here already
        if ":" in run.recipe.data and not any(snippet.targets for snippet in found[:STREETS_IN_TRAINING]):
            announce(f"{run.recipe.data}: 'val' has no annotated frame in its first snippets: no scores in training")
            return None

    few = FILMS_IN_TRAINING if run.recipe.data == "handheld" else STREETS_IN_TRAINING

    def validate(model: nn.Module) -> dict[str, float]:
        rows = score(run, model, workspace, split="val", streets=few, quick=True)
        shown = (row for row in rows if row.subset in ("all", "sprites all") and row.duration in (None, 1, 5, 10))
        scores = {row.metric + (f"@{row.duration}" if row.duration else ""): row.value for row in shown}
        listed = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
        announce(f"{run.recipe.name}: val {listed} on {min(few, count)} of {count} snippets")
        return scores

    return validate


def _replicates(evaluation: Evaluation, recipe: Recipe) -> dict[int, np.ndarray]:
    """Return replicates by duration: all durations for Figure 3 and "fix N", else 1 and the one of Table 4."""
    all_durations = recipe.job == "pairs" and recipe.name in AT_ALL_DURATIONS
    durations = range(1, evaluation.max_duration + 1) if all_durations else (1, TABLE_4[recipe.task])
    found = differences.replicates(evaluation).numpy()
    return {duration: found[duration - 1] for duration in durations if duration <= evaluation.max_duration}


def _longest_duration(recipe: Recipe, snippets: Sequence[Snippet], wanted: int | None) -> int:
    """Return the longest key frame duration to score: most recipes on rendered worlds need only that of Table 4."""
    if recipe.data == "handheld" and recipe.data_split == "stills":
        return 1  # its stills are scored on stills, which have no frame before them
    all_durations = recipe.data not in sources.RENDERED or recipe.name in AT_ALL_DURATIONS
    longest = wanted or (sources.longest_duration(recipe, snippets) if all_durations else TABLE_4[recipe.task])
    if not any(frame >= longest - 1 for snippet in snippets for frame in snippet.targets):
        raise DataError(
            f"{recipe.name}: at key frame duration {longest}, expected an annotated frame with {longest - 1} frames "
            f"before it, got none in {len(snippets)} snippets of {recipe.data}; "
            "give a later frame its target, longer snippets, or fewer --durations"
        )
    return longest


def _errors_by_region(flow_network: nn.Module, measurement: Measurement, recipe: Recipe, streets: int) -> list[Score]:
    """Return endpoint errors of the flow that features are carried along, by region of the frame."""
    flow, frames = flow_error.network_flow(flow_network), streets * len(flow_error.OFFSETS)
    errors = flow_error.errors_by_region(flow, films(recipe, measurement.split, streets))
    return [Score(measurement, "EPE", error, region, frames=frames) for region, error in errors.items()]


def _flow_errors(flow_network: nn.Module, run: Run, split: str, streets: int | None, quick: bool) -> list[Score]:
    """Return endpoint errors in pixels of the frame; unless `quick`, those of no flow and of DIS too."""
    networks = {"EPE": flow_network}
    if not quick:
        networks |= {"EPE of no flow": NoFlow(), "EPE of DIS": ClassicalFlow("DIS")}
    measurement, rows = run.measurement(split), []
    for metric, network in networks.items():
        flow = flow_error.network_flow(network)
        for name, (count, pairs) in _flow_pairs(run.recipe, split, streets, quick).items():
            errors = flow_error.endpoint_errors(flow, pairs())
            rows += [Score(measurement, metric, e, f"{name} {part}", frames=count) for part, e in errors.items()]
    return rows


def _flow_pairs(recipe: Recipe, split: str, streets: int, quick: bool) -> dict[str, tuple[int, Callable[[], Iterator]]]:
    """Return the pairs that a flow network is scored on: name -> (number of pairs, function that makes them)."""
    if "flying_chairs" in (recipe.data, split):
        chairs = FlyingChairs(sources.real_folder("flying_chairs"), None if split == "flying_chairs" else split)
        count = min(len(chairs), SPRITE_PAIRS) if quick else len(chairs)
        return {"flying chairs": (count, lambda: batches([chairs[i] for i in range(count)]))}
    world = WORLDS.get(recipe.data)
    pairs = {"sprites": (SPRITE_PAIRS, lambda: flow_error.sprites(SPRITE_PAIRS, recipe.size, world))}
    if not quick:
        count = streets * len(flow_error.OFFSETS)
        pairs[recipe.data] = count, lambda: map(flow_error.film_pairs, films(recipe, split, streets))
    return pairs
