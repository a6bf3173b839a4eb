"""What cars, trucks and bicycles look like: a texture for each face of their boxes."""

from functools import cache

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.looks import SHARP, canvas, finish, noise, pick, rectangle

GLASS = ((46, 58, 70), (70, 86, 100), (34, 38, 46))
DARK = np.array([26.0, 26.0, 30.0])


def car_end(paint: np.ndarray, rear: bool, rng: Generator) -> np.ndarray:
    """The lower half of a car from behind or from in front: lamps, bumper, number plate."""
    size = (32, 64)
    image, pen = canvas(size, paint)
    rectangle(pen, size, (0, 0.62, 1, 0.84), paint * 0.72)
    rectangle(pen, size, (0, 0.84, 1, 1), DARK)
    lamp = (200, 24, 24) if rear else (250, 246, 220)
    height = rng.uniform(0.2, 0.34)
    for left in (0.03, 0.79):
        rectangle(pen, size, (left, 0.16, left + 0.18, 0.16 + height), lamp, 0.06)
    if rear:
        rectangle(pen, size, (0.36, 0.4, 0.64, 0.56), (236, 232, 210))
    else:
        rectangle(pen, size, (0.28, 0.22, 0.72, 0.5), DARK + 24)
        rectangle(pen, size, (0.38, 0.66, 0.62, 0.8), (236, 232, 210))
    return finish(image)


def car_side(paint: np.ndarray) -> np.ndarray:
    """The lower half of a car from the side: doors, handles, dark wheel arches; cut out below them."""
    size = (32, 128)
    image, pen = canvas(size, paint)
    rectangle(pen, size, (0, 0, 1, 0.16), paint * 1.12)
    rectangle(pen, size, (0, 0.8, 1, 1), DARK + 10)
    for x in (0.36, 0.58, 0.78):
        rectangle(pen, size, (x, 0.05, x + 0.008, 0.8), paint * 0.55)
    for x in (0.53, 0.73):
        rectangle(pen, size, (x, 0.24, x + 0.035, 0.31), paint * 0.5)
    rectangle(pen, size, (0, 0.2, 0.035, 0.45), (200, 30, 30))
    rectangle(pen, size, (0.965, 0.2, 1, 0.45), (250, 246, 220))
    w, h = size[1] * SHARP, size[0] * SHARP
    for x in (0.2, 0.8):
        r = 0.098 * w
        pen.ellipse((x * w - r, h - r * 0.9, x * w + r, h + r * 1.1), fill=tuple(int(c) for c in DARK))
    return finish(image)


def cabin_end(paint: np.ndarray, rng: Generator) -> np.ndarray:
    """A windscreen in its frame."""
    size = (32, 64)
    glass = pick(rng, GLASS, 6)
    image, pen = canvas(size, paint)
    rectangle(pen, size, (0.07, 0.1, 0.93, 0.95), glass, 0.1)
    rectangle(pen, size, (0.07, 0.1, 0.93, 0.4), glass * 1.35 + 14, 0.1)
    return finish(image)


def cabin_side(paint: np.ndarray, rng: Generator, lean: tuple[float, float]) -> np.ndarray:
    """Side windows, cut out to a trapezium: `lean` is how far its rear and front lean in, as a share of the length."""
    size = (32, 64)
    glass = pick(rng, GLASS, 6)
    image, pen = canvas(size, paint)
    rectangle(pen, size, (0.1, 0.14, 0.5, 0.92), glass, 0.08)
    rectangle(pen, size, (0.54, 0.14, 0.9, 0.92), glass, 0.08)
    picture = finish(image)
    y, x = np.mgrid[0:32, 0:64] / np.array([31.0, 63.0])[:, None, None]
    inside = (x >= lean[0] * (1 - y)) & (x <= 1 - lean[1] * (1 - y))
    picture[~(inside & (x > lean[0] * (1 - y) + 0.03) & (x < 0.97 - lean[1] * (1 - y)))] = paint
    return np.concatenate([picture, 255.0 * inside[..., None]], 2)


