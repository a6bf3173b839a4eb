"""Stored weights: what comes back, what is stored once, what a killed run leaves, and every kind of damage refused."""

import dataclasses
import hashlib
import json
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dffkit import atomic, recipes, weights
from dffkit.errors import DataError
from dffkit.recipes import assembly
from dffkit.weights import files, saving
from dffkit.weights.manifest import digest

DFF, FRAME = "toytown/segmentation/dff", "toytown/segmentation/frame"


class Network(nn.Module):
    """The three parts, each of a few weights."""

    def __init__(self, width: int = 8, flow: bool = True) -> None:
        super().__init__()
        self.feature_network = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 16, 9))
        if flow:
            self.flow_network = nn.Conv2d(6, 2, 3)
        self.task_network = nn.Conv2d(16, 5, 1)


@dataclass(frozen=True)
class Recipe:
    """The recipes of these tests."""

    width: int = 8
    flow: bool = True
    hash: ClassVar[str] = "ab12cd34"


@pytest.fixture
def _recipes(monkeypatch):
    """Recipes that build `Network`, in place of the experiments'."""
    monkeypatch.setattr("dffkit.recipes.recipe.Recipe", Recipe)
    monkeypatch.setattr(assembly, "build", lambda recipe: Network(recipe.width, recipe.flow))


def metadata(**changes):
    about = {"recipe": {"width": 8}, "recipe_hash": Recipe.hash, "world_hash": "00ff00ff", "seed": 3}
    return {**about, "scores": {"mIoU": 0.5}, "commit": "0123abc", "date": "2026-01-31", **changes}


def network(seed=0, **options):
    torch.manual_seed(seed)
    model = Network(**options)
    model.feature_network[1].running_var.uniform_(1e-9, 1e6)  # neither end fits float16
    model.feature_network[1].num_batches_tracked.fill_(70_000)
    return model


def pair(seed=0):
    """A per-frame model and a Deep Feature Flow model with the same frozen feature network."""
    frame, dff = network(seed, flow=False), network(seed + 1)
    dff.feature_network.load_state_dict(frame.feature_network.state_dict())
    return {FRAME: (frame, metadata(recipe={"flow": False})), DFF: (dff, metadata())}


def contents(folder):
    """Every file of a folder by its name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def same(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[key], other[key]) for key in state)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder with both models; tests copy it before they break it."""
    folder = tmp_path_factory.mktemp("weights")
    weights.save(pair(), folder)
    return folder


@pytest.fixture
def folder(shelf, tmp_path, _recipes):
    return Path(shutil.copytree(shelf, tmp_path / "weights"))


def part(folder, name="feature_network"):
    (path,) = folder.glob(f"{name}-*.safetensors")
    return path


def edit(folder, change, rehash=True):
    """Change the manifest as a hand would, or with `rehash` as an attacker would."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    if rehash:
        del manifest["sha256"]
        manifest["sha256"] = digest(manifest)
    path.write_text(json.dumps(manifest))


def plant(folder, path, content):
    """Put other content in a file's place and make the manifest agree with it."""
    path.write_bytes(content)
    edit(folder, lambda m: m["files"][path.name].update(sha256=hashlib.sha256(content).hexdigest()))
    edit(folder, lambda m: m["files"][path.name].update(bytes=len(content)))


# What comes back


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
    with pytest.raises(ValueError, match='task: expected "segmentation" or "detection", got \'depth\''):
        weights.load(task="depth", folder=folder)


def test_an_entry_tells_how_the_model_came_about(folder):
    assert weights.names(folder) == [DFF, FRAME]
    about = weights.entry(DFF, folder)
    files = about.pop("files")
    parameters = sum(p.numel() for p in Network().parameters())
    assert about == {**metadata(), "parameters": parameters}
    assert len(files) == 3
    for file, listed in files.items():
        content = (folder / file).read_bytes()
        assert listed == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_an_unknown_name_brings_close_ones(folder):
    with pytest.raises(DataError, match=r"manifest\.json: has no model 'toytown/segmentation/df'; did you mean 'toyto"):
        weights.state("toytown/segmentation/df", folder)
    with pytest.raises(DataError, match="has no model 'x'; it has"):
        weights.load("x", folder=folder)


def test_the_default_folder_is_the_repositorys(monkeypatch, shelf):
    monkeypatch.setattr(files, "root", lambda: Path("here"))
    with pytest.raises(DataError, match=r"here.data.weights.manifest\.json: no such file.*git checkout"):
        weights.names()

    def alone():
        raise files.CommandError("no repository")

    monkeypatch.setattr(files, "root", alone)
    with pytest.raises(DataError, match="without its repository"):
        weights.load()


