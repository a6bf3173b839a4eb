"""Toytown for runs: its streets for both tasks, for single frames, and "elsewhere": another town, other frame rates."""

from collections.abc import Sequence
from pathlib import Path

from dffkit.datasets import toytown
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.toytown import recordings
from dffkit.training.recipe import Recipe

COUNTS = {"val": 48, "test": 60, "elsewhere": 60}
DURATIONS = {"segmentation": 10, "detection": 20}
NAMES = {"segmentation": toytown.LABELS, "detection": toytown.CLASSES}


def snippets(recipe: Recipe, split: str, count: int | Sequence[int] | None, folder: Path | None) -> Sequence[Snippet]:
    """Streets, rendered when needed, or read from `folder`."""
    part, fps, length, world = _filmed(recipe, split)
    annotated = range(recipe.first_label, recipe.length) if split == "train" else None
    return toytown.snippets(
        part, _targets(recipe), recipe.streets if count is None else count, annotated=annotated, length=length, fps=fps,
        world=world, folder=folder,
    )  # fmt: skip


def prepare(recipe: Recipe, split: str, count: int | None, folder: Path, progress: bool) -> None:
    """Render these streets into `folder`, on all cores."""
    part, fps, length, world = _filmed(recipe, split)
    count = recipe.streets if count is None else count
    recordings.render_all(part, fps, count, folder=folder, length=length, world=world, progress=progress)


def world(recipe: Recipe, split: str) -> str:
    """What the streets look like; the same in all splits but "elsewhere"."""
    return toytown.world_hash(_filmed(recipe, split)[-1])


def scored_side(recipe: Recipe) -> int:
    """Shorter side of all frames, in pixels."""
    return min(toytown.WORLDS[recipe.task].size)


def _filmed(recipe: Recipe, split: str) -> tuple[str, float, int, toytown.World]:
    """A split's part of the world, its frame rate, the length of its snippets, and its town."""
    if split == "elsewhere":
        world, fps = toytown.ELSEWHERE[recipe.task]
        return "test", fps, recordings.LENGTH, world
    if split == "stills":
        return split, recordings.STILLS_FPS, recordings.STILLS_LENGTH, toytown.DEFAULT
    # Stills serve both tasks, and so have the standard town.
    world = toytown.DEFAULT if recipe.job == "stills" else toytown.WORLDS[recipe.task]
    return split, toytown.FPS[recipe.task], recipe.length if split == "train" else recordings.LENGTH, world


def _targets(recipe: Recipe) -> str:
    return "both" if recipe.job == "stills" else recipe.task
