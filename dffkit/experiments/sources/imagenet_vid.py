"""ImageNet VID and DET for runs, as in the paper: short side 600, at most 1000, two of VID to one of DET (Sec. 5).

Frames differ in size, so a process can train on one at a time: eight processes for the paper's batch of 8.
"""

from collections.abc import Sequence
from pathlib import Path

from dffkit.datasets import imagenet_vid
from dffkit.datasets.resized import resized, short_side
from dffkit.datasets.snippets import Snippet
from dffkit.experiments.sources.real_folder import real_folder
from dffkit.support.files import fingerprint
from dffkit.training.mixed_pairs import Mixture
from dffkit.training.recipe import Recipe

COUNTS = {"val": None}  # the test split has no public labels
DURATIONS = {"detection": 20}
NAMES = {"detection": imagenet_vid.CLASSES}
VERSION = 1  # another one whenever the same recipe gets other frames or boxes
SHORT, LONG = 600, 1000
SHARES = {"vid": 2, "det": 1}
# The authors' lists, in the folder ImageSets of their repository.
LISTS = {"vid": "VID_train_15frames.txt", "det": "DET_train_30classes.txt", "val": "VID_val_videos.txt"}


def snippets(recipe: Recipe, split: str, count: int | Sequence[int] | None, folder: Path | None) -> Sequence[Snippet]:
    """For "train" VID and DET by the authors' lists, mixed 2:1; else the first so many of VID's videos, or all."""
    place = real_folder("ILSVRC2015")
    lists = {name: place / "ImageSets" / file for name, file in LISTS.items()}
    fit = short_side(SHORT, LONG)
    if split == "train":
        vid = imagenet_vid.snippets(place, "train", frames=lists["vid"])
        parts = {"vid": vid, "det": imagenet_vid.stills(place, lists["det"])}
        return Mixture([([resized(each, fit) for each in found], SHARES[name]) for name, found in parts.items()])
    found = imagenet_vid.snippets(place, split, videos=lists["val"])
    return [resized(each, fit) for each in (found if count is None else found[:count])]


def world(recipe: Recipe, split: str) -> str:
    """What is made of the data set."""
    return fingerprint({"data": "imagenet_vid", "version": VERSION})


def scored_side(recipe: Recipe) -> int:
    """Shorter side of the frames that are scored, in pixels."""
    return SHORT
