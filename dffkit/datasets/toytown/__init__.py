"""Toytown: a rendered street seen from a moving car, with label maps, boxes and exact flow for every frame.

It stands in for Cityscapes and ImageNet VID, which can't be shipped. Every frame is a pure function of (split, street,
frame), so nothing has to be stored and any frame can be asked for; splits never share a street.
"""

from dffkit.datasets.toytown.film import DEFAULT, ELSEWHERE, FPS, SPLITS, WORLDS, Film, World, world_hash
from dffkit.datasets.toytown.model import CLASSES, LABELS
from dffkit.datasets.toytown.recordings import ANNOTATED, LENGTH, Recording, record, render_all, snippets

__all__ = [
    "ANNOTATED", "CLASSES", "DEFAULT", "ELSEWHERE", "FPS", "LABELS", "LENGTH", "SPLITS", "WORLDS", "Film", "Recording",
    "World", "record", "render_all", "snippets", "world_hash",
]  # fmt: skip
