"""Checkpoints: all that a run needs to go on as if it had never stopped, in files that are whole or not there."""

import io
import pickle
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from dffkit.support.errors import DataError
from dffkit.support.files import staged

KEEP = 2  # the last one, and one more in case that is damaged
FORMAT = 1
FINISHED = "trained.pt"  # what a finished run leaves in place of checkpoints


def save(folder: Path, state: Mapping[str, Any], iteration: int) -> Path:
    """Write the checkpoint of `iteration`, and remove all but the newest two.

    Args:
        folder: the run's.
        state: tensors, numbers, strings, and dicts and lists of them.
        iteration: how many are done.
    """
    path = write(folder / f"checkpoint-{iteration:08d}.pt", {**state, "iteration": iteration})
    for old in [*sorted(folder.glob("checkpoint-*.pt"))[:-KEEP], *folder.glob("checkpoint-*.part")]:
        old.unlink()
    return path


def write(path: Path, state: Mapping[str, Any]) -> Path:
    """Write one file so that neither a kill nor a power cut leaves a part of it under its name."""
    with staged(path) as beside, beside.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)
    return path


def read(path: Path) -> dict[str, Any]:
    """What `write` wrote, on the CPU. Nothing in the file is executed.

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
    except (OSError, zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise DataError(f"{path}: is no checkpoint, or a damaged one ({error}); delete it") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        found = state.get("format") if isinstance(state, dict) else None
        raise DataError(f"{path}: expected a checkpoint of format {FORMAT}, got {found!r}; delete it and train again")
    return state


def load(
    folder: Path, identity: Mapping[str, Any], say: Callable[[str], None] = lambda text: print(text, file=sys.stderr)
) -> dict[str, Any] | None:
    """The newest checkpoint that can be read; None if the folder has none.

    Args:
        folder: the run's.
        identity: what the checkpoint's "identity" must be: which recipe, seed and data.
        say: takes the message about a damaged file that is passed over.

    Raises:
        DataError: if the newest readable checkpoint is of another run, or there are files and none can be read.
    """
    error = None
    for path in sorted(folder.glob("checkpoint-*.pt"), reverse=True):
        try:
            state = read(path)
        except DataError as damage:
            say(f"{damage}. Going on from the one before.")
            error = damage
            continue
        check(path, state, identity)
        return state
    if error is not None:
        raise DataError(f"{folder}: no checkpoint can be read; delete them to start again") from error
    return None


def check(path: Path, state: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Raise `DataError` unless the checkpoint belongs to this run.

    Args:
        path: the file, for the message.
        state: its content.
        identity: `Measurement.as_dict` of the run, or some of its fields.
    """
    found = _with_present_names(state.get("identity", {}), identity)
    for name, value in identity.items():
        if found.get(name) != value:
            raise DataError(
                f"{path}: is of another run: expected {name} {value!r}, got {found.get(name)!r}; "
                "delete the folder to train again, or give another one"
            )


def _with_present_names(found: Mapping[str, Any], identity: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an identity by the names of `Measurement`. dffkit 0.1 had others, and no split: the hash contains it."""
    if "world" not in found:
        return found
    renamed = {"recipe_hash": found.get("recipe"), "seed": found.get("seed"), "data_version": found["world"]}
    return {**renamed, "split": identity.get("split")}
