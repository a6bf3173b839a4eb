"""A training run at some iteration: the step, the log, and what a checkpoint holds of them."""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from dffkit.datasets.snippets import Snippet
from dffkit.networks.precision import PRECISIONS
from dffkit.support import files
from dffkit.support.errors import TrainingError
from dffkit.support.machine import describe
from dffkit.support.processes import average, rank_and_count
from dffkit.training import checkpoint
from dffkit.training.assembly import load_part
from dffkit.training.checkpoint import FINISHED
from dffkit.training.jobs import make_job
from dffkit.training.optimiser import make_optimiser, rate_factor, trainable
from dffkit.training.pairs import move
from dffkit.training.prefetch import ahead
from dffkit.training.recipe import Measurement, Recipe

Validate = Callable[[nn.Module], Mapping[str, float]]
_LOG = ("rows", "pending", "scores", "new_scores")


class TrainingRun:
    """A training run at some iteration."""

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
        self.identity = Measurement(recipe.hash, seed, data_version, recipe.data_split).as_dict()
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
        means = torch.stack([value.detach().float() for value in (loss, *losses.values())])
        average([means])
        values = dict(zip(("loss", *losses), means.tolist(), strict=True))
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

    def finish(self, names: Sequence[str] = ()) -> None:
        """Leave the result, with the names of the classes, in place of the checkpoints."""
        if self.rank == 0:
            self._write_log()
            state = {"identity": self.identity, "name": self.recipe.name, "iteration": self.iteration}
            state |= {"recipe": json.dumps(dataclasses.asdict(self.recipe))}  # so that the file can be used by itself
            state |= {"seconds": self.seconds, "machine": json.dumps(describe(self.device))}
            state |= {"names": list(names), "module": self.job.module.state_dict()}
            checkpoint.write(self.folder / FINISHED, state)
            for path in self.folder.glob("checkpoint-*.pt"):
                path.unlink()
        if self.processes > 1:
            distributed.barrier()

    def _write_log(self) -> None:
        if self.rank == 0:
            columns = list(dict.fromkeys(["iteration", "loss", *(name for row in self.rows for name in row)]))
            lines = [",".join(columns), *(",".join(str(row.get(name, "")) for name in columns) for row in self.rows)]
            files.write(self.folder / "log.csv", "\n".join(lines) + "\n")
