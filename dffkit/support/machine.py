"""The machine: its description in every result row, settings that make it fast, and several processes."""

import ctypes
import datetime
import os
import platform
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
import torchvision
from torch import Tensor, distributed

from dffkit.support.errors import CommandError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
KEEP = 2**31 - 1  # bytes; mallopt takes an int
# Bytes that the processes of a container may have in all, of control groups of version 2 and 1.
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def describe(device: torch.device | str = "cpu") -> dict[str, str | int]:
    """Return the processor, threads, memory, versions, commit and date of this run: columns of a result row."""
    return {
        "device": device_name(device),
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


def device_name(device: torch.device | str = "cpu") -> str:
    """Return the name of a GPU, or the processor's with its bfloat16 units."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    name = _cpuinfo().get("model name") or platform.processor() or platform.machine()
    return f"{name} ({', '.join(bf16_units()) or 'no bf16 units'})"


def bf16_units() -> list[str]:
    """Return the processor's bfloat16 units that torch uses: none without oneDNN, as in torch's builds for macOS."""
    if not torch.backends.mkldnn.is_available():
        return []
    flags = (_cpuinfo().get("flags") or _cpuinfo().get("Features", "")).split()  # on Intel's and AMD's; on Arm's
    known = getattr(torch.cpu, "get_capabilities", dict)()  # of newer torch, on systems other than Linux too
    return [unit for unit in ("amx_bf16", "avx512_bf16", "bf16") if unit in flags or known.get(unit)]


def has_bf16_units(device: torch.device | str) -> bool:
    """Return True if bfloat16 is fast on this device. On a processor without units it is many times slower."""
    device = torch.device(device)
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(bf16_units())


def _cpuinfo() -> dict[str, str]:
    """Return the fields of the first processor in Linux's /proc/cpuinfo; none on other systems."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").strip().split("\n\n")[0].splitlines() if path.exists() else []
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def memory_gib() -> int:
    """Return the machine's memory in GiB, or 0 where the system does not report it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (AttributeError, ValueError, OSError):
        return 0


def reset_peak_memory(device: torch.device | str) -> None:
    """Forget the peak so far: the GPU's, or on Linux the process's."""
    if torch.device(device).type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mib(device: torch.device | str) -> float:
    """Return the peak since the reset: the GPU's allocations, or on Linux the process's resident memory, else NaN."""
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return _mib("/proc/self/status", "VmHWM")


def attainable_memory_mib(device: torch.device | str) -> float:
    """Return the memory that this process has or can still get: the GPU's, or on Linux the machine's, else NaN."""
    if torch.device(device).type == "cuda":
        return (torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)) / 2**20
    found = [_mib("/proc/meminfo", "MemAvailable") + _mib("/proc/self/status", "VmRSS")]
    texts = [path.read_text().strip() for path in CONTAINER_LIMITS if path.exists()]
    return min(found + [int(text) / 2**20 for text in texts if text.isdecimal()])  # others are "max"


def _mib(path: str, field: str) -> float:
    """Return a field in kB of one of Linux's tables in MiB, else NaN."""
    lines = Path(path).read_text(errors="replace").splitlines() if Path(path).exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), float("nan"))


def commit() -> str:
    """Return the commit this code stands at, with "+" behind it if files were changed since; "unknown" outside git."""
    options = {"cwd": Path(__file__).parent.parent, "capture_output": True, "text": True, "check": True}
    try:
        revision = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], **options).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "--", "."], **options).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return revision + ("+" if changed else "")


def keep_freed_memory() -> bool:
    """Keep the memory of freed tensors in this process, so that the next frame finds it ready.

    By default glibc returns large blocks to the system as soon as they are free. The system then clears the pages for
    the next frame, which for a batch takes about as long as the arithmetic of a small flow network. The price is that
    the process keeps its peak memory. Programs make the setting once, at their start; libraries don't.

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


def in_processes(job: Callable, *arguments: Iterable, count: int | None = None) -> Iterator:
    """Yield what `map` does, but from `count` fresh processes: by default one for each core.

    Ctrl-C ends the processes at once. Without this it becomes an exception of the job: the process lives on, and may
    keep the lock of the queue of jobs, so that the pool waits for ever.
    """
    at_once = signal.signal, (signal.SIGINT, signal.SIG_DFL)
    with ProcessPoolExecutor(count or os.cpu_count(), get_context("spawn"), *at_once) as pool:
        coming = [pool.submit(job, *each) for each in zip(*arguments, strict=False)]  # one of them may be endless
        try:
            for future in coming:
                yield future.result()
        except Exception:  # but not after Ctrl-C, when the pool itself ends all jobs
            pool.shutdown(cancel_futures=True)
            raise


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