def plain(colour: np.ndarray, rng: Generator) -> np.ndarray:
    """One colour with a little dirt."""
    return colour + 3 * noise(rng, (16, 16), 2, 2)[..., None]


def wheel(rng: Generator, spokes: int = 5, bicycle: bool = False) -> np.ndarray:
    """A wheel, cut out round; through a bicycle's one can see."""
    r, angle = _disc()
    rim = np.array([190.0, 192, 196]) * rng.uniform(0.7, 1.05)
    image = np.broadcast_to(np.array([30.0, 30, 32]), (*r.shape, 3)).copy()
    spoke = np.cos(spokes * angle) > (0.75 if bicycle else 0.1)
    if bicycle:
        image[(r < 0.84) & spoke] = rim
        solid = (r < 1) & ((r > 0.8) | spoke | (r < 0.14))
    else:
        image[(r < 0.66) & (spoke | (r > 0.56) | (r < 0.2))] = rim
        solid = r < 1
    return np.concatenate([image, 255.0 * solid[..., None]], 2)


@cache
def _disc() -> tuple[np.ndarray, np.ndarray]:
    """How far each texel of a wheel is from its hub, and in which direction (H, W)."""
    n = 64
    y, x = np.mgrid[0:n, 0:n] / ((n - 1) / 2) - 1
    return np.hypot(x, y), np.arctan2(y, x)


def truck_end(paint: np.ndarray, rear: bool, rng: Generator) -> np.ndarray:
    """The back doors of a truck's box, or the face of its cab."""
    size = (64, 64)
    image, pen = canvas(size, paint)
    if rear:
        for x in (0.02, 0.495, 0.97):
            rectangle(pen, size, (x, 0.02, x + 0.015, 0.88), paint * 0.6)
        for y in (0.25, 0.6):
            rectangle(pen, size, (0.4, y, 0.6, y + 0.03), paint * 0.5)
        rectangle(pen, size, (0, 0.88, 1, 1), DARK + 14)
        for x in (0.03, 0.81):
            rectangle(pen, size, (x, 0.9, x + 0.16, 0.97), (210, 30, 26))
    else:
        rectangle(pen, size, (0.06, 0.12, 0.94, 0.48), pick(rng, GLASS, 5), 0.05)
        rectangle(pen, size, (0.2, 0.58, 0.8, 0.78), DARK + 20)
        rectangle(pen, size, (0, 0.86, 1, 1), DARK)
        for x in (0.03, 0.81):
            rectangle(pen, size, (x, 0.72, x + 0.16, 0.82), (250, 246, 220))
    return finish(image)


def truck_side(paint: np.ndarray, rng: Generator) -> np.ndarray:
    """The side of a truck's box: planks or a coloured company stripe."""
    size = (64, 128)
    image, pen = canvas(size, paint)
    stripe = pick(rng, ((220, 60, 40), (40, 90, 180), (240, 190, 40), (50, 140, 90)))
    low = rng.uniform(0.3, 0.5)
    rectangle(pen, size, (0, low, 1, low + rng.uniform(0.12, 0.3)), stripe)
    for x in np.linspace(0, 1, rng.integers(5, 10)):
        rectangle(pen, size, (x, 0, x + 0.006, 1), paint * 0.75)
    rectangle(pen, size, (0, 0.94, 1, 1), DARK + 20)
    return finish(image)


def cab_side(paint: np.ndarray, rng: Generator) -> np.ndarray:
    """The side of a truck's cab: one window and a door."""
    size = (64, 64)
    image, pen = canvas(size, paint)
    rectangle(pen, size, (0.3, 0.12, 0.92, 0.46), pick(rng, GLASS, 5), 0.05)
    rectangle(pen, size, (0.24, 0.08, 0.26, 0.86), paint * 0.6)
    rectangle(pen, size, (0, 0.86, 1, 1), DARK)
    return finish(image)


@cache
def shadow() -> np.ndarray:
    """A dark ellipse to lie under a thing."""
    y, x = np.mgrid[0:32, 0:32] / 15.5 - 1
    return np.concatenate([np.full((32, 32, 3), 44.0), 255.0 * (np.hypot(x, y) < 1)[..., None]], 2)
