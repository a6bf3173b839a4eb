"""The handheld world and the drive in numbers, beside those of ImageNet VID (data/vid_statistics.toml)."""

import json
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
from tqdm import tqdm

from dffkit.datasets.snippets import FAST, REACH, SLOW, motion_iou
from dffkit.datasets.toytown.film import FPS, HANDHELD, WORLDS, Film, data_version
from dffkit.support import files
from dffkit.support.errors import DataError
from dffkit.support.machine import in_processes
from dffkit.warp import CELL

TARGETS = "vid_statistics.toml"  # in the folder data
COUNTED = {"handheld": HANDHELD, "drive": WORLDS["detection"]}  # name of a world -> the world
FILMS = 1000  # that are counted
FEW = 20  # that are counted again in a check
TOLERANCE = 1e-3  # of their statistics: processors round differently
LABELLED = 9  # the frame of a film whose boxes count, as in training
EARLIER = 9  # frames before it, at which its boxes are looked for
SHORT, HIDDEN = 2.5, 0.3  # a short side in cells; a share of an outline


class Thing(NamedTuple):
    """One box of a labelled frame."""

    film: int  # its number
    label: int  # 1.. in the world's classes
    x1: int  # the box in pixels
    y1: int
    x2: int
    y2: int
    visible: float  # visible share of the outline
    motion: float  # motion IoU
    earlier: float  # the visible share nine frames earlier; 0 if there was no box then


class Observed(NamedTuple):
    """The labelled frames of training films."""

    films: int  # number of films, of those from number 0
    things: Sequence[Thing]  # the boxes of all labelled frames
    with_smaller: Sequence[int]  # numbers of the films in whose labelled frame something is too small for a box


def targets() -> list[dict[str, Any]]:
    """Return the statistics of data/vid_statistics.toml."""
    return tomllib.loads((files.root() / "data" / TARGETS).read_text(encoding="utf-8"))["statistic"]


def observe(number: int, world: str = "handheld") -> tuple[list[Thing], bool]:
    """Return the boxes of one training film's labelled frame, and whether something in it is too small for a box."""
    film = Film("train", number, FPS["detection"], COUNTED[world])
    frames = [film.boxes(i) for i in range(LABELLED + REACH + 1)]
    motion = motion_iou([dict(zip(f["tracks"].tolist(), f["boxes"], strict=True)) for f in frames], LABELLED)
    before = frames[LABELLED - EARLIER]
    earlier = dict(zip(before["tracks"].tolist(), before["visible"].tolist(), strict=True))
    now = frames[LABELLED]
    rows = zip(*(now[name].tolist() for name in ("tracks", "labels", "boxes", "visible")), strict=True)
    shares = {track: (round(motion[track], 4), round(earlier.get(track, 0.0), 4)) for track in motion}
    things = [
        Thing(number, label, *map(int, box), round(visible, 4), *shares[track]) for track, label, box, visible in rows
    ]
    return things, len(film.boxes(LABELLED, min_side=0)["tracks"]) > len(things)


def observe_films(world: str, count: int = FILMS) -> Observed:
    """Observe the first films of a world's training, one process for each core; about 0.2 s a film and core."""
    found = in_processes(partial(observe, world=world), range(count))
    found = list(tqdm(found, f"counting boxes, {world}", count, unit="film"))
    smaller = [number for number, (_, small) in enumerate(found) if small]
    return Observed(count, [thing for things, _ in found for thing in things], smaller)


def store(world: str, seen: Observed) -> None:
    """Write what was seen of a world to the folder data."""
    head = {"data_version": data_version(COUNTED[world]), "films": seen.films, "with_smaller": list(seen.with_smaller)}
    head = json.dumps(head | {"columns": Thing._fields})[:-1]
    rows = ",\n".join(json.dumps(thing) for thing in seen.things)
    files.write(_path(world), f'{head}, "things": [\n{rows}\n]}}\n'.encode())


