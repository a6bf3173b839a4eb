"""PETS 2009, sequence S2.L1: pedestrians before a camera that stands still, with every person's box."""

from pathlib import Path

from dffkit.datasets import mot
from dffkit.datasets.snippets import Snippet

# MOTChallenge counts frames from 1: 1-400 train, 401-500 choose, 501-600 test. The rest of the video has no boxes.
SPLITS = {"train": range(400), "val": range(400, 500), "test": range(500, 600)}
ANNOTATED_SIZE = (576, 768)  # of OpenCV's video, in which the boxes were drawn; a copy may be smaller


def snippets(folder: Path, split: str, *, size: tuple[int, int] | None = None) -> list[Snippet]:
    """The one snippet of a split, with boxes of people as `mot.snippets` gives them.

    Its rate is the file's 10 frames a second; the scene was filmed at about 7.

    Args:
        folder: has OpenCV's sample video `vtest.avi` and MOTChallenge 2015's `gt.txt` of PETS09-S2L1.
        split: "train", "val" or "test".
        size: (H, W) to which frames and boxes are scaled; None for the video's own. At 360x480 people are about as wide
            as a cell of the feature map.

    Raises:
        DataError: as `mot.snippets`.
        ValueError: for another split.
    """
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    video = Path(folder) / "vtest.avi"
    return mot.snippets(video, frames=SPLITS[split], annotated_size=ANNOTATED_SIZE, size=size)
