"""`train RECIPE --rehearse`: two iterations of the paper's recipes at full size, on made-up files.

Whoever has the data sets knows before a training of days how much memory and time it needs.
"""

import dataclasses
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from dffkit.datasets.snippets import Snippet
from dffkit.experiments import made_up, sources
from dffkit.experiments.runs import Workspace
from dffkit.support.errors import CommandError
from dffkit.support.machine import (
    attainable_memory_mib,
    device_name,
    peak_memory_mib,
    rank_and_count,
    reset_peak_memory,
)
from dffkit.training.loop import train
from dffkit.training.progress import announce
from dffkit.training.recipe import Recipe

ITERATIONS = 2  # the second is timed; the first also warms up, and makes the optimiser's momenta
GPUS = (1, 2, 4, 8)
PART = 4  # memory is first measured with frames of a quarter of the height
BUSY = 0.8  # share of the time of an iteration that a processor of one's own works at least
SEED = 0  # with it, key frame and current frame differ in both iterations of one process, so that F runs


class Measured(NamedTuple):
    """Memory in MiB, `fixed` without what grows with the frames, and seconds of the last iteration.

    `busy` are seconds of processor time, of all threads: fewer than `seconds` where other work takes the processor.
    """

    fixed: float
    peak: float
    seconds: float
    busy: float


