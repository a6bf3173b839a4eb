"""`python -m dffkit train`, `evaluate` and `experiments`: recipes are trained and scored."""

import argparse
import contextlib
import dataclasses
from collections.abc import Iterator

from torch import distributed

from dffkit import weights
from dffkit.commands.cli import add_device, add_precision, add_threads, at_least
from dffkit.experiments import queue, runs, scoring, shipping, sources
from dffkit.experiments.own_data import REMEDY, class_names
from dffkit.experiments.queue import rehearsal, rehearsed, run_queue, status
from dffkit.experiments.runs import Run, Workspace, default_workspace
from dffkit.networks.precision import AUTO
from dffkit.support.errors import CommandError
from dffkit.support.machine import is_distributed, is_first_process, join_processes, keep_freed_memory, use_threads
from dffkit.training.recipe import Recipe
from dffkit.training.recipes import REAL, RECIPES, find, on_own_data, with_imagenet

DFF = "toytown/segmentation/dff"
PRECISION_HELP = "a run that continues keeps its own"
SPLIT_HELP = 'val (default), "test", or for Toytown "elsewhere"'


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `train`."""
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="without one, list all recipes")
    _add_changes(parser)
    parser.add_argument("--fresh", action="store_true", help="begin again, even if a training is there")
    add_precision(parser, PRECISION_HELP)
    _add_common(parser)


def train_main(arguments: argparse.Namespace) -> int:
    """Train one recipe, after the recipes that it starts from and that are neither trained here nor shipped."""
    if arguments.recipe is None:
        print("\n".join(recipe.describe() for recipe in (*RECIPES.values(), *REAL.values())))
        return 0
    with _workspace(arguments) as workspace:
        wanted = Run(_changed(_find(arguments.recipe), arguments), arguments.seed)
        workspace = _with_results_folder(workspace, wanted.recipe)
        for run in runs.in_order([wanted]):
            if run != wanted and runs.is_available(run, workspace):
                continue
            queue.train_run(run, workspace, resume=not (arguments.fresh and run == wanted))
            if is_first_process():
                print(f"{run} is trained: {run.folder(workspace)}")
    return 0


def _changed(recipe: Recipe, arguments: argparse.Namespace) -> Recipe:
    """Return the recipe with the changes of the command line. A data set of one's own becomes part of its name.

    Raises:
        CommandError: if the recipe can't have one of the changes.
    """
    if (arguments.data or arguments.classes or arguments.imagenet) and recipe.pretraining:
        raise CommandError(
            f"--data, --classes, --imagenet: expected a recipe for one task, such as {DFF}, got {recipe.name}"
        )
    if arguments.data and ":" not in arguments.data:
        raise CommandError(f'--data: expected "module:function", got {arguments.data!r}; {REMEDY}')
    recipe = with_imagenet(recipe) if arguments.imagenet else recipe
    changes = {} if arguments.iterations is None else {"iterations": arguments.iterations}
    try:
        return dataclasses.replace(on_own_data(recipe, arguments.data, _classes(arguments)), **changes)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _classes(arguments: argparse.Namespace) -> int | None:
    """Return the number of classes: that of the data set's `names`, or `--classes`."""
    if not arguments.data:
        return arguments.classes
    declared = len(class_names(arguments.data))
    if not declared and not arguments.classes:
        raise CommandError(f"{arguments.data}: how many classes has it? Give --classes, or the function a list `names`")
    if declared and arguments.classes not in (None, declared):
        names = f"the number of names of {arguments.data}"
        raise CommandError(f"--classes: expected {declared}, {names}, got {arguments.classes}")
    return declared or arguments.classes


