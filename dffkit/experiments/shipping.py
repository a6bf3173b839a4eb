"""What is shipped of the runs: the weights in `data/weights`, and the proof that they give their scores anywhere."""

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dffkit import weights
from dffkit.experiments import results, runs, scoring, sources
from dffkit.experiments.runs import Run, Workspace
from dffkit.support.machine import describe
from dffkit.training.assembly import build
from dffkit.training.recipes import find

# What is scored again on every machine: Toytown's first streets of val, at two key frame durations.
CHECK_STREETS = 10
CHECKED = {"segmentation": (1, 5), "detection": (1, 10)}
SHIPPED = (
    "toytown/flow", "toytown/stills", "toytown/flow-half", "toytown/flow-inception", "toytown/stills-50",
    *(f"toytown/{task}/{name}" for task in CHECKED for name in ("frame", "dff", "fix-n", "fix-f", "dff-inception")),
    "camvid/frame", "camvid/dff", "pets09/frame", "pets09/dff",
)  # fmt: skip
# Processors round differently, and a frame, a label or a box at the edge of a threshold may tip over.
TOLERANCE = {"segmentation": 0.005, "detection": 0.015}


def ship(place: Workspace, folder: Path | None = None) -> list[str]:
    """Put the trained runs of seed 0 into `data/weights`, or another folder, with their scores; returns their names.

    Raises:
        CommandError: if one of them is neither trained nor shipped already.
        DataError: if its file is damaged.
    """
    models = {}
    for name in SHIPPED:
        run = Run(find(name))
        model = build(run.recipe)
        model.load_state_dict(runs.state(run, place))
        models[name] = (model, _about(run, place, {}))
    with TemporaryDirectory() as aside:  # what is shipped never lacks the scores
        weights.save(models, Path(aside))
        for name in _scored():  # what they score as they are stored, in half precision
            again = {f"check {key}": value for key, value in check_scores(name, place, Path(aside)).items()}
            models[name] = (models[name][0], _about(Run(find(name)), place, again))
    weights.save(models, folder)
    return list(models)


def check_scores(name: str, place: Workspace, folder: Path | None = None) -> dict[str, float]:
    """Scores of stored weights on a few rendered streets, by metric and duration: "mIoU@5" and so on."""
    recipe = find(name)
    durations = CHECKED[recipe.task]
    model = weights.load(name, folder=folder)
    rows = scoring.score(recipe, model, place, split="val", streets=CHECK_STREETS, duration=max(durations))
    metrics = ("mIoU", "mAP")
    found = (row for row in rows if row["metric"] in metrics and row["subset"] == "all")
    return {f"{row['metric']}@{row['duration']}": row["value"] for row in found if row["duration"] in durations}


def recheck(place: Workspace, folder: Path | None = None) -> list[dict[str, Any]]:
    """Score the shipped weights again: rows with model, score, shipped, here, and whether they agree."""
    rows = []
    for name in _scored():
        stored = weights.entry(name, folder)["scores"]
        tolerance = TOLERANCE[find(name).task]
        for key, value in check_scores(name, place, folder).items():
            shipped = stored[f"check {key}"]
            agree = abs(value - shipped) <= tolerance
            rows.append({"model": name, "score": key, "shipped": shipped, "here": value, "agree": agree})
    return rows


def _about(run: Run, place: Workspace, more: dict[str, float]) -> dict[str, Any]:
    """What the manifest says of a run."""
    wanted = {"hash": run.recipe.hash, "seed": str(run.seed), "world": sources.data_version(run.recipe), "split": "val"}
    if len(run.recipe.heads) > 1:
        del wanted["world"]  # each task is scored in its own
    table = results.read(place.results / "evaluation.csv")
    rows = [row for row in table if all(row[key] == value for key, value in wanted.items())]
    overall = [row for row in rows if row["subset"] == "all" or not row["duration"]]
    scores = {
        f"val {row['metric']}" + (f"@{row['duration']}" if row["duration"] else f" {row['subset']}"): float(
            row["value"]
        )
        for row in overall
        if row["duration"] in ("", "1", "5", "10", "20")
    }
    machine = describe()
    return {
        "recipe": dataclasses.asdict(run.recipe),
        "recipe_hash": run.recipe.hash,
        "data_version": sources.data_version(run.recipe),
        "seed": run.seed,
        "scores": {**scores, **more},
        "commit": rows[0]["commit"].replace("+", "-dirty") if rows else machine["commit"].replace("+", "-dirty"),
        "date": machine["date"],
    }


def _scored() -> list[str]:
    """The shipped models that recognise something by themselves, on data that can be made anywhere."""
    return [name for name in SHIPPED if not find(name).pretraining and find(name).data == "toytown"]
