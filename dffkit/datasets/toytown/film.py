"""A film of Toytown: frames, some of them deteriorated, label maps, boxes and exact flow."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from dffkit.datasets.toytown.drive import Drive
from dffkit.datasets.toytown.handheld import Handheld
from dffkit.datasets.toytown.model import CLASSES, LABEL, SUBJECTS
from dffkit.datasets.toytown.view import Scene, Seen
from dffkit.support.files import fingerprint

SPLITS = ("train", "val", "test", "stills")
FPS = {"segmentation": 17.0, "detection": 30.0}  # as Cityscapes and ImageNet VID
SECONDS = 12  # length of the drive through a street

# Deteriorations, as in real video.
KINDS = ("motion blur", "defocus", "noise", "flicker")
SHUTTER = 1.0  # motion blur: the shutter is open for this share of the time between two frames
EXPOSURES = 5
MOST_EXPOSURES = 40  # of a world with a shutter, whose exposures are a pixel of motion apart


@dataclass(frozen=True)
class World:
    """Everything the town depends on besides its code; `data_version` names it, and every result row has that name."""

    version: int = 1  # of the drawing code; raised whenever a frame changes
    seed: int = 2017  # of the whole town; another seed gives other streets
    size: tuple[int, int] = (192, 384)  # (H, W) of the frames in pixels
    focal: float = 1.05  # the drive's focal length, in widths of the frame; a longer one makes things larger
    speed: float = 1.0  # factor of the drive's speed
    deterioration: float = 0.12  # share of frames that are blurred, defocused, noisy, or wrongly exposed
    rare_poses: float = 0.1  # share of people and cyclists that bend or lean
    min_visible: float = 0.35  # smallest visible share of an outline that gets a box
    min_side: int = 32  # smallest longer side of a box, in pixels
    camera: str = "drive"  # from a car, or "handheld", of somebody who points it at an animal or a vehicle
    shutter: float = 0.0  # it is open for this share of the time between two frames; each frame has its motion blur
    focus_error: float = 0.0  # of `Handheld`

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of boxes, as 1, 2, 3, ..."""
        return SUBJECTS if self.camera == "handheld" else CLASSES


# Cityscapes is filmed from a car, with a lens like this one. In ImageNet VID things are slower and larger: 37% of its
# boxes are slow, 35% medium and 27% fast by motion IoU. Here 40, 34 and 26% are, and no box is smaller than 3 cells.
WORLDS = {"segmentation": World(), "detection": World(focal=1.6, speed=0.7, min_side=48)}
DEFAULT = WORLDS["segmentation"]
# The world whose inputs are ImageNet VID's, by data/vid_statistics.toml. Boxes are around what is seen of a thing.
HANDHELD = World(
    camera="handheld", deterioration=0.0, min_visible=0.2, min_side=24, shutter=180 / 360, focus_error=0.6
)  # fmt: skip
YOUNGER = ("focal", "camera", "shutter", "focus_error")  # fields that are younger than the names of the worlds
# Another town at another frame rate, by task: for a last evaluation, after which nothing was changed.
ELSEWHERE = {
    "segmentation": (replace(WORLDS["segmentation"], seed=1936), 25.0),
    "detection": (replace(WORLDS["detection"], seed=1936), 20.0),
}


def data_version(world: World = DEFAULT) -> str:
    """Return twelve hexadecimal digits that name a world and the code that draws it."""
    settings = asdict(world)
    for field in YOUNGER:
        if settings[field] == getattr(World, field):
            del settings[field]
    return fingerprint(settings)


@lru_cache(maxsize=8)
def scene(split: str, number: int, world: World = DEFAULT) -> Scene:
    """Return one scene of a split."""
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {SPLITS}, got {split!r}")
    if number < 0:
        raise ValueError(f"number: expected a street's number, at least 0, got {number!r}")
    key = world.seed, SPLITS.index(split), number
    if world.camera == "handheld":
        return Handheld(key, world.size, world.focus_error)
    return Drive(key, world.size, world.focal, world.speed, world.rare_poses)


