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
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dffkit.support.errors import DataError
from dffkit.weights.files import count_parameters, read_tensors, weights_folder
from dffkit.weights.manifest import REPAIR, read_manifest
from dffkit.weights.saving import save

__all__ = ["entry", "load", "load_mxnet", "names", "save", "state"]


def names(folder: Path | None = None) -> list[str]:
    """The names of all stored models, sorted; `folder` is the repository's `data/weights` unless given.

    Raises:
        DataError: if the manifest is missing or damaged.
    """
    return sorted(read_manifest(weights_folder(folder))["models"])


def entry(name: str, folder: Path | None = None) -> dict[str, Any]:
    """All that is known of a stored model: how it was trained, what it scores, and its files.

    Returns:
        `recipe` (plain data), `recipe_hash`, `world_hash`, `seed`, `parameters` (their count), `scores`, `commit`,
        `date`, and `files`: file name -> `sha256` and `bytes`.

    Raises:
        DataError: if the manifest is missing or damaged, or has no such model.
    """
    folder = weights_folder(folder)
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
    stored = read_tensors(weights_folder(folder), entry(name, folder)["files"])
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
    where = f"{weights_folder(folder) / 'manifest.json'}: model {name!r}"
    from dffkit.training import assembly, recipe

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
    """The authors' own checkpoint, R-FCN with ResNet-101 and FlowNet, as this kit's model.

    Raises:
        DataError: if the file is missing or damaged, or is not a checkpoint of that network.
    """
    from dffkit.weights.authors import checkpoint  # late, as above

    return checkpoint.load_mxnet(path)


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
    return (
        ""
        if count_parameters(model) == parameters
        else f"expected {parameters:,} parameters, got {count_parameters(model):,}"
    )
