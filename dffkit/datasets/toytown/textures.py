"""Textures: colours, noise and a pen to draw them with, and the array in which the renderer finds them.

A texture is a picture (H, W, 3 or 4) of values in 0..255; its fourth channel is alpha.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

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
        for axis in (0, 1):  # one more cell at each end, from the other end
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
    """Pictures in one flat uint8 array, each with its smaller versions.

    Attributes:
        pieces: the texels of each picture and level.
        table: for each picture and level: first byte, height, width, number of levels.
        size: bytes so far.
    """

    def __init__(self) -> None:
        self.pieces: list[np.ndarray] = []
        self.table: list[list[list[int]]] = []
        self.size = 0

    def add(self, picture: np.ndarray) -> int:
        """Add a picture (H, W, 3 or 4), values in 0..255, and return its number. Sides are powers of two."""
        height, width = picture.shape[:2]
        if height & (height - 1) or width & (width - 1):
            raise ValueError(f"picture: expected sides that are powers of two, got {picture.shape[:2]}")
        level = np.full((height, width, 4), 255, np.float32)  # opaque if the picture has no alpha
        level[:, :, : picture.shape[2]] = picture
        rows, count = [], min(LEVELS, height.bit_length(), width.bit_length())
        for i in range(count):
            if i:
                above, below = level[::2, ::2] + level[::2, 1::2], level[1::2, ::2] + level[1::2, 1::2]
                level = (above + below) * np.float32(0.25)
            rows.append([self.size, *level.shape[:2], count])
            self.size += level.size
            self.pieces.append(np.rint(level.clip(0, 255)).astype(np.uint8).ravel())
        self.table.append(rows + [rows[-1]] * (LEVELS - count))
        return len(self.table) - 1

    def pack(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all texels (n,) uint8, and the table of levels (pictures, LEVELS, 4) int64."""
        return np.concatenate(self.pieces), np.array(self.table, np.int64)
