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

    def take(self, count: int) -> bytearray:
        """Read the next `count` bytes."""
        self.start = self.file.tell()
        if count > self.left:
            raise self.error(f"expected {count:,} bytes, got {self.left:,} until the end")
        self.left -= count
        self.file.readinto(content := bytearray(count))
        return content

    def numbers(self, kinds: str) -> tuple[int, ...]:
        """Read the next numbers, of `struct`'s kinds."""
        return struct.unpack(f"<{kinds}", self.take(struct.calcsize(f"<{kinds}")))

    def error(self, trouble: str, remedy: str = REPAIR) -> DataError:
        """Make an error about the bytes read last."""
        return DataError(f"{self.path}: byte {self.start:,}: {trouble}; {remedy}")


def _read_list(source: _Source) -> dict[str, Tensor]:
    if (found := source.numbers("2Q")) != (LIST_MAGIC, 0):
        raise source.error(f"expected {LIST_MAGIC:#x} and 0, got {found[0]:#x} and {found[1]:#x}")
    tensors = [_read_array(source) for _ in range(*source.numbers("Q"))]
    names = [source.take(*source.numbers("Q")).decode(errors="replace") for _ in range(*source.numbers("Q"))]
    named = dict(zip(names or map(str, range(len(tensors))), tensors, strict=False))
    if len(named) != len(tensors) or len(names) > len(tensors) or source.left:
        got = f"{len(set(names)):,} different ones of {len(names):,}, and {source.left:,} more bytes"
        raise source.error(f"expected a name of its own for each of {len(tensors):,} arrays, or none, got {got}")
    return named


def _read_array(source: _Source) -> Tensor:
    (magic,) = source.numbers("I")
    if magic in (V2, V3) and (storage := source.numbers("i")[0]) != 0:
        trouble = f"expected a dense array (storage type 0), got storage type {storage} (1 and 2 are sparse)"
        raise source.error(trouble, "save the array from MXNet after its tostype('default')")
    legacy = magic not in (V1, V2, V3)
    dimensions = magic if legacy else source.numbers("I")[0]
    if dimensions > MAX_DIMENSIONS:
        raise source.error(f"expected an array with at most {MAX_DIMENSIONS} dimensions, got {dimensions:#x}")
    shape = source.numbers(f"{dimensions}{'I' if legacy else 'q'}")
    if min(shape, default=1) < 1 or (not shape and magic != V3):  # MXNet stores an array that was never set like this
        raise source.error(f"expected an array with values, got shape {shape}", "leave the array out, or save it again")
    # A network that was on a GPU is stored like any other: the device is only where MXNet would load it.
    *_device, flag = source.numbers("3i")
    if not 0 <= flag < len(DTYPES):
        known = ", ".join(f"{i} {str(dtype).removeprefix('torch.')}" for i, dtype in enumerate(DTYPES))
        raise source.error(f"expected a type of {known}, got {flag}", "save the array from MXNet as one of these")
    return torch.frombuffer(source.take(math.prod(shape) * DTYPES[flag].itemsize), dtype=DTYPES[flag]).view(shape)
