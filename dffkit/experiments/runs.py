"""Runs: a recipe with a seed, in a folder of a workspace; what a run starts from, and the weights it ended with."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dffkit import weights
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.targets import take_stock
from dffkit.experiments import results, sources
from dffkit.experiments.results import Score
from dffkit.networks.precision import AUTO
from dffkit.support.errors import CommandError, DataError
from dffkit.support.files import locked, own_folder, root
from dffkit.training import checkpoint
from dffkit.training.assembly import build
from dffkit.training.checkpoint import FINISHED
from dffkit.training.recipe import Measurement, Recipe


@dataclasses.dataclass(frozen=True)
class Workspace:
    """Folders and resources of runs."""

    runs: Path  # has a folder for each run
    results: Path  # has the result tables
    cache: Path  # has the rendered snippets
    device: str = "cpu"  # or "cuda"
    precision: str = AUTO  # of trainings that begin here: "auto", "float32" or "bfloat16"
    workers: int = 1  # threads that prepare batches
    progress: bool = True  # show bars
    streets: int | None = None  # number of snippets that are scored, None for all of the split


def default_workspace(**options: Any) -> Workspace:
    """Return `build/runs` of the user's own folder and `data/results`; `options` are fields of `Workspace`."""
    build = own_folder() / "build"
    return Workspace(build / "runs", root() / "data" / "results", build / "toytown", **options)


def data(recipe: Recipe, workspace: Workspace, split: str, streets: int | None = None) -> Sequence[Snippet]:
    """Return snippets for a recipe, rendered; processes that need the same ones wait for the first to render them.

    The targets of one's own data are looked at, as in `take_stock`.
    """
    with locked(workspace.cache):
        found = sources.snippets(recipe, split, streets, workspace.cache, workspace.progress)
    if ":" in recipe.data and streets is None:
        names = sources.names(recipe)[: dict(recipe.heads[0][1]).get("num_classes")]
        take_stock(f"{recipe.data}, {split}", found, names, recipe.task)
    return found


@dataclasses.dataclass(frozen=True)
class Run:
    """A recipe with a seed; `data` is another data set, "module:function", to score it on."""

    recipe: Recipe
    seed: int = 0
    data: str = ""

    @property
    def scored(self) -> Recipe:
        """The recipe with the data set that is scored."""
        return dataclasses.replace(self.recipe, data=self.data or self.recipe.data)

    def measurement(self, split: str, task: str | None = None) -> Measurement:
        """Return the identity of what is measured with this run on a split of today's data.

        Args:
            split: a split that is scored, or `recipe.data_split` for the training itself.
            task: the head that is scored; each of several heads is scored on the data of its own task.
        """
        recipe = self.scored if task is None else one_head(self.scored, task)
        return Measurement(self.recipe.hash, self.seed, sources.data_version(recipe, split), split)

    def folder(self, workspace: Workspace) -> Path:
        """Return the folder of its checkpoints and its log."""
        return workspace.runs / f"{self.recipe.name}-{self.recipe.hash}-s{self.seed}"

    def starts(self) -> dict[str, "Run"]:
        """Return the runs that it starts from, by part."""
        return {part: run_of(recipe, self.seed) for part, recipe in self.recipe.start}

    def finished(self, workspace: Workspace) -> bool:
        """Return True if its training has ended."""
        return (self.folder(workspace) / FINISHED).exists()

    def iteration(self, workspace: Workspace) -> int:
        """Return the iteration that its training would resume from."""
        if self.finished(workspace):
            return self.recipe.iterations
        return max((int(path.stem[-8:]) for path in self.folder(workspace).glob("checkpoint-*.pt")), default=0)

    def __str__(self) -> str:
        return f"{self.recipe.name} ({self.recipe.hash}), seed {self.seed}"


def run_of(recipe: Recipe, seed: int) -> Run:
    """Return the run of a recipe that serves this seed: pre-training has one run, of seed 0, for every seed."""
    return Run(recipe, 0 if recipe.pretraining else seed)


def one_head(recipe: Recipe, task: str) -> Recipe:
    """Return a recipe for per-frame recognition with the head of one task."""
    return dataclasses.replace(recipe, job="frames", heads=((task, dict(recipe.heads)[task]),))


def stored_scores(
    path: Path, recipes: Mapping[str, Recipe], split: str, *, by_name: bool = False
) -> list[tuple[str, Score]]:
    """Return (key in `recipes`, score) for the scores of recipes on a split, of all seeds, in the table's order.

    Scores of former recipes and of former data are left out. With `by_name`, a recipe's scores are all those with its
    name, so that they include scores of changed recipes.
    """
    names = {key: each.name if by_name else each.hash for key, each in recipes.items()}
    keys = {(names[key], sources.data_version(each, split)): key for key, each in recipes.items()}
    found = []
    for row in results.read(path):
        name = row.provenance.get("recipe") if by_name else row.measurement.recipe_hash
        if row.measurement.split == split and (name, row.measurement.data_version) in keys:
            found.append((keys[name, row.measurement.data_version], row))
    return found


def in_order(wanted: Sequence[Run]) -> list[Run]:
    """Return these runs and all runs that they start from, each once, after the runs it starts from."""
    order: dict[Run, None] = {}
    for run in wanted:
        order |= dict.fromkeys([*in_order(list(run.starts().values())), run])
    return list(order)


def state(run: Run, workspace: Workspace) -> dict[str, Tensor]:
    """Return the weights of a run that is trained here, else its shipped weights.

    Shipped weights are in half precision, so a run that starts from them differs a little.

    Raises:
        CommandError: if there are neither.
        DataError: if a file is damaged, or of former data.
    """
    if run.finished(workspace):
        path = run.folder(workspace) / FINISHED
        found = checkpoint.read(path)
        checkpoint.check(path, found, Run(run.recipe, run.seed).measurement(run.recipe.data_split)._asdict())
        return found["module"]
    if is_shipped(run):
        return weights.state(run.recipe.name)
    seed = f" --seed {run.seed}" if run.seed else ""
    raise CommandError(f"{run} is not trained yet. Train it with:  python -m dffkit train {run.recipe.name}{seed}")


def trained(run: Run, workspace: Workspace) -> nn.Module:
    """Return the network with the weights of `state`, on the workspace's device, in eval mode."""
    model = build(run.recipe, run.seed)
    model.load_state_dict(state(run, workspace))
    return model.to(workspace.device).eval()


def load_trained(folder: Path) -> tuple[Run, nn.Module, tuple[str, ...]]:
    """Return the finished run in a folder, its network in eval mode, and the names of its classes.

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
    return Run(recipe, state["identity"].get("seed", 0)), model.eval(), _class_names(path, state, recipe)


def _class_names(path: Path, state: Mapping[str, Any], recipe: Recipe) -> tuple[str, ...]:
    """Return the names in the file. A file of an older dffkit has none: then take those of the kit's own data sets.

    One's own data set is not imported: a file from elsewhere must not choose which module is imported.
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
    """Return True if `data/weights` has this very run.

    Raises:
        DataError: if its manifest is missing or damaged.
    """
    if run.recipe.name not in weights.names():
        return False
    wanted = Run(run.recipe, run.seed).measurement(run.recipe.data_split)._asdict()
    stored = weights.entry(run.recipe.name)
    return all(stored[field] == wanted[field] for field in ("recipe_hash", "seed", "data_version"))


def is_available(run: Run, workspace: Workspace) -> bool:
    """Return True if its weights are trained here or shipped; raise as `is_shipped`."""
    return run.finished(workspace) or is_shipped(run)
