"""The queue of experiments: trains and scores runs in order, adds their rows to `data/results`, and can be stopped."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial

from torch import Tensor, hub, nn

from dffkit.experiments import clips, results, runs, scoring, sources
from dffkit.experiments.results import CLIPS, EVALUATION, TRAINING, Score
from dffkit.experiments.runs import Run, Workspace, data
from dffkit.support.errors import BusyError, CommandError, DffkitError
from dffkit.support.files import locked
from dffkit.support.machine import describe, is_distributed, is_first_process
from dffkit.training import checkpoint
from dffkit.training.assembly import published
from dffkit.training.checkpoint import FINISHED
from dffkit.training.loop import train
from dffkit.training.progress import held_signals
from dffkit.training.recipe import Recipe

POLL = 20.0  # seconds between two looks at what other queues have finished
REHEARSED = 4  # streets that a rehearsal trains on, and scores


def run_queue(
    wanted: Sequence[Run], workspace: Workspace, *, split: str = "val", duration: int | None = None, wait: bool = False
) -> list[Run]:
    """Train and score all unfinished runs in dependency order; return those that could not be done.

    Shipped weights are scored and not trained again. The queue may be stopped or killed at any time and called again,
    and several queues may run at the same time. A run that another queue is training, a run that fails, and runs that
    need them are left, and the reasons are printed. With `wait`, the runs that wait for another queue are done later.
    """
    left, failed = _one_pass(wanted, {}, workspace, split, duration), {}
    while wait and any(isinstance(reason, BusyError) for reason in left.values()):
        time.sleep(POLL)
        failed = {run: reason for run, reason in left.items() if not isinstance(reason, CommandError)}
        left = _one_pass(list(left), failed, workspace, split, duration)
    for reason in left.values():
        print(f"Left for later: {reason}")
    return list(left)


def _one_pass(
    wanted: Sequence[Run], failed: dict[Run, DffkitError], workspace: Workspace, split: str, duration: int | None
) -> dict[Run, DffkitError]:
    """Train and score all runs that can be done now and have not failed; return the others with the reasons."""
    left = dict(failed)
    for run in runs.in_order(wanted):
        if run in failed:
            continue
        try:
            has_losses = run.recipe.iterations > 0  # a network that is only assembled has none
            lost_row = has_losses and run.finished(workspace) and not has_row(run, workspace, TRAINING)
            if lost_row or not runs.is_available(run, workspace):
                train_run(run, workspace)
            scorable = split in sources.counts(run.recipe)  # pre-training recipes may lack the split
            if scorable and not has_row(run, workspace, EVALUATION, split):
                evaluate_run(run, workspace, split=split, duration=duration)
        except DffkitError as reason:
            if is_distributed():
                raise  # the other processes would wait for this one
            left[run] = reason
    return left


def side_by_side(words: Sequence[str], jobs: int) -> int:
    """Run `python -m dffkit experiments` with these words in several processes, one thread each.

    Ctrl-C and SIGTERM reach all of them: each ends its training after the step, with a checkpoint.

    Returns:
        The largest of their exit statuses.
    """
    command = [sys.executable, "-m", "dffkit", "experiments", *words, "--wait", "--threads", "1", "--no-progress"]
    with held_signals() as held:
        processes, told = [subprocess.Popen(command, start_new_session=True) for _ in range(jobs)], False
        while any(process.poll() is None for process in processes):
            if held and not told:
                told = True
                for process in processes:
                    process.send_signal(held[0])
            time.sleep(0.2)
    return max(abs(process.returncode) for process in processes)


def status(wanted: Sequence[Run], workspace: Workspace, split: str = "val") -> str:
    """Return a table of runs and all that they start from: iterations done, trained, shipped, scored on the split."""
    lines = []
    for run in runs.in_order(wanted):
        done = run.iteration(workspace)
        waits = [needed.recipe.name for needed in run.starts().values() if not runs.is_available(needed, workspace)]
        state = f"{done} of {run.recipe.iterations} iterations"
        if runs.is_available(run, workspace):
            state = "trained" if run.finished(workspace) else "shipped"
            state += ", scored" if has_row(run, workspace, EVALUATION, split) else ""
        elif waits and not done:
            state = f"waits for {', '.join(dict.fromkeys(waits))}"
        lines.append((run.recipe.name, run.recipe.hash, f"s{run.seed}", state))
    widths = [max(len(line[i]) for line in lines) for i in range(3)]
    return "\n".join("  ".join((*(f"{line[i]:{widths[i]}}" for i in range(3)), line[3])) for line in lines)


def train_run(run: Run, workspace: Workspace, *, resume: bool = True) -> nn.Module:
    """Train a run whose starts are finished, or resume it; add its last losses to `training.csv`.

    Raises:
        BusyError: if another process is training it.
        CommandError: if a run it starts from is not finished.
    """
    recipe, folder = run.recipe, run.folder(workspace)

    def remove_old_scores() -> None:  # just before the weights are replaced; an interrupted training keeps them
        if is_first_process():
            for table in (EVALUATION, CLIPS):
                results.remove(workspace.results / table, recipe.hash, run.seed)

    start = {part: runs.state(needed, workspace) for part, needed in run.starts().items()}
    if recipe.weights and not (resume and run.iteration(workspace)):
        start["feature_network"] = _published(run)
    busy = f"{run} is being trained by another process."
    # Two queues don't train the same run; of several processes that train together the first holds its folder.
    with locked(folder, busy=busy) if is_first_process() else contextlib.nullcontext():
        model = train(
            recipe,
            folder,
            data=data(recipe, workspace, recipe.data_split),
            start=start,
            seed=run.seed,
            data_version=run.measurement(recipe.data_split).data_version,
            device=workspace.device,
            precision=workspace.precision,
            resume=resume,
            progress=workspace.progress,
            validate=scoring.validation(run, workspace),
            workers=workspace.workers,
            names=sources.names(recipe),
            before_result=remove_old_scores,
        )
        measurement = run.measurement(recipe.data_split)
        last = {name: text for row in results.read_rows(folder / "log.csv")[-1:] for name, text in row.items() if text}
        losses = [Score(measurement, name, float(text)) for name, text in last.items() if name != "iteration"]
        _add_rows(run, workspace, TRAINING, losses)
    return model


def evaluate_run(
    run: Run, workspace: Workspace, *, split: str = "val", duration: int | None = None, of_clips: bool = False
) -> list[Score]:
    """Score a run that is trained here or shipped, and add its rows to `evaluation.csv`, or to `clips.csv`.

    Frame's rows are Frame at duration 1; at longer durations they are its features copied without flow.

    Args:
        run: what to score.
        workspace: where its weights and the tables are.
        split: one of `sources.counts`.
        duration: the longest key frame duration; by default that of Fig. 3.
        of_clips: score whole films instead, by `clips.score`.
    """
    score = clips.score if of_clips else partial(scoring.score, duration=duration)
    rows = score(run, runs.trained(run, workspace), workspace, split=split)
    _add_rows(run, workspace, CLIPS if of_clips else EVALUATION, rows)
    return rows


def has_row(run: Run, workspace: Workspace, table: str, split: str | None = None) -> bool:
    """Return True if a result table has rows of this run, on today's data; `split` is by default that of training."""
    wanted = run.measurement(run.recipe.data_split if split is None else split)
    return any(score.measurement == wanted for score in results.read(workspace.results / table))


