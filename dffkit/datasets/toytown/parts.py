"""All that is in a street as arrays of flat parts, and where each of them is at any moment."""

import math
from collections.abc import Callable

import numpy as np

from dffkit.datasets.toytown.model import CYCLIST_LIMBS, LABEL, WALKER_LIMBS, Builder, cyclist_limbs, walker_limbs


class Parts:
    """The parts of a street: quads, then limbs, walkers' limbs and cyclists' limbs.

    Args:
        builder: the lists that the street was built from.
        drive: how far the camera has driven at a time, for those who keep pace with it.

    Attributes:
        texture, label, owner, repeat, light, cutout: what each part looks like and belongs to, one row each.
        boxed: the object that a part's pixels show, -1 for what has no box: a shadow belongs to the road.
        object_label: the label of each object.
        atlas, levels: all textures, and where each is in it.
        pose: each object's rotation to the street's coordinates, (objects, 3, 3).
    """

    def __init__(self, builder: Builder, drive: Callable[[float], float]) -> None:
        self.drive = drive
        self.atlas, self.levels = builder.atlas.pack()
        objects = builder.objects
        self.object_label = np.array(objects.label)
        self._start, self._velocity = np.array(objects.start), np.array(objects.velocity)
        self._follows, self._swing = np.array(objects.follows), np.array(objects.swing)
        self.pose = _poses(np.array(objects.heading), np.array(objects.lean))
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
        own = self.object_label[self.owner] == self.label
        self.boxed = np.where(own, self.owner, -1).astype(np.int32)
        self.repeat = np.concatenate([quads[:, 12:14], limbs[:, 12:14]])
        self.light = np.concatenate([quads[:, 14], limbs[:, 10]])
        self.cutout = np.concatenate([quads[:, 15], limbs[:, 11]]).astype(np.bool_)

    def at(self, time: float, rotation: np.ndarray, camera: np.ndarray) -> np.ndarray:
        """Every part (n, 9) in the coordinates of a camera with this rotation (3, 3) at this place: corner, U, V."""
        place, gone = self._objects(time)
        turns = rotation @ self.pose  # (objects, 3, 3): local to camera
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

    def _objects(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Where every object stands (n, 3), and how far it has gone (n,), in metres."""
        amplitude, frequency, phase = self._swing.T
        along = self._start[:, 1] + self._velocity[:, 1] * time + amplitude * np.sin(frequency * time + phase)
        driven = self._follows * self.drive(time)
        place = np.stack([self._start[:, 0] + self._velocity[:, 0] * time, np.zeros_like(along), along + driven], 1)
        gone = np.hypot(*self._velocity.T) * time + amplitude * np.sin(frequency * time + phase) + driven
        return place, gone

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
        across = cross(axis, ends[:, 0] + ends[:, 1])
        across *= (2 * self._radius / np.maximum(np.linalg.norm(across, axis=1), 1e-9))[:, None]
        return np.concatenate([ends[:, 0] - across / 2, across, axis], 1)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products (n, 3), several times as fast as numpy's on many small ones."""
    x, y, z = a.T
    u, v, w = b.T
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], 1)


def cosine_and_sine(angle: float) -> tuple[float, float]:
    """Of an angle in radians."""
    return math.cos(angle), math.sin(angle)


def _poses(heading: np.ndarray, lean: np.ndarray) -> np.ndarray:
    """Rotations (n, 3, 3) from an object's own coordinates to the street's: lean sideways and forwards, then turn."""
    matrices = []
    for h, (sideways, forwards) in zip(heading, lean, strict=True):
        ch, sh, cs, ss, cf, sf = *cosine_and_sine(h), *cosine_and_sine(sideways), *cosine_and_sine(forwards)
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
