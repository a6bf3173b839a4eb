"""Runs: a recipe with a seed, in a folder. What it has to wait for, how it is trained, scored, and written down."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from dffkit import checkpoint, jobs, results, weights
from dffkit.assembly import build
from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.machine import describe
from dffkit.networks.no_flow import NoFlow
from dffkit.processes import rank_and_count
from dffkit.recipe import Recipe
from dffkit.repository import CommandError, root
from dffkit.training import FINISHED, train

# How many streets are scored: a few during training, more at its end.
STREETS = {"val": 48, "test": 60}
STREETS_IN_TRAINING = 4
DURATIONS = {"segmentation": 10, "detection": 20}  # the longest key frame duration that is scored, as in Fig. 3
SPRITE_PAIRS = 64


@dataclasses.dataclass(frozen=True)
class Place:
    """Where runs happen and what they may use.

    Attributes:
        runs: a folder in it for each run.
        results: the folder of the result tables.
        cache: where rendered snippets are kept.
        device: "cpu" or "cuda".
        workers: threads that make batches ahead.
        progress: whether bars are shown.
    """

    runs: Path
    results: Path
    cache: Path
    device: str = "cpu"
    workers: int = 1
    progress: bool = True


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


def default_place(**options: Any) -> Place:
    """`build/runs` and `data/results` of this repository."""
    build = root() / "build"
    return Place(build / "runs", root() / "data" / "results", build / "toytown", **options)


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
    start = {part: start_state(needed, place) for part, needed in run.starts().items()}
    with _claimed(run, place):
        if is_first_process() and not (resume and run.finished(place)):  # scores of other weights
            results.remove(place.results / "evaluation.csv", hash=recipe.hash, seed=run.seed)
        model = train(
            recipe,
            folder,
            data=() if recipe.job == "flow" else data(recipe, place, recipe.data_split),
            start=start,
            seed=run.seed,
            world=jobs.world(recipe),
            device=place.device,
            resume=resume,
            progress=place.progress,
            validate=_validation(recipe, place),
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


def data(recipe: Recipe, place: Place, split: str, streets: int | None = None) -> Sequence[Snippet]:
    """Snippets for a recipe, rendered; processes that want the same ones wait for the first to render them."""
    with results.locked(place.cache):
        jobs.render(recipe, split, streets, place.cache, place.progress)
    return jobs.snippets(recipe, split, streets, place.cache)


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
    checkpoint.check(path, state, {"recipe": run.recipe.hash, "seed": run.seed, "world": jobs.world(run.recipe)})
    return state["module"]


def is_shipped(run: Run) -> bool:
    """Whether `data/weights` has this very run.

    Raises:
        DataError: if its manifest is missing or damaged.
    """
    if run.recipe.name not in weights.names():
        return False
    stored = weights.entry(run.recipe.name)
    known = stored["recipe_hash"], stored["world_hash"], stored["seed"]
    return known == (run.recipe.hash, jobs.world(run.recipe), run.seed)


def start_state(run: Run, place: Place) -> dict[str, Tensor]:
    """The weights that another run starts from: those trained here, or else those that are shipped.

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
    """Score a finished run and add its rows to `evaluation.csv`; `model` spares reading it from its folder.

    Key frame durations are 1 .. `duration`, by default the longest of Fig. 3. Frame's rows are Frame at duration 1; its
    features copied without flow beyond.
    """
    if model is None:
        model = build(run.recipe, run.seed)
        model.load_state_dict(trained_state(run, place))
        model.to(place.device).eval()
    rows = score(run.recipe, model, place, split=split, streets=STREETS[split], duration=duration)
    rows = [{"split": split, **row} for row in rows]
    _write_down(run, place, "evaluation.csv", rows)
    return rows


