"""The folder of stored weights: its manifest and its files, to read and to save."""

import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dffkit.support import files
from dffkit.support.errors import DataError
from dffkit.support.files import root

FORMAT = 2  # of the manifest
MAX_FILE = 20_000_000  # bytes
MAX_FOLDER = 60_000_000  # bytes, the manifest included
_HALF_STEP = 2.0**-11  # the largest relative error of rounding to float16, which has 11 significant bits
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


def read_tensors(folder: Path, wanted: dict[str, dict[str, Any]]) -> dict[str, Tensor]:
    """Read the tensors of some files as they are stored; `wanted` is name -> "bytes" and "sha256", as in the manifest.

    Raises:
        DataError: if a file is missing or damaged. No tensor of a file is made before its hash is right.
    """
    from safetensors import SafetensorError
    from safetensors import torch as safetensors

    tensors = {}
    for file, listed in wanted.items():
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


def save(models: dict[str, tuple[nn.Module, dict[str, Any]]], folder: Path | None) -> Path:
    """Store models in a folder, in place of all that are there.

    Args:
        models: name -> (the model, its metadata: all that `entry` returns but `parameters` and `files`).
        folder: where the weights lie; None for the repository's `data/weights`. No default, as all there is replaced.

    Returns:
        The manifest's path.

    Raises:
        ValueError: for wrong metadata, weights that are no finite numbers, or when a file would have over 20 MB or the
            folder over 60 MB. Nothing is written then.
    """
    entries, states = {}, {}
    for name, (model, metadata) in models.items():
        where = f"models[{name!r}]"
        try:
            entries[name] = {**json.loads(json.dumps(metadata, allow_nan=False))}
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: expected a mapping of plain, finite data, got {metadata!r}") from error
        entries[name]["parameters"] = sum(parameter.numel() for parameter in model.parameters())
        states[name] = {key: _stored(tensor, f"{where}: {key}") for key, tensor in model.state_dict().items()}
    folder = weights_folder(folder)
    with files.locked(folder):  # a process would remove the files that another one is writing
        return _write(folder, entries, states)


def _stored(tensor: Tensor, where: str) -> Tensor:
    """Return a tensor as it is stored, contiguous on the CPU.

    Kernels, nearly all of the bytes, go to half precision: their errors of 2^-11 drown in the sum over many weights.
    Values of whole channels (batch norm's statistics and weights, biases) stay exact: they are about 1% of the bytes,
    and a variance need not fit float16. A kernel stays exact too if float16 can't hold it: values above 65504, or so
    small that few bits are left.
    """
    tensor = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    if tensor.dtype == torch.int64:
        return tensor
    if not tensor.is_floating_point():
        raise ValueError(f"{where}: expected floating-point or int64 values, got {tensor.dtype}")
    exact = tensor.float()
    if not exact.isfinite().all():
        raise ValueError(f"{where}: expected finite values, got some that are not; a failed training is not shipped")
    if exact.ndim < 2 or not exact.numel():
        return exact
    half = exact.half()
    return half if (half.float() - exact).abs().max() <= _HALF_STEP * exact.abs().max() else exact


def _write(folder: Path, entries: dict[str, dict], states: dict[str, dict[str, Tensor]]) -> Path:
    """Write the files of all models, then the manifest; then remove the files that it does not list."""
    models = {name: {**about, "files": []} for name, about in entries.items()}
    contents, listed = {}, {}
    for (part, sharing), content in sorted(_contents(states).items()):
        sha256 = hashlib.sha256(content).hexdigest()
        file = f"{part}-{sha256[:12]}.safetensors"
        if len(content) > MAX_FILE:
            raise ValueError(f"{file}: expected at most {MAX_FILE:,} bytes, got {len(content):,}")
        contents[file], listed[file] = content, {"sha256": sha256, "bytes": len(content)}
        for name in sharing:
            models[name]["files"].append(file)
    manifest = {"format": FORMAT, "files": listed, "models": models}
    check_manifest(manifest)
    text = json.dumps({"sha256": digest(manifest), **manifest}, indent=1, sort_keys=True) + "\n"
    if (total := sum(map(len, contents.values())) + len(text)) > MAX_FOLDER:
        raise ValueError(f"models: expected at most {MAX_FOLDER:,} bytes in all, got {total:,}")
    for file, content in contents.items():
        files.write(folder / file, content)
    path = files.write(folder / "manifest.json", text)
    for old in [*folder.glob("*.safetensors"), *folder.glob("*.part")]:
        if old.name not in contents:
            old.unlink()
    return path


def _contents(states: dict[str, dict[str, Tensor]]) -> dict[tuple[str, tuple[str, ...]], bytes]:
    """Return the content of each file by the part and the models that share its tensors."""
    from safetensors import torch as safetensors  # late: without the extras there is no safetensors

    sharing, tensors = defaultdict(list), {}
    for name in sorted(states):
        for key, tensor in states[name].items():
            # The bytes of a safetensors file hold name, type, shape and values: equal bytes are the same tensor.
            same = key, safetensors.save({key: tensor})
            sharing[same].append(name)
            tensors[same] = tensor
    groups = defaultdict(dict)
    for same, tensor in tensors.items():
        part, _, parameter = same[0].partition(".")
        groups[part if parameter else "model", tuple(sharing[same])][same[0]] = tensor
    return {group: safetensors.save(members) for group, members in groups.items()}