# What is stored


def test_what_models_share_is_stored_once(tmp_path):
    models = pair()
    weights.save({FRAME: models[FRAME]}, tmp_path)
    alone = sum(path.stat().st_size for path in tmp_path.glob("*.safetensors"))
    weights.save({DFF: models[DFF]}, tmp_path)
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


def test_a_part_that_is_shared_in_part_is_split(folder):
    models = pair()
    nn.init.zeros_(models[DFF][0].feature_network[2].bias)  # trained further, the rest frozen
    weights.save(models, folder)
    assert len(list(folder.glob("feature_network-*"))) == 3  # shared; one bias each
    for name, (model, _) in models.items():
        assert torch.equal(weights.state(name, folder)["feature_network.2.bias"], model.feature_network[2].bias)


def test_the_folder_depends_on_the_models_alone(tmp_path):
    models = {**pair(), "other": (network(5), metadata())}
    for number, order in enumerate(([DFF, FRAME, "other"], ["other", FRAME, DFF])):
        for name in order:
            weights.save({name: models[name]}, tmp_path / str(number))
    weights.save(models, tmp_path / "at once")
    assert contents(tmp_path / "0") == contents(tmp_path / "1") == contents(tmp_path / "at once")


def test_replacing_a_model_removes_its_files_and_leaves_strangers_alone(folder):
    for name in ("README.md", "left.part", "old-000000000000.safetensors"):
        (folder / name).write_text("x")
    weights.save({DFF: (network(9), metadata(seed=4)), FRAME: (network(9, flow=False), metadata())}, folder)
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
        owner = {"write": atomic, "replace": atomic.os, "unlink": Path}[kind]
        with monkeypatch.context() as patch:
            patch.setattr(owner, kind, killed_after(count, getattr(owner, kind)))
            with pytest.raises(KeyboardInterrupt):
                weights.save(pair(5), broken)
        expected = new if kind == "unlink" else old
        assert all(same(weights.state(name, broken), expected[name]) for name in old)
        weights.save(pair(5), broken)
        assert contents(broken) == contents(tmp_path / "new")


# What save refuses

BAD_METADATA = {
    "recipe": ("a text", r"recipe: expected a mapping, got 'a text'"),
    "recipe_hash": ("xyz", r"recipe_hash: expected 6 to 64 hex"),
    "world_hash": (None, r"world_hash: expected 6 to 64 hex"),
    "seed": (True, r"seed: expected a whole number of at least 0, got True"),
    "scores": ({"mIoU": "good"}, r"scores: expected a mapping of names to finite numbers"),
    "commit": ("HEAD", r"commit: expected 7 to 40 hex"),
    "date": ("yesterday", r"date: expected a date"),
    "mood": ("good", r"expected the fields .* got .*mood"),
}


@pytest.mark.parametrize("field", BAD_METADATA)
def test_bad_metadata_are_refused_before_anything_is_written(folder, field):
    value, message = BAD_METADATA[field]
    before = contents(folder)
    with pytest.raises(ValueError, match=f"models: model 'new': {message}"):
        weights.save({"new": (network(), metadata(**{field: value}))}, folder)
    missing = {key: value for key, value in metadata().items() if key != field}
    if field != "mood":
        with pytest.raises(ValueError, match="model 'new': expected the fields"):
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
        (nn.Identity, "parameters: expected a whole number of at least 1, got 0"),
        (
            lambda: nn.Linear(11_000_000, 1),
            r"file 'model-.*bytes: expected a whole number from 1 to 20,000,000, got 22000",
        ),
    ],
)
def test_weights_that_cannot_be_shipped_are_refused(folder, model, message):
    before = contents(folder)
    with pytest.raises(ValueError, match=message):
        weights.save({"new": (model(), metadata())}, folder)
    assert contents(folder) == before


def test_a_folder_over_60_mb_is_refused(folder, monkeypatch):
    assert saving.MAX_FOLDER == 60_000_000
    before = contents(folder)
    size = sum(map(len, before.values()))
    monkeypatch.setattr(saving, "MAX_FOLDER", size)
    weights.save(pair(), folder)  # which fits to the last byte
    monkeypatch.setattr(saving, "MAX_FOLDER", size - 1)
    with pytest.raises(ValueError, match=f"models: expected at most {size - 1:,} bytes in all, got {size:,}"):
        weights.save(pair(), folder)
    with pytest.raises(ValueError, match="models: expected at most"):
        weights.save({"new": (network(4), metadata())}, folder)
    assert contents(folder) == before


