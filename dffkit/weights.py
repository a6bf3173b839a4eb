"""Trained weights: `data/weights/` holds every model's tensors in half precision, and a manifest that says where.

The tensors of a model lie in several files, one for each part of it (`feature_network`, `flow_network`, ...) and each
set of models that share them: what two models have in common under the same name is stored once. A model is the sum of
the files its entry lists, and a tensor's key in a file is its parameter's name.

Files carry a piece of their SHA-256 in their names, so a file never changes: new models bring new files, the manifest
is renamed into place after them, and only then the files that nobody needs go. A run that is killed in between leaves
the old models or the new ones.

Nothing here runs what a file says: safetensors holds numbers only, the manifest is checked field by field, and no
tensor is made before its file's hash is found right.
"""

import difflib
import hashlib
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dffkit import atomic
from dffkit.errors import DataError
from dffkit.manifest import FORMAT, REPAIR, complaint_about, digest, read_manifest
from dffkit.repository import CommandError, root

MAX_FOLDER = 60_000_000  # bytes, the manifest included

_STORED = (torch.float16, torch.float32, torch.int64)
_HALF_STEP = 2.0**-11  # the largest relative error of rounding to float16, which has 11 significant bits


def names(folder: Path | None = None) -> list[str]:
    """The names of all stored models, sorted; `folder` is the repository's `data/weights` unless given.

    Raises:
        DataError: if the manifest is missing or damaged.
    """
    return sorted(read_manifest(_folder(folder))["models"])


def entry(name: str, folder: Path | None = None) -> dict[str, Any]:
    """All that is known of a stored model: how it was trained, what it scores, and its files.

    Returns:
        `recipe` (plain data), `recipe_hash`, `world_hash`, `seed`, `parameters` (their count), `scores`, `commit`,
        `date`, and `files`: file name -> `sha256` and `bytes`.

    Raises:
        DataError: if the manifest is missing or damaged, or has no such model.
    """
    folder = _folder(folder)
    manifest = read_manifest(folder)
    if name not in manifest["models"]:
        close = difflib.get_close_matches(str(name), manifest["models"], n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"it has {sorted(manifest['models'])}"
        raise DataError(f"{folder / 'manifest.json'}: has no model {name!r}; {hint}")
    found = manifest["models"][name]
    return {**found, "files": {file: manifest["files"][file] for file in found["files"]}}


def state(name: str, folder: Path | None = None) -> dict[str, Tensor]:
    """A stored model's state dict: float32, and int64 for counters.

    Raises:
        DataError: if the manifest or a file is missing or damaged, or there is no such model.
    """
    stored = _read_tensors(_folder(folder), entry(name, folder)["files"])
    return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in stored.items()}


def load(name: str | None = None, *, task: str = "segmentation", folder: Path | None = None) -> nn.Module:
    """A trained model, ready to recognize: built from its recipe, with its stored weights, in eval mode.

    Args:
        name: one of `names()`; None for Toytown's Deep Feature Flow of the `task`.
        task: "segmentation" or "detection"; counts without a name only.
        folder: where the weights lie, the repository's `data/weights` unless given.

    Raises:
        ValueError: for another task.
        DataError: if the manifest or a file is missing or damaged, there is no such model, or the weights do not fit
            the network that the recipe describes.
    """
    if task not in ("segmentation", "detection"):
        raise ValueError(f'task: expected "segmentation" or "detection", got {task!r}')
    name = f"toytown/{task}/dff" if name is None else name
    about, weights = entry(name, folder), state(name, folder)
    where = f"{_folder(folder) / 'manifest.json'}: model {name!r}"
    from dffkit.recipes import assembly, recipe  # late: what is stored can be told without the networks

    try:
        described = recipe.Recipe(**about["recipe"])
        model = assembly.build(described)
    except Exception as error:  # there is no end to what a recipe from elsewhere can trip over
        raise DataError(f"{where}: its recipe builds no model: {error}; {REPAIR}") from error
    if described.hash != about["recipe_hash"]:
        raise DataError(f"{where}: expected a recipe of hash {about['recipe_hash']}, got {described.hash}; {REPAIR}")
    trouble = _misfit(model, weights, about["parameters"])
    if trouble:
        raise DataError(f"{where}: its weights do not fit its recipe's network: {trouble}; {REPAIR}")
    model.load_state_dict(weights)
    return model.eval()


def load_mxnet(path: Path) -> nn.Module:
    """The authors' own checkpoint, R-FCN with ResNet-101 and FlowNet, as this kit's model: `mxnet.names.load_mxnet`.

    Raises:
        DataError: if the file is missing or damaged, or is not a checkpoint of that network.
    """
    from dffkit.mxnet import names as mxnet_names  # late, as above

    return mxnet_names.load_mxnet(path)


