"""What flying sprites look like: outlines and textures that remind of nothing in particular."""

import functools
import math

import cv2
import numpy as np

TEXTURE_SIZE = 512


def shape(rng: np.random.Generator) -> list[np.ndarray]:
    """Polygons `(n, 2)` of about unit radius; the shape is their union."""
    kind = rng.choice(["polygon", "ellipse", "blob", "bar", "arc", "letter"], p=[0.25, 0.15, 0.2, 0.15, 0.1, 0.15])
    if kind == "bar":
        thin = rng.uniform(0.04, 0.2)
        return [np.array([(-1, -thin), (1, -thin), (1, thin), (-1, thin)])]
    if kind == "arc":  # like a C
        angles, inner = np.linspace(0, rng.uniform(3, 6), 40), rng.uniform(0.4, 0.8)
        return [np.concatenate([_polar(angles, np.ones(40)), _polar(angles[::-1], np.full(40, inner))])]
    if kind == "letter":  # strokes on a grid of 3 x 4, like F, L, T or H
        rows, columns = np.nonzero(rng.random((4, 3)) < 0.6)
        corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
        return [np.add(corners, (c - 1.5, r - 2)) / 2 for r, c in zip(rows, columns, strict=True)] or [corners - 0.5]
    if kind == "polygon":
        angles = np.sort(rng.uniform(0, 2 * math.pi, rng.integers(3, 9)))
        return [_polar(angles, rng.uniform(0.5, 1, len(angles)))]
    angles = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    waves = np.arange(2, 6)[:, None]
    swing = rng.normal(0, 0.25 if kind == "blob" else 0, (4, 1)) / waves
    return [_polar(angles, 0.8 + (swing * np.cos(waves * angles + rng.uniform(0, 2 * math.pi, (4, 1)))).sum(axis=0))]


@functools.cache
def texture(index: int) -> np.ndarray:
    """Texture `(512, 512, 3)` uint8 about 128, always the same, whatever was drawn before it."""
    rng = np.random.default_rng([512, index])
    kind = ("noise", "scatter", "stripes", "noise", "checks", "gradient", "scatter")[index % 7]
    x, y = (np.mgrid[:TEXTURE_SIZE, :TEXTURE_SIZE] / TEXTURE_SIZE) - 0.5
    angle, period = rng.uniform(0, math.pi), log_uniform(rng, 8, 64) / TEXTURE_SIZE
    u, v = (x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle))
    if kind == "noise":
        field = _noise(rng, int(rng.integers(2, 5)), 9)
    elif kind == "scatter":
        field = _scatter(rng)
    elif kind == "stripes":
        field = np.sin(2 * math.pi * u / period) * rng.uniform(1, 6)
    elif kind == "checks":
        field = 6 * np.sin(2 * math.pi * u / period) * np.sin(2 * math.pi * v / (period * rng.uniform(0.5, 2)))
    else:
        field = 4 * u + _noise(rng, 1, 3)
    # Each kind along a colour of its own, and some noise of many scales in all three colours: nothing repeats exactly.
    colour = rng.uniform(0.4, 1, 3) * rng.choice([-1, 1], 3, p=[0.15, 0.85])
    clutter = np.stack([_noise(rng, 2, 8) for _ in range(3)], axis=2) * rng.uniform(0.05, 0.35)
    picture = 128 + 70 * (np.clip(field, -1, 1)[:, :, None] * colour + clutter)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.7)  # finer than a pixel cannot be moved by a fraction of one
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, first: int, last: int) -> np.ndarray:
    """Noise of the scales 2**first to 2**last periods a texture, each finer one weaker; standard deviation 0.5."""
    total, fade = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32), rng.uniform(0.5, 0.9)
    for octave in range(first, last + 1):
        grid = rng.standard_normal((2**octave, 2**octave), dtype=np.float32) * fade**octave
        total += cv2.resize(grid, total.shape, interpolation=cv2.INTER_CUBIC)
    return 0.5 * (total - total.mean()) / total.std()


def _scatter(rng: np.random.Generator) -> np.ndarray:
    """Many filled rectangles and ellipses over each other, -1 to 1."""
    field = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)
    largest, round_ones = log_uniform(rng, 10, 60), rng.random()
    for _ in range(int(3 * (TEXTURE_SIZE / largest) ** 2)):
        centre, axes = rng.integers(0, TEXTURE_SIZE, 2).tolist(), rng.uniform(0.2, 1, 2) * largest
        shade = rng.uniform(-1, 1)
        if rng.random() < round_ones:
            cv2.ellipse(field, centre, axes.astype(int).tolist(), rng.uniform(0, 180), 0, 360, shade, cv2.FILLED)
        else:
            cv2.rectangle(field, centre, (centre + axes).astype(int).tolist(), shade, cv2.FILLED)
    return field


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number between two, all orders of size equally likely."""
    return low * (high / low) ** rng.random()


def _polar(angles: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
