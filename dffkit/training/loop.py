"""The training loop: one for every recipe (Sec. 4.2, Fig. 2b)."""

import dataclasses
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from dffkit import atomic
from dffkit.datasets.snippets import Snippet
from dffkit.machine import describe
from dffkit.processes import rank_and_count
from dffkit.recipes.assembly import load_part
from dffkit.recipes.recipe import Recipe
from dffkit.training import checkpoint
from dffkit.training.ahead import ahead
from dffkit.training.jobs import make_job
from dffkit.training.optimiser import make_optimiser, rate_factor, trainable
from dffkit.training.pairs import move

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}
FINISHED = "trained.pt"
_LOG = ("rows", "pending", "scores", "new_scores")

Validate = Callable[[nn.Module], Mapping[str, float]]


class TrainingError(Exception):
    """Training can't go on. The message says where it stood."""


def train(
    recipe: Recipe,
    folder: Path,
    *,
    data: Sequence[Snippet] = (),
    start: Mapping[str, Mapping[str, Tensor]] | None = None,
    seed: int = 0,
    world: str = "",
    device: torch.device | str = "cpu",
    resume: bool = True,
    progress: bool = True,
    validate: Validate | None = None,
    validate_every: int = 1000,
    checkpoint_every: int = 250,
    log_every: int = 25,
    workers: int = 1,
) -> nn.Module:
    """Train a recipe and return its network, in eval mode; in `folder` are then `trained.pt` and `log.csv`.

    A run that was stopped, or killed, goes on from its last checkpoint and ends with the weights it would have had:
    bit by bit, if the operators are deterministic. Under `torch.distributed` every process takes an equal slice of each
    batch; the result is that of one process, as far as the loss is a mean over frames and batch norm is frozen. (Where
    label maps have ignored pixels, each process's mean is over its own labelled ones.)

    Args:
        recipe: what to train.
        folder: where checkpoints are kept, while it runs, and the results.
        data: the snippets to train on; none for "flow".
        start: part -> the state dict of a trained network that has this part, for each part in `recipe.start`, and
            for others if there is something to start them with.
        seed: of the random weights and of the samples.
        world: what the data looks like, any string; a checkpoint made with another one is refused.
        device: "cpu" or "cuda".
        resume: False starts from nothing, whatever is in the folder.
        progress: show a bar (needs tqdm).
        validate: called with the network in eval mode every `validate_every` iterations, and at the end, in every
            process; what it returns goes to the log.
        checkpoint_every: iterations that a kill can cost.
        log_every: iterations whose mean losses make a row of the log.
        workers: batches that are made ahead, each by a thread; 0 makes them in the loop.

    Raises:
        ValueError: if the batch can't be shared equally by the processes, or a part to start from is missing or is of
            another network.
        TrainingError: if a loss or a gradient is not finite, or the network refuses its input.
        DataError: if the folder's checkpoints are of another recipe, seed or world, or none can be read.
    """
    run = _Run(recipe, Path(folder), data, seed, world, torch.device(device))
    if resume and run.load_finished():
        return run.job.module.eval()
    run.start(start or {}, resume)
    bar = _bar(recipe, run.iteration, progress and run.rank == 0)
    began, seconds = time.monotonic(), run.seconds
    try:
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
    finally:
        bar.close()
    run.finish()
    return run.job.module.eval()


