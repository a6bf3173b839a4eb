"""How long a computation takes, on a CPU or a GPU."""

import time
from collections.abc import Callable

import torch


def milliseconds(part: Callable[[], object], device: torch.device | str) -> float:
    """Milliseconds that `part` takes; a GPU is waited for before and after it."""
    _synchronize(torch.device(device))
    start = time.perf_counter()
    part()
    _synchronize(torch.device(device))
    return (time.perf_counter() - start) * 1e3


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
