"""The machine: its description in every result row, and two settings that make loops and frames fast on it."""

import ctypes
import datetime
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
KEEP = 2**31 - 1  # bytes; mallopt takes an int


def describe(device: torch.device | str = "cpu") -> dict[str, str | int]:
    """Return the processor, threads, memory, versions, commit and date of this run: columns of a result row."""
    cuda = torch.device(device).type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "memory_gib": memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }


def processor() -> str:
    """Return the processor's name and its bfloat16 units."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
        flags = next((line for line in lines if line.startswith("flags")), "")
        units = [unit for unit in ("amx_bf16", "avx512_bf16") if unit in flags]
        name += f" ({', '.join(units)})" if units else " (no bf16 units)"
    return name


def memory_gib() -> int:
    """Return the machine's memory in GiB, or 0 where the system does not report it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (AttributeError, ValueError, OSError):
        return 0


def commit() -> str:
    """Return the commit this code stands at, with "+" behind it if files were changed since; "unknown" outside git."""
    here = Path(__file__).parent.parent
    try:
        revision = _git("rev-parse", "--short=12", "HEAD", folder=here)
        return revision + ("+" if _git("status", "--porcelain", "--", ".", folder=here) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str, folder: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def keep_freed_memory() -> bool:
    """Keep the memory of freed tensors in this process, so that the next frame finds it ready.

    Every frame needs maps of the same sizes. By default glibc returns blocks of more than 32 MB, and the top of its
    heap, to the system as soon as they are free. The system then clears the pages for the next frame, which for a batch
    takes about as long as the arithmetic of a small flow network. The price is that the process keeps its peak memory.
    The setting holds for the whole process: programs make it once, at their start; libraries don't.

    Returns:
        True if it took effect, which needs Linux with glibc. On a GPU torch keeps memory by itself.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library; Windows takes no None
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEEP)) and bool(mallopt(M_TRIM_THRESHOLD, KEEP))


def compiled(loops: Callable) -> Callable:
    """Decorate loops over pixels: numba compiles them, and keeps the result on disk between runs.

    Other threads run meanwhile. Division by zero gives infinity, as in numpy.
    """
    from numba import njit  # here, since it takes half a second and most programs have no loops

    return njit(cache=True, nogil=True, error_model="numpy")(loops)
