"""Stored weights come back by name or by task, within half precision."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
from stored_weights import DFF, FRAME, Network, contents, edit, metadata, network, pair, same
from torch import nn

from dffkit import weights
from dffkit.support.errors import DataError
from dffkit.training import assembly, recipes
from dffkit.weights import storage


def test_kernels_come_back_within_half_precision_and_all_else_exactly(folder):
    for name, (model, _) in pair().items():
        state = weights.state(name, folder)
        assert state.keys() == model.state_dict().keys()
        for key, tensor in model.state_dict().items():
            assert state[key].dtype == tensor.dtype
            kernel = tensor.ndim >= 2
            torch.testing.assert_close(state[key], tensor, rtol=2**-11 if kernel else 0, atol=2**-25 if kernel else 0)
            assert torch.equal(state[key], tensor) is not kernel


@pytest.mark.parametrize("name", ["toytown/segmentation/dff", "toytown/detection/frame"])
def test_a_recipes_model_gives_the_same_maps(tmp_path, name):
    recipe = dataclasses.replace(recipes.find(name), depth=14, width=0.0625, flow_width=0.0625)
    model = assembly.build(recipe, seed=1).eval()
    about = metadata(recipe=dataclasses.asdict(recipe), recipe_hash=recipe.hash)
    weights.save({name: (model, about)}, tmp_path)
    assert sum(map(len, contents(tmp_path).values())) < 0.7 * sum(4 * v.numel() for v in model.state_dict().values())
    before = torch.get_rng_state()
    loaded = weights.load(name, folder=tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(module.training for module in loaded.modules())
    pair = [torch.randint(0, 256, (1, 3, 48, 64), dtype=torch.uint8) for _ in range(2 if recipe.job == "pairs" else 1)]
    with torch.no_grad():
        expected, got = model(*pair), loaded(*pair)
    assert (got - expected).abs().max() < 0.01 * expected.abs().max()
    edit(tmp_path, lambda m: m["models"][name]["recipe"].update(lr=1.0))
    with pytest.raises(DataError, match=f"expected a recipe of hash {recipe.hash}, got"):
        weights.load(name, folder=tmp_path)


def test_a_kernel_that_half_precision_cannot_hold_stays_exact(tmp_path):
    for values in (1e5, 1e-7):
        model = network()
        nn.init.uniform_(model.task_network.weight, values, 2 * values)
        weights.save({DFF: (model, metadata())}, tmp_path)
        assert torch.equal(weights.state(DFF, tmp_path)["task_network.weight"], model.task_network.weight)


def test_without_a_name_the_shipped_model_of_the_task_is_loaded(folder):
    assert same(weights.load(folder=folder).state_dict(), weights.state(DFF, folder))
    detector = network(7)
    weights.save({"toytown/detection/dff": (detector, metadata())}, folder)
    loaded = weights.load(task="detection", folder=folder)
    assert torch.equal(loaded.task_network.bias, detector.task_network.bias)
    with pytest.raises(ValueError, match=r"task: expected one of \['segmentation', 'detection'\], got 'depth'"):
        weights.load(task="depth", folder=folder)


def test_an_entry_has_the_metadata_and_files_of_a_model(folder):
    assert weights.names(folder) == [DFF, FRAME]
    about = weights.entry(DFF, folder)
    files = about.pop("files")
    parameters = sum(p.numel() for p in Network().parameters())
    assert about == {**metadata(), "parameters": parameters}
    assert len(files) == 3
    for file, listed in files.items():
        content = (folder / file).read_bytes()
        assert listed == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_an_unknown_name_is_refused_with_close_names(folder):
    with pytest.raises(DataError, match=r"manifest\.json: has no model 'toytown/segmentation/df'; did you mean 'toyto"):
        weights.state("toytown/segmentation/df", folder)
    with pytest.raises(DataError, match="has no model 'x'; it has"):
        weights.load("x", folder=folder)


def test_the_default_folder_is_the_repositorys(monkeypatch):
    monkeypatch.setattr(storage, "root", lambda: Path("here"))
    with pytest.raises(DataError, match=r"here.data.weights.manifest\.json: no such file.*git checkout"):
        weights.names()


def test_models_are_listed_with_what_tells_them_apart(tmp_path):
    recipe = {"job": "pairs", "data": "toytown", "heads": [["segmentation", []]]}
    about = metadata(recipe=recipe, scores={"val mIoU@5": 0.5, "check mIoU@5": 0.4})
    weights.save({DFF: (network(), about)}, tmp_path)
    listed = weights.models(tmp_path)
    assert listed[DFF].pop("bytes") == sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    assert listed[DFF].pop("parameters") == weights.entry(DFF, tmp_path)["parameters"]
    assert listed == {DFF: {"job": "pairs", "data": "toytown", "tasks": ["segmentation"], "scores": {"mIoU@5": 0.5}}}
