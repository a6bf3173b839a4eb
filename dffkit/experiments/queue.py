"""The queue of experiments: it trains and scores what is not finished, in order, and can be stopped at any time."""

import dataclasses
from collections.abc import Sequence

from dffkit.experiments import execution, runs, sources
from dffkit.experiments.runs import Run, Workspace
from dffkit.support.errors import CommandError, DataError, TrainingError
from dffkit.support.processes import is_distributed
from dffkit.training.recipe import Recipe

REHEARSED = 4  # streets that a rehearsal trains on, and scores


def run_queue(wanted: Sequence[Run], place: Workspace, *, split: str = "val", duration: int | None = None) -> list[Run]:
    """Train and score what is not finished, in the order of what starts from what; returns what is left to do.

    What is shipped is scored as it is shipped; `train` trains it again.

    It may be stopped or killed at any time and called again. Several queues may run at the same time: what another one
    is training, what fails, and what waits for these, is left, and why is printed.
    """
    left = []
    for run in runs.in_order(wanted):
        try:
            losses = run.recipe.iterations > 0  # what is only put together has none
            unwritten = losses and run.finished(place) and not execution.is_written(run, place, "training.csv")
            if unwritten or not runs.is_available(run, place):
                execution.train_run(run, place)
            scored = split in sources.counts(run.recipe)  # what others only start from may have no such split
            if scored and not execution.is_written(run, place, "evaluation.csv", split=split):
                execution.evaluate_run(run, place, split=split, duration=duration)
        except (CommandError, DataError, TrainingError) as reason:
            if is_distributed():
                raise  # the other processes don't know of it
            print(f"Left for later: {reason}")
            left.append(run)
    return left


def status(wanted: Sequence[Run], place: Workspace, split: str = "val") -> str:
    """A table of what is done and what is not, scored on a split, with all that it starts from."""
    lines = []
    for run in runs.in_order(wanted):
        done = run.iteration(place)
        waits = [needed.recipe.name for needed in run.starts().values() if not runs.is_available(needed, place)]
        state = f"{done} of {run.recipe.iterations} iterations"
        if runs.is_available(run, place):
            state = "trained" if run.finished(place) else "shipped"
            state += ", scored" if execution.is_written(run, place, "evaluation.csv", split=split) else ""
        elif waits and not done:
            state = f"waits for {', '.join(dict.fromkeys(waits))}"
        lines.append((run.recipe.name, run.recipe.hash, f"s{run.seed}", state))
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    return "\n".join("  ".join((*(f"{line[i]:{widths[i]}}" for i in range(3)), line[3])) for line in lines)


def rehearsed(recipe: Recipe) -> Recipe:
    """The recipe, and all that it starts from, at a thousandth of the iterations and on a few streets."""
    start = tuple((part, rehearsed(needed)) for part, needed in recipe.start)
    iterations = -(-recipe.iterations // 1000)
    return dataclasses.replace(recipe, start=start, iterations=iterations, streets=min(recipe.streets, REHEARSED))


def rehearsal(place: Workspace) -> Workspace:
    """A place of its own for runs that only show that everything runs."""
    folder = place.runs.parent / "rehearsal"
    return dataclasses.replace(place, runs=folder / "runs", results=folder / "results", streets=REHEARSED)
