"""MXNet's files: files of MXNet itself, every version and type, and damage, which costs an error and nothing else."""

import pickle
import random
import struct
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from params_writer import MAGIC, encode, encode_array, encode_list
from places import GOLDEN

from dffkit.support.errors import DataError
from dffkit.weights.authors import params
from dffkit.weights.authors.params import DTYPES

SAMPLE = (GOLDEN / "sample-0000.params").read_bytes()
VERSIONS = ("legacy", "V1", "V2", "V3")


def read(folder, content):
    path = folder / "file.params"
    path.write_bytes(content)
    return params.read(path)


def refused(folder, content, message):
    """Assert that the content is refused with this message, the place in the file, and a remedy."""
    with pytest.raises(DataError, match=message) as raised:
        read(folder, content)
    assert str(raised.value).startswith(f"{folder / 'file.params'}: byte ")
    assert "; " in str(raised.value)


def equal(arrays, others):
    """Compare names, their order, types, shapes and values."""
    pairs = zip(arrays.items(), others.items(), strict=True)
    return all(a == b and x.dtype == y.dtype and torch.equal(x, y) for (a, x), (b, y) in pairs)


# Reading


def test_a_checkpoint_of_mxnet_holds_what_mxnet_says():
    with np.load(GOLDEN / "sample-0000.npz", allow_pickle=False) as golden:
        expected = {name: torch.from_numpy(golden[name]) for name in golden.files}
    arrays = params.read(GOLDEN / "sample-0000.params")
    assert equal(arrays, expected)
    assert arrays["arg:flow_conv1_weight"].shape == (4, 6, 7, 7)
    assert {array.dtype for array in arrays.values()} == {torch.float32, torch.float16, torch.int32}


def test_a_list_without_names_is_numbered():
    assert equal(params.read(GOLDEN / "list.params"), {"0": torch.tensor([0.0, 1, 2])})


def test_the_writer_of_these_tests_writes_as_mxnet_does(tmp_path):
    assert encode(read(tmp_path, SAMPLE)) == SAMPLE


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_and_type_comes_back(tmp_path, version):
    arrays = {f"arg:{dtype}": (torch.randn(2, 3, 4) * 50).to(dtype) for dtype in DTYPES}
    arrays["aux:one byte, so that what follows has an odd address"] = torch.tensor([7], dtype=torch.uint8)
    arrays["arg:ß"] = torch.randn(1, 5, dtype=torch.float64)
    assert equal(read(tmp_path, encode(arrays, version)), arrays)


def test_versions_may_be_mixed_and_scalars_are_of_version_3(tmp_path):
    tensors = [torch.randn(2), torch.randn(3), torch.randn(4), torch.tensor(5.0)]
    content = encode_list([encode_array(*pair) for pair in zip(tensors, VERSIONS, strict=True)])
    assert equal(read(tmp_path, content), dict(zip("0123", tensors, strict=True)))


def test_an_empty_list_is_empty(tmp_path):
    assert read(tmp_path, encode({})) == {}


def test_arrays_of_a_gpu_are_read(tmp_path):
    content = bytearray(encode({"x": torch.ones(1)}))
    content[44:52] = struct.pack("<2i", 2, 3)  # GPU number 3
    assert equal(read(tmp_path, content), {"x": torch.ones(1)})


def test_the_arrays_can_be_written_to(tmp_path):
    arrays = read(tmp_path, encode({"x": torch.ones(2), "y": torch.ones(2)}))
    arrays["x"] += 1
    assert arrays["x"].tolist() == [2, 2]
    assert arrays["y"].tolist() == [1, 1]


# Damage


def test_every_shorter_file_is_refused(tmp_path):
    small = encode({"arg:a": torch.randn(2, 2), "aux:b": torch.ones(1, dtype=torch.int64)}, "legacy")
    for size in range(len(small)):
        refused(tmp_path, small[:size], "expected")
    end = len(SAMPLE) - 150  # from here on there are names
    for size in (*range(120), *range(120, end, 41), *range(end, len(SAMPLE))):
        refused(tmp_path, SAMPLE[:size], "expected .* got .*download or copy it again")