def rehearse(recipe: Recipe, workspace: Workspace) -> str:
    """Train for two iterations on made-up files; return a report of memory, time and predicted hours.

    Each process takes as many frames as each of 8 GPUs. Weights are random, whatever the recipe starts from. All files
    are in a temporary folder, which is deleted.

    Raises:
        CommandError: if the recipe is not of full scale, or the memory is not enough.
    """
    if recipe.data not in made_up.WRITERS:
        command = f"python -m dffkit experiments {recipe.name} --rehearse"
        raise CommandError(f"--rehearse: {recipe.name} is not of the paper's full scale. Rehearse it with:  {command}")
    # With random weights and frozen batch norm a step of the recipe's length would make the next loss infinite.
    changes = {"start": (), "weights": "", "iterations": ITERATIONS, "lr": 0.0}
    short = dataclasses.replace(recipe, batch=recipe.batch // max(GPUS) * rank_and_count()[1], **changes)
    with tempfile.TemporaryDirectory(prefix="dffkit-rehearsal-") as folder:
        announce(f"{recipe.name}: writing made-up files")
        data = made_up_data(short, Path(folder, "whole"), made_up.SIZES[recipe.data])
        height, width = size = _size(data)
        strips = made_up_data(short, Path(folder, "strips"), (height // PART, width))
        strip = _measure(short, strips, Path(folder), workspace)
        needed, free = _needed(strip), attainable_memory_mib(workspace.device)
        if workspace.device == "cpu" and needed > free:  # Linux would kill the process; a GPU refuses by an error
            raise _too_large(recipe, size, needed, free)
        try:
            whole = _measure(short, data, Path(folder), workspace)
        except torch.OutOfMemoryError as error:
            raise _too_large(recipe, size, needed, free) from error
    return _report(recipe, size, strip, whole, workspace.device)


def made_up_data(recipe: Recipe, folder: Path, size: made_up.Size) -> Sequence[Any]:
    """Write files with frames of a size (H, W), and return them as the recipe's reader gives them."""
    made_up.WRITERS[recipe.data](folder, size)
    former = os.environ.get("DFFKIT_DATA")
    os.environ["DFFKIT_DATA"] = str(folder)
    try:
        return sources.snippets(recipe, recipe.data_split)
    finally:
        del os.environ["DFFKIT_DATA"]
        os.environ |= {} if former is None else {"DFFKIT_DATA": former}


def _size(data: Sequence[Any]) -> made_up.Size:
    first = data[0].frames[0] if isinstance(data[0], Snippet) else data[0].current
    return tuple(first.shape[1:])


def _measure(recipe: Recipe, data: Sequence[Any], folder: Path, workspace: Workspace) -> Measured:
    """Train for the recipe's iterations, and look at the clock and the memory after each of them."""
    device, found = torch.device(workspace.device), []
    reset_peak_memory(device)
    before = peak_memory_mib(device)

    def look(model: nn.Module) -> dict[str, float]:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        memory = before + _fixed_mib(model, recipe), peak_memory_mib(device)
        found.append((*memory, time.monotonic(), time.process_time()))
        return {}

    name = "{} at {} x {}".format(recipe.name, *_size(data))
    options = {"device": device, "precision": workspace.precision, "workers": workspace.workers}
    options |= {"progress": workspace.progress, "validate": look, "validate_every": 1}
    train(dataclasses.replace(recipe, name=name), folder / name.replace("/", "-"), data=data, seed=SEED, **options)
    (*_, began, began_busy), (fixed, peak, ended, ended_busy) = found[-2:]
    return Measured(fixed, peak, ended - began, ended_busy - began_busy)


def _fixed_mib(model: nn.Module, recipe: Recipe) -> float:
    """Return the memory of weights, gradients and the optimiser's momenta, all in float32."""
    held = sum(tensor.numel() for tensor in model.state_dict().values())
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return 4 * (held + trained * {"sgd": 2, "adamw": 3}[recipe.optimiser]) / 2**20


def _needed(strip: Measured) -> float:
    """Return the memory that whole frames need, from that of a part of their rows: more than enough."""
    return strip.fixed + PART * (strip.peak - strip.fixed)


def _too_large(recipe: Recipe, size: made_up.Size, needed: float, free: float) -> CommandError:
    height, width = size
    return CommandError(
        f"{recipe.name}: frames of {height} x {width} need up to {needed / 1024:.1f} GiB of memory, {free / 1024:.1f}"
        f" GiB are free. Estimate: frames of {height // PART} x {width} were trained on, and what they took without"
        f" weights, gradients and momenta was multiplied by {PART}. Close other programs, or take a larger machine"
    )


def _report(recipe: Recipe, size: made_up.Size, strip: Measured, whole: Measured, device: str) -> str:
    on_gpu, share = torch.device(device).type == "cuda", recipe.batch // max(GPUS)
    kind = "frame" if recipe.job == "frames" else "pair"
    where = device_name(device) + ("" if on_gpu else f", threads: {torch.get_num_threads()}")
    lines = [
        f"{recipe.name}, rehearsed on {where}",
        f"  each process     {share} {kind} of {size[0]} x {size[1]} in an iteration, as each of {max(GPUS)} GPUs",
        f"  peak memory      {whole.peak / 1024:.1f} GiB {'allocated' if on_gpu else 'resident'}",
        f"  an iteration     {whole.seconds:.1f} s, with {whole.busy:.1f} s of processor time",
        f"  predicted for    {recipe.iterations} iterations of {recipe.batch} {kind}s:",
        f"  {'GPUs' if on_gpu else 'machines':>8}  {kind + 's on each':>13}  {'GiB on each':>11}  {'hours':>8}",
    ]
    for count in GPUS:
        shares = max(GPUS) // count
        hours = recipe.iterations * _for_shares(shares, strip.seconds, whole.seconds) / 3600
        memory = _for_shares(shares, strip.peak, whole.peak) / 1024
        lines.append(f"  {count:>8}  {shares * share:>13}  {memory:>11.1f}  {hours:>8.1f}")
    lines += [
        f"Time and memory are taken to grow with the {kind}s as they grew with the pixels, from a quarter of each",
        "frame to all of it. Validation, slow disks and, with one process, the averaging of gradients are left out.",
    ]
    if not on_gpu:
        lines.append("These are hours of this machine's processor, and of several like it. A GPU needs far fewer.")
        if whole.busy < BUSY * whole.seconds:
            lines.append("Other work kept this processor busy, so these times are too long; rehearse on an idle one.")
    if recipe.data == "imagenet_vid":
        lines.append("Real frames of VID differ in size, and those in one process must not: so it takes 8 processes.")
    return "\n".join(lines)


def _for_shares(shares: int, part: float, whole: float) -> float:
    """Return a measured value for so many times the frames, from those for a part of the frames and for all of them."""
    return whole + (shares - 1) * max(0.0, (whole - part) / (1 - 1 / PART))
