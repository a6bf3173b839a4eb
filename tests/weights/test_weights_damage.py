"""Files of weights that are damaged, swapped, pickled or of another network are refused, whatever their hashes say."""

import hashlib
import pickle
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_weights import DFF, FRAME, contents, edit, part, same, stored

from dffkit import weights
from dffkit.support.errors import DataError


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder with both models; tests copy it before they break it."""
    return stored(tmp_path_factory.mktemp("weights"))


def plant(folder, path, content):
    """Put other content in a file's place and make the manifest agree with it."""
    path.write_bytes(content)
    edit(folder, lambda m: m["files"][path.name].update(sha256=hashlib.sha256(content).hexdigest()))
    edit(folder, lambda m: m["files"][path.name].update(bytes=len(content)))


@settings(max_examples=80)
@given(data=st.data())
def test_a_changed_byte_is_an_error_or_changes_nothing(shelf, tmp_path_factory, data):
    expected = {name: weights.state(name, shelf) for name in (DFF, FRAME)}
    path = shelf / data.draw(st.sampled_from(sorted(contents(shelf))))
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
