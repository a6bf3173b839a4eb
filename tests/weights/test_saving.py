"""Saving stores shared tensors once, survives a kill, and refuses wrong models before anything is written."""

import shutil
import threading
from pathlib import Path

import pytest
import safetensors.torch
import torch
from stored_weights import (
    BAD_METADATA,
    DFF,
    FRAME,
    Network,
    contents,
    metadata,
    network,
    pair,
    same,
)
from torch import nn

from dffkit import weights
from dffkit.support import files
from dffkit.weights import storage

# What is stored


def test_tensors_that_models_share_are_stored_once(tmp_path):
    models = pair()
    weights.save({FRAME: models[FRAME]}, tmp_path)
    alone = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    weights.save(models, tmp_path)
    both = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    own = (*models[DFF][0].flow_network.parameters(), *models[DFF][0].task_network.parameters())
    assert both - alone < sum(4 * p.numel() for p in own) + 500  # two headers
    found = [
        safetensors.torch.save({key: tensor})
        for path in tmp_path.glob("*.safetensors")
        for key, tensor in safetensors.torch.load_file(path).items()
    ]
    assert (
        len(found) == len(set(found)) == len(Network().state_dict()) + len(Network(flow=False).task_network._parameters)
    )


def test_a_partly_shared_part_is_split(folder):
    models = pair()
    nn.init.zeros_(models[DFF][0].feature_network[2].bias)  # trained further, the rest frozen
    weights.save(models, folder)
    assert len(list(folder.glob("feature_network-*"))) == 3  # shared; one bias each
    for name, (model, _) in models.items():
        assert torch.equal(weights.state(name, folder)["feature_network.2.bias"], model.feature_network[2].bias)


def test_the_folder_depends_on_the_models_alone(tmp_path):
    models = {**pair(), "other": (network(5), metadata())}
    for number, order in enumerate(([DFF, FRAME, "other"], ["other", FRAME, DFF])):
        weights.save({name: models[name] for name in order}, tmp_path / str(number))
    assert contents(tmp_path / "0") == contents(tmp_path / "1")


def test_saving_removes_the_files_of_other_models_and_leaves_strangers_alone(folder):
    for name in ("README.md", "left.part", "old-000000000000.safetensors"):
        (folder / name).write_text("x")
    weights.save({DFF: (network(9), metadata(seed=4))}, folder)
    assert weights.names(folder) == [DFF]
    files = {file for name in weights.names(folder) for file in weights.entry(name, folder)["files"]}
    assert contents(folder).keys() == {*files, "manifest.json", "README.md"}
    assert weights.entry(DFF, folder)["seed"] == 4


def test_a_killed_save_leaves_the_old_models_or_the_new_ones(folder, tmp_path, monkeypatch):
    old = {name: weights.state(name, folder) for name in weights.names(folder)}
    weights.save(pair(5), tmp_path / "new")
    new = {name: weights.state(name, tmp_path / "new") for name in old}
    steps = len(contents(tmp_path / "new"))  # the last one is the manifest

    def killed_after(count, function):
        calls = iter(range(count))

        def call(*args, **kwargs):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return call

    for kind, count in [*(("write", n) for n in range(steps)), ("replace", 2), ("unlink", 0), ("unlink", 1)]:
        broken = Path(shutil.copytree(folder, tmp_path / f"{kind}{count}"))
        owner = {"write": files, "replace": files.os, "unlink": Path}[kind]
        with monkeypatch.context() as patch:
            patch.setattr(owner, kind, killed_after(count, getattr(owner, kind)))
            with pytest.raises(KeyboardInterrupt):
                weights.save(pair(5), broken)
        expected = new if kind == "unlink" else old
        assert all(same(weights.state(name, broken), expected[name]) for name in old)
        weights.save(pair(5), broken)
        assert contents(broken) == contents(tmp_path / "new")


def test_two_threads_that_save_at_the_same_time_store_the_models_of_the_last(folder, monkeypatch):
    whole, second = storage._write, []

    def slow(*words):
        """Start the second save in the middle of the first, with time to end if the lock does not hold it."""
        if not second:
            second.append(threading.Thread(target=weights.save, args=({"other": (network(5), metadata())}, folder)))
            second[0].start()
            second[0].join(timeout=1)
        return whole(*words)

    monkeypatch.setattr(storage, "_write", slow)
    weights.save({"new": (network(4), metadata())}, folder)
    second[0].join()
    assert weights.names(folder) == ["other"]
    weights.state("other", folder)


# What is refused


@pytest.mark.parametrize("field", BAD_METADATA)
def test_bad_metadata_are_refused_before_anything_is_written(folder, field):
    value, message = BAD_METADATA[field]
    before = contents(folder)
    with pytest.raises(ValueError, match=f"model 'new': {message}"):
        weights.save({"new": (network(), metadata(**{field: value}))}, folder)
    missing = {key: value for key, value in metadata().items() if key != field}
    with pytest.raises(ValueError, match=f"model 'new': {field}: expected .*, got None"):
        weights.save({"new": (network(), missing)}, folder)
    assert contents(folder) == before


@pytest.mark.parametrize("about", [[1], {**metadata(), "scores": {"mIoU": float("nan")}}, {"recipe": {1j}}])
def test_metadata_must_be_plain_data(tmp_path, about):
    with pytest.raises(ValueError, match=r"models\['new'\]: expected a mapping of plain, finite data"):
        weights.save({"new": (network(), about)}, tmp_path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            lambda: nn.Linear(2, 2).requires_grad_(False).apply(lambda m: m.weight.fill_(torch.nan)),
            "expected finite values",
        ),
        (
            lambda: nn.Linear(2, 2).requires_grad_(False).apply(lambda m: m.bias.fill_(torch.inf)),
            "expected finite values",
        ),
        (
            lambda: nn.ParameterDict({"x": nn.Parameter(torch.zeros(2, dtype=torch.cfloat))}),
            "expected floating-point or int64",
        ),
        (lambda: nn.Linear(11_000_000, 1), r"model-.*: expected at most 20,000,000 bytes, got 22,000"),
    ],
)
def test_weights_that_cannot_be_shipped_are_refused(folder, model, message):
    before = contents(folder)
    with pytest.raises(ValueError, match=message):
        weights.save({"new": (model(), metadata())}, folder)
    assert contents(folder) == before


def test_a_folder_over_60_mb_is_refused(folder, monkeypatch):
    assert storage.MAX_FOLDER == 60_000_000
    before = contents(folder)
    size = sum(map(len, before.values()))
    monkeypatch.setattr(storage, "MAX_FOLDER", size)
    weights.save(pair(), folder)  # which fits to the last byte
    monkeypatch.setattr(storage, "MAX_FOLDER", size - 1)
    with pytest.raises(ValueError, match=f"models: expected at most {size - 1:,} bytes in all, got {size:,}"):
        weights.save(pair(), folder)
    assert contents(folder) == before
