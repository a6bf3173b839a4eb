"""The model of a street: textures, flat parts and round limbs, and the moving objects that carry them.

A texture is a picture (H, W, 3 or 4) of values in 0..255; its fourth channel is alpha. The renderer finds all textures
in one array.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from dffkit.support.machine import compiled

LABELS = ("road", "pavement", "building", "vegetation", "sky", "pole", "car", "truck", "person", "cyclist")
CLASSES = ("car", "truck", "person", "cyclist")  # of boxes: 1 is "car"
# Of the films by hand, from ImageNet VID's thirty: 1 is "bicycle".
SUBJECTS = ("bicycle", "bus", "car", "cattle", "dog", "fox", "horse", "motorcycle", "sheep", "zebra")
LABEL = {name: i for i, name in enumerate((*LABELS, *(name for name in SUBJECTS if name not in LABELS)))}

WORLD = 0  # the object that everything fixed belongs to
BACKDROP = 1  # moves along with the camera: the sky and the hills, too far away to come nearer
AWAY, TOWARDS = 0.0, math.pi  # headings: down the street as the camera drives, and against it

LEVELS = 8  # sizes of each picture, halved from one to the next
SHARP = 4  # a canvas is this many times larger while it is drawn

SKIN = ((241, 200, 165), (224, 172, 125), (176, 120, 78), (120, 78, 50), (90, 58, 38))
HAIR = ((40, 28, 20), (80, 52, 28), (150, 105, 50), (200, 170, 90), (110, 110, 110))
PAINT = ((196, 38, 34), (230, 230, 232), (38, 40, 46), (130, 136, 142), (34, 74, 160), (24, 120, 130), (232, 180, 30))
PAINT += ((230, 110, 30), (90, 20, 40), (60, 110, 60), (170, 200, 225))
SHIRTS = ((214, 40, 60), (250, 200, 40), (40, 90, 200), (240, 240, 240), (30, 150, 110), (150, 60, 170), (240, 120, 40))
SHIRTS += ((40, 44, 60), (110, 190, 230), (240, 140, 180))
TROUSERS = ((36, 48, 90), (50, 50, 54), (120, 96, 66), (90, 110, 130), (150, 60, 50), (200, 190, 170))
WALLS = ((198, 120, 90), (222, 196, 150), (236, 226, 206), (176, 96, 80), (160, 170, 176), (206, 178, 188))
WALLS += ((150, 160, 130), (228, 170, 110), (184, 198, 206), (120, 100, 96))
LEAVES = ((62, 116, 46), (84, 132, 52), (48, 98, 58), (110, 138, 56), (140, 120, 44))


def pick(rng: Generator, colours: tuple, spread: float = 12.0) -> np.ndarray:
    """Return one of the colours (3,), a little changed."""
    return (np.array(colours[rng.integers(len(colours))], float) + rng.normal(0, spread, 3)).clip(8, 248)


def noise(rng: Generator, size: tuple[int, int], finest: int = 2, octaves: int = 4) -> np.ndarray:
    """Return smooth random values (H, W) of several scales, about -1 to 1, that continue over the edges."""
    height, width = size
    total = np.zeros(size)
    for octave in range(octaves):
        cell = finest * 2**octave
        grid = rng.normal(size=(max(1, height // cell), max(1, width // cell)))
        for axis in (0, 1):  # one more cell at each end, from the other end; faster than np.pad
            grid = grid.take(range(-1, grid.shape[axis] + 1), axis, mode="wrap")
        enlarged = grid.shape[1] * cell, grid.shape[0] * cell
        big = Image.fromarray(grid.astype(np.float32)).resize(enlarged, Image.BICUBIC)
        total += np.asarray(big)[cell : cell + height, cell : cell + width] / 2
    return total / np.sqrt(octaves)


class Canvas:
    """A picture of `size` (H, W), drawn SHARP times as large and then reduced, so that edges are smooth."""

    def __init__(self, size: tuple[int, int], colour: Sequence[float]) -> None:
        self.size, self.height, self.width = size, size[0] * SHARP, size[1] * SHARP
        self._image = Image.new("RGB", (self.width, self.height), tuple(int(c) for c in colour))
        self.pen = ImageDraw.Draw(self._image)  # its coordinates are enlarged

    def rectangle(self, box: Sequence[float], colour: Sequence[float], radius: float = 0) -> None:
        """Fill a rectangle; `box` is (left, top, right, bottom) as fractions of the picture."""
        h, w = self.height, self.width
        corners = (box[0] * w, box[1] * h, box[2] * w - 1, box[3] * h - 1)
        if corners[2] > corners[0] and corners[3] > corners[1]:
            fill = tuple(int(min(max(c, 0), 255)) for c in colour)
            self.pen.rounded_rectangle(corners, radius * min(h, w), fill=fill)

    def picture(self) -> np.ndarray:
        """Return the picture (H, W, 3), floats in 0..255."""
        return np.asarray(self._image.reduce(SHARP), float)


def column(colour: np.ndarray, rng: Generator, shape: tuple[int, int] = (32, 8), shine: float = 0.35) -> np.ndarray:
    """Return the texture of a round upright thing, lit from one side: a pole, a trunk, a tyre from behind."""
    across = np.linspace(-1, 1, shape[1])
    light = 1 - shine * across - 0.25 * across**2
    return colour * light[None, :, None] + rng.normal(0, 4, (*shape, 1))


@cache
def draw_shadow() -> np.ndarray:
    """Return a dark ellipse, which lies under an object."""
    y, x = np.mgrid[0:32, 0:32] / 15.5 - 1
    return np.concatenate([np.full((32, 32, 3), 44.0), 255.0 * (np.hypot(x, y) < 1)[..., None]], 2)


class Atlas:
    """Pictures in one flat uint8 array, each with its smaller versions."""

    def __init__(self) -> None:
        self.pieces: list[np.ndarray] = []  # the texels of each picture, all of its sizes
        self.table: list[
            list[list[int]]
        ] = []  # for each picture and level: first byte, height, width, number of levels
        self.size = 0  # bytes so far

    def add(self, picture: np.ndarray) -> int:
        """Add a picture (H, W, 3 or 4), values in 0..255, and return its number. Sides are powers of two."""
        height, width = picture.shape[:2]
        count = min(LEVELS, height.bit_length(), width.bit_length())
        sizes = [(height >> i, width >> i) for i in range(count)]
        starts = self.size + 4 * np.cumsum([0, *(h * w for h, w in sizes)])
        rows = [[int(start), *size, count] for start, size in zip(starts, sizes, strict=False)]
        texels = np.empty(int(starts[-1]) - self.size, np.uint8)
        shrink(np.ascontiguousarray(picture, np.float64), count, texels)
        self.pieces.append(texels)
        self.size = int(starts[-1])
        self.table.append(rows + [rows[-1]] * (LEVELS - count))
        return len(self.table) - 1

    def pack(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all texels (n,) uint8, and the table of levels (pictures, LEVELS, 4) int64."""
        return np.concatenate(self.pieces), np.array(self.table, np.int64)


