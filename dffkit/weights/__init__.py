"""Trained weights: `data/weights/` holds the tensors of every model in half precision, and a manifest that lists them.

Each part of a model (`feature_network`, `flow_network`, ...) has files of its own, one for each set of models that
share the tensors in it, so shared tensors are stored once. A tensor's key in a file is its parameter's name.

File names contain twelve digits of the file's SHA-256, so a file never changes. New models bring new files, then the
manifest is renamed into place, and only then files that no model needs are removed. A run that is killed in between
leaves the old models or the new ones. No code in a file is executed: safetensors files hold numbers only.
"""

import difflib
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from dffkit.support.errors import DataError
from dffkit.training.assembly import build
from dffkit.training.recipe import TASKS, Recipe
from dffkit.weights.authors.checkpoint import load_mxnet
from dffkit.weights.storage import REPAIR, read_manifest, read_tensors, save, weights_folder

__all__ = ["entry", "load", "load_mxnet", "models", "names", "save", "state"]


def names(folder: Path | None = None) -> list[str]:
    """Return the names of all stored models, sorted; `folder` is the repository's `data/weights` unless given.

    Raises:
        DataError: if the manifest is missing or damaged.
    """
    return sorted(read_manifest(weights_folder(folder))["models"])


def models(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return what tells the stored models apart, by name; `pandas.DataFrame(weights.models()).T` shows it as a table.

    Returns:
        `job`, `data` and `tasks` of its recipe, `parameters`, `bytes` of its files, and `scores` on val, e.g. "mIoU@5".
    """
    listed = {}
    for name in names(folder):
        about = entry(name, folder)
        val = {key.removeprefix("val "): value for key, value in about["scores"].items() if key.startswith("val ")}
        size = sum(file["bytes"] for file in about["files"].values())
        recipe = {"job": about["recipe"]["job"], "data": about["recipe"]["data"]}
        tasks = [task for task, _ in about["recipe"]["heads"]]
        listed[name] = recipe | {"tasks": tasks, "parameters": about["parameters"], "bytes": size, "scores": val}
    return listed


def entry(name: str, folder: Path | None = None) -> dict[str, Any]:
    """Return the metadata of a stored model: its training, its scores and its files.

    Returns:
        `recipe` (plain data), `recipe_hash`, `data_version`, `seed`, `parameters` (their count), `scores`, `commit`,
        `date`, and `files`: file name -> `sha256` and `bytes`.

    Raises:
        DataError: if the manifest is missing or damaged, or has no model of this name.
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
    """Return a stored model's state dict: float32, and int64 for counters.

    Raises:
        DataError: if the manifest or a file is missing or damaged, or there is no model of this name.
    """
    stored = read_tensors(weights_folder(folder), entry(name, folder)["files"])
    return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in stored.items()}


def load(name: str | None = None, *, task: str = "segmentation", folder: Path | None = None) -> nn.Module:
    """Load a trained model, ready to recognize: built from its recipe, with its stored weights, in eval mode.

    Args:
        name: one of `names()`; None for Toytown's Deep Feature Flow of the `task`.
        task: "segmentation" or "detection"; read only without a name.
        folder: where the weights lie, the repository's `data/weights` unless given.

    Raises:
        ValueError: for another task.
        DataError: if the manifest or a file is missing or damaged, there is no model of this name, or the weights do
            not fit the network that the recipe describes.
    """
    if task not in TASKS:
        raise ValueError(f"task: expected one of {list(TASKS)}, got {task!r}")
    name = f"toytown/{task}/dff" if name is None else name
    about, weights = entry(name, folder), state(name, folder)
    try:
        recipe = Recipe(**about["recipe"])
        if recipe.hash != about["recipe_hash"]:
            raise ValueError(f"expected a recipe of hash {about['recipe_hash']}, got {recipe.hash}")
        model = build(recipe)
        model.load_state_dict(weights)
    except Exception as error:  # a recipe of another version can fail anywhere in the networks
        where = f"{weights_folder(folder) / 'manifest.json'}: model {name!r}"
        reason = " ".join(str(error).split())  # torch names every layer in a line of its own
        raise DataError(f"{where}: its recipe and weights make no network: {reason:.300}; {REPAIR}") from error
    return model.eval()
