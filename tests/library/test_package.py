"""The front door: every public name is imported when it is first used, with its own modules only."""

import subprocess
import sys

import pytest
from places import REPOSITORY

import dffkit

OF_ROOMS = {"Snippet": "datasets", "load": "weights"}
ROOMS = {path.name for path in (REPOSITORY / "dffkit").iterdir() if path.is_dir()} - {"networks", "support"}


def loaded_after(code):
    """Run `code` in a fresh interpreter and return the names of its modules."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_neither_torch_nor_a_room():
    loaded = loaded_after("import dffkit; [getattr(dffkit, name) for name in ('DataError', 'DffkitError')]")
    assert "torch" not in loaded
    assert {name for name in loaded if name.startswith("dffkit.")} <= {"dffkit.support", "dffkit.support.errors"}


def test_the_library_loads_no_room():
    names = set(dffkit.__all__) - OF_ROOMS.keys()
    loaded = loaded_after(f"import dffkit\n[getattr(dffkit, name) for name in {names}]")
    assert not {f"dffkit.{room}" for room in ROOMS} & loaded
    assert {"torch", "torchvision"} <= loaded


def test_every_public_name_is_found():
    assert sorted(set(dffkit.__all__)) == sorted(dffkit.__all__)
    for name in dffkit.__all__:
        assert getattr(dffkit, name).__module__.startswith("dffkit.")
        assert name in dir(dffkit)
    assert dffkit.DffkitError in dffkit.DataError.__mro__


def test_another_name_is_refused():
    with pytest.raises(AttributeError, match="module 'dffkit' has no attribute 'Warp'"):
        dffkit.Warp  # noqa: B018
