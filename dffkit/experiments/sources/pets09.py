"""PETS09-S2L1 for runs: frames 1-400 of one video train, 401-500 choose, 501-600 test.

People are about as wide as one cell of the feature map. So frames are enlarged, by the data option "scale"; training
sees random windows of them, "windows" many.
"""

from collections.abc import Sequence
from pathlib import Path

from dffkit.datasets import mot, pets09
from dffkit.datasets.crops import Crops
from dffkit.datasets.snippets import Snippet
from dffkit.experiments.sources.real_folder import real_folder
from dffkit.support.files import fingerprint
from dffkit.training.recipe import Recipe

COUNTS = {"val": None, "test": None}
DURATIONS = {"detection": 10}
NAMES = {"detection": mot.CLASSES}
VERSION = 3  # another one whenever the same recipe gets other frames or boxes
SIZE = (360, 480)  # what "scale" counts from
# Windows are enlarged by so much more or less than the frames that are scored. The camera stands still, and until frame
# 400 nobody comes near it: at 1.25 people who do, in the test's part, were taller than any in training, and not found.
SPREAD = 1.6


def snippets(recipe: Recipe, split: str, count: int | Sequence[int] | None, folder: Path | None) -> Sequence[Snippet]:
    """For "train" random windows, `recipe.size` large; else the split's part of the video, enlarged."""
    options = {"scale": 1.0, "windows": 100} | dict(recipe.data_options)
    scale, video = options["scale"], real_folder("pets09")
    if split != "train":
        return pets09.snippets(video, split, size=tuple(round(side * scale) for side in SIZE))
    found = pets09.snippets(video, split)
    scale *= SIZE[1] / found[0].frames[0].shape[2]  # the video is of another size where it comes from
    scales = scale / SPREAD, scale * SPREAD
    return Crops(found, count=options["windows"], size=recipe.size, scales=scales, seed=VERSION)


def world(recipe: Recipe, split: str) -> str:
    """What is made of the data set."""
    return fingerprint({"data": "pets09", "version": VERSION})


def scored_side(recipe: Recipe) -> int:
    """Shorter side of the frames that are scored, in pixels."""
    return round(min(SIZE) * dict(recipe.data_options).get("scale", 1.0))
