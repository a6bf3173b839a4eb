"""What a number was measured with: the line that every result row carries."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

import torch
import torchvision


def describe(device: torch.device | str = "cpu") -> dict[str, str | int]:
    """The processor, the threads, the versions, the commit and the date of this run."""
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
    """The processor's name, and whether it has bfloat16 units."""
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
    """The memory of the machine, in GiB; 0 where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (AttributeError, ValueError, OSError):
        return 0


def commit() -> str:
    """The commit this code stands at, with "+" behind it if files were changed since; "unknown" outside git."""
    here = Path(__file__).parent.parent
    try:
        revision = _git("rev-parse", "--short=12", "HEAD", folder=here)
        return revision + ("+" if _git("status", "--porcelain", "--", ".", folder=here) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str, folder: Path) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
