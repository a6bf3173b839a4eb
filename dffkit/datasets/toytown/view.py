"""A scene at any moment through its camera: frames, labels, boxes, and exact flow between any two moments."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown import raster
from dffkit.datasets.toytown.parts import Parts, cross


@dataclass(frozen=True)
class Seen:
    """The depth buffer at one moment: labels, boxes and flow are read from it."""

    parts: np.ndarray  # (n, 9) float64: every part's corner and edges in camera coordinates
    planes: np.ndarray  # (n, 9) float64: their u/z, v/z and 1/z as linear functions of the sample
    order: np.ndarray  # parts in view, nearest first
    level: np.ndarray  # (n,) the size of texture at which cutouts are looked up
    ids: np.ndarray  # (2H, 2W) int32: the part in each sample
    depth: np.ndarray  # (2H, 2W) float32: its 1/z
    pixels: np.ndarray  # (H, W) int32: the part of each pixel


class Scene:
    """What stands and moves in one place, and a camera that looks at it; `time` is in seconds, 0 to about 12.

    Args:
        parts: all things.
        size: (H, W) of the frames.
        focal: the camera's focal length, in widths of the frame.
        rng: source of the haze's colour, of the share of light that it takes in a metre, and of the sun's light.
    """

    def __init__(self, parts: Parts, size: tuple[int, int], focal: float, rng: Generator) -> None:
        self.parts, self.size = parts, size
        self.focal, self.centre = focal * size[1], ((size[1] - 1) / 2, 0.47 * size[0])
        self.haze = rng.uniform(0.85, 1.0) * np.array([208.0, 216, 226])
        self.haze_density, self.sun = rng.uniform(0.0005, 0.004), rng.uniform(0.82, 1.08)

    def camera(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the camera's rotation (3, 3), scene to camera, and its position (3,)."""
        raise NotImplementedError

    def look(self, time: float) -> Seen:
        """Return the depth buffer with the parts in view at `time`."""
        height, width = self.size
        parts = self.parts.at(time, *self.camera(time))
        z = np.stack([parts[:, 2], parts[:, 2] + parts[:, 5], parts[:, 2] + parts[:, 8]], 1)
        z = np.concatenate([z, (z[:, 1] + z[:, 2] - z[:, 0])[:, None]], 1)
        order = np.argsort(z.min(1), kind="stable")
        order = order[(z.max(1) > raster.NEAR)[order]]
        planes = self._planes(parts, raster.SAMPLES)
        level = self._cutout_level(parts, z.mean(1))
        shape = (height * raster.SAMPLES, width * raster.SAMPLES)
        depth, ids = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
        p, looks = self.parts, np.stack([self.parts.texture, level], 1)
        lens = self._lens(raster.SAMPLES)
        raster.draw(order, parts, planes, looks, p.repeat, p.cutout, p.atlas, p.levels, *lens, depth, ids)
        pixels = np.empty(self.size, np.int32)
        raster.pixel_parts(ids, depth, pixels)
        return Seen(parts, planes, order, level, ids, depth, pixels)

    def frame(self, seen: Seen) -> np.ndarray:
        """Return the frame, (3, H, W) uint8."""
        image = np.empty((3, *self.size), np.uint8)
        p, light, haze = self.parts, self.parts.light * self.sun, (self.haze, self.haze_density)
        raster.shade(seen.ids, seen.planes, p.texture, p.repeat, p.cutout, light, p.atlas, p.levels, *haze, image)
        return image

    def boxes(self, seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the objects in view: numbers (n,), boxes (n, 4) of their outlines, visible shares (n,).

        An outline is the part of the frame that the object would fill if nothing hid it. x2 and y2 are exclusive.
        """
        boxes, area = self._outlines(seen, (0, 0))
        shown = np.bincount(self.parts.boxed[seen.pixels].ravel() + 1, minlength=len(area) + 1)[1:]
        which = np.flatnonzero(area)
        return which, boxes[which], np.minimum(shown[which] / area[which], 1.0)

    def _outlines(self, seen: Seen, margin: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the boxes (objects, 4) and areas (objects,) of all outlines, in a frame larger by a margin (y, x)."""
        p, size = self.parts, tuple(side + 2 * more for side, more in zip(self.size, margin, strict=True))
        order = seen.order[p.boxed[seen.order] >= 0]
        order = order[np.argsort(p.owner[order], kind="stable")]
        count = len(p.object_label)
        boxes = np.tile(np.array([10**6, 10**6, -1, -1]), (count, 1))
        area, stamp = np.zeros(count, np.int64), np.full(size, -1, np.int32)
        looks, planes = np.stack([p.texture, seen.level], 1), self._planes(seen.parts, 1, margin)
        raster.silhouettes(
            order, seen.parts, planes, looks, p.repeat, p.cutout, p.owner, p.atlas, p.levels,
            *self._lens(1, margin), stamp, boxes, area,
        )  # fmt: skip
        return boxes, area

    def flow(self, here: Seen, there: Seen) -> tuple[np.ndarray, np.ndarray]:
        """Return the flow (2, H, W) float32, in pixels from `here` to `there`, and a mask (H, W) of hidden points."""
        flow, occluded = np.empty((2, *self.size), np.float32), np.empty(self.size, np.bool_)
        planes = self._planes(here.parts, 1)
        raster.trace(here.pixels, planes, there.parts, there.ids, there.depth, *self._lens(1), flow, occluded)
        return flow, occluded

    def _lens(self, samples: int, margin: tuple[int, int] = (0, 0)) -> tuple[float, float, float]:
        """Return focal length and centre in samples; pixel x covers the samples from n * x to n * (x + 1) - 1."""
        shift, (x, y) = (samples - 1) / 2, self.centre
        return samples * self.focal, samples * (x + margin[1]) + shift, samples * (y + margin[0]) + shift

    def _planes(self, parts: np.ndarray, samples: int, margin: tuple[int, int] = (0, 0)) -> np.ndarray:
        """Return u/z, v/z, 1/z of every part as linear functions of the sample, (n, 9): constant, per x, per y."""
        focal, cx, cy = self._lens(samples, margin)
        o, u, v = parts[:, 0:3], parts[:, 3:6], parts[:, 6:9]
        # A ray d meets the part where u U + v V + O = z d: the rows of the inverse of (U, V, O) are cross products.
        rows = np.stack([cross(v, o), cross(o, u), cross(u, v)], 1)
        volume = (rows[:, 2] * o).sum(1)
        edge_on = np.abs(volume) < 1e-9
        rows /= np.where(edge_on, 1.0, volume)[:, None, None]
        rows[edge_on] = (0.0, 0.0, -1.0)  # behind the camera everywhere: never drawn
        x, y = rows[:, :, 0] / focal, rows[:, :, 1] / focal
        return np.stack([rows[:, :, 2] - x * cx - y * cy, x, y], 2).reshape(-1, 9)

    def _cutout_level(self, parts: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the size of texture that fits each part's size in samples."""
        scale = raster.SAMPLES * self.focal / np.maximum(z, 1.0)
        texels = self.parts.levels[self.parts.texture, 0][:, [2, 1]] * self.parts.repeat
        size = np.stack([np.linalg.norm(parts[:, 3:6], axis=1), np.linalg.norm(parts[:, 6:9], axis=1)], 1)
        ratio = (texels / np.maximum(size * scale[:, None], 0.5)).min(1)
        level = np.floor(np.log2(np.maximum(ratio, 1.0))).astype(np.int64)
        return np.minimum(level, self.parts.levels[self.parts.texture, 0, 3] - 1)


def waver(sines: Iterable[tuple[float, float, float]], time: float) -> float:
    """Return a sum of sines at `time`: (amplitude, frequency, phase) each, in radians and radians a second."""
    return sum(a * math.sin(w * time + p) for a, w, p in sines)
