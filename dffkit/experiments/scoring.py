"""The scores of a trained network, as rows for the result tables (Sec. 5.1)."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from dffkit.baselines import EXACT_FLOW, HAND_CRAFTED
from dffkit.baselines.without_flow import NoFlow
from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments import clip_maps, sources
from dffkit.experiments.runs import Workspace, data
from dffkit.experiments.sources import real_folder
from dffkit.scores import Evaluation
from dffkit.scores.bootstrap import replicates
from dffkit.support.errors import DataError
from dffkit.training.recipe import Recipe
from dffkit.training.recipes import AT_ALL_DURATIONS

STREETS_IN_TRAINING = 4  # that are scored during training; at its end there are more
METRIC = {"segmentation": "mIoU", "detection": "mAP"}  # the score of a task in all tables
TABLE_4 = {"segmentation": 5, "detection": 10}  # the key frame durations of Tables 4 and 5
SPRITE_PAIRS = 64


def score(
    recipe: Recipe,
    model: nn.Module,
    place: Workspace,
    *,
    split: str,
    streets: int | None = None,
    duration: int | None = None,
    draws: list | None = None,
    quick: bool = False,
) -> list[dict[str, Any]]:
    """Rows with duration, metric, subset and value: mIoU or mAP by the paper's protocol; for "flow" its error.

    Without `streets` it is as many as the place says, or the split has. To `draws`, if given, rows are added with the
    bootstrap's replicates of the overall score, at the durations that the paper's tables and curves are of. `quick`
    leaves out what takes long, for a look during training: the flow's error on streets, and scores of boxes pooled over
    all offsets.
    """
    streets = streets or place.streets or sources.counts(recipe)[split]
    if recipe.job == "flow":
        return _flow_rows(model["flow_network"], recipe, split, streets, quick)
    from dffkit.scores.evaluation import evaluate

    rows = []
    for task, head in recipe.heads:
        recognition = model
        if recipe.job == "stills":
            recognition = DeepFeatureFlow(model.feature_network, NoFlow(), model.heads[task])
        single = dataclasses.replace(recipe, job="frames", heads=((task, head),))
        snippets = data(single, place, split, streets)
        if recipe.flow == EXACT_FLOW:
            recognition.flow_network.register(snippets)
        if recipe.flow in HAND_CRAFTED:  # the slowest takes a second a pair, and serves every seed
            recognition.flow_network.folder = place.cache / "flow"
        longest = duration or _longest(single, snippets)
        _check_history(single, snippets, longest)
        evaluation = evaluate(
            recognition,
            snippets,
            max_duration=1 if recipe.job == "stills" else longest,
            history=longest,
            progress=place.progress and not quick,
        )
        table = evaluation.by_duration(pooled=task == "detection" and not quick)
        means = (row for row in table if row["metric"].startswith("m"))  # without single classes
        common = {"frames": evaluation.frames, "world": sources.data_version(single, split)}
        rows += [{**row, **common} for row in means]
        if draws is not None and recipe.job != "stills":
            draws += [{**row, **common} for row in _replicates(evaluation, recipe)]
        if not quick and _has_flow_to_judge(recipe, split):
            rows += [{**common, **row} for row in _region_rows(recognition.flow_network, task, split, streets)]
        if not quick and clip_maps.wanted(recipe, split):
            rows += [{**common, **row} for row in clip_maps.rows(recognition.feature_network)]
    return rows


def _has_flow_to_judge(recipe: Recipe, split: str) -> bool:
    carries = recipe.job != "stills" and recipe.flow != EXACT_FLOW and recipe.shrink == 1
    return carries and recipe.data == "toytown" and split != "elsewhere"


def _check_history(recipe: Recipe, snippets: Sequence[Snippet], longest: int) -> None:
    if not any(frame >= longest - 1 for snippet in snippets for frame in snippet.targets):
        raise DataError(
            f"{recipe.name}: at key frame duration {longest}, expected an annotated frame with {longest - 1} frames "
            f"before it, got none in {len(snippets)} snippets of {recipe.data}; give longer ones, or fewer --durations"
        )


def _longest(recipe: Recipe, snippets: Sequence[Snippet]) -> int:
    """The longest key frame duration to score: most of Toytown's rows need only Table 4's."""
    all_durations = recipe.data != "toytown" or recipe.name in AT_ALL_DURATIONS
    return sources.longest_duration(recipe, snippets) if all_durations else TABLE_4[recipe.task]


def _replicates(evaluation: Evaluation, recipe: Recipe) -> list[dict[str, Any]]:
    """Rows with the bootstrap's replicates, in units of 1e-5: at all durations for the curves of Figure 3 and what is
    set beside them, else at 1 and that of Table 4.
    """
    metric = METRIC[recipe.task]
    all_durations = recipe.job == "pairs" and recipe.name in AT_ALL_DURATIONS
    durations = range(1, evaluation.max_duration + 1) if all_durations else (1, TABLE_4[recipe.task])
    drawn = (replicates(evaluation) * 1e5).round().long().tolist()
    return [
        {"duration": each, "metric": metric, "subset": "all", "value": evaluation.score(metric, duration=each)}
        | {"replicates": " ".join(map(str, drawn[each - 1]))}
        for each in durations
        if each <= evaluation.max_duration
    ]


def validation(recipe: Recipe, place: Workspace) -> Callable[[nn.Module], Mapping[str, float]]:
    """What scores a network in training: on a few streets of val, the overall scores at a few durations, by name."""

    def validate(model: nn.Module) -> dict[str, float]:
        rows = score(recipe, model, place, split="val", streets=STREETS_IN_TRAINING, quick=True)
        ends = (row for row in rows if row["subset"] in ("all", "sprites all") and row["duration"] in ("", 1, 5, 10))
        return {row["metric"] + (f"@{row['duration']}" if row["duration"] else ""): row["value"] for row in ends}

    return validate


def _region_rows(flow_network: nn.Module, task: str, split: str, streets: int) -> list[dict[str, Any]]:
    """Endpoint errors of the flow that features are carried along, by region."""
    from dffkit.scores import flow_error as quality

    errors = quality.errors_by_region(quality.network_flow(flow_network), task, split, range(streets))
    common = {"duration": "", "metric": "EPE", "frames": streets * len(quality.OFFSETS)}
    return [{**common, "subset": region, "value": error} for region, error in errors.items()]


def _flow_rows(
    flow_network: nn.Module, recipe: Recipe, split: str, streets: int | None, quick: bool
) -> list[dict[str, Any]]:
    """Endpoint errors in pixels of the frame; unless it shall be quick of other flow, too."""
    from dffkit.baselines.classical_flow import ClassicalFlow
    from dffkit.scores import flow_error as quality

    flows = {"EPE": quality.network_flow(flow_network)}
    if not quick:
        others = {"EPE of no flow": NoFlow(), "EPE of DIS": ClassicalFlow("DIS")}
        flows |= {metric: quality.network_flow(other) for metric, other in others.items()}
    rows = []
    for metric, flow in flows.items():
        for name, (count, pairs) in _flow_pairs(recipe, split, streets, quick).items():
            common = {"duration": "", "metric": metric, "frames": count}
            errors = quality.endpoint_errors(flow, pairs())
            rows += [{**common, "subset": f"{name} {part}", "value": error} for part, error in errors.items()]
    return rows


def _flow_pairs(
    recipe: Recipe, split: str, streets: int | None, quick: bool
) -> dict[str, tuple[int, Callable[[], Iterator]]]:
    """What a flow network is judged on: name -> how many pairs, and what gives them."""
    from dffkit.scores import flow_error as quality

    if "flying_chairs" in (recipe.data, split):
        from dffkit.datasets.flying_chairs import FlyingChairs, batches

        chairs = FlyingChairs(real_folder("flying_chairs"), None if split == "flying_chairs" else split)
        count = min(len(chairs), SPRITE_PAIRS) if quick else len(chairs)
        return {"flying chairs": (count, lambda: batches([chairs[i] for i in range(count)]))}
    pairs = {"sprites": (SPRITE_PAIRS, lambda: quality.sprites(SPRITE_PAIRS, recipe.size))}
    if not quick:
        pairs["toytown"] = streets * len(quality.OFFSETS), lambda: quality.streets(split, range(streets))
    return pairs
