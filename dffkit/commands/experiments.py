"""`python -m dffkit train`, `evaluate` and `experiments`: recipes are trained and scored."""

import argparse
import contextlib
import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import distributed

from dffkit.commands.cli import add_device, add_precision, add_threads, at_least
from dffkit.experiments import full_scale, map_similarity, queue, runs, scoring, shipping, sources
from dffkit.experiments.own_data import REMEDY, class_names
from dffkit.experiments.queue import rehearsal, rehearsed, run_queue
from dffkit.experiments.results import Score
from dffkit.experiments.runs import Run, Workspace, default_workspace
from dffkit.networks.precision import AUTO
from dffkit.support.errors import CommandError
from dffkit.support.files import own_folder, root
from dffkit.support.machine import is_distributed, is_first_process, join_processes, keep_freed_memory, use_threads
from dffkit.training import recipes
from dffkit.training.assembly import fitting_parts
from dffkit.training.progress import announce
from dffkit.training.recipe import Recipe
from dffkit.training.recipes import AGGREGATION, HANDHELD, REAL, RECIPES, find, is_own

DFF = "toytown/segmentation/dff"
PRECISION_HELP = "a run that continues keeps its own"
SPLIT_HELP = 'val (default), "test", or for Toytown "elsewhere"'


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `train`."""
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="without one, list all recipes")
    _add_changes(parser)
    parser.add_argument("--fresh", action="store_true", help="begin again, even if a training is there")
    rehearsal_help = "for paper/...: only 2 iterations on made-up files; print memory, seconds and predicted hours"
    parser.add_argument("--rehearse", action="store_true", help=rehearsal_help)
    add_precision(parser, PRECISION_HELP)
    _add_common(parser)


def train_main(arguments: argparse.Namespace) -> int:
    """Train one recipe, after the recipes that it starts from and that are neither trained here nor shipped."""
    if arguments.recipe is None:
        print("\n".join(recipe.describe() for recipe in (RECIPES | HANDHELD | AGGREGATION | REAL).values()))
        return 0
    with _workspace(arguments) as workspace:
        recipe = _changed(_find(arguments.recipe), arguments, workspace)
        if arguments.rehearse:
            report = full_scale.rehearse(recipe, workspace)
            print(report if is_first_process() else "", end="\n" * is_first_process())
            return 0
        wanted = Run(recipe, arguments.seed)
        workspace = _with_results_folder(workspace, wanted)
        missing = [run for run in runs.in_order([wanted])[:-1] if not runs.is_available(run, workspace)]
        if arguments.fresh or not wanted.finished(workspace):
            for run in (*missing, wanted):
                announce(f"to be trained: {run.recipe.describe()}")
            if missing:
                announce("--iterations N sets the number for all of these; --from WEIGHTS trains the last one only")
        for run in (*missing, wanted):
            queue.train_run(run, workspace, resume=not (arguments.fresh and run == wanted))
            if is_first_process():
                print(f"{run} is trained: {run.folder(workspace)}")
    return 0


def _changed(recipe: Recipe, arguments: argparse.Namespace, workspace: Workspace) -> Recipe:
    """Return the recipe with the changes of the command line. A data set of one's own becomes part of its name.

    Raises:
        CommandError: if the recipe can't have one of the changes.
    """
    if recipe.pretraining and (given := _given(arguments, "data", "classes", "imagenet", "from")):
        raise CommandError(f"{given[0]}: expected a recipe for one task, such as {DFF}, got {recipe.name}")
    if arguments.imagenet and vars(arguments)["from"]:
        raise CommandError("--imagenet, --from: both give weights to start from; leave one out")
    recipe = recipes.with_imagenet(recipe) if arguments.imagenet else recipe
    recipe = recipes.on_own_data(recipe, arguments.data, _classes(arguments))
    recipe = recipes.with_iterations(recipe, arguments.iterations) if arguments.iterations else recipe
    start = vars(arguments)["from"]
    return _from_weights(recipe, start, arguments.seed, workspace) if start else recipe


def _from_weights(recipe: Recipe, name: str, seed: int, workspace: Workspace) -> Recipe:
    """Return the recipe with those parts of trained weights that fit it; others start as pre-trained, or at random."""
    run, _ = _named(name, seed, workspace)
    if run.seed != seed and not run.recipe.pretraining:  # a recipe starts from runs of its own seed
        raise CommandError(f"--from {name}: is of seed {run.seed}, so give --seed {run.seed}, this training's too")
    if not (parts := fitting_parts(recipe, runs.state(run, workspace))):
        raise CommandError(f"--from {name}: no part of it fits {recipe.name}; give weights of a network of like size")
    start = {part: each for part, each in recipe.start if each.pretraining} | dict.fromkeys(parts, run.recipe)
    if left := {"feature_network", "task_network"} - start.keys():
        announce(f"--from {name}: has no fitting {' and '.join(sorted(left))}, which starts at random")
    published = "" if "feature_network" in parts else recipe.weights
    return dataclasses.replace(recipe, start=tuple(start.items()), weights=published)


def _named(name: str, seed: int, workspace: Workspace) -> tuple[Run, tuple[str, ...]]:
    """Return the run that the name of a recipe or the folder of a finished run stands for, and its classes."""
    if not Path(name).is_dir():
        recipe = _find(name)
        return runs.run_of(recipe, seed), sources.names(recipe)
    run, _, names = runs.load_trained(Path(name))
    if not run.finished(workspace):
        place = run.folder(workspace)
        raise CommandError(f"{name}: expected a folder in {workspace.runs}; copy it:  cp -r {name} {place}")
    return run, names


def _classes(arguments: argparse.Namespace) -> int | None:
    """Return the number of classes: that of the data set's `names`, or `--classes`."""
    if not arguments.data:
        return arguments.classes
    if ":" not in arguments.data:
        raise CommandError(f'--data: expected "module:function", got {arguments.data!r}; {REMEDY}')
    declared = len(class_names(arguments.data))
    if not declared and not arguments.classes:
        raise CommandError(f"{arguments.data}: how many classes has it? Give --classes, or the function a list `names`")
    if declared and arguments.classes not in (None, declared):
        names = f"the number of names of {arguments.data}"
        raise CommandError(f"--classes: expected {declared}, {names}, got {arguments.classes}")
    return declared or arguments.classes


