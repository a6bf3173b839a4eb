"""The fixed things of a street: ground, sky, houses, trees and poles, and their textures."""

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.model import BACKDROP, LEAVES, PAINT, SHIRTS, WALLS, Builder, Canvas, column, noise, pick

ROAD = 4.6  # half the road's width, in metres
BEGIN, END = -12.0, 260.0  # the street, along z
CROSS = 9.0  # width of a crossing street
WALL = 7.6  # where the houses stand


def lay_out(builder: Builder, rng: Generator) -> list[float]:
    """Build all fixed things and return the middles of the crossing streets, in metres along z."""
    crossings, z = [], rng.uniform(18, 70)
    while z < END - 20:
        crossings.append(z)
        z += rng.uniform(45, 95)
    _ground(builder, rng, crossings)
    add_backdrop(builder, rng)
    styles = [tuple(builder.atlas.add(picture) for picture in draw_facade(rng)) for _ in range(7)]
    roofs = [builder.atlas.add(draw_roof(rng)) for _ in range(2)]
    leaves = [builder.atlas.add(draw_foliage(rng)) for _ in range(4)]
    bark = builder.atlas.add(column(np.array([96.0, 72, 52]), rng))
    for side in (-1, 1):
        _houses(builder, rng, side, crossings, styles, roofs, leaves)
        _trees(builder, rng, side, crossings, leaves, bark)
        _poles(builder, rng, side, crossings)
    return crossings


def _ground(builder: Builder, rng: Generator, crossings: list[float]) -> None:
    road, zebra = builder.atlas.add(draw_road(rng)), builder.atlas.add(draw_crossing(rng))
    slabs = builder.atlas.add(draw_pavement(rng))
    across, length = (2 * ROAD, 0, 0), END - BEGIN
    builder.quad((-ROAD, 0, BEGIN), across, (0, 0, length), road, "road", repeat=(1, length / 12))
    edges = [BEGIN, *(z + s * CROSS / 2 for z in crossings for s in (-1, 1)), END]
    for side in (-1, 1):
        for low, high in zip(edges[::2], edges[1::2], strict=True):
            corner, along, repeat = (side * ROAD, -0.12, low), (0, 0, high - low), (20, (high - low) / 2)
            builder.quad(corner, (0, 0.12, 0), along, slabs, "pavement", light=1.15)  # the kerb
            builder.quad(corner, (side * 40, 0, 0), along, slabs, "pavement", repeat=repeat)
        for z in crossings:
            corner = (side * ROAD, 0, z - CROSS / 2)
            builder.quad(corner, (side * 60, 0, 0), (0, 0, CROSS), road, "road", repeat=(0.3, 5))
    for z in crossings:
        builder.quad((-ROAD, -0.01, z - CROSS / 2 - 3.2), across, (0, 0, 2.8), zebra, "road")


def add_backdrop(builder: Builder, rng: Generator) -> None:
    """Add the sky and wooded hills, far ahead."""
    sky, hills = builder.atlas.add(draw_sky(rng)), builder.atlas.add(draw_skyline(rng))
    builder.quad((-3000, -1600, 1500), (6000, 0, 0), (0, 1700, 0), sky, "sky", BACKDROP)
    builder.quad((-900, -34, 420), (1800, 0, 0), (0, 44, 0), hills, "vegetation", BACKDROP, (2, 1), cutout=True)


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
    windows, label = max(1, round(length / rng.uniform(2.6, 3.6))), "building"
    sun = light * (1.0 if side < 0 else 0.84)  # it stands on the left
    builder.quad((x, -top, z), (0, 0, length), (0, top - 3.6, 0), upper, label, repeat=(windows, floors), light=sun)
    shops = max(1, round(length / 6))
    builder.quad((x, -3.6, z), (0, 0, length), (0, 3.6, 0), shop, label, repeat=(shops, 1), light=sun)
    for end in (z, z + length):  # gable walls, seen beside gaps
        edges, repeat = ((side * depth, 0, 0), (0, top, 0)), (4, floors + 1)
        builder.quad((x, -top, end), *edges, upper, label, repeat=repeat, light=light * 0.74)
    rise, run = rng.uniform(1.5, 3.2), rng.uniform(1.5, 4)
    tiles, eaves = roofs[rng.integers(len(roofs))], (x - side * 0.3, -top + 0.2, z - 0.1)
    slope = (side * run, -rise, 0)
    builder.quad(eaves, (0, 0, length + 0.2), slope, tiles, label, repeat=(length / 2, 2), light=light)
    for end in (z, z + length):
        corner = (eaves[0], eaves[1] - rise, end)
        builder.quad(corner, (2 * side * run, 0, 0), (0, rise, 0), gable, label, light=light * 0.7, cutout=True)


