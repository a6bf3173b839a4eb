"""Runs are trained and scored here, and what came out is written down in `data/results`."""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from dffkit.experiments import results, runs, scoring, sources
from dffkit.experiments.runs import Run, Workspace, data
from dffkit.support.errors import CommandError
from dffkit.support.files import locked
from dffkit.support.machine import describe
from dffkit.support.processes import is_first_process
from dffkit.training import checkpoint
from dffkit.training.assembly import published
from dffkit.training.checkpoint import FINISHED
from dffkit.training.loop import train


def train_run(run: Run, place: Workspace, *, resume: bool = True) -> nn.Module:
    """Train a run whose starts are finished, or go on with it; add its last losses to `training.csv`.

    Raises:
        CommandError: if another process is training it, or a run it starts from is not finished.
    """
    recipe, folder = run.recipe, run.folder(place)
    start = {part: runs.state(needed, place) for part, needed in run.starts().items()}
    if recipe.weights and not (resume and run.iteration(place)):
        start["feature_network"] = _published(run)
    with _claimed(run, place):
        model = train(
            recipe,
            folder,
            data=data(recipe, place, recipe.data_split),
            start=start,
            seed=run.seed,
            data_version=sources.data_version(recipe),
            device=place.device,
            resume=resume,
            progress=place.progress,
            validate=scoring.validation(recipe, place),
            workers=place.workers,
            names=sources.names(recipe),
            before_result=partial(_remove_scores, run, place),
        )
        losses = results.read(folder / "log.csv")[-1:]
        _write_down(
            run,
            place,
            "training.csv",
            [{"metric": name, "value": value} for row in losses for name, value in row.items() if name != "iteration"],
        )
    return model


def _remove_scores(run: Run, place: Workspace) -> None:
    """Of the weights that are about to be replaced: a training that is stopped leaves them their scores."""
    if is_first_process():
        for table in ("evaluation.csv", "replicates.csv"):
            results.remove(place.results / table, hash=run.recipe.hash, seed=run.seed)


def evaluate_run(
    run: Run, place: Workspace, *, split: str = "val", duration: int | None = None, model: nn.Module | None = None
) -> list[dict[str, Any]]:
    """Score a run that is trained here or shipped and add its rows to `evaluation.csv`; `model` spares reading it.

    Key frame durations are 1 .. `duration`, by default the longest of Fig. 3. Frame's rows are Frame at duration 1; its
    features copied without flow beyond.
    """
    model = runs.trained(run, place) if model is None else model
    draws: list[dict[str, Any]] = []
    rows = scoring.score(run.recipe, model, place, split=split, duration=duration, draws=draws)
    if draws:
        _write_down(run, place, "replicates.csv", [{"split": split, **row} for row in draws])
    rows = [{"split": split, **row} for row in rows]
    _write_down(run, place, "evaluation.csv", rows)  # last, as its rows say that the run is scored
    return rows


def _published(run: Run) -> dict[str, Tensor]:
    try:
        return published(run.recipe, run.seed)
    except ValueError as error:
        raise CommandError(f"{run}: {error}") from error
    except OSError as error:
        raise CommandError(
            f"{run} starts from torchvision's ImageNet weights, which can't be reached: {error}.\n"
            "Put their file into torch's cache by hand (torch.hub.get_dir() + '/checkpoints'), or start from others."
        ) from error


def is_written(run: Run, place: Workspace, table: str, **more: Any) -> bool:
    """Whether a result table has rows of this run, as the data looks today; `more` are other columns' values."""
    world = sources.data_version(run.recipe, more.get("split", "train"))
    wanted = {"hash": run.recipe.hash, "seed": run.seed, "world": world, **more}
    rows = results.read(place.results / table)
    return any(all(row.get(name) == str(value) for name, value in wanted.items()) for row in rows)


def _write_down(run: Run, place: Workspace, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if is_first_process():
        recipe, done = run.recipe, checkpoint.read(run.folder(place) / FINISHED) if run.finished(place) else {}
        about = {"recipe": recipe.name, "hash": recipe.hash, "world": sources.data_version(recipe), "seed": run.seed}
        # A training's machine is the one that trained, whichever this is.
        trained_on = json.loads(done.get("machine", "null")) if table == "training.csv" else None
        machine = trained_on or describe(place.device)
        seconds = round(done["seconds"], 1) if done else _seconds(run, place)
        costs = {"iterations": recipe.iterations, "seconds": seconds, **machine}
        results.add(place.results / table, [{**about, **row, **costs} for row in rows])


def _seconds(run: Run, place: Workspace) -> str:
    """How long the training of shipped weights took, as its row says; "" if there is none."""
    rows = results.read(place.results / "training.csv")
    found = (row["seconds"] for row in rows if (row["hash"], row["seed"]) == (run.recipe.hash, str(run.seed)))
    return next(found, "")


@contextlib.contextmanager
def _claimed(run: Run, place: Workspace) -> Iterator[None]:
    """Hold the run's folder, so that two queues don't train the same run."""
    if not is_first_process():
        yield
        return
    with locked(run.folder(place), busy=f"{run} is being trained by another process."):
        yield
