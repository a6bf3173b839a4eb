"""Toytown as a data set: snippets, rendered when needed and, given a folder, kept on disk."""

import contextlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import cv2
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from dffkit.datasets.snippets import NO_MOTION, REACH, Frames, OnDemand, Snippet, motion_class, motion_iou
from dffkit.datasets.toytown.film import DEFAULT, FPS, HANDHELD, WORLDS, Film, World, data_version
from dffkit.support import files
from dffkit.support.machine import in_processes

LENGTH = 30  # frames a snippet, as Cityscapes has
STILLS_FPS = 0.5  # stills: one frame in two seconds, so that all of them differ
STILLS_LENGTH = 6
# Scored frames: frames with a full history for the longest key frame duration, 10 or 20.
ANNOTATED = {"segmentation": (9, 19, 29), "detection": (19, 24, 29)}


def snippets(
    split: str,
    task: str,
    streets: int | Sequence[int],
    *,
    annotated: Sequence[int] | None = None,
    length: int = LENGTH,
    fps: float | None = None,
    world: World | None = None,
    folder: Path | None = None,
) -> list[Snippet]:
    """Return the snippets of a split, one for each street.

    Args:
        split: "train", "val", "test" or "stills"; stills are single frames, two seconds apart.
        task: "segmentation" (label maps, 17 frames a second), "detection" (boxes, 30 frames a second), or "both":
            targets are (label map, boxes).
        streets: number of streets, or their numbers.
        annotated: the frames with a target; by default all in training and stills, three with a full history in val
            and test.
        length: frames of a snippet.
        fps: another frame rate.
        world: the town, by default the task's of `WORLDS`.
        folder: keeps the rendered snippets, about 12 MB each; None renders them again whenever they are needed.

    Raises:
        ValueError: for another split or task.
    """
    if task not in (*FPS, "both"):
        raise ValueError(f'task: expected "segmentation", "detection" or "both", got {task!r}')
    if split == "stills" and world != HANDHELD:
        length, fps = STILLS_LENGTH, fps or STILLS_FPS
    fps, world = fps or FPS[task], world or WORLDS.get(task, DEFAULT)
    if annotated is None:
        annotated = range(length) if split in ("train", "stills") else ANNOTATED[task]
    numbers = range(streets) if isinstance(streets, int) else streets
    recordings = [Recording(split, number, fps, length, world, folder) for number in numbers]
    return [recording.snippet(task, annotated) for recording in recordings]


class Recording:
    """All frames and labels of one street as tensors, rendered when first needed and read from disk afterwards."""

    def __init__(self, split: str, number: int, fps: float, length: int, world: World, folder: Path | None) -> None:
        self.name, self.arguments = f"{split}-{number:04d}-{fps:g}fps-{length}", (split, number, fps, length, world)
        self.fps, self.length = fps, length
        self.path = folder and Path(folder) / data_version(world) / f"{self.name}.safetensors"

    def __getitem__(self, key: tuple[str, int]) -> Tensor:
        """Return entry `i` of one of the tensors of `record`."""
        name, i = key
        if self.path is None:
            return _in_memory(*self.arguments)[name][i]
        return self.open().get_slice(name)[i]

    def open(self) -> Any:
        """Open the file, memory mapped; render and write it first if it is missing or damaged."""
        try:
            return _open(self.path)
        except (FileNotFoundError, SafetensorError):
            files.write(self.path, save(record(*self.arguments, self._rendered())))
            return _open(self.path)

    def _rendered(self) -> Sequence[Tensor]:
        """Return the frames of this street that a film of another length in the folder has: rendering is slow."""
        others = self.path.parent.glob(f"{self.name.rpartition('-')[0]}-*.safetensors")
        for path in sorted(others, key=lambda other: other.stat().st_size, reverse=True):
            with contextlib.suppress(SafetensorError):
                return _open(path).get_tensor("frames")
        return ()

    def boxes(self, i: int) -> dict[str, Tensor]:
        """Return the boxes of frame i as `Film.boxes` does, and their `motion` IoU."""
        rows = self["boxes", i][: int(self["counts", i])]
        labels, tracks = rows[:, 4].long(), rows[:, 5].long()
        boxes, visible, motion = rows[:, :4].clone(), rows[:, 6].clone(), rows[:, 7].clone()
        return {"boxes": boxes, "labels": labels, "tracks": tracks, "visible": visible, "motion": motion}

    def flow(self, current: int, key: int) -> tuple[Tensor, Tensor]:
        """Return the exact flow and its occlusion as `Film.flow` does; it is computed each time."""
        split, number, fps, _, world = self.arguments
        return _film(split, number, fps, world).flow(current, key)

    def snippet(self, task: str, annotated: Sequence[int]) -> Snippet:
        """Return this street as a snippet of a data set."""
        targets: dict[str, Callable[[int], Any]] = {
            "segmentation": lambda i: self["labels", i],
            "detection": self.boxes,
            "both": lambda i: (self["labels", i], self.boxes(i)),
        }

        def motion(i: int) -> Tensor:
            return self["motion", i] if task == "segmentation" else self.boxes(i)["motion"]

        frames = Frames(lambda i: self["frames", i], self.length)
        found, motions = OnDemand(targets[task], annotated), OnDemand(motion, annotated)
        return Snippet(self.name, self.fps, frames, found, motions, self.flow)


