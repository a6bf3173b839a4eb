"""Two small models and a folder that stores them, for all tests of stored weights."""

import json
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from dffkit import weights
from dffkit.weights.storage import digest

DFF, FRAME = "toytown/segmentation/dff", "toytown/segmentation/frame"


class Network(nn.Module):
    """A network with the three parts, each with few weights."""

    def __init__(self, width: int = 8, flow: bool = True) -> None:
        super().__init__()
        self.feature_network = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 16, 9))
        if flow:
            self.flow_network = nn.Conv2d(6, 2, 3)
        self.task_network = nn.Conv2d(16, 5, 1)


@dataclass(frozen=True)
class Recipe:
    """A recipe of `Network`."""

    width: int = 8
    flow: bool = True
    hash: ClassVar[str] = "ab12cd34"


def use_networks(monkeypatch):
    """Make recipes build `Network` instead of the networks of the experiments."""
    monkeypatch.setattr(weights, "Recipe", Recipe)
    monkeypatch.setattr(weights, "build", lambda recipe: Network(recipe.width, recipe.flow))


def metadata(**changes):
    """Return metadata for `weights.save`."""
    about = {"recipe": {"width": 8}, "recipe_hash": Recipe.hash, "data_version": "00ff00ff", "seed": 3}
    return {**about, "scores": {"mIoU": 0.5}, "commit": "0123abc", "date": "2026-01-31", **changes}


def network(seed=0, **options):
    """Return a `Network` with random weights."""
    torch.manual_seed(seed)
    model = Network(**options)
    model.feature_network[1].running_var.uniform_(1e-9, 1e6)  # neither end fits float16
    model.feature_network[1].num_batches_tracked.fill_(70_000)
    return model


def pair(seed=0):
    """Return a per-frame model and a Deep Feature Flow model with the same frozen feature network."""
    frame, dff = network(seed, flow=False), network(seed + 1)
    dff.feature_network.load_state_dict(frame.feature_network.state_dict())
    return {FRAME: (frame, metadata(recipe={"flow": False})), DFF: (dff, metadata())}


def contents(folder):
    """Return every file's content by name, except the lock's."""
    found = folder.iterdir() if folder.exists() else ()
    return {path.name: path.read_bytes() for path in found if path.name != ".lock"}


def same(state, other):
    """Return whether two states are equal, bit by bit."""
    return state.keys() == other.keys() and all(torch.equal(state[key], other[key]) for key in state)


def stored(folder):
    """Store both models in a folder, and return it."""
    weights.save(pair(), folder)
    return folder


def part(folder, name="feature_network"):
    """Return the only file of a part."""
    (path,) = folder.glob(f"{name}-*.safetensors")
    return path


def edit(folder, change, rehash=True):
    """Change the manifest; with `rehash` its own hash too, as only a program would."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    if rehash:
        manifest["sha256"] = digest(manifest)
    path.write_text(json.dumps(manifest))


# Wrong values by their field, and the message about each.
BAD_METADATA = {
    "recipe": ("a text", r"recipe: expected dict, got 'a text'"),
    "recipe_hash": (7, r"recipe_hash: expected str, got 7"),
    "data_version": (None, r"data_version: expected str, got None"),
    "seed": (True, r"seed: expected int, got True"),
    "scores": ([0.5], r"scores: expected dict, got \[0\.5\]"),
    "commit": ({}, r"commit: expected str, got {}"),
    "date": (2026, r"date: expected str, got 2026"),
}
