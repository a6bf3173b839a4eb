"""The parts of a street as arrays, and where they are at any moment in a camera's coordinates."""

import math
from collections.abc import Callable

import numpy as np

from dffkit.datasets.toytown.animals import leg_limbs, pace
from dffkit.datasets.toytown.model import Builder
from dffkit.datasets.toytown.people import (
    CYCLIST_LIMBS,
    RIDER,
    RIDER_LIMBS,
    WALKER_LIMBS,
    body_limbs,
    cyclist_limbs,
    walker_limbs,
)


class Parts:
    """The parts of a street as arrays, a row for each: quads, limbs, then those that move as people and animals do.

    Args:
        builder: the lists that the street was built from.
        drive: time in seconds -> metres that the camera has driven, for objects that keep pace with it.

    Attributes:
        texture, label, owner, repeat, light, cutout: look and owner of each part.
        boxed: the object that a part's pixels show; -1 for parts without a box, such as a shadow on the road.
        object_label: the label of each object.
        atlas, levels: all textures, and the position of each in `atlas`.
        pose: each object's rotation to the street's coordinates, (objects, 3, 3).
    """

    def __init__(self, builder: Builder, drive: Callable[[float], float]) -> None:
        self.drive = drive
        self.atlas, self.levels = builder.atlas.pack()
        labels, ways, leans = zip(*builder.objects, strict=True)
        self.object_label = np.array(labels)
        self._start, self._velocity, self._follows, self._swing, heading = (
            np.array([getattr(way, name) for way in ways])
            for name in ("start", "velocity", "follows", "swing", "heading")
        )
        self.pose = np.array([_pose(*angles) for angles in zip(heading, np.array(leans), strict=True)])
        quads = np.array(builder.quads, float)
        self._quads, self._spin = quads[:, :9], quads[:, 16]
        walkers = [body_limbs(me, WALKER_LIMBS, looks, "person", height) for me, height, _, looks in builder.walkers]
        cyclists = [body_limbs(me, CYCLIST_LIMBS, looks, "cyclist", 1.75) for me, looks in builder.cyclists]
        riders = [body_limbs(me, RIDER_LIMBS, looks, "person", 1.75) for me, looks in builder.riders]
        legs = [
            [0.0] * 6 + [radius, texture, label, me, 1.0, True, 1.0, 1.0]
            for me, label, _, *looks in builder.legs
            for radius, texture in (looks[:2], looks[2:])
        ]
        bodies = [*walkers, *cyclists, *riders, np.reshape(legs, (-1, 14))]
        limbs = np.concatenate([np.array(builder.limbs, float), *bodies])
        self._ends, self._radius = limbs[: len(builder.limbs), :6].reshape(-1, 2, 3), limbs[:, 6]
        self._walkers = np.array([walker[:3] for walker in builder.walkers]).reshape(-1, 3)  # owner, height, stride
        self._cyclists = np.array([owner for owner, _ in builder.cyclists], np.int64)
        self._riders = np.array([owner for owner, _ in builder.riders], np.int64)
        self._walking = np.array([me for me, *_ in builder.legs], np.int64)  # the owner of each leg
        gait = np.array([gait for _, _, gait, *_ in builder.legs]).reshape(-1, 8)
        moves = self._velocity.any(1) | (self._follows > 0) | (self._swing[:, 0] > 0)
        self._gait = pace(gait, self._velocity[self._walking], moves[self._walking])
        self.texture = np.concatenate([quads[:, 9], limbs[:, 7]]).astype(np.int64)
        self.label = np.concatenate([quads[:, 10], limbs[:, 8]]).astype(np.uint8)
        self.owner = np.concatenate([quads[:, 11], limbs[:, 9]]).astype(np.int64)
        self.boxed = np.where(self.object_label[self.owner] == self.label, self.owner, -1).astype(np.int32)
        self.repeat = np.concatenate([quads[:, 12:14], limbs[:, 12:14]])
        self.light = np.concatenate([quads[:, 14], limbs[:, 10]])
        self.cutout = np.concatenate([quads[:, 15], limbs[:, 11]]).astype(np.bool_)

    def at(self, time: float, rotation: np.ndarray, camera: np.ndarray) -> np.ndarray:
        """Return every part (n, 9), corner, U and V, in the coordinates of a camera with this rotation and position."""
        position, travelled = self._objects(time)
        turns = rotation @ self.pose  # (objects, 3, 3): local to camera
        moves = (position - camera) @ rotation.T
        owner = self.owner[: len(self._quads)]
        corner, u, v = (self._quads[:, i : i + 3].copy() for i in (0, 3, 6))
        wheels = np.flatnonzero(self._spin)
        angle = travelled[owner[wheels]] / self._spin[wheels]
        middle = corner[wheels] + (u[wheels] + v[wheels]) / 2
        c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
        u[wheels], v[wheels] = c * u[wheels] + s * v[wheels], c * v[wheels] - s * u[wheels]
        corner[wheels] = middle - (u[wheels] + v[wheels]) / 2
        local = np.einsum("nij,nkj->nki", turns[owner], np.stack([corner, u, v], 1))
        local[:, 0] += moves[owner]
        return np.concatenate([local.reshape(-1, 9), self._strips(turns, moves, travelled)])

    def _objects(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return each object's position (n, 3) and the distance it has travelled (n,), in metres."""
        amplitude, frequency, phase = self._swing.T
        along = self._start[:, 1] + self._velocity[:, 1] * time + amplitude * np.sin(frequency * time + phase)
        driven = self._follows * self.drive(time)
        position = np.stack([self._start[:, 0] + self._velocity[:, 0] * time, np.zeros_like(along), along + driven], 1)
        travelled = np.hypot(*self._velocity.T) * time + amplitude * np.sin(frequency * time + phase) + driven
        return position, travelled

    def _strips(self, turns: np.ndarray, moves: np.ndarray, travelled: np.ndarray) -> np.ndarray:
        """Return the limbs as strips that face the camera, (n, 9) in camera coordinates."""
        owner, height, stride = self._walkers.T
        bodies = [
            walker_limbs(np.pi * travelled[owner.astype(int)] / (stride / 2), height),
            cyclist_limbs(travelled[self._cyclists] / 0.9),
            cyclist_limbs(travelled[self._riders] / 0.9)[:, RIDER],
            leg_limbs(travelled[self._walking], self._gait),
        ]
        ends = np.concatenate([self._ends, *(limbs.reshape(-1, 2, 3) for limbs in bodies)])
        owner = self.owner[len(self._quads) :]
        ends = np.einsum("nij,nkj->nki", turns[owner], ends) + moves[owner][:, None]
        axis = ends[:, 1] - ends[:, 0]
        across = cross(axis, ends[:, 0] + ends[:, 1])
        across *= (2 * self._radius / np.maximum(np.linalg.norm(across, axis=1), 1e-9))[:, None]
        return np.concatenate([ends[:, 0] - across / 2, across, axis], 1)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cross products (n, 3), several times as fast as numpy's for short vectors."""
    x, y, z = a.T
    u, v, w = b.T
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], 1)


def rotations(about_x: float, about_y: float, about_z: float) -> list[np.ndarray]:
    """Return the three rotations (3, 3) by these angles in radians; y points down."""
    (cx, cy, cz), (sx, sy, sz) = ([f(angle) for angle in (about_x, about_y, about_z)] for f in (math.cos, math.sin))
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return [x, y, z]


def _pose(heading: float, lean: np.ndarray) -> np.ndarray:
    """Return the rotation from an object's own coordinates to the street's: lean forwards and sideways, then turn."""
    bend, turn, roll = rotations(lean[1], heading, lean[0])
    return turn @ roll @ bend