class Film:
    """A scene filmed at `fps`: frames, labels, boxes, and exact flow between any two frames, all rendered on demand.

    It is the scene of this number, from 0, of split "train", "val", "test" or "stills" of a world.

    Raises:
        ValueError: for another split or a negative number; its methods, for a frame after the first 12 seconds.
    """

    def __init__(self, split: str, number: int, fps: float = FPS["segmentation"], world: World = DEFAULT) -> None:
        self.split, self.number, self.fps, self.world = split, number, fps, world
        self._scene = scene(split, number, world)
        self._seen = lru_cache(maxsize=4)(lambda time: self._scene.look(time))

    def seen(self, index: int, later: float = 0.0) -> Seen:
        """Return the renderer's depth buffer of frame `index`; `later` is a share of the time to the next frame."""
        self._check(index)
        return self._seen((index + later) / self.fps)

    def deterioration(self, index: int) -> str | None:
        """Return the deterioration of frame `index`, one of `KINDS`; None for a clear frame."""
        self._check(index)
        rng = self._generator(index)
        return str(rng.choice(KINDS)) if rng.random() < self.world.deterioration else None

    def frame(self, index: int, clear: bool = False) -> Tensor:
        """Return frame `index`, (3, H, W) uint8; `clear` leaves its deterioration out."""
        kind = None if clear else self.deterioration(index)

        def render(later: float) -> np.ndarray:
            return self._scene.frame(self.seen(index, later))

        if self.world.shutter and not clear:
            return torch.from_numpy(self._exposed(index, render))
        frame = render(0.0) if kind is None else deteriorate(kind, self._generator(index, 1), render)
        return torch.from_numpy(frame)

    def _exposed(self, index: int, render: Callable[[float], np.ndarray]) -> np.ndarray:
        """Return frame `index` as a camera takes it: the mean over the time that its shutter is open, out of focus."""
        half = self.world.shutter / 2
        flow, hidden = self._scene.flow(self.seen(index, -half), self.seen(index, half))
        # Exposures a pixel of motion apart leave no steps in the blur.
        longest = np.hypot(*flow)[~hidden].max(initial=0)
        count = min(MOST_EXPOSURES, 1 + math.ceil(longest))
        moments = np.linspace(-half, half, count) if count > 1 else [0.0]
        frame = np.mean([render(moment) for moment in moments], axis=0, dtype=np.float32)
        if self._scene.blur > 0.2:  # a narrower Gaussian has no other pixel in it
            frame = np.stack([cv2.GaussianBlur(channel, (0, 0), self._scene.blur) for channel in frame])
        return frame.round().astype(np.uint8)

    def labels(self, index: int) -> Tensor:
        """Return the label map of frame `index`, (H, W) uint8: indices into `LABELS`.

        In the handheld world 0 stands for all that has no box, and 1.. for the world's classes.
        """
        parts, pixels = self._scene.parts, self.seen(index).pixels
        if self.world.camera != "handheld":
            return torch.from_numpy(parts.label[pixels])
        classes = np.append(self._classes(parts.object_label), 0).astype(np.uint8)  # -1 stands for no object
        return torch.from_numpy(classes[parts.boxed[pixels]])

    def boxes(self, index: int, min_side: int | None = None) -> dict[str, Tensor]:
        """Return the boxes of frame `index`; `min_side` takes the place of the world's.

        Returns:
            `boxes` (N, 4) float32, xyxy in pixels within the frame, x2 and y2 exclusive, in the drive around the whole
            outline, hidden parts included, in the handheld world around what is seen; `labels` (N,) int64, 1.. in the
            world's classes; `tracks` (N,) int64, the same number in every frame of the scene; `visible` (N,) float32,
            the visible share of the outline.
        """
        tracks, boxes, visible = self._scene.boxes(self.seen(index))
        labels = self._classes(self._scene.parts.object_label[tracks])
        sides = (boxes[:, 2:] - boxes[:, :2]).max(1, initial=0)
        large = sides >= (self.world.min_side if min_side is None else min_side)
        keep = large & (visible >= self.world.min_visible) & (labels > 0)
        return {
            "boxes": torch.from_numpy(boxes[keep]).float(),
            "labels": torch.from_numpy(labels[keep]).long(),
            "tracks": torch.from_numpy(tracks[keep]).long(),
            "visible": torch.from_numpy(visible[keep]).float(),
        }

    def _classes(self, labels: np.ndarray) -> np.ndarray:
        """Return the world's classes, 1.., of objects with these labels; 0 for those that never have a box."""
        number = {LABEL[name]: i for i, name in enumerate(self.world.classes, 1)}
        return np.array([number.get(label, 0) for label in labels.tolist()], np.int64)

    def owners(self, index: int) -> Tensor:
        """Return the track that each pixel of frame `index` shows, (H, W) int32; -1 for things without a box."""
        return torch.from_numpy(self._scene.parts.boxed[self.seen(index).pixels])

    def flow(self, current: int, key: int) -> tuple[Tensor, Tensor]:
        """Return the exact flow field from frame `current` to frame `key`, any two frames in any order.

        Returns:
            The flow (2, H, W) float32 in pixels, x then y, defined on `current`, pointing into `key`; and (H, W) bool,
            true where the pixel's point can't be seen in `key`: hidden there, out of the frame, or behind the camera.
        """
        flow, occluded = self._scene.flow(self.seen(current), self.seen(key))
        return torch.from_numpy(flow), torch.from_numpy(occluded)

    def _check(self, index: int) -> None:
        if not 0 <= index / self.fps < SECONDS:
            frames = f"the first {SECONDS} seconds at {self.fps:g} fps"
            raise ValueError(f"index: expected a frame of {frames}, got {index!r}")

    def _generator(self, *index: int) -> np.random.Generator:
        seed = self.world.seed, 1, SPLITS.index(self.split), self.number, round(self.fps)
        return np.random.default_rng((*seed, *index))


def deteriorate(kind: str, rng: Generator, render: Callable[[float], np.ndarray]) -> np.ndarray:
    """Return a deteriorated frame, (3, H, W) uint8; `render(d)` renders the frame d frame intervals later."""
    if kind == "motion blur":
        moments = SHUTTER * (np.arange(EXPOSURES) / (EXPOSURES - 1) - 0.5)
        return np.mean([render(d) for d in moments], axis=0).round().astype(np.uint8)
    frame = render(0.0)
    if kind == "defocus":
        sigma = rng.uniform(1.2, 2.4)
        return np.stack([cv2.GaussianBlur(channel, (0, 0), sigma) for channel in frame])
    if kind == "noise":
        spoilt = frame + rng.normal(0, rng.uniform(10, 24), frame.shape)
    else:
        spoilt = frame * rng.choice([rng.uniform(0.45, 0.7), rng.uniform(1.3, 1.7)])
    return spoilt.clip(0, 255).round().astype(np.uint8)