def _with_results_folder(workspace: Workspace, run: Run) -> Workspace:
    """Return the workspace in which rows go to `build/results`, if they are no rows of the kit or can't be written."""
    own = run.data or is_own(run.recipe) or own_folder() != root()
    return dataclasses.replace(workspace, results=workspace.runs.parent / "results") if own else workspace


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `evaluate`."""
    parser.add_argument("recipe", nargs="?", default=DFF, metavar="RECIPE", help=f"or a run's folder; by default {DFF}")
    parser.add_argument("--split", default="val", help=SPLIT_HELP)
    _add_changes(parser)
    parser.add_argument("--durations", type=at_least(1), metavar="L", help="1 to L, not stored (default: 10, boxes 20)")
    parser.add_argument("--clips", action="store_true", help="whole handheld films: Seq-NMS, and DFF's key frames")
    _add_common(parser)


def evaluate_main(arguments: argparse.Namespace) -> int:
    """Score a recipe by the paper's protocol, as trained here or else as shipped, and print the scores."""
    with _workspace(arguments) as workspace:
        run = _run_to_score(arguments, workspace)
        workspace = _with_results_folder(workspace, run)
        split, duration = arguments.split, arguments.durations
        _check_split(run.scored, split)
        shipped = not run.finished(workspace)
        if not arguments.clips and (duration or (shipped and not run.data)):  # fewer durations, or rows that are there
            rows = scoring.score(run, runs.trained(run, workspace), workspace, split=split, duration=duration)
        else:
            rows = queue.evaluate_run(run, workspace, split=split, of_clips=arguments.clips)
        if is_first_process():
            where = f"{run.data} {split}".strip()
            print(f"{run}{', as shipped' if shipped else ''}, {where}, {rows[0].frames} frames")
            _print_scores(rows)
    return 0


def _run_to_score(arguments: argparse.Namespace, workspace: Workspace) -> Run:
    """Return the run that `evaluate` scores: on one's own data as trained on it, or else with weights for other data.

    Raises:
        CommandError: if there are no weights, or weights for other classes than the data set has.
    """
    name, data, changes = arguments.recipe, arguments.data, _given(arguments, "iterations", "imagenet", "from")
    run, names = _named(name, arguments.seed, workspace)
    if not Path(name).is_dir():
        command = ["train", name, *_given(arguments, "seed", "data", "classes"), *changes]
        remedy = f"Train it with:  python -m dffkit {shlex.join(command)}"
        wanted = Run(_changed(run.recipe, arguments, workspace), arguments.seed)
        if runs.is_available(wanted, workspace):
            return wanted
        if changes or not data or not runs.is_available(run, workspace):
            raise CommandError(f"{wanted} is not trained yet. {remedy}")
    elif changes or run.recipe.pretraining:
        raise CommandError(f"{name}: expected a run for one task, without {' '.join(changes) or 'pre-training'}")
    else:
        remedy = "Give data of these classes"
    if data in (None, run.recipe.data):
        return run
    names = names[: dict(run.recipe.heads[0][1])["num_classes"]]  # data without names has 256
    if len(names) != (count := _classes(arguments)):
        known = f"{len(names)} classes ({', '.join(names)})"
        raise CommandError(f"{name}: its weights know {known}, {data} has {count}. {remedy}")
    if (declared := class_names(data) or names) != names:
        announce(f"{data}: its classes {', '.join(declared)} are compared with the weights' {', '.join(names)}")
    return dataclasses.replace(run, data=data)


