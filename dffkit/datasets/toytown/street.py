"""Where the fixed things stand: ground, houses, trees, poles."""

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown import looks, street_looks
from dffkit.datasets.toytown.model import BACKDROP, LABEL, Builder

ROAD = 4.6  # half the road's width, in metres
BEGIN, END = -12.0, 260.0  # the street, along z
CROSS = 9.0  # width of a crossing street
WALL = 7.6  # where the houses stand


def lay_out(builder: Builder, rng: Generator) -> list[float]:
    """Build the fixed world and return where, along z, the middles of the crossing streets are."""
    crossings, z = [], rng.uniform(18, 70)
    while z < END - 20:
        crossings.append(z)
        z += rng.uniform(45, 95)
    _ground(builder, rng, crossings)
    _backdrop(builder, rng)
    styles = [tuple(builder.atlas.add(picture) for picture in street_looks.facade(rng)) for _ in range(7)]
    roofs = [builder.atlas.add(street_looks.roof(rng)) for _ in range(2)]
    leaves = [builder.atlas.add(street_looks.foliage(rng)) for _ in range(4)]
    bark = builder.atlas.add(looks.column(np.array([96.0, 72, 52]), rng))
    for side in (-1, 1):
        _houses(builder, rng, side, crossings, styles, roofs, leaves)
        _trees(builder, rng, side, crossings, leaves, bark)
        _poles(builder, rng, side, crossings)
    return crossings


def _ground(builder: Builder, rng: Generator, crossings: list[float]) -> None:
    road, zebra = builder.atlas.add(street_looks.road(rng)), builder.atlas.add(street_looks.crossing(rng))
    slabs = builder.atlas.add(street_looks.pavement(rng))
    length = END - BEGIN
    builder.quad((-ROAD, 0, BEGIN), (2 * ROAD, 0, 0), (0, 0, length), road, LABEL["road"], repeat=(1, length / 12))
    edges = [BEGIN, *(z + s * CROSS / 2 for z in crossings for s in (-1, 1)), END]
    for side in (-1, 1):
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            size = (40.0, high - low)
            builder.quad(  # the kerb, then the pavement
                (side * ROAD, -0.12, low), (0, 0.12, 0), (0, 0, size[1]), slabs, LABEL["pavement"], light=1.15
            )
            builder.quad(
                (side * ROAD, -0.12, low), (side * size[0], 0, 0), (0, 0, size[1]), slabs, LABEL["pavement"],
                repeat=(size[0] / 2, size[1] / 2),
            )  # fmt: skip
        for z in crossings:
            builder.quad(
                (side * ROAD, 0, z - CROSS / 2), (side * 60, 0, 0), (0, 0, CROSS), road, LABEL["road"], repeat=(0.3, 5)
            )
    for z in crossings:
        builder.quad((-ROAD, -0.01, z - CROSS / 2 - 3.2), (2 * ROAD, 0, 0), (0, 0, 2.8), zebra, LABEL["road"])


def _backdrop(builder: Builder, rng: Generator) -> None:
    sky, hills = builder.atlas.add(street_looks.sky(rng)), builder.atlas.add(street_looks.skyline(rng))
    builder.quad((-3000, -1600, 1500), (6000, 0, 0), (0, 1700, 0), sky, LABEL["sky"], BACKDROP)
    builder.quad((-900, -34, 420), (1800, 0, 0), (0, 44, 0), hills, LABEL["vegetation"], BACKDROP, (2, 1), cutout=True)


def _houses(builder, rng, side, crossings, styles, roofs, leaves) -> None:
    z = BEGIN
    while z < END:
        length = rng.uniform(8, 17)
        crossing = next((c for c in crossings if z < c + CROSS / 2 + 1 and z + length > c - CROSS / 2 - 1), None)
        if crossing is not None:
            if crossing - CROSS / 2 - z < 5:
                z = crossing + CROSS / 2 + rng.uniform(0.5, 2)
                continue
            length = crossing - CROSS / 2 - z - 0.5
        if rng.random() < 0.16:
            _park(builder, rng, side, z, length, leaves)
        else:
            _house(builder, rng, side, z, length, styles, roofs)
        z += length + (rng.uniform(1, 3) if rng.random() < 0.25 else 0)


