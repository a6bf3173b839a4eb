"""What things look like: every texture of the town, drawn from a random generator. All return (H, W, 3 or 4) arrays."""

from functools import cache

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

SHARP = 4  # pictures are drawn this many times larger, then reduced: smooth edges

SKIN = ((241, 200, 165), (224, 172, 125), (176, 120, 78), (120, 78, 50), (90, 58, 38))
HAIR = ((40, 28, 20), (80, 52, 28), (150, 105, 50), (200, 170, 90), (110, 110, 110))
PAINT = ((196, 38, 34), (230, 230, 232), (38, 40, 46), (130, 136, 142), (34, 74, 160), (24, 120, 130), (232, 180, 30))
PAINT += ((230, 110, 30), (90, 20, 40), (60, 110, 60), (170, 200, 225))
SHIRTS = ((214, 40, 60), (250, 200, 40), (40, 90, 200), (240, 240, 240), (30, 150, 110), (150, 60, 170), (240, 120, 40))
SHIRTS += ((40, 44, 60), (110, 190, 230), (240, 140, 180))
TROUSERS = ((36, 48, 90), (50, 50, 54), (120, 96, 66), (90, 110, 130), (150, 60, 50), (200, 190, 170))
WALLS = (
    (198, 120, 90),
    (222, 196, 150),
    (236, 226, 206),
    (176, 96, 80),
    (160, 170, 176),
    (206, 178, 188),
    (150, 160, 130),
)
WALLS += ((228, 170, 110), (184, 198, 206), (120, 100, 96))
LEAVES = ((62, 116, 46), (84, 132, 52), (48, 98, 58), (110, 138, 56), (140, 120, 44))


def pick(rng: Generator, colours: tuple, spread: float = 12.0) -> np.ndarray:
    """One of the colours (3,), a little changed."""
    return (np.array(colours[rng.integers(len(colours))], float) + rng.normal(0, spread, 3)).clip(8, 248)


