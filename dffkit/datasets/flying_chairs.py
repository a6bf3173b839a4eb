"""FlyingChairs: pairs of pictures with exact flow, on which FlowNet was trained."""

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
FLOW = "_flow.flo"  # the end of a file's name, behind the pair's number
REMEDY = "get the data again"


class FlyingChairs(Sequence[SpritePair]):
    """The pairs of a folder in the order of their numbers, each read on access.

    The flow goes from image 1 to image 2, so image 1 is the current frame and image 2 the key frame: `current` and
    `key` `(3, H, W)` uint8, `flow` `(2, H, W)` float32 in pixels, x then y. The data set does not state occlusions, so
    `occluded` `(H, W)` is False everywhere.

    Reading a pair raises DataError if a file is missing or damaged, or its size differs.

    Args:
        folder: has `00001_img1.ppm`, `00001_img2.ppm`, `00001_flow.flo` ..., itself or in `data`, and for a split the
            official `FlyingChairs_train_val.txt` beside them.
        split: "train" or "val"; None for all.

    Raises:
        DataError: if there is no pair, or the split file is missing or does not fit.
        ValueError: for another split.
    """

    def __init__(self, folder: Path, split: str | None = None) -> None:
        if split is not None and split not in SPLITS:
            raise ValueError(f"split: expected one of {', '.join(SPLITS)}, or None for all, got {split!r}")
        folder = Path(folder) / "data" if (Path(folder) / "data").is_dir() else Path(folder)
        flows = {int(path.name.removesuffix(FLOW)): path for path in folder.glob(f"[0-9]*{FLOW}")}
        if not flows:
            raise DataError(f"{folder}: has no pair (00001_img1.ppm ...); put the data set there, or name its folder")
        part = [None] * max(flows) if split is None else _parts(folder, max(flows))
        self.flows = [flows[number] for number in sorted(flows) if split in (None, part[number - 1])]

    def __len__(self) -> int:
        return len(self.flows)

    def __getitem__(self, index: int) -> SpritePair:
        file = self.flows[index]
        first, second = (file.with_name(file.name.replace(FLOW, f"_img{which}.ppm")) for which in (1, 2))
        current, key, flow = read_frame(first), read_frame(second), read_flo(file)
        size = current.shape[1:]
        for path, tensor in ((second, key), (file, flow)):
            if tensor.shape[1:] != size:
                got = tuple(tensor.shape[1:])
                raise DataError(f"{path}: expected the size {tuple(size)} of {first.name}, got {got}; {REMEDY}")
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
    width, height = np.frombuffer(content[:HEADER].ljust(HEADER), "<i4", 2, 4).tolist()
    if content[:4] != MAGIC or min(width, height) < 1 or len(content) != HEADER + 8 * width * height:
        got = f"one of {len(content)} bytes that begins with {content[:HEADER]!r}"
        raise DataError(f"{path}: expected a whole .flo file ({MAGIC!r}, width, height, flow), got {got}; {REMEDY}")
    flow = np.frombuffer(content, "<f4", offset=HEADER).reshape(height, width, 2)
    if not (np.abs(flow) < UNKNOWN).all():  # NaN too
        raise DataError(f"{path}: has pixels whose flow is unknown, expected none; {REMEDY}")
    return torch.from_numpy(np.array(flow.transpose(2, 0, 1), np.float32, order="C"))


def _parts(folder: Path, last: int) -> list[str]:
    """Return the split of each pair by the split file, which must have at least `last` lines."""
    file = next(
        (path for path in (folder / SPLIT_FILE, folder.parent / SPLIT_FILE) if path.exists()), folder / SPLIT_FILE
    )
    lines = [line for _, line in read_lines(file, "get it from the data set's page, or ask for all pairs")]
    if len(lines) < last or not set(lines) <= set(SPLITS.values()):
        raise DataError(f"{file}: expected {last} lines or more, each 1 (train) or 2 (val); get the file again")
    return [next(split for split, value in SPLITS.items() if value == line) for line in lines]
