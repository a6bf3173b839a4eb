"""FlyingChairs: pairs of pictures with exact flow, on which FlowNet was trained."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dffkit.datasets.images import read_frame
from dffkit.datasets.sprites import SpritePair, stacked
from dffkit.support.errors import DataError
from dffkit.support.files import read_lines

MAGIC = b"PIEH"  # of Middlebury's .flo: the bytes of 202021.25 as a little-endian float32
HEADER = 12  # bytes: magic, width, height
UNKNOWN = 1e9  # larger flow in a .flo marks a pixel whose flow is unknown
SPLIT_FILE = "FlyingChairs_train_val.txt"
SPLITS = {"train": "1", "val": "2"}  # the values in the split file, in line n for pair n
_PARTS = ("img1.ppm", "img2.ppm", "flow.flo")
_NAME = re.compile(rf"([0-9]+)_({'|'.join(map(re.escape, _PARTS))})")


class FlyingChairs(Sequence[SpritePair]):
    """The pairs of a folder in the order of their numbers, each read on access.

    The flow goes from image 1 to image 2, so image 1 is the current frame and image 2 the key frame: `current` and
    `key` `(3, H, W)` uint8, `flow` `(2, H, W)` float32 in pixels, x then y. The data set does not state occlusions, so
    `occluded` `(H, W)` is False everywhere. Reading a pair raises DataError if a file is damaged or its size differs.

    Args:
        folder: has `00001_img1.ppm`, `00001_img2.ppm`, `00001_flow.flo` ..., itself or in `data`.
        split: "train" or "val", by the official `FlyingChairs_train_val.txt` in the folder or in `data`; None for all.

    Raises:
        DataError: if there is no pair, a pair is incomplete, or the split file is missing or does not fit.
        ValueError: for another split.
    """

    def __init__(self, folder: Path, split: str | None = None) -> None:
        if split is not None and split not in SPLITS:
            raise ValueError(f"split: expected one of {', '.join(SPLITS)}, or None for all, got {split!r}")
        folder = Path(folder)
        pairs = _pairs(folder / "data" if (folder / "data").is_dir() else folder)
        if split is not None:
            part = _parts(folder, max(pairs))
            pairs = {number: files for number, files in pairs.items() if part[number - 1] == SPLITS[split]}
        self.files = list(pairs.values())

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> SpritePair:
        first, second, file = self.files[index]
        current, key, flow = read_frame(first), read_frame(second), read_flo(file)
        size = tuple(current.shape[1:])
        for path, tensor in ((second, key), (file, flow)):
            if tuple(tensor.shape[1:]) != size:
                got = tuple(tensor.shape[1:])
                raise DataError(f"{path}: expected the size {size} of {first.name}, got {got}; get the data again")
        return SpritePair(current, key, flow, torch.zeros(size, dtype=torch.bool))


def batches(pairs: Sequence[SpritePair], batch: int = 8) -> Iterator[SpritePair]:
    """Yield all pairs once, in order, stacked in batches of at most `batch`, for `flow_error.endpoint_errors`."""
    for first in range(0, len(pairs), batch):
        yield stacked([pairs[i] for i in range(first, min(first + batch, len(pairs)))])


def read_flo(path: Path) -> Tensor:
    """Read a Middlebury `.flo` file as flow `(2, H, W)` float32 in pixels, x then y.

    Raises:
        DataError: if the file is missing, of another format or length, or has pixels whose flow is unknown.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the data set complete?") from None
    if len(content) < HEADER or content[:4] != MAGIC:
        raise DataError(f"{path}: is no .flo file: it begins with {content[:4]!r}, not {MAGIC!r}; get it again")
    width, height = np.frombuffer(content, "<i4", 2, 4).tolist()
    expected = HEADER + 8 * width * height
    if min(width, height) < 1 or len(content) != expected:
        what = f"says {width}x{height}, which are {expected} bytes, but has {len(content)}"
        raise DataError(f"{path}: {what}; get the file again")
    flow = np.frombuffer(content, "<f4", offset=HEADER).reshape(height, width, 2)
    if not (np.abs(flow) < UNKNOWN).all():  # NaN too
        raise DataError(f"{path}: has pixels whose flow is unknown, expected none; get the file again")
    return torch.from_numpy(np.array(flow.transpose(2, 0, 1), np.float32, order="C"))


def _pairs(folder: Path) -> dict[int, list[Path]]:
    """Return number -> image 1, image 2 and flow."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; put the data set there, or name another folder")
    names = {match[0]: match[1] for match in (_NAME.fullmatch(path.name) for path in folder.iterdir()) if match}
    if not names:
        raise DataError(f"{folder}: has no pair (00001_img1.ppm ...); is this the right folder?")
    numbers = sorted(set(names.values()), key=int)
    pairs = {int(digits): [folder / f"{digits}_{part}" for part in _PARTS] for digits in numbers}
    for path in (path for files in pairs.values() for path in files):
        if path.name not in names:
            raise DataError(f"{path}: no such file, but others of this pair; get the data again")
    return pairs


def _parts(folder: Path, last: int) -> list[str]:
    """Return the lines of the split file, of which there must be at least `last`, the number of the last pair."""
    files = folder / SPLIT_FILE, folder / "data" / SPLIT_FILE
    file = next(filter(Path.exists, files), files[0])
    lines = read_lines(file, "get it from the data set's page, or ask for all pairs")
    for number, line in lines:
        if line not in SPLITS.values():
            raise DataError(f"{file}:{number}: expected 1 (train) or 2 (val), got {line!r}; get the file again")
    if len(lines) < last:
        raise DataError(f"{file}: has {len(lines)} lines, but there is a pair {last}; get the file again")
    return [line for _, line in lines]
