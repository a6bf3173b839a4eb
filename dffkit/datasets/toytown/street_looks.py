"""What the street looks like: ground, sky, houses and trees. All return arrays (H, W, 3 or 4)."""

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.looks import LEAVES, PAINT, SHIRTS, WALLS, canvas, finish, noise, pick, rectangle

# Ground and sky


def road(rng: Generator) -> np.ndarray:
    """9.2 m of asphalt across, 12 m along: a dashed middle line, parking lines, patches and cracks."""
    size = (512, 256)  # v runs along the road
    grey = rng.uniform(84, 112)
    image = grey + 7 * noise(rng, size)[..., None] + rng.normal(0, 5, (*size, 1)) + rng.normal(0, 2, 3)
    for _ in range(rng.integers(3, 9)):  # repairs
        y, x, h, w = rng.integers(0, 440), rng.integers(0, 200), rng.integers(20, 70), rng.integers(12, 56)
        image[y : y + h, x : x + w] += rng.uniform(-18, 10)
    for x in rng.uniform(60, 196, 2):  # where wheels polish it
        image[:, int(x) : int(x) + 18] -= 5
    paint = rng.uniform(200, 235)
    worn = paint * (0.93 + 0.05 * noise(rng, size)[..., None])
    marks = np.zeros(size, bool)
    marks[64:320, 125:131] = True  # 6 m dashes, 15 cm wide
    marks[:, 49:52] = marks[:, 204:207] = True
    image = np.where(marks[..., None], worn, image)
    return np.broadcast_to(image, (*size, 3)).copy()


