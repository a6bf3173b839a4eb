"""MXNet's `.params` files, the format of the authors' published networks: named arrays, read without MXNet.

A file is a list of arrays and a list of their names, as `NDArray::Save` writes them (MXNet, src/ndarray/ndarray.cc),
all numbers little-endian:

    file            uint64 0x112, uint64 0; uint64 count, the arrays; uint64 count, the names
    array, legacy   uint32 dimensions, uint32 sides; int32 device, int32 its number; int32 type; the values
    array, V1       uint32 magic, uint32 dimensions, int64 sides; the rest as legacy
    array, V2, V3   uint32 magic, int32 storage; the rest as V1
    name            uint64 length, the characters

V2 adds sparse storage, and V3 scalars, which have no dimensions. The authors' MXNet, of early 2017, wrote legacy.

Nothing in a file is executed. Each length is compared with the rest of the file before memory of this length is
allocated, so a damaged or hostile file costs an error message and no memory.
"""

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from dffkit.support.errors import DataError

LIST_MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DTYPES = (torch.float32, torch.float64, torch.float16, torch.uint8, torch.int32, torch.int8, torch.int64)  # by flag
MAX_DIMENSIONS = 32
MAX_ARRAYS = 10_000  # networks have hundreds; a tensor of one byte takes 1,000 bytes in Python, so this is 10 MB

REPAIR = "the file is damaged or no .params file of MXNet; download or copy it again"


def read(path: Path) -> dict[str, Tensor]:
    """Read all arrays of a `.params` file by name, on the CPU.

    Args:
        path: a file written by `nd.save`, `save_checkpoint` or `save_params` of any version of MXNet.

    Returns:
        Name -> tensor of the stored shape and type, in the file's order. Names are as stored: a checkpoint's begin
        with "arg:" or "aux:". The arrays of a list that was saved without names are called "0", "1", and so on.

    Raises:
        DataError: if the file is missing, damaged or of another format; or if an array is sparse, has a type that is
            not in DTYPES, or has no values.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            return _read_list(_Source(file, path))
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror}; give the path of a .params file") from error


class _Source:
    """An open file of known size, read from start to end."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.start, self.left = 0, os.fstat(file.fileno()).st_size

    def take(self, count: int, what: str) -> bytearray:
        """Read the next `count` bytes."""
        self.start = self.file.tell()
        if count > self.left:
            raise self.error(f"expected {count:,} bytes of {what}, got {self.left:,} until the end")
        content = bytearray(count)
        self.left -= count
        if (got := self.file.readinto(content)) < count:  # another program has just shortened the file
            raise self.error(f"expected {count:,} bytes of {what}, got {got:,}")
        return content

    def numbers(self, kind: str, count: int, what: str) -> tuple[int, ...]:
        """Read the next `count` numbers of one of `struct`'s kinds."""
        return struct.unpack(f"<{count}{kind}", self.take(struct.calcsize(f"<{kind}") * count, what))

    def error(self, trouble: str, remedy: str = REPAIR) -> DataError:
        """Make an error about the bytes read last."""
        return DataError(f"{self.path}: byte {self.start:,}: {trouble}; {remedy}")


def _read_list(source: _Source) -> dict[str, Tensor]:
    magic, reserved = source.numbers("Q", 2, "the file's head")
    if (magic, reserved) != (LIST_MAGIC, 0):
        raise source.error(f"expected {LIST_MAGIC:#x} and 0, got {magic:#x} and {reserved:#x}")
    (count,) = source.numbers("Q", 1, "the number of arrays")
    if count > MAX_ARRAYS:
        raise source.error(f"expected at most {MAX_ARRAYS:,} arrays, got {count:,}")
    tensors = [_read_array(source) for _ in range(count)]
    (count,) = source.numbers("Q", 1, "the number of names")
    if count not in (0, len(tensors)):
        raise source.error(f"expected {len(tensors):,} names or none, got {count:,}")
    named = {}
    for i, tensor in enumerate(tensors):
        name = _read_name(source) if count else str(i)
        if name in named:
            raise source.error(f"expected different names, got {name[:50]!r} twice")
        named[name] = tensor
    if source.left:
        raise source.error(f"expected the end of the file after this, got {source.left:,} more bytes")
    return named


def _read_array(source: _Source) -> Tensor:
    (magic,) = source.numbers("I", 1, "an array's head")
    if magic in (V2, V3):
        (storage,) = source.numbers("i", 1, "a storage type")
        if storage != 0:
            trouble = f"expected a dense array (storage type 0), got storage type {storage} (1 and 2 are sparse)"
            raise source.error(trouble, "save the array from MXNet after its tostype('default')")
    shape = _read_shape(source, magic)
    # A network that was on a GPU is stored like any other: the device is only where MXNet would load it.
    *_device, flag = source.numbers("i", 3, "a device and a type")
    if not 0 <= flag < len(DTYPES):
        known = ", ".join(f"{i} {str(dtype).removeprefix('torch.')}" for i, dtype in enumerate(DTYPES))
        raise source.error(f"expected a type of {known}, got {flag}", "save the array from MXNet as one of these")
    dtype = DTYPES[flag]
    values = source.take(math.prod(shape) * dtype.itemsize, f"values of shape {shape}, {dtype}")
    return torch.frombuffer(values, dtype=dtype).view(shape)


def _read_shape(source: _Source, magic: int) -> tuple[int, ...]:
    """Read the sides of an array; `magic` is the number of dimensions in the legacy format."""
    legacy = magic not in (V1, V2, V3)
    dimensions = magic if legacy else source.numbers("I", 1, "the number of dimensions")[0]
    if dimensions > MAX_DIMENSIONS:
        magics = f" or one of {V1:#x}, {V2:#x}, {V3:#x}" if legacy else ""
        raise source.error(f"expected at most {MAX_DIMENSIONS} dimensions{magics}, got {dimensions:#x}")
    shape = source.numbers("I" if legacy else "q", dimensions, "a shape")
    if min(shape, default=1) < 1 or (not shape and magic != V3):  # MXNet stores an array that was never set like this
        raise source.error(f"expected an array with values, got shape {shape}", "leave the array out, or save it again")
    return shape


def _read_name(source: _Source) -> str:
    (length,) = source.numbers("Q", 1, "the length of a name")
    try:
        return source.take(length, "a name").decode()
    except UnicodeDecodeError as error:
        raise source.error(f"expected a name in UTF-8, got {error.object[:50]!r}") from error
