"""Small valid files of weights, checkpoints and results, and their readers."""

import contextlib
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from random import Random

import hand_made
import numpy as np
import torch
from places import GOLDEN
from right_form import check_state

from dffkit import weights
from dffkit.experiments import results, runs
from dffkit.training import checkpoint
from dffkit.training.assembly import build
from dffkit.training.recipe import Measurement
from dffkit.weights import storage

RECIPE = hand_made.recipe()


def make_weights(folder: Path) -> list[Path]:
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    about = {"recipe": {"width": 8}, "recipe_hash": "ab12cd34", "data_version": "00ff00ff", "seed": 3}
    about |= {"scores": {"mIoU": 0.5}, "commit": "0123abc", "date": "2026-01-31"}
    weights.save({"a/b": (model, about)}, folder)
    return [folder / "manifest.json", next(folder.glob("*.safetensors"))]


def read_weights(path: Path) -> None:
    for name in weights.names(path.parent):
        check_state(weights.state(name, path.parent))


def read_listed_tensors(path: Path) -> None:
    content = path.read_bytes()
    listed = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    check_state(storage.read_tensors(path.parent, {path.name: listed}))


def inside_manifest(content: bytes, _: Random) -> tuple[bytes, Callable[[bytes], bytes]]:
    return content, sealed_manifest


def sealed_manifest(content: bytes) -> bytes:
    """Return a manifest with its own hash made again."""
    with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
        manifest = json.loads(content)
        return json.dumps({**manifest, "sha256": storage.digest(manifest)}).encode()
    return content


def make_params(folder: Path) -> list[Path]:
    return [Path(shutil.copy(GOLDEN / name, folder)) for name in ("list.params", "sample-0000.params")]


def make_checkpoint(folder: Path) -> list[Path]:
    state = {"module": {"a": torch.ones(3), "b": torch.tensor(1)}, "identity": {"seed": 1}, "log": [1, "x", None]}
    return [checkpoint.write(folder / "checkpoint-00000001.pt", state)]


def read_checkpoint(path: Path) -> None:
    assert checkpoint.read(path)["format"] == checkpoint.FORMAT


def make_trained(folder: Path) -> list[Path]:
    state = {"module": build(RECIPE).state_dict(), "recipe": json.dumps(asdict(RECIPE)), "names": ["a", "b", "c"]}
    state |= {"identity": {"recipe_hash": RECIPE.hash, "seed": 0}}
    return [checkpoint.write(folder / checkpoint.FINISHED, state)]


def read_trained(path: Path) -> None:
    _, model, names = runs.load_trained(path.parent)
    assert not model.training
    assert all(isinstance(name, str) for name in names)


def inside_zip(content: bytes, rng: Random) -> tuple[bytes, Callable[[bytes], bytes]]:
    """Return a member of a zip file, mostly the first, a checkpoint's pickle."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content, bytes
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice([*members, *[next(iter(members))] * len(members)])

    def whole(part: bytes) -> bytes:
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            for name, member in {**members, chosen: part}.items():
                archive.writestr(name, member)
        return written.getvalue()

    return members[chosen], whole


def make_results(folder: Path) -> list[Path]:
    scores = [
        results.Score(
            Measurement("ab12cd34", seed, "00ff00ff", "val"), "mIoU", 0.5, "all", 5, 10, np.array([0.5, 0.25]),
            {"recipe": "a/b", "date": "2026-01-31"},
        )
        for seed in (0, 1)
    ]  # fmt: skip
    results.add(folder / results.EVALUATION, scores)
    return [folder / results.EVALUATION, next((folder / results.REPLICATES).glob("*.npz"))]


def read_results(path: Path) -> None:
    folder = path.parent if path.suffix == ".csv" else path.parents[1]
    for score in results.read(folder / results.EVALUATION):
        assert isinstance(score.value, float)
        replicates = results.read_replicates(folder, score)
        assert replicates is None or (replicates.ndim == 1 and np.isfinite(replicates).all())
