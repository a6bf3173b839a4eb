"""The drive: a street of Toytown with its traffic, seen from a car that drives down it."""

import math

import numpy as np

from dffkit.datasets.toytown import street, traffic
from dffkit.datasets.toytown.model import Builder
from dffkit.datasets.toytown.parts import Parts, rotations
from dffkit.datasets.toytown.view import Scene, waver


class Drive(Scene):
    """A street with its traffic and a camera that drives down it; `time` is in seconds, 0 to about 12.

    Args:
        key: the seed of all that is random here: (world seed, split, street).
        size, focal: of `Scene`.
        speed: factor of the camera's speed.
        rare_poses: share of people and cyclists in an unusual pose.
    """

    def __init__(
        self, key: tuple[int, ...], size: tuple[int, int], focal: float, speed: float, rare_poses: float
    ) -> None:
        rng = np.random.default_rng(key)
        # one camera in four waits, or creeps in a queue
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
        super().__init__(Parts(builder, self.drive), size, focal, rng)

    def drive(self, time: float) -> float:
        """Return the metres that the camera has driven: it slows down and speeds up."""
        speed, slow, frequency, phase = self._drive
        swing = (math.sin(frequency * time + phase) - math.sin(phase)) / frequency
        return speed * (time * (1 - slow / 2) - slow / 2 * swing)

    def camera(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the camera's rotation (3, 3), street to camera, and its position (3,)."""
        yaw, pitch, roll = (waver(axis, time) for axis in self._shake)
        middle, sway, frequency, phase = self._side
        position = np.array([middle + sway * math.sin(frequency * time + phase), -self._height, self.drive(time)])
        about_x, about_y, about_z = rotations(pitch, -yaw, roll)
        return about_z @ about_x @ about_y, position
