"""Save weights: in half precision where that is harmless, shared tensors only once, and all models or none."""

import hashlib
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dffkit.support import files
from dffkit.weights.files import FORMAT, check_manifest, digest, read_manifest, read_tensors, weights_folder

MAX_FILE = 20_000_000  # bytes
MAX_FOLDER = 60_000_000  # bytes, the manifest included
_HALF_STEP = 2.0**-11  # the largest relative error of rounding to float16, which has 11 significant bits


def save(models: dict[str, tuple[nn.Module, dict[str, Any]]], folder: Path | None = None) -> Path:
    """Store models beside those already there, in place of any with the same name.

    Args:
        models: name -> (the model, its metadata: all that `entry` returns but `parameters` and `files`).
        folder: where the weights lie, the repository's `data/weights` unless given.

    Returns:
        The manifest's path.

    Raises:
        ValueError: for wrong metadata, weights that are no finite numbers, or when a file would have over 20 MB or the
            folder over 60 MB. Nothing is written then.
        DataError: if the models already there are damaged. Nothing is written then.
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
    with files.locked(folder):  # models that another process saves meanwhile would be lost
        if (folder / "manifest.json").exists():
            manifest = read_manifest(folder)
            for name in manifest["models"].keys() - models.keys():
                entries[name] = manifest["models"][name]
                states[name] = read_tensors(folder, {file: manifest["files"][file] for file in entries[name]["files"]})
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