def test_a_name_with_spaces_is_refused(tmp_path):
    with pytest.raises(ValueError, match="models: expected a mapping with names without spaces"):
        weights.save({"my model": (network(), metadata())}, tmp_path)
    assert contents(tmp_path) == {}


def test_save_does_not_build_on_damage(folder):
    part(folder).write_bytes(b"")
    before = contents(folder)
    with pytest.raises(DataError, match=r"expected .* bytes, got 0"):
        weights.save({"new": (network(), metadata())}, folder)
    assert contents(folder) == before


# Damage


@settings(max_examples=80)
@given(data=st.data())
def test_a_changed_byte_is_an_error_or_changes_nothing(shelf, tmp_path_factory, data):
    expected = {name: weights.state(name, shelf) for name in (DFF, FRAME)}
    path = data.draw(st.sampled_from(sorted(shelf.iterdir())))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    broken = Path(shutil.copytree(shelf, tmp_path_factory.getbasetemp() / "flipped", dirs_exist_ok=True))
    for name, original in contents(shelf).items():
        (broken / name).write_bytes(bytes(content) if name == path.name else original)
    refusals = []
    for name in expected:
        try:
            assert same(weights.state(name, broken), expected[name])
        except DataError as error:
            refusals.append(str(error))
    assert all(f"{broken / path.name}: " in text and "git checkout" in text for text in refusals)
    # A blank between the manifest's fields may become another blank; a file's bytes count to the last.
    assert refusals or path.name == "manifest.json"


def test_truncated_swapped_missing_and_longer_files_are_refused(folder):
    first, second = part(folder), part(folder, "flow_network")
    content = first.read_bytes()
    for size in (0, 7, 100, len(content) - 1):
        first.write_bytes(content[:size])
        with pytest.raises(DataError, match=rf"{first.name}: expected {len(content):,} bytes, got {size:,}"):
            weights.load(folder=folder)
    first.write_bytes(content + b"\0")
    with pytest.raises(DataError, match="bytes, got"):
        weights.load(folder=folder)
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(DataError, match="bytes, got"):
        weights.load(folder=folder)
    first.write_bytes(content[::-1])
    with pytest.raises(DataError, match=r"expected SHA-256 [0-9a-f]{64}, got [0-9a-f]{64}"):
        weights.load(folder=folder)
    first.unlink()
    with pytest.raises(DataError, match="no such file, but the manifest lists it"):
        weights.load(folder=folder)


class Trap:
    """Whoever unpickles this leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def test_a_pickle_with_the_right_hash_is_refused_unread(folder, tmp_path):
    trace = tmp_path / "trace"
    path = part(folder)
    plant(folder, path, pickle.dumps(Trap(trace)))
    with pytest.raises(DataError, match=f"{path.name}: is no safetensors file"):
        weights.load(folder=folder)
    torch.save({"feature_network.0.weight": Trap(trace)}, tmp_path / "archive")
    plant(folder, path, (tmp_path / "archive").read_bytes())
    with pytest.raises(DataError, match="is no safetensors file"):
        weights.load(folder=folder)
    (folder / "manifest.json").write_bytes(pickle.dumps(Trap(trace)))
    with pytest.raises(DataError, match="is no JSON"):
        weights.load(folder=folder)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Trap(trace)))
    assert trace.exists()  # the trap does work


def planted_state(change):
    """The flow network's tensors with a change."""
    tensors = {"flow_network.weight": torch.ones(2, 6, 3, 3).half(), "flow_network.bias": torch.ones(2)}
    change(tensors)
    return {key: tensor.contiguous() for key, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({"flow_network.bias": torch.ones(2).double()}), r"expected one of .*, got torch\.float64"),
        (
            lambda t: t.update({"flow_network.bias": torch.ones(2).bfloat16()}),
            r"expected one of .*, got torch\.bfloat16",
        ),
        (lambda t: t.update({"task_network.bias": torch.ones(5)}), r"task_network\.bias is in another file of"),
        (lambda t: t.update({"flow_network.bias": torch.ones(3)}), r"bias: expected \(2,\) torch\.float32, got \(3,\)"),
        (
            lambda t: t.update({"flow_network.bias": torch.ones(2).long()}),
            r"bias: expected .*32, got \(2,\) torch\.int64",
        ),
        (
            lambda t: t.pop("flow_network.bias"),
            r"fit its recipe's network: no values for flow_network\.bias \(1 in all",
        ),
        (lambda t: t.update(other=torch.ones(2)), r"fit its recipe's network: the network has no other \(1 in all"),
    ],
)
def test_files_with_the_right_hash_but_other_tensors_are_refused(folder, change, message):
    plant(folder, part(folder, "flow_network"), safetensors.torch.save(planted_state(lambda tensors: None)))
    assert weights.load(folder=folder).flow_network.bias.tolist() == [1, 1]  # it is the change that is refused
    plant(folder, part(folder, "flow_network"), safetensors.torch.save(planted_state(change)))
    with pytest.raises(DataError, match=message):
        weights.load(folder=folder)