def _park(builder, rng, side, z, length, leaves) -> None:
    lawn, corner = builder.atlas.add(draw_grass(rng)), (side * (WALL - 1.2), -0.16, z)
    builder.quad(corner, (side * 25, 0, 0), (0, 0, length), lawn, "vegetation", repeat=(12, length / 2))
    for _ in range(int(length * 0.9)):  # a hedge, and bushes behind it
        x, radius = side * (WALL + rng.choice([0.4, 6.0]) + rng.normal(0, 0.4)), rng.uniform(0.7, 2.3)
        add_leaf(builder, rng, (x, -radius * 0.8, z + rng.uniform(0, length)), radius, leaves)


def _trees(builder, rng, side, crossings, leaves, bark) -> None:
    z, gap, chance = BEGIN + rng.uniform(4, 20), rng.uniform(9, 15), rng.uniform(0.2, 0.9)
    while z < END:
        if rng.random() < chance and not _near(z, crossings, CROSS / 2 + 2):
            add_tree(builder, rng, side * (ROAD + 0.9), z, leaves, bark)
        z += gap * rng.uniform(0.8, 1.3)


def add_tree(builder: Builder, rng: Generator, x: float, z: float, leaves: list[int], bark: int) -> None:
    """Add a tree at x, z; `leaves` and `bark` are textures."""
    height = rng.uniform(2.2, 3.4)
    builder.limb((x, -height - 0.8, z), (x, 0, z), rng.uniform(0.13, 0.2), bark, "vegetation")
    size = rng.uniform(1.1, 1.8)
    for _ in range(rng.integers(4, 7)):
        dx, dy, dz = rng.normal(0, 0.5, 3) * size
        middle = (x + dx * 0.8, -height - size + dy * 0.6, z + dz)
        add_leaf(builder, rng, middle, size * rng.uniform(0.6, 0.9), leaves)


def _poles(builder, rng, side, crossings) -> None:
    grey = builder.atlas.add(column(np.array([120.0, 124, 128]) * rng.uniform(0.5, 1.2), rng))
    z, gap, height = BEGIN + rng.uniform(3, 18), rng.uniform(12, 22), rng.uniform(5, 7)
    while z < END:
        if not _near(z, crossings, CROSS / 2 + 0.5):
            x = side * (ROAD + 0.45)
            builder.limb((x, -height, z), (x, 0, z), 0.055, grey, "pole")
            builder.limb((x, -height, z), (x - side * 1.6, -height - 0.3, z), 0.05, grey, "pole")
        z += gap * rng.uniform(0.9, 1.1)
    for c in crossings:  # traffic lights
        x = side * (ROAD + 0.4)
        builder.limb((x, -3.4, c - CROSS / 2 - 3.6), (x, 0, c - CROSS / 2 - 3.6), 0.055, grey, "pole")


def add_leaf(builder: Builder, rng: Generator, middle: tuple, radius: float, leaves: list[int]) -> None:
    """Add a round clump of leaves in one of the textures `leaves`."""
    x, y, z = middle
    texture, light = leaves[rng.integers(len(leaves))], rng.uniform(0.85, 1.1)
    builder.limb((x, y - radius, z), (x, y + radius, z), radius, texture, "vegetation", light=light, cutout=True)


def _near(z: float, crossings: list[float], distance: float) -> bool:
    return any(abs(z - c) < distance for c in crossings)


