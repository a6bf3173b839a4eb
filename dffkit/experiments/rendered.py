"""The worlds that the kit renders, as data sets that recipes name: the drive, the handheld world, and sprites."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dffkit.datasets import sprites, toytown
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.toytown import recordings
from dffkit.experiments.sources import TOYTOWN_DURATIONS, Source
from dffkit.training.pairs import Mixture
from dffkit.training.recipe import Recipe

HELD_OUT = 100_000  # number of the first still of the handheld world that no network is trained on
STILLS_TO_A_FILM = 3
AFTER = 12  # frames after the labelled one in the films that aggregation is scored on, which need them


def source(recipe: Recipe) -> Source:
    """Return the world of a recipe; job "flow" trains on sprites that were made for it."""
    if recipe.job == "flow":
        return _sprites(recipe.data)
    return _drive() if recipe.data == "toytown" else _handheld()


def films(recipe: Recipe, split: str, count: int) -> Iterator[toytown.Film]:
    """Yield the first films of a split of the recipe's world, at its frame rate, to measure flow on."""
    fps, world, _ = _scored(recipe)
    return (toytown.Film(split, number, fps, world) for number in range(count))


def kept_films(recipe: Recipe, split: str, count: int, folder: Path) -> Iterator[toytown.Recording]:
    """Yield the same films as they are kept in `folder`, for the boxes of all their frames."""
    fps, world, length = _scored(recipe)
    return (toytown.Recording(split, number, fps, length, world, folder) for number in range(count))


def labelled_films(split: str, count: int, folder: Path, progress: bool) -> list[Snippet]:
    """Return handheld films with boxes in every frame, as long as those that aggregation is scored on."""
    length = TOYTOWN_DURATIONS["detection"] + AFTER
    settings = {"fps": toytown.FPS["detection"], "length": length, "world": toytown.HANDHELD, "folder": folder}
    toytown.render_all(split, streets=range(count), progress=progress, **settings)
    return toytown.snippets(split, "detection", count, annotated=range(length), **settings)


def _scored(recipe: Recipe) -> tuple[float, toytown.World, int]:
    """Return the frames a second, the world, and the number of frames of the films that a recipe is scored on."""
    if recipe.data == "toytown":
        task = recipe.task or "segmentation"
        return toytown.FPS[task], toytown.WORLDS[task], toytown.LENGTH
    return toytown.FPS["detection"], toytown.HANDHELD, TOYTOWN_DURATIONS["detection"]


def _drive() -> Source:
    """Rendered streets for both tasks, single frames, and split "elsewhere": another town at other frame rates."""

    def filmed(recipe: Recipe, split: str) -> tuple[str, dict[str, Any]]:
        """Return the world's own split, and the world, frames per second and frames per snippet."""
        if split == "elsewhere":
            world, fps = toytown.ELSEWHERE[recipe.task]
            return "test", {"world": world, "fps": fps, "length": recordings.LENGTH}
        if split == "stills":
            fps, length = recordings.STILLS_FPS, recordings.STILLS_LENGTH
            return split, {"world": toytown.DEFAULT, "fps": fps, "length": length}
        # Stills serve both tasks, so they are of the default world.
        world = toytown.DEFAULT if recipe.job == "stills" else toytown.WORLDS[recipe.task]
        length = recipe.length if split == "train" else recordings.LENGTH
        return split, {"world": world, "fps": toytown.FPS[recipe.task], "length": length}

    def snippets(
        recipe: Recipe, split: str, count: int | None, folder: Path | None, progress: bool
    ) -> Sequence[Snippet]:
        part, film = filmed(recipe, split)
        targets, count = "both" if recipe.job == "stills" else recipe.task, recipe.streets if count is None else count
        if folder:
            recordings.render_all(part, streets=range(count), folder=folder, progress=progress, **film)
        annotated = range(recipe.first_label, recipe.length) if split == "train" else None
        return toytown.snippets(part, targets, count, annotated=annotated, folder=folder, **film)

    return Source(
        snippets, {"val": 48, "test": 60, "elsewhere": 60}, durations=TOYTOWN_DURATIONS,
        data_version=lambda recipe, split: toytown.data_version(filmed(recipe, split)[1]["world"]),
        names={"segmentation": toytown.LABELS, "detection": toytown.CLASSES},
        scored_side=lambda recipe: min(toytown.WORLDS[recipe.task].size),
    )  # fmt: skip


def _handheld() -> Source:
    """Films of one subject by hand: video and stills 2 : 1 to train on, a labelled frame each (Sec. 5)."""

    def films(
        part: str, numbers: Sequence[int], length: int, annotated: int, task: str, folder: Path | None, progress: bool
    ) -> list[Snippet]:
        settings = {"fps": toytown.FPS["detection"], "length": length, "world": toytown.HANDHELD, "folder": folder}
        if folder:
            toytown.render_all(part, streets=numbers, progress=progress, **settings)
        return toytown.snippets(part, task, numbers, annotated=(annotated,), **settings)

    def snippets(
        recipe: Recipe, split: str, count: int | None, folder: Path | None, progress: bool
    ) -> Sequence[Snippet]:
        count = recipe.streets if count is None else count
        where = folder, progress
        if recipe.data_split == "stills":
            first, targets = (0 if split == "stills" else HELD_OUT), "both" if recipe.job == "stills" else recipe.task
            return films("stills", range(first, first + count), 1, 0, targets, *where)
        if split != "train":
            before = TOYTOWN_DURATIONS["detection"]
            length = before + (AFTER if recipe.job == "aggregate" else 0)
            return films(split, range(count), length, before - 1, "detection", *where)
        video = films("train", range(count), recipe.length, recipe.first_label, "detection", *where)
        stills = films("stills", range(STILLS_TO_A_FILM * count), 1, 0, "detection", *where)
        return Mixture([(video, 2), (stills, 1)])

    return Source(
        snippets, {"val": 150, "test": 540}, durations=TOYTOWN_DURATIONS,
        data_version=lambda *_: toytown.data_version(toytown.HANDHELD),
        names={"segmentation": ("background", *toytown.SUBJECTS), "detection": toytown.SUBJECTS},
        scored_side=lambda recipe: min(toytown.HANDHELD.size),
    )  # fmt: skip


def _sprites(data: str) -> Source:
    """Sprites, which pre-train flow networks; they are scored on the world's films and on FlyingChairs too."""
    counts = {"val": 48, "test": 60, "flying_chairs": None}  # films, pairs of FlyingChairs
    return Source(lambda *_: (), counts, lambda *_: sprites.data_version(sprites.WORLDS[data]))
