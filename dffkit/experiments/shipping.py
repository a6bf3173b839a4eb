"""Shipped weights: which runs `data/weights` has, and the check that they give their scores on every machine."""

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dffkit import weights
from dffkit.experiments import results, runs, scoring
from dffkit.experiments.results import EVALUATION
from dffkit.experiments.runs import Run, Workspace
from dffkit.experiments.sources import RENDERED
from dffkit.support.machine import describe
from dffkit.training.recipes import find

# The check on every machine: the first streets or films of val, at two key frame durations.
CHECK_STREETS = 10
CHECKED = {"segmentation": (1, 5), "detection": (1, 10)}
SHIPPED = (
    "toytown/flow", "toytown/stills", "toytown/flow-half", "toytown/flow-inception",
    *(f"toytown/segmentation/{name}" for name in ("frame", "dff", "fix-n", "fix-f")),
    "toytown/detection/frame", "toytown/detection/dff",
    "handheld/flow", "handheld/stills", "handheld/frame", "handheld/dff", "handheld/dff-inception",
    "camvid/frame", "camvid/dff", "pets09/frame", "pets09/dff",
)  # fmt: skip
# Processors round differently, and a frame, a label or a box at the edge of a threshold may change sides.
TOLERANCE = {"segmentation": 0.005, "detection": 0.015}


def ship(workspace: Workspace, folder: Path | None = None) -> list[str]:
    """Put the trained runs of seed 0 with their scores into `data/weights`, or another folder; return their names.

    Models there that are not among them are removed.

    Raises:
        CommandError: if one of them is neither trained nor shipped already.
        DataError: if its file is damaged.
    """
    models = {}
    for name in SHIPPED:
        run = Run(find(name))
        models[name] = (runs.trained(run, workspace).cpu(), _metadata(run, workspace))
    with TemporaryDirectory() as aside:  # so that shipped weights never lack their scores
        weights.save(models, Path(aside))
        for name in _checked_models():  # scores of the weights as they are stored, in half precision
            scores = models[name][1]["scores"]
            scores |= {f"check {key}": value for key, value in check_scores(name, workspace, Path(aside)).items()}
    weights.save(models, folder)
    return list(models)


def check_scores(name: str, workspace: Workspace, folder: Path | None = None) -> dict[str, float]:
    """Return the scores of stored weights on a few rendered streets, by metric and duration, e.g. "mIoU@5"."""
    run = Run(find(name))
    durations = CHECKED[run.recipe.task]
    model = weights.load(name, folder=folder)
    rows = scoring.score(run, model, workspace, split="val", streets=CHECK_STREETS, duration=max(durations))
    found = (row for row in rows if row.metric in scoring.METRIC.values() and row.subset == "all")
    return {f"{row.metric}@{row.duration}": row.value for row in found if row.duration in durations}


def recheck(workspace: Workspace, folder: Path | None = None) -> list[dict[str, Any]]:
    """Score the shipped weights again; return rows with model, score, shipped, here, and agree (within `TOLERANCE`)."""
    rows = []
    for name in _checked_models():
        stored = weights.entry(name, folder)["scores"]
        tolerance = TOLERANCE[find(name).task]
        for key, value in check_scores(name, workspace, folder).items():
            shipped = stored[f"check {key}"]
            agree = abs(value - shipped) <= tolerance
            rows.append({"model": name, "score": key, "shipped": shipped, "here": value, "agree": agree})
    return rows


def _metadata(run: Run, workspace: Workspace) -> dict[str, Any]:
    """Return a run's entry in the manifest of shipped weights, with its scores on val."""
    measurements = {run.measurement("val", task) for task, _ in run.recipe.heads} or {run.measurement("val")}
    rows = [row for row in results.read(workspace.results / EVALUATION) if row.measurement in measurements]
    scores = {}
    for row in rows:
        if row.duration is None:
            scores[f"val {row.metric} {row.subset}"] = row.value
        elif row.subset == "all" and row.duration in (1, 5, 10, 20):
            scores[f"val {row.metric}@{row.duration}"] = row.value
    machine = describe()
    commit = rows[0].provenance["commit"] if rows else machine["commit"]
    identity = run.measurement(run.recipe.data_split)._asdict()
    return {
        "recipe": dataclasses.asdict(run.recipe),
        **{name: identity[name] for name in ("recipe_hash", "data_version", "seed")},
        "scores": scores,
        "commit": commit.replace("+", "-dirty"),
        "date": machine["date"],
    }


def _checked_models() -> list[str]:
    """Return the names of shipped models that recognize by themselves, on data that can be rendered anywhere."""
    return [name for name in SHIPPED if not find(name).pretraining and find(name).data in RENDERED]
