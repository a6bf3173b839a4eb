"""The place where a subject is filmed by hand: a meadow, a square or a road, with things behind it and people."""

import math

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown import street
from dffkit.datasets.toytown.model import Builder, Way, column
from dffkit.datasets.toytown.people import person

DEPTH, HALF_WIDTH = 220.0, 160.0  # of the ground, in metres
BEHIND = 90.0  # things stand up to this distance, in metres
GROUNDS = {"meadow": (street.draw_grass, "vegetation"), "square": (street.draw_pavement, "pavement")}


def lay_out(builder: Builder, rng: Generator, distance: float, heading: float, on_road: float) -> None:
    """Build the place around a subject.

    Args:
        builder, rng: collects the parts; the source of all chance.
        distance: of the subject from the camera, which looks along z from the origin, in metres.
        heading: direction of a road through the subject's place, in radians from z towards x.
        on_road: probability that there is this road.
    """
    draw, label = GROUNDS["meadow" if rng.random() < 0.65 else "square"]
    ground, tiles = builder.atlas.add(draw(rng)), (HALF_WIDTH, DEPTH / 2)
    corner, across, away = (-HALF_WIDTH, 0, -6), (2 * HALF_WIDTH, 0, 0), (0, 0, DEPTH)
    builder.quad(corner, across, away, ground, label, repeat=tiles)
    street.add_backdrop(builder, rng)
    if rng.random() < on_road:
        _road(builder, rng, distance, heading)
    leaves = [builder.atlas.add(street.draw_foliage(rng)) for _ in range(3)]
    bark = builder.atlas.add(column(np.array([96.0, 72, 52]), rng))
    nearest = 1.3 * distance + 2.0
    for _ in range(rng.integers(0, 3)):
        _house(builder, rng, *_spot(rng, nearest + 8))
    for _ in range(rng.integers(1, 9)):
        x, z = _spot(rng, nearest)
        street.add_tree(builder, rng, x, z, leaves, bark)
    for _ in range(rng.integers(2, 12)):
        (x, z), radius = _spot(rng, nearest), rng.uniform(0.4, 1.6)
        street.add_leaf(builder, rng, (x, -0.8 * radius, z), radius, leaves)
    grey = builder.atlas.add(column(np.array([120.0, 124, 128]) * rng.uniform(0.5, 1.2), rng))
    for _ in range(rng.integers(0, 4)):
        (x, z), height = _spot(rng, nearest), rng.uniform(1.2, 6)
        builder.limb((x, -height, z), (x, 0, z), rng.uniform(0.04, 0.09), grey, "pole")
    for _ in range(rng.integers(0, 4)):
        _passer_by(builder, rng, _spot(rng, nearest - 1.0))


def _spot(rng: Generator, nearest: float) -> tuple[float, float]:
    """Return x and z of a place in view behind the subject; near places are as likely as far ones."""
    z = nearest * (max(BEHIND, 1.5 * nearest) / nearest) ** rng.random()
    return rng.uniform(-0.6, 0.6) * z, z


def _road(builder: Builder, rng: Generator, distance: float, heading: float) -> None:
    texture = builder.atlas.add(street.draw_road(rng))
    forth, half = np.array([math.sin(heading), 0, math.cos(heading)]), street.ROAD
    beside, length = np.array([forth[2], 0, -forth[0]]), 240.0
    # A lane is where the subject is, and the road a centimetre above the ground.
    middle = np.array([0, -0.01, distance]) + rng.choice([-1.0, 1.0]) * half / 2 * beside
    corner = middle - half * beside - length / 2 * forth
    builder.quad(tuple(corner), tuple(2 * half * beside), tuple(length * forth), texture, "road", repeat=(1, 20))


def _house(builder: Builder, rng: Generator, x: float, z: float) -> None:
    """Add a house that faces the camera."""
    upper, shop, gable = (builder.atlas.add(picture) for picture in street.draw_facade(rng))
    length, floors, light = rng.uniform(7, 16), int(rng.integers(1, 4)), rng.uniform(0.8, 1.05)
    windows, top, left = max(1, round(length / 3)), 3.6 + 3.1 * floors, x - length / 2
    front, label = (length, 0, 0), "building"
    builder.quad((left, -top, z), front, (0, top - 3.6, 0), upper, label, repeat=(windows, floors), light=light)
    builder.quad((left, -3.6, z), front, (0, 3.6, 0), shop, label, repeat=(max(1, round(length / 6)), 1), light=light)
    for side in (left, left + length):
        edges = (0, 0, 9.0), (0, top, 0)
        builder.quad((side, -top, z), *edges, upper, label, repeat=(3, floors + 1), light=0.8 * light)
    builder.quad((left, -top - 2.4, z), front, (0, 2.4, 0), gable, label, light=0.7 * light, cutout=True)


def _passer_by(builder: Builder, rng: Generator, spot: tuple[float, float]) -> None:
    """Add a person who stands or walks by; people are no subject here and have no box."""
    heading, speed = rng.uniform(0, 2 * math.pi), rng.choice([0.0, rng.uniform(0.7, 1.6)])
    velocity = speed * math.sin(heading), speed * math.cos(heading)
    person(builder, rng, Way(spot, velocity, heading=heading), rare_poses=0.1)