def _house(builder, rng, side, z, length, styles, roofs) -> None:
    upper, shop, gable = styles[rng.integers(len(styles))]
    floors, light = rng.integers(1, 5), rng.uniform(0.82, 1.05)
    x, top, depth = side * (WALL + rng.uniform(0, 0.8)), 3.6 + 3.1 * floors, 12.0
    windows = max(1, round(length / rng.uniform(2.6, 3.6)))
    label = LABEL["building"]
    sun = light * (1.0 if side < 0 else 0.84)  # it stands on the left
    builder.quad((x, -top, z), (0, 0, length), (0, top - 3.6, 0), upper, label, repeat=(windows, floors), light=sun)
    shops = max(1, round(length / 6))
    builder.quad((x, -3.6, z), (0, 0, length), (0, 3.6, 0), shop, label, repeat=(shops, 1), light=sun)
    for end in (z, z + length):  # gable walls, seen beside gaps
        builder.quad(
            (x, -top, end), (side * depth, 0, 0), (0, top, 0), upper, label, repeat=(4, floors + 1), light=light * 0.74
        )
    rise, run = rng.uniform(1.5, 3.2), rng.uniform(1.5, 4)
    tiles, eaves = roofs[rng.integers(len(roofs))], (x - side * 0.3, -top + 0.2, z - 0.1)
    slope = (side * run, -rise, 0)
    builder.quad(eaves, (0, 0, length + 0.2), slope, tiles, label, repeat=(length / 2, 2), light=light)
    for end in (z, z + length):
        corner = (eaves[0], eaves[1] - rise, end)
        builder.quad(corner, (2 * side * run, 0, 0), (0, rise, 0), gable, label, light=light * 0.7, cutout=True)


def _park(builder, rng, side, z, length, leaves) -> None:
    lawn = builder.atlas.add(street_looks.grass(rng))
    builder.quad(
        (side * (WALL - 1.2), -0.16, z), (side * 25, 0, 0), (0, 0, length), lawn, LABEL["vegetation"],
        repeat=(12, length / 2),
    )  # fmt: skip
    for _ in range(int(length * 0.9)):  # a hedge, and bushes behind it
        x, radius = side * (WALL + rng.choice([0.4, 6.0]) + rng.normal(0, 0.4)), rng.uniform(0.7, 2.3)
        _leaf(builder, rng, (x, -radius * 0.8, z + rng.uniform(0, length)), radius, leaves)


def _trees(builder, rng, side, crossings, leaves, bark) -> None:
    z, gap, chance = BEGIN + rng.uniform(4, 20), rng.uniform(9, 15), rng.uniform(0.2, 0.9)
    while z < END:
        if rng.random() < chance and not _near(z, crossings, CROSS / 2 + 2):
            x, height = side * (ROAD + 0.9), rng.uniform(2.2, 3.4)
            builder.limb((x, -height - 0.8, z), (x, 0, z), rng.uniform(0.13, 0.2), bark, LABEL["vegetation"])
            size = rng.uniform(1.1, 1.8)
            for _ in range(rng.integers(4, 7)):
                dx, dy, dz = rng.normal(0, 0.5, 3) * size
                _leaf(
                    builder,
                    rng,
                    (x + dx * 0.8, -height - size + dy * 0.6, z + dz),
                    size * rng.uniform(0.6, 0.9),
                    leaves,
                )
        z += gap * rng.uniform(0.8, 1.3)


def _poles(builder, rng, side, crossings) -> None:
    grey = builder.atlas.add(looks.column(np.array([120.0, 124, 128]) * rng.uniform(0.5, 1.2), rng))
    z, gap, height = BEGIN + rng.uniform(3, 18), rng.uniform(12, 22), rng.uniform(5, 7)
    while z < END:
        if not _near(z, crossings, CROSS / 2 + 0.5):
            x = side * (ROAD + 0.45)
            builder.limb((x, -height, z), (x, 0, z), 0.055, grey, LABEL["pole"])
            builder.limb((x, -height, z), (x - side * 1.6, -height - 0.3, z), 0.05, grey, LABEL["pole"])
        z += gap * rng.uniform(0.9, 1.1)
    for c in crossings:  # traffic lights
        x = side * (ROAD + 0.4)
        builder.limb((x, -3.4, c - CROSS / 2 - 3.6), (x, 0, c - CROSS / 2 - 3.6), 0.055, grey, LABEL["pole"])


def _leaf(builder, rng, middle, radius, leaves) -> None:
    x, y, z = middle
    texture, light = leaves[rng.integers(len(leaves))], rng.uniform(0.85, 1.1)
    builder.limb((x, y - radius, z), (x, y + radius, z), radius, texture, LABEL["vegetation"], light=light, cutout=True)


def _near(z: float, crossings: list[float], distance: float) -> bool:
    return any(abs(z - c) < distance for c in crossings)
