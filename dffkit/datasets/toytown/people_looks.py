"""What people look like: limbs, trunks and heads, as arrays (H, W, 4)."""

from functools import cache

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.looks import HAIR, PAINT, SHIRTS, SKIN, canvas, finish, pick, rectangle


def limb(colour: np.ndarray, end: np.ndarray | None = None, split: float = 0.8) -> np.ndarray:
    """A capsule (32 x 16) with soft shading; below `split` it has the colour `end` (a hand, a shoe)."""
    y, light, alpha = _capsule()
    image = np.broadcast_to(colour, (*y.shape, 3)).copy()
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
