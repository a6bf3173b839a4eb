"""What pre-trains flow networks: sprites, which a job makes itself; they are scored on Toytown too."""

from collections.abc import Sequence
from pathlib import Path

from dffkit.datasets import sprites
from dffkit.datasets.snippets import Snippet
from dffkit.training.recipe import Recipe

COUNTS = {"val": 48, "test": 60, "flying_chairs": None}  # streets of Toytown, or the pairs of FlyingChairs


def snippets(recipe: Recipe, split: str, count: int | Sequence[int] | None, folder: Path | None) -> Sequence[Snippet]:
    """None: sprites are pairs, and endless."""
    return ()


def world(recipe: Recipe, split: str) -> str:
    """What sprites look like."""
    return sprites.world_hash()