def score(
    recipe: Recipe, model: nn.Module, place: Place, *, split: str, streets: int, duration: int | None = None
) -> list[dict[str, Any]]:
    """Rows with duration, metric, subset and value: mIoU or mAP by the paper's protocol; for "flow" its error."""
    if recipe.job == "flow":
        return _flow_rows(model["flow_network"], recipe, place, split, streets)
    from dffkit.evaluation import evaluate

    rows = []
    for task, head in recipe.heads:
        recognition = model
        if recipe.job == "stills":
            recognition = DeepFeatureFlow(model.feature_network, NoFlow(), model.heads[task])
        single = dataclasses.replace(recipe, job="frames", heads=((task, head),))
        snippets = data(single, place, split, streets)
        longest = duration or DURATIONS[task]
        evaluation = evaluate(
            recognition,
            snippets,
            max_duration=1 if recipe.job == "stills" else longest,
            history=longest,
            progress=place.progress and streets > STREETS_IN_TRAINING,
        )
        pooled = task == "detection" and streets > STREETS_IN_TRAINING
        table = evaluation.by_duration(pooled=pooled)
        means = (row for row in table if row["metric"].startswith("m"))  # without single classes
        rows += [{**row, "frames": evaluation.frames, "world": jobs.world(single)} for row in means]
    return rows


def _validation(recipe: Recipe, place: Place) -> Callable[[nn.Module], Mapping[str, float]]:
    def validate(model: nn.Module) -> dict[str, float]:
        rows = score(recipe, model, place, split="val", streets=STREETS_IN_TRAINING)
        ends = (row for row in rows if row["subset"] in ("all", "sprites all") and row["duration"] in ("", 1, 5, 10))
        return {row["metric"] + (f"@{row['duration']}" if row["duration"] else ""): row["value"] for row in ends}

    return validate


def _flow_rows(flow_network: nn.Module, recipe: Recipe, place: Place, split: str, streets: int) -> list[dict[str, Any]]:
    """Endpoint errors in pixels of the frame: during training on sprites alone, else on Toytown and of others too."""
    from dffkit import flow_quality as quality
    from dffkit.classical_flow import ClassicalFlow

    flows = {"EPE": quality.network_flow(flow_network)}
    if streets > STREETS_IN_TRAINING:
        others = {"EPE of no flow": NoFlow(), "EPE of DIS": ClassicalFlow("DIS")}
        flows |= {metric: quality.network_flow(other) for metric, other in others.items()}
    rows = []
    for metric, flow in flows.items():
        found = {("sprites", SPRITE_PAIRS): quality.endpoint_errors(flow, quality.sprites(SPRITE_PAIRS, recipe.size))}
        if streets > STREETS_IN_TRAINING:
            pairs = streets * len(quality.OFFSETS)
            found["toytown", pairs] = quality.endpoint_errors(flow, quality.streets(split, range(streets)))
        for (name, frames), errors in found.items():
            common = {"duration": "", "metric": metric, "frames": frames}
            rows += [{**common, "subset": f"{name} {part}", "value": error} for part, error in errors.items()]
    return rows


def is_written(run: Run, place: Place, table: str, **more: Any) -> bool:
    """Whether a result table has rows of this run, as the data looks today; `more` are other columns' values."""
    wanted = {"hash": run.recipe.hash, "seed": run.seed, "world": jobs.world(run.recipe), **more}
    rows = results.read(place.results / table)
    return any(all(row.get(name) == str(value) for name, value in wanted.items()) for row in rows)


def _write_down(run: Run, place: Place, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if is_first_process():
        about = {"recipe": run.recipe.name, "hash": run.recipe.hash, "world": jobs.world(run.recipe), "seed": run.seed}
        seconds = checkpoint.read(run.folder(place) / FINISHED)["seconds"]
        costs = {"iterations": run.recipe.iterations, "seconds": round(seconds, 1), **describe(place.device)}
        results.add(place.results / table, [{**about, **row, **costs} for row in rows])


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
    """Under `torchrun`, join the other processes; returns the device that is this one's."""
    if "WORLD_SIZE" not in os.environ:
        return device
    cuda = torch.device(device).type == "cuda"
    if cuda:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if cuda else "gloo")
    return device
