"""Runs: a recipe with a seed, in a folder. What it has to wait for, how it is trained, scored, and written down."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from dffkit import sources, weights
from dffkit.command_options import check_device
from dffkit.errors import DataError
from dffkit.experiments import results, scoring
from dffkit.experiments.place import Place, data
from dffkit.machine import describe
from dffkit.processes import rank_and_count
from dffkit.recipes.assembly import build, published
from dffkit.recipes.recipe import Recipe
from dffkit.repository import CommandError
from dffkit.training import checkpoint
from dffkit.training.loop import FINISHED, train


@dataclasses.dataclass(frozen=True)
class Run:
    """A recipe with a seed."""

    recipe: Recipe
    seed: int = 0

    def folder(self, place: Place) -> Path:
        """Where its checkpoints and results are."""
        return place.runs / f"{self.recipe.name}-{self.recipe.hash}-s{self.seed}"

    def starts(self) -> dict[str, "Run"]:
        """The runs it starts from, by part."""
        return {part: Run(recipe, self.recipe.start_seed(part, self.seed)) for part, recipe in self.recipe.start}

    def finished(self, place: Place) -> bool:
        """Whether it is trained."""
        return (self.folder(place) / FINISHED).exists()

    def iteration(self, place: Place) -> int:
        """The iteration it would go on from."""
        if self.finished(place):
            return self.recipe.iterations
        return max((int(path.stem[-8:]) for path in self.folder(place).glob("checkpoint-*.pt")), default=0)

    def __str__(self) -> str:
        return f"{self.recipe.name} ({self.recipe.hash}), seed {self.seed}"


def in_order(wanted: Sequence[Run]) -> list[Run]:
    """These runs and all that they start from, each once, after those it starts from."""
    order: dict[Run, None] = {}
    for run in wanted:
        for needed in in_order(list(run.starts().values())):
            order[needed] = None
        order[run] = None
    return list(order)


def train_run(run: Run, place: Place, *, resume: bool = True) -> nn.Module:
    """Train a run whose starts are finished, or go on with it; add its last losses to `training.csv`.

    Raises:
        CommandError: if another process is training it, or a run it starts from is not finished.
    """
    recipe, folder = run.recipe, run.folder(place)
    start = {part: state(needed, place) for part, needed in run.starts().items()}
    if recipe.weights and not (resume and run.iteration(place)):
        start["feature_network"] = _published(run)
    with _claimed(run, place):
        if is_first_process() and not (resume and run.finished(place)):  # scores of other weights
            for table in ("evaluation.csv", "replicates.csv"):
                results.remove(place.results / table, hash=recipe.hash, seed=run.seed)
        model = train(
            recipe,
            folder,
            data=data(recipe, place, recipe.data_split),
            start=start,
            seed=run.seed,
            world=sources.world(recipe),
            device=place.device,
            resume=resume,
            progress=place.progress,
            validate=scoring.validation(recipe, place),
            workers=place.workers,
        )
        losses = results.read(folder / "log.csv")[-1:]
        _write_down(
            run,
            place,
            "training.csv",
            [{"metric": name, "value": value} for row in losses for name, value in row.items() if name != "iteration"],
        )
    return model


def trained_state(run: Run, place: Place) -> dict[str, Tensor]:
    """The weights of a finished run.

    Raises:
        CommandError: if it is not finished.
        DataError: if its file is damaged, or of other data than today's.
    """
    path = run.folder(place) / FINISHED
    if not run.finished(place):
        raise CommandError(f"{run} is not trained yet. Train it with:  python -m dffkit train {run.recipe.name}")
    state = checkpoint.read(path)
    checkpoint.check(path, state, {"recipe": run.recipe.hash, "seed": run.seed, "world": sources.world(run.recipe)})
    return state["module"]


def trained(run: Run, place: Place) -> nn.Module:
    """The network of a run that is trained here or shipped, on the place's device, in eval mode.

    Raises:
        CommandError, DataError: as `state`.
    """
    model = build(run.recipe, run.seed)
    model.load_state_dict(state(run, place))
    return model.to(place.device).eval()


def load_trained(folder: Path) -> tuple[Recipe, nn.Module]:
    """The recipe of the finished run in a folder, and its network in eval mode.

    Raises:
        DataError: if no finished run is there, or its file is damaged.
    """
    path = Path(folder) / FINISHED
    if not path.exists():
        raise DataError(f"{folder}: has no {FINISHED}; give the folder of a run that is finished, as `train` prints it")
    state = checkpoint.read(path)
    if "recipe" not in state:
        raise DataError(f"{path}: does not say what it was trained by; train again")
    recipe = Recipe(**json.loads(state["recipe"]))
    checkpoint.check(path, state, {"recipe": recipe.hash})
    model = build(recipe)
    model.load_state_dict(state["module"])
    return recipe, model.eval()


def is_shipped(run: Run) -> bool:
    """Whether `data/weights` has this very run.

    Raises:
        DataError: if its manifest is missing or damaged.
    """
    if run.recipe.name not in weights.names():
        return False
    stored = weights.entry(run.recipe.name)
    known = stored["recipe_hash"], stored["world_hash"], stored["seed"]
    return known == (run.recipe.hash, sources.world(run.recipe), run.seed)


def is_available(run: Run, place: Place) -> bool:
    """Whether its weights are at hand: trained here, or shipped.

    Raises:
        DataError: as `is_shipped`.
    """
    return run.finished(place) or is_shipped(run)


def state(run: Run, place: Place) -> dict[str, Tensor]:
    """The weights of a run: those trained here, or else those that are shipped.

    The latter went through half precision, so what starts from them differs a little from what starts from the former.

    Raises:
        CommandError: if there are neither.
        DataError: if a file is damaged, or of other data than today's.
    """
    if not run.finished(place) and is_shipped(run):
        return weights.state(run.recipe.name)
    return trained_state(run, place)


def evaluate_run(
    run: Run, place: Place, *, split: str = "val", duration: int | None = None, model: nn.Module | None = None
) -> list[dict[str, Any]]:
    """Score a run that is trained here or shipped and add its rows to `evaluation.csv`; `model` spares reading it.

    Key frame durations are 1 .. `duration`, by default the longest of Fig. 3. Frame's rows are Frame at duration 1; its
    features copied without flow beyond.
    """
    model = trained(run, place) if model is None else model
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
    except OSError as error:
        raise CommandError(
            f"{run} starts from torchvision's ImageNet weights, which can't be reached: {error}.\n"
            "Put their file into torch's cache by hand (torch.hub.get_dir() + '/checkpoints'), or start from others."
        ) from error


def is_written(run: Run, place: Place, table: str, **more: Any) -> bool:
    """Whether a result table has rows of this run, as the data looks today; `more` are other columns' values."""
    world = sources.world(run.recipe, more.get("split", "train"))
    wanted = {"hash": run.recipe.hash, "seed": run.seed, "world": world, **more}
    rows = results.read(place.results / table)
    return any(all(row.get(name) == str(value) for name, value in wanted.items()) for row in rows)


