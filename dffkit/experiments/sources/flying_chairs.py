"""FlyingChairs for runs: what the paper's FlowNet was pre-trained on (Sec. 4.2)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dffkit.datasets.flying_chairs import FlyingChairs
from dffkit.experiments.sources.real_folder import real_folder
from dffkit.support.files import fingerprint
from dffkit.training.recipe import Recipe

COUNTS = {"val": None}
VERSION = 1


def snippets(recipe: Recipe, split: str, count: int | Sequence[int] | None, folder: Path | None) -> Sequence[Any]:
    """Pairs with exact flow, by the official split."""
    return FlyingChairs(real_folder("flying_chairs"), split)


def world(recipe: Recipe, split: str) -> str:
    """What is made of the data set."""
    return fingerprint({"data": "flying_chairs", "version": VERSION})