def test_a_longer_file_is_refused(tmp_path):
    refused(tmp_path, SAMPLE + b"\0", "expected the end of the file after this, got 1 more bytes")


@pytest.mark.parametrize("version", VERSIONS)
def test_flipped_bits_are_refused_or_change_values_and_names_only(tmp_path, version):
    dice = random.Random(version)
    arrays = {f"arg:{i}": torch.randn(3, i) for i in range(1, 6)}
    original = encode(arrays, version)
    shapes = [array.shape for array in arrays.values()]
    complaints, unharmed = [], 0
    for _ in range(300):
        content = bytearray(original)
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        try:
            found = read(tmp_path, content)
        except DataError as error:
            complaints.append(str(error))
        else:
            assert [array.shape for array in found.values()] == shapes
            unharmed += 1
    assert all(text.startswith(f"{tmp_path / 'file.params'}: byte ") for text in complaints)
    assert min(len(complaints), unharmed) > 50


def test_random_bytes_after_the_head_are_refused(tmp_path):
    dice = random.Random(0)
    for size in (0, 1, 8, 100, 10_000):
        refused(tmp_path, struct.pack("<3Q", 0x112, 0, 3) + dice.randbytes(size), "expected")


def array(dimensions, sides, kind="q", magic="V2", storage=0, flag=0, values=b"\0" * 8):
    """An array with a head made by hand; without `magic` it is of the legacy format."""
    head = b"" if magic is None else struct.pack("<I", MAGIC[magic])
    head += struct.pack("<i", storage) if magic in ("V2", "V3") else b""
    head += struct.pack(f"<I{len(sides)}{kind}", dimensions, *sides)
    return head + struct.pack("<3i", 1, 0, flag) + values


HUGE = {
    "a side": (encode_list([array(1, [2**40])]), "expected 4,398,046,511,104 bytes of values of shape"),
    "a side of V1": (encode_list([array(1, [2**40], magic="V1")]), "expected 4,398,046,511,104 bytes of values"),
    "a side of V3": (encode_list([array(1, [2**40], magic="V3")]), "expected 4,398,046,511,104 bytes of values"),
    "a legacy side": (encode_list([array(1, [2**32 - 1], "I", None)]), "expected 17,179,869,180 bytes of values"),
    "the largest side": (encode_list([array(1, [2**63 - 1])]), "bytes of values of shape"),
    "a product that wraps to 0": (encode_list([array(2, [2**32, 2**32])]), "bytes of values of shape"),
    "32 sides": (encode_list([array(32, [2**60] * 32)]), "bytes of values of shape"),
    "a product with 0": (encode_list([array(2, [2**62, 0])]), r"expected an array with values, got shape \(461"),
    "dimensions": (encode_list([array(2**31, [1])]), "expected at most 32 dimensions, got 0x80000000"),
    "dimensions of 1": (encode_list([array(33, [1] * 33)]), "expected at most 32 dimensions, got 0x21"),
    "legacy dimensions": (
        encode_list([array(33, [1] * 33, "I", None)]),
        "expected at most 32 dimensions or one of 0xf993fac8, 0xf993fac9, 0xf993faca, got 0x21",
    ),
    "arrays": (struct.pack("<3Q", 0x112, 0, 2**60), r"expected at most 10,000 arrays, got 1,152,921,504"),
    "small arrays": (struct.pack("<3Q", 0x112, 0, 10_001), r"expected at most 10,000 arrays, got 10,001"),
    "arrays that are not there": (struct.pack("<3Q", 0x112, 0, 10_000), "expected 4 bytes of an array's head, got 0"),
    "names": (encode_list([])[:-8] + struct.pack("<Q", 2**60), "expected 0 names or none, got 1,152,921,504"),
    "a name": (
        encode_list([encode_array(torch.ones(1))])[:-8] + struct.pack("<2Q", 1, 2**60),
        r"expected 1,152,921,504,606,846,976 bytes of a name, got 0",
    ),
}