def draw_road(rng: Generator) -> np.ndarray:
    """Draw asphalt, 9.2 m across and 12 m along: a dashed middle line, parking lines, repairs and wheel tracks."""
    size = (512, 256)  # v runs along the road
    grey = rng.uniform(84, 112)
    image = grey + 7 * noise(rng, size)[..., None] + rng.normal(0, 5, (*size, 1)) + rng.normal(0, 2, 3)
    for _ in range(rng.integers(3, 9)):  # repairs
        y, x, h, w = rng.integers(0, 440), rng.integers(0, 200), rng.integers(20, 70), rng.integers(12, 56)
        image[y : y + h, x : x + w] += rng.uniform(-18, 10)
    for x in rng.uniform(60, 196, 2):  # polished by wheels
        image[:, int(x) : int(x) + 18] -= 5
    paint = rng.uniform(200, 235)
    worn = paint * (0.93 + 0.05 * noise(rng, size)[..., None])
    marks = np.zeros(size, bool)
    marks[64:320, 125:131] = True  # 6 m dashes, 15 cm wide
    marks[:, 49:52] = marks[:, 204:207] = True
    return np.where(marks[..., None], worn, image)


def draw_crossing(rng: Generator) -> np.ndarray:
    """Draw a zebra crossing, 8 stripes across the road."""
    size = (32, 128)
    stripes = (np.arange(128) // 8 % 2 == 0)[None, :, None]
    return (np.where(stripes, 215.0, 96.0) + 8 * noise(rng, size)[..., None]).repeat(3, axis=2)


def draw_pavement(rng: Generator) -> np.ndarray:
    """Draw two by two metres of slabs."""
    size = (64, 64)
    colour = pick(rng, ((172, 160, 146), (150, 146, 142), (186, 170, 150), (160, 132, 120)), 5)
    slab = rng.normal(0, 6, (4, 4)).repeat(16, 0).repeat(16, 1)[..., None]
    image = colour + slab + rng.normal(0, 4, (*size, 1))
    image[::16] -= 34
    image[:, ::16] -= 34
    return image


def draw_grass(rng: Generator) -> np.ndarray:
    """Draw two by two metres of lawn."""
    size = (64, 64)
    shade = 10 * noise(rng, size, 1)[..., None] + rng.normal(0, 9, (*size, 1))
    return pick(rng, LEAVES, 6) * 1.1 + shade * np.array([0.8, 1.0, 0.5])


def draw_sky(rng: Generator) -> np.ndarray:
    """Draw a sky with clouds; its horizon is at the bottom."""
    size = (128, 512)
    top = pick(rng, ((92, 150, 220), (120, 170, 226), (150, 165, 185), (190, 190, 200)), 8)
    low = top * 0.4 + np.array([235, 232, 226]) * 0.6
    height = np.linspace(0, 1, 128)[:, None, None]
    clouds = (noise(rng, size, 8, 4)[..., None] - rng.uniform(-0.1, 0.6)).clip(0, 0.8)
    return (top * (1 - height) + low * height) * (1 - clouds) + 250 * clouds


def draw_skyline(rng: Generator) -> np.ndarray:
    """Draw wooded hills, cut out at their upper edge."""
    size = (32, 512)
    edge = 12 + 6 * noise(rng, (32, 512), 16, 3)[0] + rng.normal(0, 0.7, 512)
    colour = pick(rng, ((96, 124, 96), (110, 132, 120), (88, 112, 80)), 6)
    image = np.concatenate([colour + 9 * noise(rng, size, 1)[..., None], np.zeros((*size, 1))], 2)
    image[..., 3] = 255 * (np.arange(32)[:, None] > edge)
    return image


def draw_facade(rng: Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw three parts of a house: a window with its wall (3 x 3 m, repeated), a shop (6 x 3.5 m), and the gable."""
    wall, trim = pick(rng, WALLS), pick(rng, ((240, 238, 230), (90, 70, 60), (60, 66, 74), (200, 190, 170)))
    glass = pick(rng, ((70, 90, 110), (120, 150, 170), (50, 56, 66), (150, 140, 110)))
    canvas = Canvas((64, 64), wall)
    w, h, top = rng.uniform(0.35, 0.62), rng.uniform(0.42, 0.68), rng.uniform(0.12, 0.26)
    left, right, bottom = 0.5 - w / 2, 0.5 + w / 2, top + h
    canvas.rectangle((left - 0.05, top - 0.05, right + 0.05, bottom + 0.05), trim)
    canvas.rectangle((left, top, right, bottom), glass)
    canvas.rectangle((left, top, right, top + h * 0.4), glass * 1.25)  # the sky in the glass
    for x in np.linspace(left, right, rng.integers(2, 4) + 1)[1:-1]:
        canvas.rectangle((x - 0.015, top, x + 0.015, bottom), trim)
    if rng.random() < 0.5:  # sill
        canvas.rectangle((left - 0.09, bottom + 0.03, right + 0.09, bottom + 0.09), trim * 0.85)
    if rng.random() < 0.3:  # shutters
        shutter = pick(rng, PAINT) * 0.8
        canvas.rectangle((left - 0.17, top, left - 0.05, bottom), shutter)
        canvas.rectangle((right + 0.05, top, right + 0.17, bottom), shutter)
    upper = canvas.picture() + 5 * noise(rng, canvas.size, 1)[..., None]
    if rng.random() < 0.5:  # rows of bricks
        upper[::4] -= 12
    return upper, draw_shop(rng, wall * 0.85, trim), draw_gable(wall)


def draw_shop(rng: Generator, wall: np.ndarray, trim: np.ndarray) -> np.ndarray:
    """Draw a ground floor: a display window, a door, and an awning."""
    canvas = Canvas((64, 128), wall)
    glass = pick(rng, ((60, 70, 80), (150, 140, 110), (90, 110, 120)))
    canvas.rectangle((0.06, 0.36, 0.58, 0.86), trim)
    canvas.rectangle((0.08, 0.39, 0.56, 0.84), glass)
    for _ in range(rng.integers(2, 6)):  # goods
        x, y = rng.uniform(0.1, 0.48), rng.uniform(0.55, 0.78)
        canvas.rectangle((x, y, x + rng.uniform(0.03, 0.07), 0.84), pick(rng, SHIRTS) * 0.8)
    canvas.rectangle((0.68, 0.34, 0.88, 1.0), trim)
    canvas.rectangle((0.70, 0.37, 0.86, 1.0), pick(rng, PAINT) * 0.7)
    awning = pick(rng, SHIRTS)
    canvas.rectangle((0.03, 0.14, 0.61, 0.36), awning)
    if rng.random() < 0.6:
        for x in np.arange(0.03, 0.58, 0.08):
            canvas.rectangle((x, 0.14, x + 0.04, 0.36), awning * 0.4 + 150)
    return canvas.picture() + 4 * noise(rng, canvas.size, 1)[..., None]


def draw_roof(rng: Generator) -> np.ndarray:
    """Draw tiles."""
    image = pick(rng, ((150, 70, 50), (90, 84, 84), (120, 60, 46), (70, 76, 88))) + rng.normal(0, 8, (32, 32, 1))
    image[::4] -= 22
    return image


def draw_gable(wall: np.ndarray) -> np.ndarray:
    """Draw a triangle of wall under a roof, cut out."""
    y, x = np.mgrid[0:32, 0:64]
    alpha = 255.0 * (y / 31 >= np.abs(x / 31.5 - 1))
    return np.concatenate([np.broadcast_to(wall, (32, 64, 3)), alpha[..., None]], 2)


def draw_foliage(rng: Generator) -> np.ndarray:
    """Draw a cut-out clump of leaves, lit from above."""
    n = 64
    y, x = np.mgrid[0:n, 0:n] / (n - 1) * 2 - 1
    angle = np.arctan2(y, x)
    outline = 0.86 + sum(rng.normal(0, 0.05) * np.sin(k * angle + rng.uniform(0, 6.3)) for k in range(3, 12))
    leaves = rng.normal(0, 1, (n, n)) * 14 + 16 * noise(rng, (n, n), 2, 3)
    colour = pick(rng, LEAVES)[None, None] * (1.08 - 0.28 * y[..., None]) + leaves[..., None] * np.array([0.9, 1, 0.6])
    alpha = 255.0 * (np.hypot(x, y) < outline + 0.05 * rng.normal(0, 1, (n, n)))
    return np.concatenate([colour, alpha[..., None]], 2)
