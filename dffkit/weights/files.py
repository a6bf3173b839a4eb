"""The files of stored weights: their folder, its manifest, and the tensors in them."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from torch import Tensor

from dffkit.support.errors import DataError
from dffkit.support.repository import root

FORMAT = 2  # of the manifest
FILE_NAME = re.compile(r"[A-Za-z0-9_]+-[0-9a-f]{12}\.safetensors")  # no folders: no other folder is ever read
REPAIR = "restore the folder as it was published, e.g. with 'git checkout -- data/weights'"
MODEL_FIELDS = {
    "recipe": dict, "recipe_hash": str, "data_version": str, "seed": int, "scores": dict, "commit": str, "date": str,
    "parameters": int, "files": list,
}  # fmt: skip


def weights_folder(folder: Path | None = None) -> Path:
    """Return the folder given, or else `data/weights` of the repository.

    Raises:
        CommandError: if dffkit is installed without its repository.
    """
    return root() / "data" / "weights" if folder is None else Path(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a folder, and compare it with its own hash.

    Raises:
        DataError: if the manifest is missing or damaged.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise DataError(f"{path}: no such file, so there are no trained weights; {REPAIR}")
    try:
        manifest = json.loads(path.read_bytes())
        # The hash stops no attacker, who can hash too. It finds damage, and scores or recipes edited by hand.
        if manifest["sha256"] != digest(manifest):
            raise ValueError("its own SHA-256 is wrong, so it was changed by hand or damaged")
        check_manifest(manifest)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: is no manifest of weights ({type(error).__name__}: {error}); {REPAIR}") from error
    return manifest


def check_manifest(manifest: dict[str, Any]) -> None:
    """Raise `ValueError` for a wrong field; another exception if the manifest has another structure."""
    if manifest["format"] != FORMAT:
        raise ValueError(f"expected format {FORMAT}, got {manifest['format']!r}")
    entries = [(f"file {name!r}", listed, {"sha256": str, "bytes": int}) for name, listed in manifest["files"].items()]
    entries += [(f"model {name!r}", about, MODEL_FIELDS) for name, about in manifest["models"].items()]
    for where, entry, fields in entries:
        for field, kind in fields.items():
            if type(entry.get(field)) is not kind:
                raise ValueError(f"{where}: {field}: expected {kind.__name__}, got {entry.get(field)!r:.80}")
    for file in [*manifest["files"], *(file for about in manifest["models"].values() for file in about["files"])]:
        if not FILE_NAME.fullmatch(file) or file not in manifest["files"]:
            raise ValueError(f"files: expected names of listed files in this folder, got {file!r}")


def digest(manifest: dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest without its field "sha256", in hexadecimal digits."""
    body = {field: value for field, value in manifest.items() if field != "sha256"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read_tensors(folder: Path, files: dict[str, dict[str, Any]]) -> dict[str, Tensor]:
    """Read the tensors of some files as they are stored; `files` is name -> "bytes" and "sha256", as in the manifest.

    Raises:
        DataError: if a file is missing or damaged. No tensor of a file is made before its hash is right.
    """
    from safetensors import SafetensorError
    from safetensors import torch as safetensors

    tensors = {}
    for file, listed in files.items():
        path = folder / file
        if not path.is_file():
            raise DataError(f"{path}: no such file, but the manifest lists it; {REPAIR}")
        content = path.read_bytes()
        found = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        if found != listed:
            raise DataError(f"{path}: expected {listed}, got {found}; {REPAIR}")
        try:
            tensors |= safetensors.load(content)
        except SafetensorError as error:
            raise DataError(f"{path}: is no safetensors file: {error}; {REPAIR}") from error
    return tensors