def noise(rng: Generator, size: tuple[int, int], finest: int = 2, octaves: int = 4) -> np.ndarray:
    """Smooth random values (H, W) of several scales, which tile; about -1 to 1."""
    height, width = size
    total = np.zeros(size)
    for octave in range(octaves):
        cell = finest * 2**octave
        grid = rng.normal(size=(max(1, height // cell), max(1, width // cell)))
        for axis in (0, 1):  # one more cell at each end, for what tiles
            grid = grid.take(range(-1, grid.shape[axis] + 1), axis, mode="wrap")
        enlarged = grid.shape[1] * cell, grid.shape[0] * cell
        big = Image.fromarray(grid.astype(np.float32)).resize(enlarged, Image.BICUBIC)
        total += np.asarray(big)[cell : cell + height, cell : cell + width] / 2
    return total / np.sqrt(octaves)


def canvas(size: tuple[int, int], colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty picture of `size` (H, W), SHARP times as large, and the pen; coordinates of the pen are enlarged too."""
    image = Image.new("RGB", (size[1] * SHARP, size[0] * SHARP), tuple(int(c) for c in colour))
    return image, ImageDraw.Draw(image)


def finish(image: Image.Image) -> np.ndarray:
    """Reduce a drawn picture to its size, as floats."""
    return np.asarray(image.reduce(SHARP), float)


def rectangle(pen: ImageDraw.ImageDraw, size: tuple[int, int], box: tuple, colour, radius: float = 0) -> None:
    """A filled rectangle; `box` is (left, top, right, bottom) as fractions of the picture."""
    h, w = size[0] * SHARP, size[1] * SHARP
    corners = (box[0] * w, box[1] * h, box[2] * w - 1, box[3] * h - 1)
    if corners[2] > corners[0] and corners[3] > corners[1]:
        pen.rounded_rectangle(corners, radius * min(h, w), fill=tuple(int(min(max(c, 0), 255)) for c in colour))


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


# Plants and poles


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


def column(colour: np.ndarray, rng: Generator, shape: tuple[int, int] = (32, 8), shine: float = 0.35) -> np.ndarray:
    """A round upright thing, lit from one side: poles, trunks, tyres seen from behind."""
    across = np.linspace(-1, 1, shape[1])
    light = 1 - shine * across - 0.25 * across**2
    return colour * light[None, :, None] + rng.normal(0, 4, (*shape, 1))


# People


def limb(colour: np.ndarray, end: np.ndarray | None = None, split: float = 0.8, pattern=None) -> np.ndarray:
    """A capsule (32 x 16) with soft shading; below `split` it has the colour `end` (a hand, a shoe)."""
    y, light, alpha = _capsule()
    image = np.broadcast_to(colour, (*y.shape, 3)).copy()
    if pattern is not None:
        image[pattern(y)] *= 0.6
    if end is not None:
        image[int(split * len(y)) :] = end
    return np.concatenate([image * light, alpha], 2)


@cache
def _capsule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far down each texel of a limb is (H, W), its light and its alpha (H, W, 1)."""
    h, w = 32, 16
    y, x = np.mgrid[0:h, 0:w].astype(float)
    x = (x - (w - 1) / 2) / (w / 2)
    cap = np.minimum(np.minimum(y + 0.5, h - 0.5 - y) / 5, 1)  # rounded ends
    alpha = 255.0 * (np.abs(x) < np.sqrt(1 - (1 - cap) ** 2))
    return y, (1.06 - 0.16 * x - 0.22 * x**2)[..., None], alpha[..., None]


def torso(rng: Generator, shirt: np.ndarray, trousers: np.ndarray) -> np.ndarray:
    """A rounded trunk (64 x 32), wide at the shoulders, with a shirt that may have stripes, a print or a bag."""
    y, x, light, alpha = _trunk()
    image = np.broadcast_to(shirt, (*y.shape, 3)).copy()
    kind = rng.integers(4)
    if kind == 1:
        image[y.astype(int) // 6 % 2 == 0] = shirt * 0.35 + 150
    elif kind == 2:
        image[(np.abs(x) < 0.35) & (y > 16) & (y < 34)] = 235 - shirt * 0.5
    elif kind == 3:  # a rucksack
        image[(np.abs(x) < 0.62) & (y > 8) & (y < 44)] = pick(rng, PAINT) * 0.7
    image[y > 54] = trousers
    return np.concatenate([image * light, alpha], 2)


@cache
def _trunk() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where each texel of a torso is, down and across (H, W), its light and its alpha (H, W, 1)."""
    h, w = 64, 32
    y, x = np.mgrid[0:h, 0:w].astype(float)
    x = (x - (w - 1) / 2) / (w / 2)
    half = 0.98 - 0.22 * (y / h) - 0.6 * np.maximum(0, 1 - y / 9) ** 2
    alpha = 255.0 * (np.abs(x) < half)
    return y, x, (1.06 - 0.14 * x - 0.2 * x**2)[..., None], alpha[..., None]


def head(rng: Generator, faces_camera: bool, helmet: bool = False) -> np.ndarray:
    """A round head (32 x 32): hair or a helmet, and a face on one side."""
    size = (32, 32)
    skin, hair = pick(rng, SKIN, 6), pick(rng, SHIRTS if helmet else HAIR, 6)
    image, pen = canvas(size, skin)
    rectangle(pen, size, (0, 0, 1, 0.36 if faces_camera else 0.8), hair)
    if faces_camera:
        rectangle(pen, size, (0, 0, 0.12, 0.62), hair)
        rectangle(pen, size, (0.88, 0, 1, 0.62), hair)
        for x in (0.34, 0.66):
            rectangle(pen, size, (x - 0.06, 0.5, x + 0.06, 0.62), (30, 24, 24), 0.06)
        rectangle(pen, size, (0.38, 0.78, 0.62, 0.83), (150, 60, 60))
    light, alpha = _ball()
    return np.concatenate([finish(image) * light, alpha], 2)


@cache
def _ball() -> tuple[np.ndarray, np.ndarray]:
    """The light and the alpha (H, W, 1) of a head."""
    y, x = np.mgrid[0:32, 0:32] / 15.5 - 1
    alpha = 255.0 * (np.hypot(x * 1.12, y) < 1)
    return (1.06 - 0.12 * x - 0.16 * (x**2 + y**2))[..., None], alpha[..., None]