def save(models: dict[str, tuple[nn.Module, dict[str, Any]]], folder: Path | None = None) -> Path:
    """Store models beside those already there, in place of any with the same name. Returns the manifest's path.

    Args:
        models: name -> (the model, its metadata: all that `entry` returns but `parameters` and `files`).
        folder: where to, the repository's `data/weights` unless given.

    Raises:
        ValueError: for a bad name or metadata, weights that are no finite numbers, or when a file would have over
            20 MB or the folder over 60 MB. Nothing is written then.
        DataError: if the models already there are damaged. Nothing is written then.
    """
    entries, states = {}, {}
    for name, (model, metadata) in models.items():
        where = f"models[{name!r}]"
        try:
            entries[name] = {**json.loads(json.dumps(metadata, allow_nan=False)), "parameters": _count(model)}
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: expected a mapping of plain, finite data, got {metadata!r}") from error
        states[name] = {key: _stored(tensor, f"{where}: {key}") for key, tensor in model.state_dict().items()}
    folder = _folder(folder)
    if (folder / "manifest.json").exists():
        manifest = read_manifest(folder)
        for name in manifest["models"].keys() - models.keys():
            entries[name] = manifest["models"][name]
            files = {file: manifest["files"][file] for file in entries[name]["files"]}
            states[name] = _read_tensors(folder, files)
    return _write(folder, entries, states)


def _stored(tensor: Tensor, where: str) -> Tensor:
    """A tensor as it is stored.

    Kernels, which are nearly all of the bytes, go to half precision: their errors of 2^-11 drown in the sum over a
    kernel's many weights. Values that come one per channel (batch norm's statistics and weights, biases) stay exact:
    they are about 1% of the bytes, act on a whole channel, and a variance is divided by and need not fit float16. A
    kernel stays exact too if it does not fit: above 65504, or all so small that float16 has few bits left for it.
    """
    tensor = tensor.detach().cpu()
    if not tensor.is_floating_point():
        if tensor.dtype != torch.int64:
            raise ValueError(f"{where}: expected floating-point or int64 values, got {tensor.dtype}")
        return tensor.clone(memory_format=torch.contiguous_format)
    exact = tensor.float().clone(memory_format=torch.contiguous_format)
    if not exact.isfinite().all():
        raise ValueError(f"{where}: expected finite values, got some that are not; a failed training is not shipped")
    if exact.ndim < 2 or not exact.numel():
        return exact
    half = exact.half()
    return half if (half.float() - exact).abs().max() <= _HALF_STEP * exact.abs().max() else exact


def _write(folder: Path, entries: dict[str, dict], states: dict[str, dict[str, Tensor]]) -> Path:
    """Write all models: the files, then the manifest, then remove what it does not name."""
    from safetensors import torch as safetensors  # late, here and below: the names of the package need no extra

    models = {name: {**about, "files": []} for name, about in entries.items()}
    contents, listed = {}, {}
    for (part, sharing), tensors in sorted(_groups(states).items()):
        content = safetensors.save(tensors)
        sha256 = hashlib.sha256(content).hexdigest()
        file = f"{part}-{sha256[:12]}.safetensors"
        contents[file], listed[file] = content, {"sha256": sha256, "bytes": len(content)}
        for name in sharing:
            models[name]["files"].append(file)
    body = {"format": FORMAT, "files": listed, "models": models}
    manifest = {"sha256": digest(body), **body}
    if trouble := complaint_about(manifest):
        raise ValueError(f"models: {trouble}")
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    if (total := sum(map(len, contents.values())) + len(text)) > MAX_FOLDER:
        raise ValueError(f"models: expected at most {MAX_FOLDER:,} bytes in all, got {total:,}")
    for file, content in contents.items():
        atomic.write(folder / file, content)
    path = atomic.write(folder / "manifest.json", text)
    for old in [*folder.glob("*.safetensors"), *folder.glob("*.part")]:
        if old.name not in contents:
            old.unlink()
    return path


def _groups(states: dict[str, dict[str, Tensor]]) -> dict[tuple[str, tuple[str, ...]], dict[str, Tensor]]:
    """Tensors by part and by the models that share them: each group becomes one file."""
    from safetensors import torch as safetensors

    sharing, tensors = defaultdict(list), {}
    for name in sorted(states):
        for key, tensor in states[name].items():
            # The file's format holds name, type, shape and values: the same tensor is what has the same bytes there.
            same = key, hashlib.sha256(safetensors.save({key: tensor})).digest()
            sharing[same].append(name)
            tensors[same] = tensor
    groups = defaultdict(dict)
    for same, tensor in tensors.items():
        key = same[0]
        part = re.sub(r"[^A-Za-z0-9_]", "_", key.partition(".")[0]) if "." in key else "model"
        groups[part, tuple(sharing[same])][key] = tensor
    return groups


def _read_tensors(folder: Path, files: dict[str, dict]) -> dict[str, Tensor]:
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


def _misfit(model: nn.Module, weights: dict[str, Tensor], parameters: int) -> str:
    """What keeps these weights from being the model's; an empty string for nothing."""
    wanted = model.state_dict()
    if missing := sorted(wanted.keys() - weights.keys()):
        return f"no values for {', '.join(missing[:3])} ({len(missing)} in all)"
    if extra := sorted(weights.keys() - wanted.keys()):
        return f"the network has no {', '.join(extra[:3])} ({len(extra)} in all)"
    for key, tensor in wanted.items():
        if (tensor.shape, tensor.dtype) != (weights[key].shape, weights[key].dtype):
            expected, got = (f"{tuple(t.shape)} {t.dtype}" for t in (tensor, weights[key]))
            return f"{key}: expected {expected}, got {got}"
    return "" if _count(model) == parameters else f"expected {parameters:,} parameters, got {_count(model):,}"


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _folder(folder: Path | None) -> Path:
    if folder is not None:
        return Path(folder)
    try:
        return root() / "data" / "weights"
    except CommandError as error:
        raise DataError(
            "data/weights: dffkit is installed without its repository, where the trained weights are; "
            "clone the repository and install it from there"
        ) from error