def stored(world: str = "handheld") -> Observed:
    """Return what was seen in the first `FILMS` films of a world's training.

    Raises:
        DataError: if it was counted in another version of the world.
    """
    path = _path(world)
    found = json.loads(path.read_text(encoding="utf-8"))
    if found["data_version"] != data_version(COUNTED[world]):
        raise DataError(f"{path}: of another world; count again with:  python -m dffkit toytown --count")
    return Observed(found["films"], [Thing(*row) for row in found["things"]], found["with_smaller"])


def recount(world: str) -> list[dict[str, Any]]:
    """Count the first `FEW` films again; return rows with statistic, stored, here, and agree (within `TOLERANCE`)."""
    seen = stored(world)
    things, smaller = [each for each in seen.things if each.film < FEW], [n for n in seen.with_smaller if n < FEW]
    before, now = statistics(Observed(FEW, things, smaller)), statistics(observe_films(world, FEW))
    return [
        {"statistic": name, "stored": value, "here": now[name], "agree": abs(now[name] - value) <= TOLERANCE}
        for name, value in before.items()
    ]


def _path(world: str) -> Path:
    return files.root() / "data" / f"{world}_boxes.json"


def beside_vid() -> pandas.DataFrame:
    """Return every statistic: columns `statistic`; `ImageNet VID`, NaN where unknown; `aim`; and a column a world."""
    worlds = {world: statistics(stored(world)) for world in COUNTED}
    lines = []
    for entry in targets():
        aim = "{:g} to {:g}".format(*entry["target"]) if "target" in entry else ""
        line = {"statistic": entry["name"], "ImageNet VID": entry.get("vid", np.nan), "aim": aim}
        lines.append(line | {world: found[entry["name"]] for world, found in worlds.items()})
    return pandas.DataFrame(lines)


def statistics(seen: Observed) -> dict[str, float]:
    """Return the value of every statistic in data/vid_statistics.toml, by name."""
    table = np.array(seen.things, float)
    per_film = np.bincount(table[:, 0].astype(int), minlength=seen.films)
    width, height = (table[:, 4] - table[:, 2]) / CELL, (table[:, 5] - table[:, 3]) / CELL
    motion, earlier = table[:, 7], table[:, 8]
    size = np.sqrt(width * height)
    frame = HANDHELD.size[0] * HANDHELD.size[1] / CELL**2
    found = {
        "boxes per frame": len(table) / seen.films,
        "frames with no box": (per_film == 0).mean(),
        "frames with 1 box": (per_film == 1).mean(),
        "frames with 2 boxes": (per_film == 2).mean(),
        "frames with 3 boxes": (per_film == 3).mean(),
        "slow boxes": (motion > SLOW).mean(),
        "medium boxes": ((motion >= FAST) & (motion <= SLOW)).mean(),
        "fast boxes": (motion < FAST).mean(),
    }
    found |= {f"motion IoU, quantile {q:g}": np.nanquantile(motion, q) for q in (0.05, 0.1, 0.25, 0.5, 0.75)}
    found |= {
        "median square root of a box's area, in cells": np.median(size),
        "median share of the frame that a box covers": np.median(size**2) / frame,
        "boxes with a shorter side below 2.5 cells": (np.minimum(width, height) < SHORT).mean(),
        "frames with something smaller, which has no box": len(seen.with_smaller) / seen.films,
        "boxes that are not annotated nine frames earlier": (earlier == 0).mean(),
        "boxes more than 30% hidden nine frames earlier": ((earlier < 1 - HIDDEN) & (earlier > 0)).mean(),
        "rank correlation of size and motion IoU": _rank_correlation(size, motion),
    }
    return {name: float(value) for name, value in found.items()}


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Spearman's correlation; equal values get different ranks, which changes little."""
    ranks = [np.argsort(np.argsort(values, kind="stable")) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])