class _Run:
    """A training run at some iteration."""

    def __init__(
        self, recipe: Recipe, folder: Path, data: Sequence[Snippet], seed: int, world: str, device: torch.device
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.rank, self.processes = rank_and_count()
        if recipe.batch % self.processes:
            raise ValueError(f"batch: expected a multiple of the {self.processes} processes, got {recipe.batch}")
        self.identity = {"recipe": recipe.hash, "seed": seed, "world": world}
        self.job = make_job(recipe, seed, data)
        self.job.module.to(device).train()
        self.iteration, self.seconds = 0, 0.0
        self.rows: list[dict[str, float]] = []  # of the log
        self.pending: list[dict[str, float]] = []  # losses since the last row
        self.scores: dict[str, float] = {}  # the newest of `validate`
        self.new_scores = False  # since the last row

    def load_finished(self) -> bool:
        """Take the weights of the finished run, if it is finished."""
        path = self.folder / FINISHED
        if not path.exists():
            return False
        state = checkpoint.read(path)
        checkpoint.check(path, state, self.identity)
        self.job.module.load_state_dict(state["module"])
        return True

    def start(self, start: Mapping[str, Mapping[str, Tensor]], resume: bool) -> None:
        """Begin, or go on from the last checkpoint."""
        if not resume and self.rank == 0:
            for path in [*self.folder.glob("checkpoint-*.pt"), self.folder / FINISHED]:
                path.unlink(missing_ok=True)
        self.parameters = trainable(self.job.module, self.recipe)
        self.optimiser = make_optimiser(self.parameters, self.recipe)
        state = checkpoint.load(self.folder, self.identity) if resume else None
        if state is None:
            for part, _ in self.recipe.start:
                if part not in start:
                    raise ValueError(f"start: expected weights for {part}, got them for {list(start) or 'nothing'}")
            for part, weights in start.items():
                load_part(self.job.module, part, weights)
            return
        self.job.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.iteration, self.seconds = state["iteration"], state["seconds"]
        for name in _LOG:
            setattr(self, name, state[name])
        self._write_log()

    def batches(self, workers: int) -> Iterator[Any]:
        """This process's slices of the batches that are left, each made while the ones before are trained on."""
        size = self.recipe.batch // self.processes

        def make(iteration: int) -> Any:
            first = iteration * self.recipe.batch + self.rank * size
            batch = self.job.batch(range(first, first + size))
            return move(batch, Tensor.pin_memory) if self.device.type == "cuda" else batch

        iterations = range(self.iteration, self.recipe.iterations)
        for batch in ahead(make, iterations, workers):
            yield move(batch, lambda tensor: tensor.to(self.device, non_blocking=True))

    def step(self, batch: Any) -> None:
        """One iteration."""
        losses = self._losses(batch)
        loss = sum(value for value in losses.values() if value.requires_grad)
        values = self._mean({"loss": loss, **losses})
        self._check_finite("loss", values)
        self.optimiser.zero_grad()
        loss.backward()
        gradients = [parameter.grad for parameter in self.parameters.values() if parameter.grad is not None]
        self._average(gradients)
        norm = nn.utils.get_total_norm(gradients)
        values["gradient"] = float(norm)
        self._check_finite("gradient", values)
        if self.recipe.clip:
            nn.utils.clip_grads_with_norm_(self.parameters.values(), self.recipe.clip, norm)
        factor = rate_factor(self.recipe, self.iteration)
        for group in self.optimiser.param_groups:
            group["lr"] = group["factor"] * self.recipe.lr * factor
        self.optimiser.step()
        self.iteration += 1
        self.pending.append(values)

    def _losses(self, batch: Any) -> Mapping[str, Tensor]:
        dtype = PRECISIONS[self.recipe.precision]
        try:
            with torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None):
                outputs = self.job.forward(batch)
            return self.job.loss(outputs, batch)  # from float32 copies of the maps
        except ValueError as error:  # a network that has diverged may be told so by its own parts
            raise TrainingError(f"{self.recipe.name}: iteration {self.iteration}: {error}") from error

    def _check_finite(self, name: str, values: Mapping[str, float]) -> None:
        if not math.isfinite(values[name]):
            each = ", ".join(f"{other} {value:g}" for other, value in values.items())
            raise TrainingError(
                f"{self.recipe.name}: iteration {self.iteration}: the {name} is not finite: {each}. "
                "Try a lower learning rate, a longer warm-up, or a limit on the gradient's norm"
            )

    def _mean(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        values = torch.stack([value.detach().float() for value in losses.values()])
        if self.processes > 1:
            distributed.all_reduce(values)
            values /= self.processes
        return dict(zip(losses, values.tolist(), strict=True))

    def _average(self, gradients: list[Tensor]) -> None:
        """The mean over the processes, of all gradients as one vector."""
        if self.processes == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_((mean / self.processes).view_as(gradient))

    def validate(self, validate: Validate) -> None:
        """Score the network as it is."""
        self.job.module.eval()
        with torch.no_grad():
            self.scores = {name: float(value) for name, value in validate(self.job.module).items()}
        self.new_scores = True
        self.job.module.train()

    def log_losses(self) -> None:
        """A row of the log: the means since the last one, and the newest scores."""
        if not self.pending:
            return
        means = {name: sum(row[name] for row in self.pending) / len(self.pending) for name in self.pending[0]}
        self.rows.append({"iteration": self.iteration, **means, **(self.scores if self.new_scores else {})})
        self.pending, self.new_scores = [], False

    def summary(self) -> dict[str, str]:
        """What the bar shows: the loss since the last row of the log, and the last scores."""
        recent = self.pending or self.rows[-1:]
        loss = sum(row["loss"] for row in recent) / len(recent)
        return {"loss": f"{loss:.4f}", **{name: f"{value:.3f}" for name, value in self.scores.items()}}

    def save(self) -> None:
        """A checkpoint, and the log as far as the checkpoint knows it."""
        if self.rank == 0:
            state = {"module": self.job.module.state_dict(), "optimiser": self.optimiser.state_dict()}
            state |= {name: getattr(self, name) for name in _LOG}
            state |= {"identity": self.identity, "seconds": self.seconds}
            checkpoint.save(self.folder, state, self.iteration)
            self._write_log()

    def finish(self) -> None:
        """Leave the result in place of the checkpoints."""
        if self.rank == 0:
            self._write_log()
            state = {"identity": self.identity, "name": self.recipe.name, "iteration": self.iteration}
            state |= {"recipe": json.dumps(dataclasses.asdict(self.recipe))}  # so that the file can be used by itself
            state |= {"seconds": self.seconds, "machine": json.dumps(describe(self.device))}
            state |= {"module": self.job.module.state_dict()}
            checkpoint.write(self.folder / FINISHED, state)
            for path in self.folder.glob("checkpoint-*.pt"):
                path.unlink()
        if self.processes > 1:
            distributed.barrier()

    def _write_log(self) -> None:
        if self.rank == 0:
            columns = list(dict.fromkeys(["iteration", "loss", *(name for row in self.rows for name in row)]))
            lines = [",".join(columns), *(",".join(str(row.get(name, "")) for name in columns) for row in self.rows)]
            atomic.write(self.folder / "log.csv", "\n".join(lines) + "\n")


def _bar(recipe: Recipe, iteration: int, show: bool) -> Any:
    from tqdm import tqdm

    return tqdm(
        desc=recipe.name, initial=iteration, total=recipe.iterations, unit="it", disable=not show, file=sys.stderr
    )
