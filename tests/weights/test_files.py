"""Damaged manifests, and damaged, exchanged or pickled files of weights, are refused by name with a remedy."""

import hashlib
import pickle
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_weights import BAD_METADATA, DFF, FRAME, contents, edit, part, same, stored

from dffkit import weights
from dffkit.support.errors import DataError

# The manifest

BAD_FIELDS = {
    "format": ("format", 1),
    "files": ("files", []),
    "models": ("models", []),
    "a model without a name": ("models", {"": {}}),
    "an entry that is a text": (f"models {DFF}", "text"),
    "an entry that is empty": (f"models {DFF}", {}),
    **{f"entry's {field}": (f"models {DFF} {field}", value) for field, (value, _) in BAD_METADATA.items()},
    "entry's parameters": (f"models {DFF} parameters", "5"),
    "entry's recipe, another value": (f"models {DFF} recipe width", 9),
    "entry's recipe, an unknown field": (f"models {DFF} recipe depth", 9),
    "entry's recipe, an impossible value": (f"models {DFF} recipe width", -1),
    "entry's files, none": (f"models {DFF} files", []),
    "entry's files, a text": (f"models {DFF} files", "task_network-000000000000.safetensors"),
    "entry's files, a number": (f"models {DFF} files", [7]),
    "entry's files, one that is not listed": (f"models {DFF} files", ["task_network-000000000000.safetensors"]),
    "a file of another name": ("files other.pt", {"sha256": "0" * 64, "bytes": 10}),
    "a file without fields": ("files task_network-000000000000.safetensors", {}),
    "a file without its size": ("files task_network-000000000000.safetensors", {"sha256": "0" * 64}),
    "a file with a wrong hash": ("files task_network-000000000000.safetensors", {"sha256": 1, "bytes": 1}),
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

    edit(folder, change, rehash)
    with pytest.raises(DataError, match=r"manifest\.json: .*git checkout"):
        weights.load(folder=folder)


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
    with pytest.raises(DataError, match=r"manifest\.json: .*files: expected names of listed files in this folder"):
        weights.load(folder=folder)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"null", b"{}", b"\xff\xfe\x00", b"[" * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b'{"a": NaN}',
        pickle.dumps({"format": 1}),
        *(f'{{"format": {"[" * depth}{"]" * depth}, "sha256": 0}}'.encode() for depth in range(600, 1000, 7)),
    ],
    ids=lambda content: f"{content[:12]}, {len(content)} bytes",
)  # fmt: skip
def test_other_content_is_refused_as_a_manifest(folder, content):
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=r"manifest\.json: .*git checkout"):
        weights.names(folder)


# The files


def plant(folder, path, content):
    """Write other content into a file, and its hash and size into the manifest."""
    path.write_bytes(content)
    listed = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    edit(folder, lambda m: m["files"].update({path.name: listed}))


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Return a folder with both models, for tests to copy."""
    return stored(tmp_path_factory.mktemp("weights"))


@settings(max_examples=80)
@given(data=st.data())
def test_a_changed_byte_is_an_error_or_changes_nothing(original, tmp_path_factory, data):
    expected = {name: weights.state(name, original) for name in (DFF, FRAME)}
    path = data.draw(st.sampled_from([original / name for name in sorted(contents(original))]))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    broken = Path(shutil.copytree(original, tmp_path_factory.getbasetemp() / "flipped", dirs_exist_ok=True))
    for name, whole in contents(original).items():
        (broken / name).write_bytes(bytes(content) if name == path.name else whole)
    refusals = []
    for name in expected:
        try:
            assert same(weights.state(name, broken), expected[name])
        except DataError as error:
            refusals.append(str(error))
    assert all(f"{broken / path.name}: " in text and "git checkout" in text for text in refusals)
    # A blank between the manifest's fields may become another blank; in the other files every byte counts.
    assert refusals or path.name == "manifest.json"


def test_truncated_longer_exchanged_and_missing_files_are_refused(folder):
    first, second = part(folder), part(folder, "flow_network")
    content = first.read_bytes()
    for size in (0, 7, 100, len(content) - 1):
        first.write_bytes(content[:size])
        with pytest.raises(DataError, match=rf"{first.name}: expected .*{len(content)}.*, got {{'bytes': {size},"):
            weights.load(folder=folder)
    for other in (content + b"\0", second.read_bytes(), content[::-1]):
        first.write_bytes(other)
        with pytest.raises(DataError, match=r"expected .*'sha256': '[0-9a-f]{64}'}, got .*'[0-9a-f]{64}'}; restore"):
            weights.load(folder=folder)
    first.unlink()
    with pytest.raises(DataError, match="no such file, but the manifest lists it"):
        weights.load(folder=folder)


class Trap:
    """An object that leaves a trace when it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def test_a_pickle_with_the_right_hash_is_refused_unread(folder, tmp_path):
    trace = tmp_path / "trace"
    path = part(folder)
    torch.save({"feature_network.0.weight": Trap(trace)}, tmp_path / "archive")
    for content in (pickle.dumps(Trap(trace)), (tmp_path / "archive").read_bytes()):
        plant(folder, path, content)
        with pytest.raises(DataError, match=f"{path.name}: is no safetensors file"):
            weights.load(folder=folder)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Trap(trace)))
    assert trace.exists()  # the trap does work


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({"flow_network.bias": torch.ones(3)}), r"size mismatch for flow_network\.bias"),
        (lambda t: t.pop("flow_network.bias"), r"Missing key\(s\) in state_dict: \"flow_network\.bias\""),
        (lambda t: t.update(other=torch.ones(2)), r"Unexpected key\(s\) in state_dict: \"other\""),
    ],
)
def test_files_with_the_right_hash_but_other_tensors_are_refused(folder, change, message):
    tensors = {"flow_network.weight": torch.ones(2, 6, 3, 3).half(), "flow_network.bias": torch.ones(2)}
    plant(folder, part(folder, "flow_network"), safetensors.torch.save(tensors))
    assert weights.load(folder=folder).flow_network.bias.tolist() == [1, 1]
    change(tensors)
    plant(folder, part(folder, "flow_network"), safetensors.torch.save(tensors))
    with pytest.raises(DataError, match=rf"its recipe and weights make no network: .*{message}.*git checkout"):
        weights.load(folder=folder)
