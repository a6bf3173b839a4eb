"""CamVid for runs: it is trained and chosen on stills that a random camera moves over, and tested on its one clip."""

from collections.abc import Sequence
from pathlib import Path

from dffkit.datasets import camvid
from dffkit.datasets.moving_stills import MovingStills
from dffkit.datasets.snippets import Snippet
from dffkit.experiments.sources.real_folder import real_folder
from dffkit.support.files import fingerprint
from dffkit.training.recipe import Recipe

COUNTS = {"val": None, "test": None}
DURATIONS = {"segmentation": 10}
NAMES = {"segmentation": camvid.CLASSES}
SIZE = (360, 480)  # of all frames
VERSION = 2  # another one whenever the same recipe gets other frames or labels
VARIANTS = {"train": 64, "val": 2}  # views and motions of each still


def snippets(recipe: Recipe, split: str, count: int | Sequence[int] | None, folder: Path | None) -> Sequence[Snippet]:
    """For "train" and "val" ten frames for each view of a still, `recipe.size` large; for "test" the clip as it is."""
    found = camvid.snippets(real_folder("camvid"), split)
    if split == "test":
        return found
    moving = MovingStills(found, variants=VARIANTS[split], length=recipe.length, seed=VERSION, size=recipe.size)
    return moving if count is None or split == "train" else [moving[i] for i in range(count)]


def world(recipe: Recipe, split: str) -> str:
    """What is made of the data set."""
    return fingerprint({"data": "camvid", "version": VERSION})


def scored_side(recipe: Recipe) -> int:
    """Shorter side of the frames that are scored, in pixels."""
    return min(SIZE)
