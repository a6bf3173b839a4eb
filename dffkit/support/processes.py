"""Several processes that train together under `torch.distributed`, or one alone, and the device of each."""

import os

import torch
from torch import Tensor, distributed

from dffkit.support.errors import CommandError


def is_distributed() -> bool:
    """Return True if this process has joined others."""
    return distributed.is_available() and distributed.is_initialized()


def rank_and_count() -> tuple[int, int]:
    """Return this process's number, from 0, and the number of processes; (0, 1) for one alone."""
    return (distributed.get_rank(), distributed.get_world_size()) if is_distributed() else (0, 1)


def is_first_process() -> bool:
    """Return True in the only process, or the first of several: the one that writes."""
    return rank_and_count()[0] == 0


def join_processes(device: str) -> str:
    """Join the other processes if `torchrun` started this one, and return the device of this process.

    Raises:
        CommandError: if that device can't be used.
    """
    together, cuda = "WORLD_SIZE" in os.environ, device.partition(":")[0] == "cuda"
    if together and cuda:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
    check_device(device)  # each its own: all processes on the first GPU would fill its memory
    if together:
        if cuda:
            torch.cuda.set_device(device)
        distributed.init_process_group("nccl" if cuda else "gloo")
    return device


def average(tensors: list[Tensor]) -> None:
    """Replace these tensors by their mean over the processes, in one message; one process alone keeps them."""
    count = rank_and_count()[1]
    if count == 1 or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_((mean / count).view_as(tensor))


def check_device(name: str) -> None:
    """Raise `CommandError` unless a tensor can be made on this device and read back."""
    try:
        torch.zeros(1, device=name).cpu()
    # The type of the error depends on how torch was built.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = (str(error).splitlines() or [""])[0]
        raise CommandError(f"--device {name}: can't be used here ({why}); leave it out, or give cpu") from error


def use_threads(count: int | None) -> None:
    """Compute with `count` threads; None keeps torch's own number."""
    if count is not None:
        torch.set_num_threads(count)
