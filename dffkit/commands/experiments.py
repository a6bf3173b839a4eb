"""The commands of the experiments: `python -m dffkit train`, `evaluate` and `experiments`."""

import argparse
import contextlib
import dataclasses
from collections.abc import Iterator

from torch import distributed

from dffkit import weights
from dffkit.commands.options import add_device, add_threads, at_least
from dffkit.experiments import execution, runs, scoring, shipping, sources
from dffkit.experiments.own_data import REMEDY, class_names
from dffkit.experiments.queue import rehearsal, rehearsed, run_queue, status
from dffkit.experiments.runs import Run, Workspace, default_workspace
from dffkit.networks.precision import PRECISIONS
from dffkit.support.errors import CommandError, DataError, TrainingError
from dffkit.support.machine import keep_freed_memory
from dffkit.support.processes import is_distributed, is_first_process, join_processes, use_threads
from dffkit.training.real_recipes import REAL, on_own_data, with_imagenet
from dffkit.training.recipe import Recipe
from dffkit.training.recipes import RECIPES, find

DFF = "toytown/segmentation/dff"


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `train`."""
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="without one, all recipes are listed")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N")
    _add_changes(parser)
    parser.add_argument("--fresh", action="store_true", help="begin again, whatever there is already")
    _add_common(parser)


def train_main(arguments: argparse.Namespace) -> int:
    """Train one recipe, and first whatever it starts from that is neither trained here nor shipped."""
    if arguments.recipe is None:
        print("\n".join(recipe.describe() for recipe in (*RECIPES.values(), *REAL.values())))
        return 0
    with _clear_errors(), _place(arguments) as place:
        wanted = Run(_changed(_find(arguments.recipe), arguments), arguments.seed)
        place = _results_of(wanted.recipe, place)
        for run in runs.in_order([wanted]):
            if run != wanted and runs.is_available(run, place):
                continue
            execution.train_run(run, place, resume=not (arguments.fresh and run == wanted))
            if is_first_process():
                print(f"{run} is trained: {run.folder(place)}")
    return 0


def _changed(recipe: Recipe, arguments: argparse.Namespace) -> Recipe:
    """The recipe with what the command line changes; on other data it gets their name.

    Raises:
        CommandError: for changes that this recipe can't have.
    """
    if (arguments.data or arguments.classes or arguments.imagenet) and recipe.pretraining:
        options_given = "--data, --classes, --imagenet"
        raise CommandError(f"{options_given}: expected a recipe for one task, such as {DFF}, got {recipe.name}")
    if arguments.data and ":" not in arguments.data:
        raise CommandError(f'--data: expected "module:function", got {arguments.data!r}; {REMEDY}')
    recipe = with_imagenet(recipe) if arguments.imagenet else recipe
    changes = {"iterations": arguments.iterations, "precision": arguments.precision}
    changes = {name: value for name, value in changes.items() if value is not None}
    try:
        recipe = on_own_data(recipe, arguments.data, _classes(arguments))
        return dataclasses.replace(recipe, **changes)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _classes(arguments: argparse.Namespace) -> int | None:
    """How many classes one's own data set has: what it says itself, or what the command line says."""
    if not arguments.data:
        return arguments.classes
    declared = len(class_names(arguments.data))
    if not declared and not arguments.classes:
        raise CommandError(f"{arguments.data}: how many classes has it? Give --classes, or the function a list `names`")
    if declared and arguments.classes not in (None, declared):
        raise CommandError(f"--classes: expected {declared}, as {arguments.data} has names, got {arguments.classes}")
    return declared or arguments.classes