def crossing(rng: Generator) -> np.ndarray:
    """A zebra crossing, 8 stripes across the road."""
    size = (32, 128)
    stripes = (np.arange(128) // 8 % 2 == 0)[None, :, None]
    image = np.where(stripes, 215.0, 96.0) + 8 * noise(rng, size)[..., None]
    return np.broadcast_to(image, (*size, 3)).copy()


def pavement(rng: Generator) -> np.ndarray:
    """Two by two metres of slabs."""
    size = (64, 64)
    colour = pick(rng, ((172, 160, 146), (150, 146, 142), (186, 170, 150), (160, 132, 120)), 5)
    slab = rng.normal(0, 6, (4, 4)).repeat(16, 0).repeat(16, 1)[..., None]
    image = colour + slab + rng.normal(0, 4, (*size, 1))
    image[::16] -= 34
    image[:, ::16] -= 34
    return image


def grass(rng: Generator) -> np.ndarray:
    """Two by two metres of lawn."""
    size = (64, 64)
    shade = 10 * noise(rng, size, 1)[..., None] + rng.normal(0, 9, (*size, 1))
    return pick(rng, LEAVES, 6) * 1.1 + shade * np.array([0.8, 1.0, 0.5])


def sky(rng: Generator) -> np.ndarray:
    """Horizon at the bottom; clouds."""
    size = (128, 512)
    top = pick(rng, ((92, 150, 220), (120, 170, 226), (150, 165, 185), (190, 190, 200)), 8)
    low = top * 0.4 + np.array([235, 232, 226]) * 0.6
    height = np.linspace(0, 1, 128)[:, None, None]
    clouds = (noise(rng, size, 8, 4)[..., None] - rng.uniform(-0.1, 0.6)).clip(0, 0.8)
    return (top * (1 - height) + low * height) * (1 - clouds) + 250 * clouds


def skyline(rng: Generator) -> np.ndarray:
    """Wooded hills far away, cut out at their upper edge."""
    size = (32, 512)
    edge = 12 + 6 * noise(rng, (32, 512), 16, 3)[0] + rng.normal(0, 0.7, 512)
    colour = pick(rng, ((96, 124, 96), (110, 132, 120), (88, 112, 80)), 6)
    image = np.concatenate([colour + 9 * noise(rng, size, 1)[..., None], np.zeros((*size, 1))], 2)
    image[..., 3] = 255 * (np.arange(32)[:, None] > edge)
    return image


# Houses


def facade(rng: Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A window with its wall, about 3 x 3 m, to be repeated; the ground floor, a shop, 6 x 3.5 m; the gable."""
    wall, trim = pick(rng, WALLS), pick(rng, ((240, 238, 230), (90, 70, 60), (60, 66, 74), (200, 190, 170)))
    glass = pick(rng, ((70, 90, 110), (120, 150, 170), (50, 56, 66), (150, 140, 110)))
    size = (64, 64)
    image, pen = canvas(size, wall)
    w, h, top = rng.uniform(0.35, 0.62), rng.uniform(0.42, 0.68), rng.uniform(0.12, 0.26)
    left, right, bottom = 0.5 - w / 2, 0.5 + w / 2, top + h
    rectangle(pen, size, (left - 0.05, top - 0.05, right + 0.05, bottom + 0.05), trim)
    rectangle(pen, size, (left, top, right, bottom), glass)
    rectangle(pen, size, (left, top, right, top + h * 0.4), glass * 1.25)  # the sky in the glass
    for x in np.linspace(left, right, rng.integers(2, 4) + 1)[1:-1]:
        rectangle(pen, size, (x - 0.015, top, x + 0.015, bottom), trim)
    if rng.random() < 0.5:  # sill
        rectangle(pen, size, (left - 0.09, bottom + 0.03, right + 0.09, bottom + 0.09), trim * 0.85)
    if rng.random() < 0.3:  # shutters
        shutter = pick(rng, PAINT) * 0.8
        rectangle(pen, size, (left - 0.17, top, left - 0.05, bottom), shutter)
        rectangle(pen, size, (right + 0.05, top, right + 0.17, bottom), shutter)
    upper = finish(image) + 5 * noise(rng, size, 1)[..., None]
    if rng.random() < 0.5:  # rows of bricks
        upper[::4] -= 12
    return upper, shop(rng, wall * 0.85, trim), gable(wall)


def shop(rng: Generator, wall: np.ndarray, trim: np.ndarray) -> np.ndarray:
    """A ground floor: a display window, a door, a sign or an awning."""
    size = (64, 128)
    image, pen = canvas(size, wall)
    glass = pick(rng, ((60, 70, 80), (150, 140, 110), (90, 110, 120)))
    rectangle(pen, size, (0.06, 0.36, 0.58, 0.86), trim)
    rectangle(pen, size, (0.08, 0.39, 0.56, 0.84), glass)
    for _ in range(rng.integers(2, 6)):  # goods
        x, y = rng.uniform(0.1, 0.48), rng.uniform(0.55, 0.78)
        rectangle(pen, size, (x, y, x + rng.uniform(0.03, 0.07), 0.84), pick(rng, SHIRTS) * 0.8)
    rectangle(pen, size, (0.68, 0.34, 0.88, 1.0), trim)
    rectangle(pen, size, (0.70, 0.37, 0.86, 1.0), pick(rng, PAINT) * 0.7)
    awning = pick(rng, SHIRTS)
    rectangle(pen, size, (0.03, 0.14, 0.61, 0.36), awning)
    if rng.random() < 0.6:
        for x in np.arange(0.03, 0.58, 0.08):
            rectangle(pen, size, (x, 0.14, x + 0.04, 0.36), awning * 0.4 + 150)
    return finish(image) + 4 * noise(rng, size, 1)[..., None]


def roof(rng: Generator) -> np.ndarray:
    """Tiles."""
    image = pick(rng, ((150, 70, 50), (90, 84, 84), (120, 60, 46), (70, 76, 88))) + rng.normal(0, 8, (32, 32, 1))
    image[::4] -= 22
    return image


def gable(wall: np.ndarray) -> np.ndarray:
    """A triangle of wall under a roof, cut out."""
    y, x = np.mgrid[0:32, 0:64]
    alpha = 255.0 * (y / 31 >= np.abs(x / 31.5 - 1))
    return np.concatenate([np.broadcast_to(wall, (32, 64, 3)), alpha[..., None]], 2)


def foliage(rng: Generator) -> np.ndarray:
    """A cut-out clump of leaves, lit from above."""
    n = 64
    y, x = np.mgrid[0:n, 0:n] / (n - 1) * 2 - 1
    angle = np.arctan2(y, x)
    outline = 0.86 + sum(rng.normal(0, 0.05) * np.sin(k * angle + rng.uniform(0, 6.3)) for k in range(3, 12))
    leaves = rng.normal(0, 1, (n, n)) * 14 + 16 * noise(rng, (n, n), 2, 3)
    colour = pick(rng, LEAVES)[None, None] * (1.08 - 0.28 * y[..., None]) + leaves[..., None] * np.array([0.9, 1, 0.6])
    alpha = 255.0 * (np.hypot(x, y) < outline + 0.05 * rng.normal(0, 1, (n, n)))
    return np.concatenate([colour, alpha[..., None]], 2)
