"""The description of the machine, and the memory that a process keeps."""

import sys

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
