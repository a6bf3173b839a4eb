"""The files that hold stored weights: where they are, and their tensors, read with care."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from dffkit.support.errors import CommandError, DataError
from dffkit.support.repository import root
from dffkit.weights.manifest import REPAIR

_STORED = (torch.float16, torch.float32, torch.int64)


def weights_folder(folder: Path | None = None) -> Path:
    """The folder given, or else the repository's own.

    Raises:
        DataError: if there is no repository.
    """
    if folder is not None:
        return Path(folder)
    try:
        return root() / "data" / "weights"
    except CommandError as error:
        raise DataError(
            "data/weights: dffkit is installed without its repository, where the trained weights are; "
            "clone the repository and install it from there"
        ) from error


def read_tensors(folder: Path, files: dict[str, dict]) -> dict[str, Tensor]:
    """The tensors of some files as they are stored, each file's hash checked before it is parsed."""
    from safetensors import SafetensorError
    from safetensors import torch as safetensors

    found = {}
    for file, listed in files.items():
        path = folder / file
        if not path.is_file():
            raise DataError(f"{path}: no such file, but the manifest lists it; {REPAIR}")
        if (size := path.stat().st_size) != listed["bytes"]:
            raise DataError(f"{path}: expected {listed['bytes']:,} bytes, got {size:,}; {REPAIR}")
        content = path.read_bytes()
        if (sha256 := hashlib.sha256(content).hexdigest()) != listed["sha256"]:
            raise DataError(f"{path}: expected SHA-256 {listed['sha256']}, got {sha256}; {REPAIR}")
        try:
            tensors = safetensors.load(content)
        except (SafetensorError, AssertionError, KeyError, RuntimeError, ValueError) as error:
            raise DataError(f"{path}: is no safetensors file: {error}; {REPAIR}") from error
        for key, tensor in tensors.items():
            if tensor.dtype not in _STORED:
                raise DataError(f"{path}: {key}: expected one of {_STORED}, got {tensor.dtype}; {REPAIR}")
            if key in found:
                raise DataError(f"{path}: {key} is in another file of the same model too; {REPAIR}")
            found[key] = tensor
    return found


def count_parameters(model: nn.Module) -> int:
    """Of all parameters of a model, how many numbers they are."""
    return sum(parameter.numel() for parameter in model.parameters())
