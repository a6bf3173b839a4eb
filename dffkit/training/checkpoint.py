"""Checkpoints: files that are whole or absent, and hold all that a run needs to resume bit by bit."""

import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dffkit.support.errors import DataError
from dffkit.support.files import staged

KEEP = 2  # the last one, and one more in case that is damaged
FORMAT = 1
FINISHED = "trained.pt"  # the result of a finished run, which takes the place of its checkpoints


def save(folder: Path, state: Mapping[str, Any], iteration: int) -> Path:
    """Write the checkpoint of a run after `iteration` iterations, delete all but the newest two, and return its path.

    The state consists of tensors, numbers, strings, and dicts and lists of them.
    """
    path = write(folder / f"checkpoint-{iteration:08d}.pt", {**state, "iteration": iteration})
    for old in [*sorted(folder.glob("checkpoint-*.pt"))[:-KEEP], *folder.glob("*.part")]:
        old.unlink()
    return path


def write(path: Path, state: Mapping[str, Any]) -> Path:
    """Write one file so that neither a kill nor a power cut leaves a part of it under its name."""
    with staged(path) as beside, beside.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
    return path


def read(path: Path) -> dict[str, Any]:
    """Return the state that `write` wrote, on the CPU. No code in the file is executed.

    Raises:
        DataError: if the file is damaged or of another format.
    """
    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:  # torch's reader does not compare checksums
            damaged = archive.testzip()
        if damaged:
            raise zipfile.BadZipFile(f"{damaged} has another checksum")
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # there is no end to what a damaged pickle can trip over
        raise DataError(f"{path}: is no checkpoint, or a damaged one ({error}); delete it") from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != FORMAT:
        raise DataError(f"{path}: expected a checkpoint of format {FORMAT}, got {found!r}; delete it and train again")
    return state


def load(folder: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the newest checkpoint that can be read, or None if the folder has no checkpoints.

    A damaged checkpoint is passed over, with a message on stderr. `identity` has the fields of the run's `Measurement`.

    Raises:
        DataError: if the newest readable checkpoint is of another run, or there are files and none can be read.
    """
    paths = sorted(folder.glob("checkpoint-*.pt"), reverse=True)
    for path in paths:
        try:
            state = read(path)
        except DataError as damage:
            print(f"{damage}. Resuming from the checkpoint before it.", file=sys.stderr)
        else:
            check(path, state, identity)
            return state
    if paths:
        raise DataError(f"{folder}: no checkpoint can be read; delete them to start again")
    return None


def check(path: Path, state: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Raise `DataError` unless the checkpoint at `path` is of this run; `identity` has fields of its `Measurement`."""
    found = state.get("identity", {})
    if "world" in found:  # dffkit 0.1 had other names, and no split, which is a part of the recipe
        found = {"recipe_hash": found.get("recipe"), "seed": found.get("seed"), "data_version": found["world"]}
        found["split"] = identity.get("split")
    for name, value in identity.items():
        if found.get(name) != value:
            raise DataError(
                f"{path}: is of another run: expected {name} {value!r}, got {found.get(name)!r}; "
                "delete the folder to train again, or give another one"
            )