def _given(arguments: argparse.Namespace, *names: str) -> list[str]:
    """Return those of the options that are given, as words of a command line."""
    values = {f"--{name}": vars(arguments)[name] for name in names}
    return [word for option, value in values.items() if value for word in (option, str(value)) if word != "True"]


def _print_scores(rows: Sequence[Score]) -> None:
    """Print overall scores by key frame duration, or by region, and the similarity of maps by their distance."""
    similar: dict[str, list[str]] = {}
    for row in rows:
        if row.metric.startswith(map_similarity.METRIC):
            apart = "other moments" if row.duration is None else f"{row.duration:>2} frames apart"
            layer = row.metric.removeprefix(map_similarity.METRIC).strip()
            similar.setdefault(f"maps {row.subset}, {apart}", []).append(f"{layer} {row.value:.3f}")
        elif row.subset == "all" or not row.duration:
            where = f"l = {row.duration:>2}" if row.duration else f"{row.subset:15}"
            print(f"  {where}  {row.metric:14} {row.value:.4f}")
    print("".join(f"  similarity of {where}: {', '.join(values)}\n" for where, values in similar.items()), end="")


def add_experiments_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `experiments`."""
    recipes_help = 'only these and the recipes that they start from; "handheld" stands for all of that world'
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=recipes_help)
    parser.add_argument("--seeds", type=at_least(0), nargs="+", default=[0], metavar="N", help="default: 0")
    parser.add_argument("--split", default="val", help=SPLIT_HELP)
    rehearsal_help = "do everything at a thousandth of the iterations, in build/rehearsal"
    parser.add_argument("--rehearse", action="store_true", help=rehearsal_help)
    jobs_help = "trainings side by side, each on one thread; about 2 GB each (default: 1)"
    parser.add_argument("--jobs", type=at_least(1), default=1, metavar="N", help=jobs_help)
    parser.add_argument("--wait", action="store_true", help="wait for what another queue trains, instead of leaving it")
    parser.add_argument("--list", action="store_true", help="only list what is trained and scored")
    add_precision(parser, PRECISION_HELP)
    parser.add_argument("--ship", action="store_true", help="then write the weights of seed 0 to data/weights")
    _add_common(parser)


def experiments_main(arguments: argparse.Namespace) -> int:
    """Train and score all unfinished runs; return 1 if some could not be done."""
    if arguments.jobs > 1 and not arguments.list:
        words = [*arguments.recipes, "--seeds", *map(str, arguments.seeds), "--split", arguments.split]
        words += ["--device", arguments.device, "--precision", arguments.precision]
        words += ["--workers", str(arguments.workers), *["--rehearse"] * arguments.rehearse]
        if status := queue.side_by_side(words, arguments.jobs):
            return status
    with _workspace(arguments) as workspace:
        names = [every for name in arguments.recipes for every in (HANDHELD if name == "handheld" else [name])]
        chosen = [_find(name) for name in names or RECIPES | HANDHELD]
        for recipe in chosen:
            if not recipe.pretraining:
                _check_split(recipe, arguments.split)
        if arguments.rehearse:
            chosen, workspace = [rehearsed(recipe) for recipe in chosen], rehearsal(workspace)
        wanted = [runs.run_of(recipe, seed) for seed in arguments.seeds for recipe in chosen]
        left = [] if arguments.list else run_queue(wanted, workspace, split=arguments.split, wait=arguments.wait)
        if is_first_process():
            print(queue.status(wanted, workspace, arguments.split))
            if arguments.ship and not (left or arguments.list or arguments.rehearse):
                print("\n".join(f"data/weights: {name}" for name in shipping.ship(workspace)))
    return 1 if left else 0


def _add_changes(parser: argparse.ArgumentParser) -> None:
    """Options that choose a run: its seed, and changes of the recipe, which then has runs and weights of its own."""
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of the training (default: 0)")
    parser.add_argument("--iterations", type=at_least(1), metavar="N", help="another number, of own starts too")
    parser.add_argument("--data", metavar="MODULE:FUNCTION", help="a data set of your own; changes the recipe")
    imagenet_help = "N_feat at full width, from torchvision's weights; changes the recipe"
    parser.add_argument("--imagenet", action="store_true", help=imagenet_help)
    start_help = "start from trained weights: a recipe, or the folder of a run; changes the recipe"
    parser.add_argument("--from", metavar="WEIGHTS", help=start_help)
    parser.add_argument("--classes", type=at_least(1), metavar="C", help="number of classes of --data")


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Options that `train`, `evaluate` and `experiments` share."""
    add_device(parser)
    add_threads(parser)
    workers_help = "threads that prepare batches; for sprites, processes"
    parser.add_argument("--workers", type=at_least(0), default=1, metavar="N", help=workers_help)
    parser.add_argument("--no-progress", action="store_true", help="no bars, but a line now and then")


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
