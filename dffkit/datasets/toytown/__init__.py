"""Toytown: a rendered street seen from a moving car, with label maps, boxes and exact flow for every frame.

It stands in for Cityscapes and ImageNet VID, which can't be shipped. Every frame is a pure function of (split, street,
frame), so nothing has to be stored and frames can be rendered in any order. Splits never share a street.
"""

from dffkit.datasets.toytown.film import DEFAULT, ELSEWHERE, FPS, HANDHELD, SPLITS, WORLDS, Film, World, data_version
from dffkit.datasets.toytown.model import CLASSES, LABELS, SUBJECTS
from dffkit.datasets.toytown.recordings import ANNOTATED, LENGTH, Recording, record, render_all, snippets

__all__ = [
    "ANNOTATED", "CLASSES", "DEFAULT", "ELSEWHERE", "FPS", "HANDHELD", "LABELS", "LENGTH", "SPLITS", "SUBJECTS",
    "WORLDS", "Film", "Recording", "World", "data_version", "record", "render_all", "snippets",
]  # fmt: skip
