"""The traffic of a street: starts and ways of cars, trucks, people and cyclists."""

import math

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.model import AWAY, TOWARDS, Builder, Way
from dffkit.datasets.toytown.people import cyclist, person
from dffkit.datasets.toytown.street import BEGIN, CROSS, END, ROAD
from dffkit.datasets.toytown.vehicles import vehicle

LANE, PARKED = 1.25, 3.65  # where cars drive and stand, in metres from the middle


def populate(builder: Builder, rng: Generator, crossings: list[float], drive, rare_poses: float) -> None:
    """Add the traffic. `drive(t)` gives the metres that the camera has driven, `rare_poses` is a share in 0..1."""
    for side in (-1, 1):
        _parked(builder, rng, side, crossings)
    _same_lane(builder, rng)
    _other_lane(builder, rng)
    for crossing in crossings[:3]:
        _crossing(builder, rng, crossing, drive, rare_poses)
    for side in (-1, 1):
        _on_the_pavement(builder, rng, side, rare_poses)
        _cyclists(builder, rng, side, rare_poses)
    # a cyclist and a person who keep pace with the camera
    for add, chance, near, far in ((cyclist, 0.75, (2.2, 2.6), (8, 20)), (person, 0.5, (5.2, 6.8), (10, 22))):
        if rng.random() < chance:
            start = rng.choice([-1.0, 1.0]) * rng.uniform(*near), rng.uniform(*far)
            add(builder, rng, Way(start, follows=1.0, swing=_swing(rng, 2)), rare_poses)


def _swing(rng: Generator, amplitude: float) -> tuple[float, float, float]:
    return (amplitude * rng.uniform(0.3, 1), rng.uniform(0.3, 0.9), rng.uniform(0, 2 * math.pi))


def _parked(builder, rng, side, crossings) -> None:
    z, share = BEGIN + rng.uniform(0, 8), rng.uniform(0.05, 0.5)
    while z < END:
        if rng.random() < share and all(abs(z - c) > CROSS / 2 + 6 for c in crossings):
            heading = AWAY if side > 0 or rng.random() < 0.3 else TOWARDS
            vehicle(builder, rng, Way((side * PARKED, z), heading=heading), trucks=0.08)
        z += rng.uniform(6.2, 9)


def _same_lane(builder, rng) -> None:
    if rng.random() < 0.8:  # a car ahead keeps its distance
        gap = rng.uniform(9, 24)
        way = Way((LANE + rng.normal(0, 0.15), gap), follows=1.0, swing=_swing(rng, 2.5))
        vehicle(builder, rng, way, trucks=0.3)
        if rng.random() < 0.5:  # and another one ahead of it
            way = Way((LANE, gap + rng.uniform(10, 16)), follows=1.0, swing=_swing(rng, 2))
            vehicle(builder, rng, way, trucks=0.3)


def _other_lane(builder, rng) -> None:
    if rng.random() < 0.3:  # overtaking, or further ahead in the left lane
        way = Way((-LANE, rng.uniform(-14, 14)), velocity=(0.0, rng.uniform(1.5, 6)), follows=1.0)
        vehicle(builder, rng, way, trucks=0.15)
        return
    z, speed, busy = rng.uniform(8, 40), rng.uniform(4, 11), rng.uniform(10, 45)
    while z < END:
        vehicle(builder, rng, Way((-LANE, z), velocity=(0.0, -speed), heading=TOWARDS), trucks=0.35)
        z += 9 + rng.exponential(busy)


def _crossing(builder, rng, z, drive, rare_poses) -> None:
    """Add vehicles, people and perhaps a cyclist who cross while the camera is well before the crossing."""
    moment = next((t for t in np.arange(0, 12, 0.1) if drive(t) > z - rng.uniform(14, 34)), None)
    if moment is None:
        return
    for _ in range(rng.integers(0, 3)):
        side, speed = rng.choice([-1.0, 1.0]), rng.uniform(4, 8)
        lane = z + (1.9 if side > 0 else -1.9)
        start = side * (-3 - speed * (moment + rng.uniform(-1.5, 1)))
        vehicle(builder, rng, _across(side, speed, start, lane), trucks=0.3)
    for _ in range(rng.integers(0, 4)):
        side, speed = rng.choice([-1.0, 1.0]), rng.uniform(0.9, 1.9)
        start = side * (-rng.uniform(0, 5) - speed * moment)
        spot = z - CROSS / 2 - rng.uniform(0.6, 3)
        person(builder, rng, _across(side, speed, start, spot), rare_poses)
    if rng.random() < 0.4:
        side, speed = rng.choice([-1.0, 1.0]), rng.uniform(3, 5)
        start = side * (-rng.uniform(0, 5) - speed * moment)
        cyclist(builder, rng, _across(side, speed, start, z + rng.uniform(-3, 3)), rare_poses)


def _across(side: float, speed: float, start: float, z: float) -> Way:
    return Way((start, z), velocity=(side * speed, 0.0), heading=side * math.pi / 2)


def _on_the_pavement(builder, rng, side, rare_poses) -> None:
    z, busy = rng.uniform(-4, 12), rng.uniform(2.5, 10)
    while z < 150:
        x = side * rng.uniform(ROAD + 0.5, 7.2)
        kind = rng.random()
        if kind < 0.2:  # stands
            way = Way((x, z), heading=rng.uniform(0, 2 * math.pi))
        else:
            speed = rng.uniform(0.8, 1.8) if kind < 0.85 else rng.uniform(2.5, 4)  # walks, or runs
            away = rng.random() < 0.5
            way = Way((x, z), velocity=(0.0, speed if away else -speed), heading=AWAY if away else TOWARDS)
        person(builder, rng, way, rare_poses)
        z += 1 + rng.exponential(busy)


def _cyclists(builder, rng, side, rare_poses) -> None:
    z, busy = rng.uniform(0, 30), rng.uniform(14, 50)
    while z < 170:
        speed, x = rng.uniform(3, 6), side * rng.uniform(2.2, 2.6)
        way = Way((x, z), velocity=(0.0, side * speed), heading=AWAY if side > 0 else TOWARDS)
        cyclist(builder, rng, way, rare_poses)
        z += 4 + rng.exponential(busy)
