"""A writer of MXNet's `.params` files in all versions of the format, for the tests that read them."""

import struct

from dffkit.weights.authors.params import DTYPES

MAGIC = {"V1": 0xF993FAC8, "V2": 0xF993FAC9, "V3": 0xF993FACA}


def encode_array(tensor, version="V2"):
    dimensions = struct.pack("<I", tensor.dim())
    head = {
        "legacy": dimensions + struct.pack(f"<{tensor.dim()}I", *tensor.shape),
        "V1": dimensions + struct.pack(f"<{tensor.dim()}q", *tensor.shape),
    }
    if version == "legacy":
        start = head["legacy"]
    else:
        storage = b"" if version == "V1" else struct.pack("<i", 0)
        start = struct.pack("<I", MAGIC[version]) + storage + head["V1"]
    return start + struct.pack("<3i", 1, 0, DTYPES.index(tensor.dtype)) + tensor.contiguous().numpy().tobytes()


def pieces(count, arrays, names=()):
    """Give the pieces of a file of `count` encoded arrays, which may be made one by one, and names (bytes)."""
    yield struct.pack("<3Q", 0x112, 0, count)
    yield from arrays
    yield struct.pack("<Q", len(names))
    yield from (struct.pack("<Q", len(name)) + name for name in names)


def encode_list(arrays, names=()):
    """Encode a file of encoded arrays and names (bytes)."""
    return b"".join(pieces(len(arrays), arrays, names))


def encode(tensors, version="V2"):
    """A file of tensors by name."""
    return encode_list([encode_array(tensor, version) for tensor in tensors.values()], [n.encode() for n in tensors])