def record(
    split: str, number: int, fps: float, length: int, world: World = DEFAULT, frames: Sequence[Tensor] = ()
) -> dict[str, Tensor]:
    """Render a street; `frames` are its first frames, if they are rendered already.

    Returns:
        `frames` (n, 3, H, W), and but for handheld films `labels` and `motion` (n, H, W), all uint8; `boxes`
        (n, most, 8) float32 with columns xyxy, class, track, visible share and motion IoU; and `counts` (n,), the
        number of rows filled in each frame.
    """
    film = Film(split, number, fps, world)
    handheld = world.camera == "handheld"
    # In the handheld world a film ends with its labelled frame, and motion IoU takes the boxes after it, too.
    after = range(length, length + REACH * (handheld and length > 1))
    known = dict(enumerate(frames))
    steps = [
        (film.labels(i), film.owners(i), film.boxes(i), known[i] if i in known else film.frame(i))
        for i in range(length)
    ]
    labels, owners, boxes, frames = zip(*steps, strict=True)
    tracks = [dict(zip(b["tracks"].tolist(), b["boxes"], strict=True)) for b in (*boxes, *map(film.boxes, after))]
    counts = torch.tensor([len(b["boxes"]) for b in boxes])
    table = torch.zeros(length, max(1, int(counts.max())), 8)
    motion = torch.full((length, *world.size), NO_MOTION, dtype=torch.uint8)
    for i, b in enumerate(boxes):
        iou = motion_iou(tracks, i)
        values = torch.tensor([iou[track] for track in tracks[i]])
        table[i, : counts[i]] = torch.column_stack([b["boxes"], b["labels"], b["tracks"], b["visible"], values])
        for track, value in zip(tracks[i], motion_class(values), strict=True):
            motion[i][owners[i] == track] = value
    found = {"frames": torch.stack(frames), "boxes": table, "counts": counts}
    # Handheld films are for detection, but for the stills that pre-train N.
    return found if handheld and length > 1 else found | {"labels": torch.stack(labels), "motion": motion}


def render_all(
    split: str, fps: float, streets: Sequence[int], *, folder: Path, length: int, world: World, progress: bool
) -> None:
    """Render the streets of these numbers that are not in `folder` yet, one process for each core."""
    recordings = [Recording(split, number, fps, length, world, folder) for number in streets]
    missing = [recording for recording in recordings if not recording.path.exists()]
    if not missing:
        return
    done = in_processes(_render, missing)
    for _ in tqdm(done, f"rendering {split} at {fps:g} fps", len(missing), unit="street", disable=not progress):
        pass


def _render(recording: Recording) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    recording.open()


_film = lru_cache(maxsize=2)(Film)
_in_memory = lru_cache(maxsize=4)(record)
_open = lru_cache(maxsize=512)(partial(safe_open, framework="pt"))