def rehearsed(recipe: Recipe) -> Recipe:
    """Return the recipe, and all that it starts from, with a thousandth of the iterations and at most 4 streets."""
    start = tuple((part, rehearsed(needed)) for part, needed in recipe.start)
    iterations = -(-recipe.iterations // 1000)
    return dataclasses.replace(recipe, start=start, iterations=iterations, streets=min(recipe.streets, REHEARSED))


def rehearsal(workspace: Workspace) -> Workspace:
    """Return a workspace apart, for runs that only show that everything runs."""
    folder = workspace.runs.parent / "rehearsal"
    return dataclasses.replace(workspace, runs=folder / "runs", results=folder / "results", streets=REHEARSED)


def _published(run: Run) -> dict[str, Tensor]:
    try:
        return published(run.recipe, run.seed)
    except ValueError as error:
        raise CommandError(f"{run}: {error}") from error
    except OSError as error:
        raise CommandError(
            f"{run} starts from torchvision's ImageNet weights, which can't be reached: {error}.\n"
            f"Put their file by hand into {hub.get_dir()}/checkpoints, or start from others, as by --from camvid/dff."
        ) from error


def _add_rows(run: Run, workspace: Workspace, table: str, rows: Sequence[Score]) -> None:
    """Add a run's rows to a table, with the recipe's name, the cost of the training, the machine and the versions."""
    if not is_first_process():
        return
    done = checkpoint.read(run.folder(workspace) / FINISHED) if run.finished(workspace) else {}
    # The machine of a training is the one that trained, which may not be this one.
    trained_on = json.loads(done.get("machine", "null")) if table == TRAINING else None
    precision, seconds = done.get("precision", run.recipe.precision), round(done.get("seconds", 0), 1)
    if not done:  # shipped weights
        stored = ((row.measurement, row.provenance) for row in results.read(workspace.results / TRAINING))
        wanted = run.recipe.hash, run.seed
        row = next((row for it, row in stored if (it.recipe_hash, it.seed) == wanted), {})
        precision, seconds = row.get("precision") or precision, row.get("seconds", "")
    provenance = {"recipe": run.recipe.name, "iterations": run.recipe.iterations, "seconds": seconds}
    provenance |= {"precision": precision}
    provenance |= trained_on or describe(workspace.device)
    results.add(workspace.results / table, [row._replace(provenance=provenance) for row in rows])
