"""The training loop, one for all recipes (Sec. 4.2, Fig. 2b)."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from dffkit.datasets.snippets import Snippet
from dffkit.training.recipe import Recipe
from dffkit.training.training_run import TrainingRun, Validate


def train(
    recipe: Recipe,
    folder: Path,
    *,
    data: Sequence[Snippet] = (),
    start: Mapping[str, Mapping[str, Tensor]] | None = None,
    seed: int = 0,
    data_version: str = "",
    device: torch.device | str = "cpu",
    resume: bool = True,
    progress: bool = True,
    validate: Validate | None = None,
    validate_every: int = 1000,
    checkpoint_every: int = 250,
    log_every: int = 25,
    workers: int = 1,
    names: Sequence[str] = (),
    before_result: Callable[[], None] = lambda: None,
) -> nn.Module:
    """Train a recipe and return its network in eval mode. `folder` then holds `trained.pt` and `log.csv`.

    A run that was stopped or killed resumes from its last checkpoint and ends with the same weights as without the
    stop: bit by bit, if the operators are deterministic. Under `torch.distributed` every process takes an equal slice
    of each batch. The result is the same as with one process if the loss is a mean over frames and batch norm is
    frozen. (Where label maps have ignored pixels, each process takes the mean over its own labelled pixels.)

    Args:
        recipe: the recipe to train.
        folder: where checkpoints and results are kept.
        data: the snippets to train on; none for job "flow" on sprites.
        start: part -> the state dict of a trained network that has this part, for each part in `recipe.start`, and
            for any other part.
        seed: of the random weights and of the samples.
        data_version: any string that changes with the data; a checkpoint with another one is refused.
        device: "cpu" or "cuda".
        resume: False begins again, and deletes the folder's checkpoints and result.
        progress: show a bar.
        validate: called with the network in eval mode every `validate_every` iterations and at the end, in every
            process; the log holds its result.
        validate_every: iterations between two validations.
        checkpoint_every: iterations between two checkpoints.
        log_every: iterations whose mean losses make a row of the log.
        workers: threads that prefetch batches, one each; 0 makes the batches in the loop.
        names: of the classes; `trained.pt` holds them, so that it can be used without the data.
        before_result: called in every process just before `trained.pt` is written.

    Raises:
        ValueError: if a part to start from is missing or is of another network.
        TrainingError: if the batch can't be shared equally by the processes, a loss or a gradient is not finite, or the
            network refuses its input.
        DataError: if the folder's checkpoints are of another recipe, seed or data version, or none can be read; or
            if frames differ in size.
    """
    run = TrainingRun(recipe, Path(folder), data, seed, data_version, torch.device(device))
    if resume and run.load_finished():
        return run.job.module.eval()
    run.start(start or {}, resume)
    bar = tqdm(
        desc=recipe.name, initial=run.iteration, total=recipe.iterations, unit="it", file=sys.stderr,
        disable=not progress or run.rank > 0,
    )  # fmt: skip
    began, seconds = time.monotonic(), run.seconds
    with bar:
        for batch in run.batches(workers):
            run.step(batch)
            run.seconds = seconds + time.monotonic() - began
            last = run.iteration == recipe.iterations
            if validate is not None and (last or run.iteration % validate_every == 0):
                run.validate(validate)
            if last or run.iteration % log_every == 0:
                run.log_losses()
            if not last and run.iteration % checkpoint_every == 0:
                run.save()
            bar.update()
            bar.set_postfix(run.summary(), refresh=False)
    before_result()
    run.finish(names)
    return run.job.module.eval()