def _results_of(recipe: Recipe, place: Workspace) -> Workspace:
    """The place with another folder for the rows of recipes that are not the kit's: those in `data/results` ship."""
    if recipe.hash in {known.hash for known in (*RECIPES.values(), *REAL.values())}:
        return place
    return dataclasses.replace(place, results=place.runs.parent / "results")


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `evaluate`."""
    parser.add_argument("recipe", nargs="?", default=DFF, metavar="RECIPE", help=f"by default {DFF}")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N")
    parser.add_argument("--split", default="val", help='val (default), "test", or for Toytown "elsewhere"')
    _add_changes(parser)
    parser.add_argument(
        "--durations", type=at_least(1), metavar="L", help="only 1..L, and store nothing (default: 10, boxes 20)"
    )
    _add_common(parser)


def evaluate_main(arguments: argparse.Namespace) -> int:
    """Score a recipe by the paper's protocol: the run that was trained here, or else the shipped weights."""
    with _clear_errors(), _place(arguments) as place:
        run = Run(_changed(_find(arguments.recipe), arguments), arguments.seed)
        place = _results_of(run.recipe, place)
        split, duration = arguments.split, arguments.durations
        _check_split(run.recipe, split)
        if shipped := not run.finished(place) and runs.is_shipped(run):
            model = weights.load(run.recipe.name).to(place.device)
            rows = scoring.score(run.recipe, model, place, split=split, duration=duration)
        elif duration:  # fewer durations than the tables need: for a look
            rows = scoring.score(run.recipe, runs.trained(run, place), place, split=split, duration=duration)
        else:
            rows = execution.evaluate_run(run, place, split=split)
        if is_first_process():
            print(f"{run}{', as shipped' if shipped else ''}, {split}, {rows[0]['frames']} frames")
            for row in (row for row in rows if row["subset"] == "all" or not row["duration"]):
                where = f"l = {row['duration']:>2}" if row["duration"] else f"{row['subset']:15}"
                print(f"  {where}  {row['metric']:14} {row['value']:.4f}")
    return 0


def add_experiments_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `experiments`."""
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="only these, and what they start from")
    parser.add_argument("--seeds", type=at_least(0), nargs="+", default=[0], metavar="N")
    parser.add_argument("--split", default="val", help='val (default), "test", or for Toytown "elsewhere"')
    parser.add_argument(
        "--rehearse", action="store_true", help="everything at a thousandth of the iterations, into build/rehearsal"
    )
    parser.add_argument("--list", action="store_true", help="only print what is done and what is not")
    parser.add_argument("--ship", action="store_true", help="afterwards put the weights of seed 0 into data/weights")
    _add_common(parser)


def experiments_main(arguments: argparse.Namespace) -> int:
    """Train and score everything that is not finished yet."""
    with _clear_errors(), _place(arguments) as place:
        recipes = [_find(name) for name in arguments.recipes or RECIPES]
        for recipe in recipes:
            if not recipe.pretraining:
                _check_split(recipe, arguments.split)
        if arguments.rehearse:
            recipes, place = [rehearsed(recipe) for recipe in recipes], rehearsal(place)
        wanted = [Run(recipe, 0 if recipe.pretraining else seed) for seed in arguments.seeds for recipe in recipes]
        left = [] if arguments.list else run_queue(wanted, place, split=arguments.split)
        if is_first_process():
            print(status(wanted, place, arguments.split))
            if arguments.ship and not (left or arguments.list or arguments.rehearse):
                print("\n".join(f"data/weights: {name}" for name in shipping.ship(place)))
    return 1 if left else 0


def _add_changes(parser: argparse.ArgumentParser) -> None:
    """What makes a recipe another one."""
    parser.add_argument("--iterations", type=at_least(1), metavar="N", help="another number; makes it another recipe")
    parser.add_argument("--precision", choices=PRECISIONS, help="another one; makes it another recipe")
    parser.add_argument("--data", metavar="MODULE:FUNCTION", help="a data set of your own; makes it another recipe")
    parser.add_argument(
        "--imagenet", action="store_true", help="N_feat at full width, from torchvision's weights; another recipe"
    )
    parser.add_argument("--classes", type=at_least(1), metavar="C", help="how many classes that data set has")


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_device(parser)
    add_threads(parser)
    parser.add_argument("--workers", type=at_least(0), default=1, metavar="N", help="threads that make batches ahead")
    parser.add_argument("--no-progress", action="store_true", help="show no bars")


@contextlib.contextmanager
def _place(arguments: argparse.Namespace) -> Iterator[Workspace]:
    """The repository's own place, with the process set up for long runs."""
    keep_freed_memory()
    use_threads(arguments.threads)
    device = join_processes(arguments.device)
    try:
        yield default_workspace(device=device, workers=arguments.workers, progress=not arguments.no_progress)
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


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """What the user can mend ends the command with a message and without a traceback."""
    try:
        yield
    except (DataError, TrainingError) as error:
        raise CommandError(str(error)) from error