def _write_down(run: Run, place: Place, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if is_first_process():
        recipe, done = run.recipe, checkpoint.read(run.folder(place) / FINISHED) if run.finished(place) else {}
        about = {"recipe": recipe.name, "hash": recipe.hash, "world": sources.world(recipe), "seed": run.seed}
        # A training's machine is the one that trained, whichever this is.
        trained_on = json.loads(done.get("machine", "null")) if table == "training.csv" else None
        machine = trained_on or describe(place.device)
        seconds = round(done["seconds"], 1) if done else _seconds(run, place)
        costs = {"iterations": recipe.iterations, "seconds": seconds, **machine}
        results.add(place.results / table, [{**about, **row, **costs} for row in rows])


def _seconds(run: Run, place: Place) -> str:
    """How long the training of shipped weights took, as its row says; "" if there is none."""
    rows = results.read(place.results / "training.csv")
    found = (row["seconds"] for row in rows if (row["hash"], row["seed"]) == (run.recipe.hash, str(run.seed)))
    return next(found, "")


@contextlib.contextmanager
def _claimed(run: Run, place: Place) -> Iterator[None]:
    """Hold the run's folder, so that two queues don't train the same run."""
    if not is_first_process():
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(results.locked(run.folder(place), wait=False))
        except BlockingIOError:
            raise CommandError(f"{run} is being trained by another process.") from None
        yield


def is_first_process() -> bool:
    """Whether this is the only process, or the first of several: the one that writes."""
    return rank_and_count()[0] == 0


def join_processes(device: str) -> str:
    """Under `torchrun`, join the other processes; returns the device that is this one's.

    Raises:
        CommandError: if that device can't be used.
    """
    together, cuda = "WORLD_SIZE" in os.environ, device.partition(":")[0] == "cuda"
    if together and cuda:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    check_device(device)  # each process its own: all of them on the first GPU would fill its memory
    if together:
        if cuda:
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if cuda else "gloo")
    return device