BAD_FIELDS = {
    "format": ("format", 2),
    "format is true": ("format", True),
    "sha256": ("sha256", "0" * 64),
    "files is a list": ("files", []),
    "models is a list": ("models", []),
    "no models": ("models", {"": {}}),
    "another field": ("other", 1),
    "an entry is a text": (f"models {DFF}", "text"),
    "an entry is empty": (f"models {DFF}", {}),
    **{f"entry's {field}": (f"models {DFF} {field}", value) for field, (value, _) in BAD_METADATA.items()},
    "entry's scores": (f"models {DFF} scores mIoU", float("inf")),
    "entry's parameters": (f"models {DFF} parameters", 0),
    "entry's parameter count": (f"models {DFF} parameters", 1),
    "entry's recipe": (f"models {DFF} recipe width", 9),
    "entry's recipe option": (f"models {DFF} recipe depth", 9),
    "entry's recipe value": (f"models {DFF} recipe width", -1),
    "entry's files are none": (f"models {DFF} files", []),
    "entry's files are a text": (f"models {DFF} files", "task_network-000000000000.safetensors"),
    "entry's file is a number": (f"models {DFF} files", [7]),
    "entry's file is unlisted": (f"models {DFF} files", ["task_network-000000000000.safetensors"]),
    "a file of another name": ("files other.pt", {"sha256": "0" * 64, "bytes": 10}),
}


@pytest.mark.parametrize("case", BAD_FIELDS)
@pytest.mark.parametrize("rehash", [False, True])
def test_a_manifest_with_a_wrong_field_is_refused(folder, case, rehash):
    def change(manifest):
        place, value = BAD_FIELDS[case]
        *path, last = place.split(" ")
        for step in path:
            manifest = manifest[step]
        manifest[last] = value

    edit(folder, change, rehash and case != "sha256")
    with pytest.raises(DataError, match=r"manifest\.json: .*git checkout"):
        weights.load(folder=folder)


@pytest.mark.parametrize(
    "value", [{}, {"sha256": "0" * 64}, {"sha256": "0" * 64, "bytes": -1}, {"sha256": 1, "bytes": 1}]
)
def test_a_manifest_with_a_wrong_file_is_refused(folder, value):
    edit(folder, lambda m: m["files"].update({part(folder).name: value}))
    with pytest.raises(DataError, match=r"manifest\.json: file 'feature_network-"):
        weights.names(folder)


def test_a_score_changed_by_hand_is_noticed(folder):
    edit(folder, lambda m: m["models"][DFF]["scores"].update(mIoU=0.9), rehash=False)
    with pytest.raises(DataError, match="was changed by hand or damaged"):
        weights.names(folder)


@pytest.mark.parametrize("name", ["../{}", "{folder}/{}", "sub/{}", "..\\{}", "{}\n", "./{}", "C:{}", "~/{}"])
def test_a_file_outside_the_folder_is_never_read(folder, name):
    file = part(folder)
    outside = name.format(file.name, folder=folder.parent)
    (folder / "sub").mkdir()
    for place in (folder.parent, folder / "sub"):
        shutil.copy(file, place)

    def change(manifest):
        manifest["files"][outside] = manifest["files"][file.name]
        manifest["models"][DFF]["files"] = [outside if f == file.name else f for f in manifest["models"][DFF]["files"]]

    edit(folder, change)
    with pytest.raises(DataError, match=r"manifest\.json: files: expected a mapping with file names of this folder"):
        weights.load(folder=folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"\xff\xfe\x00", b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b'{"a": NaN}'],
)
def test_what_is_no_manifest_is_refused(folder, content):
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json: .*git checkout"):
        weights.names(folder)


def test_a_deeply_nested_manifest_is_refused(folder):
    for depth in range(600, 1000, 3):  # some that the parser takes and what looks at the data then may not
        nested = "[" * depth + "]" * depth
        (folder / "manifest.json").write_text(f'{{"format": {nested}, "sha256": 0, "files": 0, "models": 0}}')
        with pytest.raises(DataError, match=r"manifest\.json"):
            weights.names(folder)