@compiled
def shrink(picture, levels, texels):
    """Write a picture (H, W, 3 or 4), opaque if it has no alpha, and its halves to `texels`, level by level."""
    height, width, channels = picture.shape
    level = np.full((height, width, 4), 255, np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                level[y, x, c] = picture[y, x, c]
    n = 0
    for i in range(levels):
        if i:
            height, width = height // 2, width // 2
        for y in range(height):
            for x in range(width):
                for c in range(4):
                    if i:  # in place: the texels that are still to be read lie ahead
                        above = level[2 * y, 2 * x, c] + level[2 * y, 2 * x + 1, c]
                        below = level[2 * y + 1, 2 * x, c] + level[2 * y + 1, 2 * x + 1, c]
                        level[y, x, c] = (above + below) * np.float32(0.25)
                    texels[n] = np.uint8(np.rint(min(max(level[y, x, c], np.float32(0)), np.float32(255))))
                    n += 1


@dataclass(frozen=True)
class Way:
    """The motion of one object, in metres, seconds and radians.

    The object stands at `start + velocity * t` on the ground (x, z), plus the camera's own way along the street if it
    `follows` (1.0), plus a `swing` of (amplitude, frequency, phase) along z. It looks along `heading`.
    """

    start: tuple[float, float] = (0.0, 0.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    follows: float = 0.0
    swing: tuple[float, float, float] = (0.0, 1.0, 0.0)
    heading: float = AWAY


class Builder:
    """Collects textures, objects and parts while a street is laid out."""

    def __init__(self) -> None:
        self.atlas = Atlas()  # parts name its textures by number
        self.objects: list[
            tuple[int, Way, tuple[float, float]]
        ] = []  # label or -1 for no box, way, lean as `add_object`
        self.quads: list[tuple] = []  # the parts, as the methods `quad` and `limb` add them
        self.limbs: list[tuple] = []
        self.walkers: list[tuple] = []  # owner, height and stride in metres, textures of `people.WALKER_LIMBS`
        self.cyclists: list[tuple] = []  # owner, textures of `people.CYCLIST_LIMBS`
        self.riders: list[tuple] = []  # people on machines with boxes of their own: owner, textures of `RIDER_LIMBS`
        self.legs: list[
            tuple
        ] = []  # owner, label, row of `animals.GAIT`, radius and texture of the upper and lower half
        self.extent: dict[
            int, tuple[float, float, float]
        ] = {}  # of each subject: length along its heading, width, height
        self.add_object(None, Way())  # WORLD
        self.add_object(None, Way(follows=1.0))  # BACKDROP

    def add_object(self, label: str | None, way: Way, lean: tuple[float, float] = (0.0, 0.0)) -> int:
        """Add an object without parts and return its number. Without a label it has no box.

        `lean`, sideways and forwards in radians, makes a rare pose.
        """
        self.objects.append((-1 if label is None else LABEL[label], way, lean))
        return len(self.objects) - 1

    def quad(
        self, corner, u, v, texture, label, owner=WORLD, repeat=(1.0, 1.0), light=1.0, cutout=False, spin=0.0
    ) -> None:
        """Add a parallelogram in its owner's coordinates. `spin`: the radius of a wheel, which rolls."""
        self.quads.append((*corner, *u, *v, texture, LABEL[label], owner, *repeat, light, cutout, spin))

    def box(self, low, high, textures, label, owner=WORLD) -> None:
        """Add a box from `low` to `high` (x, y, z), y down. `textures`: rear, front, side, top or None."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        rear, front, side, top = textures
        x, y, z = (x1 - x0, 0, 0), (0, y1 - y0, 0), (0, 0, z1 - z0)
        self.quad((x0, y0, z0), x, y, rear, label, owner, light=0.94)
        self.quad((x0, y0, z1), x, y, front, label, owner, light=0.94)
        for x_side in (x0, x1):
            self.quad((x_side, y0, z0), z, y, side, label, owner, light=0.8)
        if top is not None:
            self.quad((x0, y0, z0), x, z, top, label, owner, light=1.08)

    def shadow(self, owner: int, width: float, length: float) -> None:
        """Add the shadow under an object; width and length are in metres."""
        corner, texture = (-width / 2, -0.02, -length / 2), self.atlas.add(draw_shadow())
        self.quad(corner, (width, 0, 0), (0, 0, length), texture, "road", owner, cutout=True)

    def wheel(self, x: float, z: float, radius: float, texture: int, label: str, owner: int) -> None:
        """Add a wheel that stands on the ground at x, z and rolls as its owner moves."""
        corner, side = (x, -2 * radius, z - radius), 2 * radius
        self.quad(corner, (0, 0, side), (0, side, 0), texture, label, owner, cutout=True, spin=radius)

    def limb(self, a, b, radius, texture, label, owner=WORLD, light=1.0, cutout=False) -> None:
        """Add a round thing from `a` to `b`, drawn as a strip that always faces the camera."""
        self.limbs.append((*a, *b, radius, texture, LABEL[label], owner, light, cutout, 1.0, 1.0))
