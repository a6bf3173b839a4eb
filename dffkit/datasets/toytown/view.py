"""One street, at any moment, through the camera: frames, labels, boxes, and exact flow between any two moments."""

import math
from dataclasses import dataclass

import numpy as np

from dffkit.datasets.toytown import raster, street, traffic
from dffkit.datasets.toytown.model import CYCLIST_LIMBS, LABEL, WALKER_LIMBS, Builder, cyclist_limbs, walker_limbs


@dataclass(frozen=True)
class Seen:
    """What the depth buffer holds at one moment: all that labels, boxes and flow are read from."""

    parts: np.ndarray  # (n, 9) float64: every part's corner and edges in camera coordinates
    planes: np.ndarray  # (n, 9) float64: their u/z, v/z and 1/z as linear functions of the sample
    order: np.ndarray  # parts in view, nearest first
    level: np.ndarray  # (n,) the size of texture at which cutouts are looked up
    ids: np.ndarray  # (2H, 2W) int32: the part in each sample
    depth: np.ndarray  # (2H, 2W) float32: its 1/z
    pixels: np.ndarray  # (H, W) int32: the part of each pixel


class Street:
    """One town street with its traffic and a camera driving down it; `time` is in seconds, 0 to about 12.

    Args:
        key: what the street is drawn from: (world seed, split, street seed).
        size: (H, W) of the frames.
        focal: the camera's focal length, in widths of the frame.
        speed: multiplies the camera's speed.
        rare_poses: share of people and cyclists in an unusual pose.
    """

    def __init__(
        self, key: tuple[int, ...], size: tuple[int, int], focal: float, speed: float, rare_poses: float
    ) -> None:
        rng = np.random.default_rng(key)
        self.size = size
        self.focal, self.centre = focal * size[1], ((size[1] - 1) / 2, 0.47 * size[0])
        # a quarter of the time it waits, or creeps in a queue
        top_speed = rng.uniform(0, 0.6) if rng.random() < 0.27 else rng.uniform(3.5, 9)
        self._drive = top_speed * speed, rng.uniform(0, 0.9), rng.uniform(0.25, 0.8), rng.uniform(0, 6.3)
        # yaw, pitch and roll as sums of a slow turn and quick shakes: (amplitude, frequency, phase)
        rough = min(1.0, 0.15 + top_speed / 8)
        scales = ((0.04 * rough, 0.5), (0.003 * rough, 9)), ((0.004, 1.5), (0.0035 * rough, 11)), ((0.006, 1.2),)
        self._shake = [
            [(a * rng.uniform(0.2, 1), w * rng.uniform(0.6, 1.4), rng.uniform(0, 6.3)) for a, w in axis]
            for axis in scales
        ]
        self._side = (rng.uniform(0.9, 1.5), rng.uniform(0, 0.3) * rough, rng.uniform(0.3, 0.8), rng.uniform(0, 6.3))
        self._height = rng.uniform(1.35, 1.75)
        builder = Builder()
        crossings = street.lay_out(builder, rng)
        traffic.populate(builder, rng, crossings, self.drive, rare_poses)
        self.haze = rng.uniform(0.85, 1.0) * np.array([208.0, 216, 226])
        self.haze_density = rng.uniform(0.0005, 0.004)
        self.sun = rng.uniform(0.82, 1.08)
        self._collect(builder)

    def drive(self, time: float) -> float:
        """How far the camera has driven, in metres: it slows down and speeds up."""
        speed, slow, frequency, phase = self._drive
        swing = (math.sin(frequency * time + phase) - math.sin(phase)) / frequency
        return speed * (time * (1 - slow / 2) - slow / 2 * swing)

    def camera(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """The camera's rotation (3, 3), world to camera, and its place (3,)."""
        yaw, pitch, roll = (sum(a * math.sin(w * time + p) for a, w, p in axis) for axis in self._shake)
        middle, sway, frequency, phase = self._side
        place = np.array([middle + sway * math.sin(frequency * time + phase), -self._height, self.drive(time)])
        cy, sy, cp, sp, cr, sr = *_turn(yaw), *_turn(pitch), *_turn(roll)
        about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        return about_z @ about_x @ about_y, place

    def look(self, time: float) -> Seen:
        """Find what is in view at `time`."""
        height, width = self.size
        parts = self._parts(time)
        z = np.stack([parts[:, 2], parts[:, 2] + parts[:, 5], parts[:, 2] + parts[:, 8]], 1)
        z = np.concatenate([z, (z[:, 1] + z[:, 2] - z[:, 0])[:, None]], 1)
        near = z.min(1)
        order = np.argsort(near, kind="stable")
        order = order[(z.max(1) > raster.NEAR)[order]]
        planes = self._planes(parts, raster.SAMPLES)
        level = self._cutout_level(parts, z.mean(1))
        shape = (height * raster.SAMPLES, width * raster.SAMPLES)
        depth, ids = np.zeros(shape, np.float32), np.zeros(shape, np.int32)
        looks = np.stack([self.texture, level], 1)
        raster.draw(
            order, parts, planes, looks, self.repeat, self.cutout, self.atlas, self.levels,
            *self._lens(raster.SAMPLES), depth, ids,
        )  # fmt: skip
        pixels = np.empty(self.size, np.int32)
        raster.pixel_parts(ids, depth, pixels)
        return Seen(parts, planes, order, level, ids, depth, pixels)

    def frame(self, seen: Seen) -> np.ndarray:
        """Colours of what is seen, (3, H, W) uint8."""
        image = np.empty((3, *self.size), np.uint8)
        light = self.light * self.sun
        raster.shade(
            seen.ids, seen.planes, self.texture, self.repeat, self.cutout, light, self.atlas, self.levels, self.haze,
            self.haze_density, image,
        )  # fmt: skip
        return image

    def labels(self, seen: Seen) -> np.ndarray:
        """The label map, (H, W) uint8."""
        return self.label[seen.pixels]

    def owners(self, seen: Seen) -> np.ndarray:
        """The object that each pixel shows, (H, W) int32; -1 where it is none of those that have boxes."""
        return self._boxed[seen.pixels]

    def boxes(self, seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Objects in view: their numbers (n,), boxes (n, 4) of the whole outline in the frame, visible shares (n,).

        An outline is what would be seen of the object if nothing stood before it. x2 and y2 are exclusive.
        """
        order = seen.order[self._boxed[seen.order] >= 0]
        order = order[np.argsort(self.owner[order], kind="stable")]
        count = len(self.object_label)
        boxes = np.tile(np.array([10**6, 10**6, -1, -1]), (count, 1))
        area, stamp = np.zeros(count, np.int64), np.full(self.size, -1, np.int32)
        raster.silhouettes(
            order, seen.parts, self._planes(seen.parts, 1), np.stack([self.texture, seen.level], 1), self.repeat,
            self.cutout, self.owner, self.atlas, self.levels, *self._lens(1), stamp, boxes, area,
        )  # fmt: skip
        shown = np.bincount(self.owners(seen).ravel() + 1, minlength=count + 1)[1:]
        which = np.flatnonzero(area)
        return which, boxes[which], np.minimum(shown[which] / area[which], 1.0)

    def flow(self, here: Seen, there: Seen) -> tuple[np.ndarray, np.ndarray]:
        """The exact flow field (2, H, W) float32 in pixels from `here` to `there`, and what is hidden there (H, W)."""
        flow, occluded = np.empty((2, *self.size), np.float32), np.empty(self.size, np.bool_)
        planes = self._planes(here.parts, 1)
        raster.trace(here.pixels, planes, there.parts, there.ids, there.depth, *self._lens(1), flow, occluded)
        return flow, occluded

    def _lens(self, samples: int) -> tuple[float, float, float]:
        """Focal length and centre in samples: pixel x covers the samples from samples * x to samples * (x + 1) - 1."""
        shift = (samples - 1) / 2
        return samples * self.focal, samples * self.centre[0] + shift, samples * self.centre[1] + shift

    def _planes(self, parts: np.ndarray, samples: int) -> np.ndarray:
        """u/z, v/z and 1/z of every part as linear functions of the sample: (n, 9), each constant, per x, per y."""
        focal, cx, cy = self._lens(samples)
        o, u, v = parts[:, 0:3], parts[:, 3:6], parts[:, 6:9]
        # A ray d meets the part where u U + v V + O = z d: the rows of the inverse of (U, V, O) are cross products.
        rows = np.stack([_cross(v, o), _cross(o, u), _cross(u, v)], 1)
        volume = (rows[:, 2] * o).sum(1)
        edge_on = np.abs(volume) < 1e-9
        rows /= np.where(edge_on, 1.0, volume)[:, None, None]
        rows[edge_on] = (0.0, 0.0, -1.0)  # behind the camera everywhere: never drawn
        x, y = rows[:, :, 0] / focal, rows[:, :, 1] / focal
        return np.stack([rows[:, :, 2] - x * cx - y * cy, x, y], 2).reshape(-1, 9)

    def _cutout_level(self, parts: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The size of its texture that fits a part's size in samples."""
        scale = raster.SAMPLES * self.focal / np.maximum(z, 1.0)
        texels = self.levels[self.texture, 0][:, [2, 1]] * self.repeat
        size = np.stack([np.linalg.norm(parts[:, 3:6], axis=1), np.linalg.norm(parts[:, 6:9], axis=1)], 1)
        ratio = (texels / np.maximum(size * scale[:, None], 0.5)).min(1)
        level = np.floor(np.log2(np.maximum(ratio, 1.0))).astype(np.int64)
        return np.minimum(level, self.levels[self.texture, 0, 3] - 1)

    def _collect(self, builder: Builder) -> None:
        """Turn the lists of the builder into arrays; the parts are quads, limbs, walkers' and cyclists' limbs."""
        self.atlas, self.levels = builder.atlas.pack()
        objects = builder.objects
        self.object_label = np.array(objects.label)
        self._start, self._velocity = np.array(objects.start), np.array(objects.velocity)
        self._follows, self._swing = np.array(objects.follows), np.array(objects.swing)
        self._pose = _poses(np.array(objects.heading), np.array(objects.lean))
        quads = np.array(builder.quads, float)
        self._quads, self._spin = quads[:, :9], quads[:, 16]
        limbs = [np.array(builder.limbs, float)]
        limbs += [
            _body_limbs(owner, WALKER_LIMBS, textures, "person", height)
            for owner, height, _, textures in builder.walkers
        ]
        limbs += [_body_limbs(owner, CYCLIST_LIMBS, textures, "cyclist", 1.75) for owner, textures in builder.cyclists]
        limbs = np.concatenate(limbs)
        self._ends, self._radius = limbs[: len(builder.limbs), :6].reshape(-1, 2, 3), limbs[:, 6]
        self._walkers = np.array([(owner, height, stride) for owner, height, stride, _ in builder.walkers]).reshape(
            -1, 3
        )
        self._cyclists = np.array([owner for owner, _ in builder.cyclists], np.int64)
        self.texture = np.concatenate([quads[:, 9], limbs[:, 7]]).astype(np.int64)
        self.label = np.concatenate([quads[:, 10], limbs[:, 8]]).astype(np.uint8)
        self.owner = np.concatenate([quads[:, 11], limbs[:, 9]]).astype(np.int64)
        own = self.object_label[self.owner] == self.label  # its shadow belongs to the road
        self._boxed = np.where(own, self.owner, -1).astype(np.int32)
        self.repeat = np.concatenate([quads[:, 12:14], limbs[:, 12:14]])
        self.light = np.concatenate([quads[:, 14], limbs[:, 10]])
        self.cutout = np.concatenate([quads[:, 15], limbs[:, 11]]).astype(np.bool_)

    def _objects(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Where every object stands (n, 3), and how far it has gone (n,), in metres."""
        amplitude, frequency, phase = self._swing.T
        along = self._start[:, 1] + self._velocity[:, 1] * time + amplitude * np.sin(frequency * time + phase)
        driven = self._follows * self.drive(time)
        place = np.stack([self._start[:, 0] + self._velocity[:, 0] * time, np.zeros_like(along), along + driven], 1)
        gone = np.hypot(*self._velocity.T) * time + amplitude * np.sin(frequency * time + phase) + driven
        return place, gone

    def _parts(self, time: float) -> np.ndarray:
        """Every part (n, 9) in camera coordinates: corner, U, V."""
        place, gone = self._objects(time)
        rotation, camera = self.camera(time)
        turns = rotation @ self._pose  # (objects, 3, 3): local to camera
        moves = (place - camera) @ rotation.T
        owner = self.owner[: len(self._quads)]
        corner, u, v = (self._quads[:, i : i + 3].copy() for i in (0, 3, 6))
        wheels = np.flatnonzero(self._spin)
        angle = gone[owner[wheels]] / self._spin[wheels]
        middle = corner[wheels] + (u[wheels] + v[wheels]) / 2
        c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
        u[wheels], v[wheels] = c * u[wheels] + s * v[wheels], c * v[wheels] - s * u[wheels]
        corner[wheels] = middle - (u[wheels] + v[wheels]) / 2
        turn = turns[owner]
        local = np.einsum("nij,nkj->nki", turn, np.stack([corner, u, v], 1))
        local[:, 0] += moves[owner]
        return np.concatenate([local.reshape(-1, 9), self._strips(turns, moves, gone)])

    def _strips(self, turns: np.ndarray, moves: np.ndarray, gone: np.ndarray) -> np.ndarray:
        """The limbs as strips that face the camera, (n, 9) in camera coordinates."""
        bodies = []
        if len(self._walkers):
            owner, height, stride = self._walkers.T
            bodies.append(walker_limbs(np.pi * gone[owner.astype(int)] / (stride / 2), height).reshape(-1, 2, 3))
        if len(self._cyclists):
            bodies.append(cyclist_limbs(gone[self._cyclists] / 0.9).reshape(-1, 2, 3))
        ends = np.concatenate([self._ends, *bodies])
        owner = self.owner[len(self._quads) :]
        ends = np.einsum("nij,nkj->nki", turns[owner], ends) + moves[owner][:, None]
        axis = ends[:, 1] - ends[:, 0]
        across = _cross(axis, ends[:, 0] + ends[:, 1])
        across *= (2 * self._radius / np.maximum(np.linalg.norm(across, axis=1), 1e-9))[:, None]
        return np.concatenate([ends[:, 0] - across / 2, across, axis], 1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products (n, 3), several times as fast as numpy's on many small ones."""
    x, y, z = a.T
    u, v, w = b.T
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], 1)


def _turn(angle: float) -> tuple[float, float]:
    return math.cos(angle), math.sin(angle)


def _poses(heading: np.ndarray, lean: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) from an object's own coordinates to the street's: lean sideways and forwards, then turn."""
    matrices = []
    for h, (sideways, forwards) in zip(heading, lean, strict=True):
        ch, sh, cs, ss, cf, sf = *_turn(h), *_turn(sideways), *_turn(forwards)
        turn = np.array([[ch, 0, sh], [0, 1, 0], [-sh, 0, ch]])
        roll = np.array([[cs, -ss, 0], [ss, cs, 0], [0, 0, 1]])
        bend = np.array([[1, 0, 0], [0, cf, -sf], [0, sf, cf]])
        matrices.append(turn @ roll @ bend)
    return np.array(matrices)


def _body_limbs(owner: int, limbs: tuple, textures: list[int], label: str, height: float) -> np.ndarray:
    """Rows as those of `Builder.limbs` for the limbs of one body; their ends are filled in at every moment."""
    rows = []
    for (name, radius), texture in zip(limbs, textures, strict=True):
        light = 0.8 if name.startswith("far") else 1.0
        solid = name.split()[-1] in ("tyre", "tube", "stay", "fork")
        size = radius * height / 1.75
        rows.append([0.0] * 6 + [size, texture, LABEL[label], owner, light, not solid, 1.0, 1.0])
    return np.array(rows)
