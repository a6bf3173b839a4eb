"""The description of the machine, and the memory that a process keeps."""

import math
import mmap
import sys

import pytest
import torch

from dffkit.support import machine


def test_the_machine_is_described():
    described = machine.describe()
    assert described["threads"] == torch.get_num_threads()
    assert described["torch"] == torch.__version__
    assert described["device"]


def test_outside_git_the_commit_is_unknown(monkeypatch):
    def no_git(*_args, **_options):
        raise FileNotFoundError("git")

    monkeypatch.setattr(machine.subprocess, "run", no_git)
    assert machine.commit() == "unknown"


def test_keeping_memory_is_for_linux_with_glibc_only(monkeypatch):
    class NoGlibc:
        def __init__(self, _name):
            pass

    def on_windows(name):
        raise TypeError(f"expected a name, got {name}")

    if sys.platform == "linux":
        assert machine.keep_freed_memory() is True
    monkeypatch.setattr(machine.ctypes, "CDLL", NoGlibc)
    assert machine.keep_freed_memory() is False
    monkeypatch.setattr(machine.ctypes, "CDLL", on_windows)
    assert machine.keep_freed_memory() is False


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_the_peak_of_memory_is_that_since_the_reset():
    machine.reset_peak_memory("cpu")
    before = machine.peak_memory_mib("cpu")
    with mmap.mmap(-1, 2**27) as block:  # new pages, whatever the allocator has kept
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        assert machine.peak_memory_mib("cpu") > before + 100  # MiB
    assert machine.peak_memory_mib("cpu") > before + 100
    machine.reset_peak_memory("cpu")
    assert machine.peak_memory_mib("cpu") < before + 100


def test_attainable_memory_is_at_most_the_containers(monkeypatch, tmp_path):
    free, limit = machine.attainable_memory_mib("cpu"), tmp_path / "memory.max"
    assert free > 1 or (sys.platform != "linux" and math.isnan(free))
    limit.write_text("max\n")
    monkeypatch.setattr(machine, "CONTAINER_LIMITS", (limit, tmp_path / "absent"))
    monkeypatch.setattr(machine, "_mib", lambda path, field: 600.0)
    assert machine.attainable_memory_mib("cpu") == 1200
    limit.write_text(f"{2**30}\n")
    assert machine.attainable_memory_mib("cpu") == 1024
