"""Runs: a recipe with a seed, in a folder. What each has to wait for, and the weights that it ended with."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dffkit import weights
from dffkit.datasets.snippets import Snippet
from dffkit.experiments import sources
from dffkit.support.errors import CommandError, DataError
from dffkit.support.files import locked
from dffkit.support.repository import root
from dffkit.training import checkpoint
from dffkit.training.assembly import build
from dffkit.training.checkpoint import FINISHED
from dffkit.training.recipe import Measurement, Recipe


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Where runs happen and what they may use.

    Attributes:
        runs: a folder in it for each run.
        results: the folder of the result tables.
        cache: where rendered snippets are kept.
        device: "cpu" or "cuda".
        workers: threads that make batches ahead.
        progress: whether bars are shown.
        streets: how many are scored, None for as many as the split has.
    """

    runs: Path
    results: Path
    cache: Path
    device: str = "cpu"
    workers: int = 1
    progress: bool = True
    streets: int | None = None


def default_workspace(**options: Any) -> Workspace:
    """`build/runs` and `data/results` of this repository."""
    build = root() / "build"
    return Workspace(build / "runs", root() / "data" / "results", build / "toytown", **options)


def data(recipe: Recipe, place: Workspace, split: str, streets: int | None = None) -> Sequence[Snippet]:
    """Snippets for a recipe, rendered; processes that want the same ones wait for the first to render them."""
    with locked(place.cache):
        sources.prepare(recipe, split, streets, place.cache, place.progress)
    return sources.snippets(recipe, split, streets, place.cache)


@dataclasses.dataclass(frozen=True)
class Run:
    """A recipe with a seed."""

    recipe: Recipe
    seed: int = 0

    def folder(self, place: Workspace) -> Path:
        """Where its checkpoints and results are."""
        return place.runs / f"{self.recipe.name}-{self.recipe.hash}-s{self.seed}"

    def starts(self) -> dict[str, "Run"]:
        """The runs it starts from, by part."""
        return {part: Run(recipe, self.recipe.start_seed(part, self.seed)) for part, recipe in self.recipe.start}

    def finished(self, place: Workspace) -> bool:
        """Whether it is trained."""
        return (self.folder(place) / FINISHED).exists()

    def iteration(self, place: Workspace) -> int:
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


def trained_state(run: Run, place: Workspace) -> dict[str, Tensor]:
    """The weights of a finished run.

    Raises:
        CommandError: if it is not finished.
        DataError: if its file is damaged, or of other data than today's.
    """
    path = run.folder(place) / FINISHED
    if not run.finished(place):
        raise CommandError(f"{run} is not trained yet. Train it with:  python -m dffkit train {run.recipe.name}")
    state = checkpoint.read(path)
    identity = Measurement(run.recipe.hash, run.seed, sources.data_version(run.recipe), run.recipe.data_split)
    checkpoint.check(path, state, identity.as_dict())
    return state["module"]


def trained(run: Run, place: Workspace) -> nn.Module:
    """The network of a run that is trained here or shipped, on the place's device, in eval mode.

    Raises:
        CommandError, DataError: as `state`.
    """
    model = build(run.recipe, run.seed)
    model.load_state_dict(state(run, place))
    return model.to(place.device).eval()


def load_trained(folder: Path) -> tuple[Recipe, nn.Module, tuple[str, ...]]:
    """The recipe of the finished run in a folder, its network in eval mode, and the names of its classes.

    Raises:
        DataError: if no finished run is there, its file is damaged, or it does not say what its classes are called.
    """
    path = Path(folder) / FINISHED
    if not path.exists():
        raise DataError(f"{folder}: has no {FINISHED}; give the folder of a run that is finished, as `train` prints it")
    state = checkpoint.read(path)
    if "recipe" not in state:
        raise DataError(f"{path}: does not say what it was trained by; train again")
    try:
        recipe = Recipe(**json.loads(state["recipe"]))
        model = build(recipe)
        model.load_state_dict(state["module"])
    except Exception as error:  # there is no end to what a file from elsewhere can trip over
        raise DataError(f"{path}: its recipe and weights make no network: {error}; train again") from error
    checkpoint.check(path, state, {"recipe_hash": recipe.hash})
    return recipe, model.eval(), _class_names(path, state, recipe)


def _class_names(path: Path, state: Mapping[str, Any], recipe: Recipe) -> tuple[str, ...]:
    """As the file has them; older ones have none, and then only the kit's own data sets are asked.

    A file from elsewhere must not choose which module is imported.
    """
    names = state.get("names")
    if isinstance(names, list) and (names or recipe.pretraining):
        return tuple(map(str, names))
    if recipe.data not in sources.SOURCES:
        raise DataError(
            f"{path}: does not say what the classes of {recipe.data} are called, as it was trained by an older dffkit; "
            "train again with --fresh"
        )
    return sources.names(recipe)


def is_shipped(run: Run) -> bool:
    """Whether `data/weights` has this very run.

    Raises:
        DataError: if its manifest is missing or damaged.
    """
    if run.recipe.name not in weights.names():
        return False
    stored = weights.entry(run.recipe.name)
    known = stored["recipe_hash"], stored["data_version"], stored["seed"]
    return known == (run.recipe.hash, sources.data_version(run.recipe), run.seed)


def is_available(run: Run, place: Workspace) -> bool:
    """Whether its weights are at hand: trained here, or shipped.

    Raises:
        DataError: as `is_shipped`.
    """
    return run.finished(place) or is_shipped(run)


def state(run: Run, place: Workspace) -> dict[str, Tensor]:
    """The weights of a run: those trained here, or else those that are shipped.

    The latter went through half precision, so what starts from them differs a little from what starts from the former.

    Raises:
        CommandError: if there are neither.
        DataError: if a file is damaged, or of other data than today's.
    """
    if not run.finished(place) and is_shipped(run):
        return weights.state(run.recipe.name)
    return trained_state(run, place)