@pytest.mark.parametrize("case", HUGE)
def test_a_huge_length_is_refused_before_anything_is_allocated(tmp_path, case):
    content, message = HUGE[case]
    tracemalloc.start()
    try:
        refused(tmp_path, content, message)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_the_largest_number_of_dimensions_is_read(tmp_path):
    assert read(tmp_path, encode({"x": torch.ones([1] * 32)}))["x"].shape == (1,) * 32


def test_a_file_takes_about_its_own_size(tmp_path):
    content = encode({"x": torch.zeros(250_000), "y": torch.zeros(250_000)})
    (tmp_path / "file.params").write_bytes(content)
    tracemalloc.start()
    try:
        arrays = params.read(tmp_path / "file.params")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(arrays) == 2
    assert len(content) / 2 < peak < 1.5 * len(content)  # so the limits above are on all memory that is used


WRONG = {
    "row-sparse": (encode_list([array(1, [2], storage=1)]), "a dense array .* got storage type 1 .*tostype"),
    "CSR": (encode_list([array(1, [2], storage=2, magic="V3")]), "a dense array .* got storage type 2"),
    "undefined storage": (encode_list([array(1, [2], storage=-1)]), "a dense array .* got storage type -1"),
    "a later type": (encode_list([array(1, [2], flag=7)]), "a type of 0 float32, 1 float64, .*6 int64, got 7;"),
    "no type": (encode_list([array(1, [2], flag=-1)]), "a type of .*, got -1;"),
    "no values": (encode_list([array(0, [])]), r"expected an array with values, got shape \(\)"),
    "no values in V1": (encode_list([array(0, [], magic="V1")]), r"array with values, got shape \(\)"),
    "no legacy values": (encode_list([array(0, [], magic=None)]), r"array with values, got shape \(\)"),
    "a side of 0": (encode_list([array(2, [2, 0], magic="V3")]), r"array with values, got shape \(2, 0\)"),
    "a negative side": (encode_list([array(2, [-1, -2])]), r"array with values, got shape \(-1, -2\)"),
    "too few names": (encode_list([array(1, [2])] * 3, [b"a", b"b"]), "expected 3 names or none, got 2"),
    "too many names": (encode_list([array(1, [2])], [b"a", b"b"]), "expected 1 names or none, got 2"),
    "a name twice": (encode_list([array(1, [2])] * 2, [b"a", b"a"]), "expected different names, got 'a' twice"),
    "no text": (encode_list([array(1, [2])], [b"\xff\xfe"]), r"expected a name in UTF-8, got .*xff"),
    "another magic": (struct.pack("<3Q", 0x113, 0, 0) + bytes(8), "expected 0x112 and 0, got 0x113 and 0x0"),
    "a reserved word": (struct.pack("<3Q", 0x112, 1, 0) + bytes(8), "expected 0x112 and 0, got 0x112 and 0x1"),
    "big-endian": (struct.pack(">3Q", 0x112, 0, 0) + bytes(8), "expected 0x112 and 0, got 0x1201000000000000"),
    "a pickle": (pickle.dumps(["something"] * 100), "expected 0x112 and 0, got"),
    "an npz": ((GOLDEN / "sample-0000.npz").read_bytes(), "expected 0x112 and 0, got"),
    "nothing": (b"", "byte 0: expected 16 bytes of the file's head, got 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_every_fault_is_named(tmp_path, case):
    refused(tmp_path, *WRONG[case])


def test_the_place_of_the_damage_is_named(tmp_path):
    content = encode_list([array(1, [2]), array(1, [2], storage=1)])
    refused(tmp_path, content, r"params: byte 68: expected a dense")  # after 24 of the list, 40 of an array, 4 of magic


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(params.os, "fstat", lambda number: SimpleNamespace(st_size=76))
    refused(tmp_path, (GOLDEN / "list.params").read_bytes()[:60], r"expected 12 bytes of values .*, got 4;")


@pytest.mark.parametrize("name", ["missing.params", "."])
def test_a_path_without_a_file_is_named(tmp_path, name):
    with pytest.raises(DataError, match=r"can't be read: .*; give the path of a \.params file"):
        params.read(tmp_path / name)
