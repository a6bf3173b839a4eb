"""Cityscapes for runs, as in the paper: short side 512, one labelled frame in each snippet of 30 (Sec. 5)."""

from collections.abc import Sequence
from pathlib import Path

from dffkit.datasets import cityscapes
from dffkit.datasets.resized import resized, short_side
from dffkit.datasets.snippets import Snippet
from dffkit.experiments.sources.real_folder import real_folder
from dffkit.support.files import fingerprint
from dffkit.training.recipe import Recipe

COUNTS = {"val": None}  # the test split's labels are not public
DURATIONS = {"segmentation": 10}
NAMES = {"segmentation": cityscapes.CLASSES}
VERSION = 1  # another one whenever the same recipe gets other frames or labels
SHORT, LONG = 512, 1024


def snippets(recipe: Recipe, split: str, count: int | Sequence[int] | None, folder: Path | None) -> Sequence[Snippet]:
    """The split's snippets at 512x1024; a number takes the first ones."""
    found = cityscapes.snippets(real_folder("cityscapes"), split)
    found = found if count is None or split == "train" else found[:count]
    return [resized(snippet, short_side(SHORT, LONG)) for snippet in found]


def world(recipe: Recipe, split: str) -> str:
    """What is made of the data set."""
    return fingerprint({"data": "cityscapes", "version": VERSION})


def scored_side(recipe: Recipe) -> int:
    """Shorter side of the frames that are scored, in pixels."""
    return SHORT