def _with_results_folder(workspace: Workspace, recipe: Recipe) -> Workspace:
    """Return the workspace in which rows of recipes that the kit does not ship go to `build/results`."""
    if recipe.hash in {known.hash for known in (*RECIPES.values(), *REAL.values())}:
        return workspace
    return dataclasses.replace(workspace, results=workspace.runs.parent / "results")


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `evaluate`."""
    parser.add_argument("recipe", nargs="?", default=DFF, metavar="RECIPE", help=f"by default {DFF}")
    parser.add_argument("--split", default="val", help=SPLIT_HELP)
    _add_changes(parser)
    durations_help = "only 1 to L, stored nowhere (default: 10, for boxes 20)"
    parser.add_argument("--durations", type=at_least(1), metavar="L", help=durations_help)
    _add_common(parser)


def evaluate_main(arguments: argparse.Namespace) -> int:
    """Score a recipe by the paper's protocol, as trained here or else as shipped, and print the scores."""
    with _workspace(arguments) as workspace:
        run = Run(_changed(_find(arguments.recipe), arguments), arguments.seed)
        workspace = _with_results_folder(workspace, run.recipe)
        split, duration = arguments.split, arguments.durations
        _check_split(run.recipe, split)
        if shipped := not run.finished(workspace) and runs.is_shipped(run):
            model = weights.load(run.recipe.name).to(workspace.device)
            rows = scoring.score(run, model, workspace, split=split, duration=duration)
        elif duration:  # fewer durations than the tables need, so nothing is stored
            rows = scoring.score(run, runs.trained(run, workspace), workspace, split=split, duration=duration)
        else:
            rows = queue.evaluate_run(run, workspace, split=split)
        if is_first_process():
            print(f"{run}{', as shipped' if shipped else ''}, {split}, {rows[0].frames} frames")
            for row in (row for row in rows if row.subset == "all" or not row.duration):
                where = f"l = {row.duration:>2}" if row.duration else f"{row.subset:15}"
                print(f"  {where}  {row.metric:14} {row.value:.4f}")
    return 0


def add_experiments_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `experiments`."""
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="only these and the recipes that they start from")
    parser.add_argument("--seeds", type=at_least(0), nargs="+", default=[0], metavar="N", help="default: 0")
    parser.add_argument("--split", default="val", help=SPLIT_HELP)
    rehearsal_help = "do everything at a thousandth of the iterations, in build/rehearsal"
    parser.add_argument("--rehearse", action="store_true", help=rehearsal_help)
    parser.add_argument("--list", action="store_true", help="only list what is trained and scored")
    add_precision(parser, PRECISION_HELP)
    parser.add_argument("--ship", action="store_true", help="then write the weights of seed 0 to data/weights")
    _add_common(parser)


def experiments_main(arguments: argparse.Namespace) -> int:
    """Train and score all unfinished runs; return 1 if some could not be done."""
    with _workspace(arguments) as workspace:
        recipes = [_find(name) for name in arguments.recipes or RECIPES]
        for recipe in recipes:
            if not recipe.pretraining:
                _check_split(recipe, arguments.split)
        if arguments.rehearse:
            recipes, workspace = [rehearsed(recipe) for recipe in recipes], rehearsal(workspace)
        wanted = [Run(recipe, 0 if recipe.pretraining else seed) for seed in arguments.seeds for recipe in recipes]
        left = [] if arguments.list else run_queue(wanted, workspace, split=arguments.split)
        if is_first_process():
            print(status(wanted, workspace, arguments.split))
            if arguments.ship and not (left or arguments.list or arguments.rehearse):
                print("\n".join(f"data/weights: {name}" for name in shipping.ship(workspace)))
    return 1 if left else 0


def _add_changes(parser: argparse.ArgumentParser) -> None:
    """Options that choose a run: its seed, and changes of the recipe, which then has runs and weights of its own."""
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of the training (default: 0)")
    parser.add_argument("--iterations", type=at_least(1), metavar="N", help="another number; changes the recipe")
    parser.add_argument("--data", metavar="MODULE:FUNCTION", help="a data set of your own; changes the recipe")
    imagenet_help = "N_feat at full width, from torchvision's weights; changes the recipe"
    parser.add_argument("--imagenet", action="store_true", help=imagenet_help)
    parser.add_argument("--classes", type=at_least(1), metavar="C", help="number of classes of --data")


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Options that `train`, `evaluate` and `experiments` share."""
    add_device(parser)
    add_threads(parser)
    parser.add_argument("--workers", type=at_least(0), default=1, metavar="N", help="threads that prepare batches")
    parser.add_argument("--no-progress", action="store_true", help="show no progress bars")


@contextlib.contextmanager
def _workspace(arguments: argparse.Namespace) -> Iterator[Workspace]:
    """Give the repository's own workspace, after setting up the process for long runs."""
    keep_freed_memory()
    use_threads(arguments.threads)
    device = join_processes(arguments.device)
    options = {"device": device, "precision": getattr(arguments, "precision", AUTO)}  # `evaluate` trains nothing
    try:
        yield default_workspace(**options, workers=arguments.workers, progress=not arguments.no_progress)
    finally:
        if is_distributed():
            distributed.destroy_process_group()


def _find(name: str) -> Recipe:
    try:
        return find(name)
    except ValueError as error:
        raise CommandError(str(error)) from None


def _check_split(recipe: Recipe, split: str) -> None:
    if split not in (known := sources.counts(recipe)):
        raise CommandError(f"--split: expected one of {list(known)} for {recipe.name}, got {split!r}")
