"""The training loop, one for all recipes (Sec. 4.2, Fig. 2b): batches, steps, log and checkpoints of a run."""

import dataclasses
import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from dffkit.datasets.snippets import Snippet
from dffkit.networks.precision import AUTO, autocast, resolve
from dffkit.support import files
from dffkit.support.errors import TrainingError
from dffkit.support.machine import average, describe, device_name, rank_and_count
from dffkit.training import checkpoint
from dffkit.training.assembly import load_part, make_optimiser, rate_factor, trainable
from dffkit.training.checkpoint import FINISHED
from dffkit.training.graphs import fits, use_graphs
from dffkit.training.jobs import FlowJob, make_job, prefetch
from dffkit.training.pairs import move
from dffkit.training.progress import announce, held_signals, training_bar
from dffkit.training.recipe import Measurement, Recipe

Validate = Callable[[nn.Module], Mapping[str, float]]  # network in eval mode -> its scores by name
LOG_STATE = ("rows", "pending", "scores", "new_scores")  # attributes that a checkpoint holds


def train(
    recipe: Recipe,
    folder: Path,
    *,
    data: Sequence[Snippet] = (),
    start: Mapping[str, Mapping[str, Tensor]] | None = None,
    seed: int = 0,
    data_version: str = "",
    device: torch.device | str = "cpu",
    precision: str = AUTO,
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
        folder: where checkpoints and results are kept.
        data: the snippets to train on; none for job "flow" on sprites.
        start: part -> the state dict of a trained network that has this part, for each part in `recipe.start`, and
            for any other part.
        seed: of the random weights and of the samples.
        data_version: any string that changes with the data; a checkpoint with another one is refused.
        precision: "float32", "bfloat16" for mixed precision, or "auto" for that which fits the device. A run that is
            resumed keeps its own, which for a run of an older dffkit is the recipe's.
        resume: False begins again, and deletes the folder's checkpoints and result.
        progress: show a bar; without one, a line says every half minute how far the training is.
        validate: called with the network in eval mode every `validate_every` iterations and at the end, in every
            process; the log holds its result.
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
        KeyboardInterrupt: after Ctrl-C, when the step is done and a checkpoint is written. After SIGTERM likewise
            `SystemExit` with status 143. A second signal takes effect at once.
    """
    run = TrainingRun(recipe, Path(folder), data, seed, data_version, torch.device(device))
    if resume and run.load_finished():
        run.say_precision(precision, resumed=True)
        return run.job.module.eval()
    run.start(start or {}, resume, precision)
    bar = training_bar(recipe.name, run.iteration, recipe.iterations, progress)
    began, seconds = time.monotonic(), run.seconds
    with bar, held_signals() as held:
        for batch in run.batches(workers):
            run.step(batch, stop=bool(held))
            run.seconds = seconds + time.monotonic() - began
            last = run.iteration == recipe.iterations
            if validate is not None and (last or run.iteration % validate_every == 0):
                run.validate(validate)
            if last or run.iteration % log_every == 0:
                run.log_losses()
            stopped = run.stopped or (held and run.processes == 1)
            if stopped or (not last and run.iteration % checkpoint_every == 0):
                run.save()
            bar.set_postfix(run.summary(), refresh=False)
            bar.update()
            if stopped:
                break
        else:
            before_result()
            run.finish(names)
    if held or run.stopped:
        where = f"stopped at iteration {run.iteration} of {recipe.iterations}"
        announce(f"{recipe.name}: {where}; the same command, without --fresh, continues")
        raise KeyboardInterrupt if signal.SIGINT in held else SystemExit(128 + signal.SIGTERM)
    return run.job.module.eval()


class TrainingRun:
    """A run of `train`, which has the same arguments: the network and the log, as they are at an iteration."""

    def __init__(
        self, recipe: Recipe, folder: Path, data: Sequence[Snippet], seed: int, data_version: str, device: torch.device
    ) -> None:
        self.recipe, self.folder, self.device = recipe, folder, device
        self.rank, self.processes = rank_and_count()
        if recipe.batch % self.processes:
            raise TrainingError(
                f"{recipe.name}: batch: expected a multiple of the {self.processes} processes, got {recipe.batch}; "
                "give torchrun a --nproc-per-node that divides it"
            )
        self.identity = Measurement(recipe.hash, seed, data_version, recipe.data_split)._asdict()
        self.job = make_job(recipe, seed, data)
        self.job.module.to(device).train()
        self.iteration, self.seconds = 0, 0.0
        self.rows: list[dict[str, float]] = []  # rows of the log
        self.pending: list[dict[str, float]] = []  # losses of the iterations since the last row
        self.scores: dict[str, float] = {}  # newest scores of `validate`
        self.new_scores = False  # True if they are newer than the last row
        self.stopped = False  # True after a step at whose beginning a process of several was told to stop

    def load_finished(self) -> bool:
        """Load the weights of the finished run; return False if it is not finished."""
        path = self.folder / FINISHED
        if not path.exists():
            return False
        state = checkpoint.read(path)
        checkpoint.check(path, state, self.identity)
        self.job.module.load_state_dict(state["module"])
        self.precision = state.get("precision", self.recipe.precision)
        return True

    def start(self, start: Mapping[str, Mapping[str, Tensor]], resume: bool, precision: str) -> None:
        """Begin with the weights of `start` by part, or resume from the last checkpoint in its own precision."""
        if not resume and self.rank == 0:
            for path in [*self.folder.glob("checkpoint-*.pt"), self.folder / FINISHED]:
                path.unlink(missing_ok=True)
        self.parameters = trainable(self.job.module, self.recipe)
        self.optimiser = make_optimiser(self.parameters, self.recipe)
        state = checkpoint.load(self.folder, self.identity) if resume else None
        wanted = precision if state is None else state.get("precision", self.recipe.precision)
        self.precision = resolve(wanted, self.device)
        self.say_precision(precision, resumed=state is not None)
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
        for name in LOG_STATE:
            setattr(self, name, state[name])
        self._write_log()

    def say_precision(self, asked: str, resumed: bool) -> None:
        """Print the precision and the reason for it; if a resumed run was to have another one, say how to get that."""
        why = f"chosen for {device_name(self.device)}" if asked == AUTO else "as asked for"
        if resumed:
            why = "as it began" + (f"; --fresh begins again in {asked}" if asked not in (AUTO, self.precision) else "")
        announce(f"{self.recipe.name}: precision {self.precision}, {why}")

    def batches(self, workers: int) -> Iterator[Any]:
        """Yield this process's slices of the remaining batches, on the device; `workers` threads prefetch them."""
        size, batch_size = self.recipe.batch // self.processes, self.recipe.batch
        firsts = [i * batch_size + self.rank * size for i in range(self.iteration, self.recipe.iterations)]
        samples = [range(first, first + size) for first in firsts]
        captured = not fits(self.recipe, self.device, self.precision)
        options = {"processes": isinstance(self.job, FlowJob), "pin": self.device.type == "cuda"}
        for batch in prefetch(self.job.batch, samples, workers, **options):
            moved = move(batch, lambda tensor: tensor.to(self.device, non_blocking=True))
            if not captured:
                use_graphs(self.job, moved)
                captured = True
            yield moved

    def step(self, batch: Any, stop: bool = False) -> None:
        """Train on one batch; with `stop` in one process, all processes know after it that they stop here.

        Raises:
            TrainingError: if a loss or the gradient is not finite, or a part of the network refuses its input.
        """
        losses = self._losses(batch)
        loss = sum(value for value in losses.values() if value.requires_grad)
        means = torch.stack([value.detach().float() for value in (loss, *losses.values(), loss.new_tensor(stop))])
        average([means])
        *means, stopped = means.tolist()
        values, self.stopped = dict(zip(("loss", *losses), means, strict=True)), stopped > 0
        self._check_finite("loss", values)
        self.optimiser.zero_grad()
        loss.backward()
        gradients = [parameter.grad for parameter in self.parameters.values() if parameter.grad is not None]
        average(gradients)
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
        try:
            with autocast(self.precision, self.device):
                outputs = self.job.forward(batch)
            return self.job.loss(outputs, batch)  # outside autocast, in float32
        except ValueError as error:  # the parts of a network refuse values that are not finite
            raise TrainingError(f"{self.recipe.name}: iteration {self.iteration}: {error}") from error

    def _check_finite(self, name: str, values: Mapping[str, float]) -> None:
        if not math.isfinite(values[name]):
            each = ", ".join(f"{other} {value:g}" for other, value in values.items())
            raise TrainingError(
                f"{self.recipe.name}: iteration {self.iteration}: the {name} is not finite: {each}. "
                "Try a lower learning rate, a longer warm-up, or a limit on the gradient's norm"
            )

    def validate(self, validate: Validate) -> None:
        """Score the network in eval mode, without gradients."""
        self.job.module.eval()
        with torch.no_grad():
            self.scores = {name: float(value) for name, value in validate(self.job.module).items()}
        self.new_scores = True
        self.job.module.train()

    def log_losses(self) -> None:
        """Add a row to the log: mean losses since the last row, and scores if there are new ones."""
        if not self.pending:
            return
        means = {name: sum(row[name] for row in self.pending) / len(self.pending) for name in self.pending[0]}
        self.rows.append({"iteration": self.iteration, **means, **(self.scores if self.new_scores else {})})
        self.pending, self.new_scores = [], False

    def summary(self) -> dict[str, str]:
        """Return the progress bar's values: mean loss since the last row of the log, and the newest scores."""
        recent = self.pending or self.rows[-1:]
        loss = sum(row["loss"] for row in recent) / len(recent)
        return {"loss": f"{loss:.4f}", **{name: f"{value:.3f}" for name, value in self.scores.items()}}

    def save(self) -> None:
        """Write a checkpoint, and the log up to this iteration."""
        if self.rank == 0:
            state = {"module": self.job.module.state_dict(), "optimiser": self.optimiser.state_dict()}
            state |= {name: getattr(self, name) for name in LOG_STATE}
            state |= {"identity": self.identity, "seconds": self.seconds, "precision": self.precision}
            checkpoint.save(self.folder, state, self.iteration)
            self._write_log()
        if self.processes > 1 and self.stopped:
            distributed.barrier()  # torchrun ends the others as soon as one has ended

    def finish(self, names: Sequence[str] = ()) -> None:
        """Write the result, with the names of the classes, and delete the checkpoints."""
        if self.rank == 0:
            self._write_log()
            state = {"identity": self.identity, "name": self.recipe.name, "iteration": self.iteration}
            state |= {"recipe": json.dumps(dataclasses.asdict(self.recipe))}  # so the file can be used alone
            state |= {"seconds": self.seconds, "machine": json.dumps(describe(self.device))}
            state |= {"precision": self.precision, "names": list(names), "module": self.job.module.state_dict()}
            checkpoint.write(self.folder / FINISHED, state)
            for path in [*self.folder.glob("checkpoint-*.pt"), *self.folder.glob("*.part")]:
                path.unlink()
        if self.processes > 1:
            distributed.barrier()

    def _write_log(self) -> None:
        if self.rank == 0:
            columns = list(dict.fromkeys(["iteration", "loss", *(name for row in self.rows for name in row)]))
            lines = [",".join(columns), *(",".join(str(row.get(name, "")) for name in columns) for row in self.rows)]
            files.write(self.folder / "log.csv", "\n".join(lines) + "\n")
