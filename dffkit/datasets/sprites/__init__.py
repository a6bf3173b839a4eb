"""Flying textured sprites with exact flow: they pre-train *F*, in the role that FlyingChairs has for FlowNet.

A scene is a stack of layers, a background and random shapes above it; each moves by an affine map of its own from the
current frame to the key frame. So the flow is known analytically, and occlusion follows from the order of the layers.
Nothing looks like a street: F learns to match, not to know a data set. Every pair is a function of (seed, index) alone.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from dffkit.datasets.images import channels_first
from dffkit.datasets.sprites.scene import (
    TEXTURE_SIZE,
    WORLDS,
    Layer,
    SpriteWorld,
    apply,
    data_version,
    draw_scene,
    log_uniform,
    shift,
)  # fmt: skip

__all__ = ["WORLDS", "SpritePair", "SpriteWorld", "data_version", "mirrored", "sprite_pair", "stacked"]

FINE = 4  # outlines are drawn this many times larger, for smooth edges; _cover halves them twice
# By the number of covered fine pixels in a pixel, at most FINE**2: its covered share, in steps of 1/255.
SHARES = np.rint(np.arange(256, dtype=np.float32) * (255 / FINE**2)) / np.float32(255)


class SpritePair(NamedTuple):
    """A pair of frames and the flow between them; in a batch every tensor has a dimension B in front."""

    current: Tensor  # (3, H, W) uint8 RGB
    key: Tensor  # likewise
    flow: Tensor  # (2, H, W) float32, pixels; x then y, defined on the current frame, pointing into the key frame
    occluded: Tensor  # (H, W) bool, true where a point of the current frame is hidden in the key frame or outside it


def sprite_pair(
    seed: int, index: int, size: tuple[int, int] = (192, 384), parameters: SpriteWorld | None = None
) -> SpritePair:
    """Return pair number `index` of the endless data set `seed`, with frames of `size` `(H, W)` in pixels.

    Pairs can be made in any order. The world `parameters` is the standard one unless given.

    Raises:
        ValueError: for a negative seed or index, or an empty size.
    """
    if seed < 0 or index < 0 or min(size) < 1:
        raise ValueError(f"seed, index, size: expected at least 0, 0 and (1, 1), got {seed}, {index}, {size}")
    world = parameters or SpriteWorld()
    rng = np.random.default_rng([seed, index])
    still = rng.random() < world.still
    layers = draw_scene(rng, size, world)
    if still:
        image = channels_first(render(layers, size)[0])
        return SpritePair(image, image.clone(), torch.zeros(2, *size), torch.zeros(size, dtype=torch.bool))
    current, key, flow, occluded = render_pair(layers, size)
    if rng.random() < world.flicker:
        factor = np.float32(log_uniform(rng, *world.exposure))
        spoilt = current if rng.random() < 0.5 else key
        spoilt[:] = np.clip(spoilt * factor, 0, 255)
    noise = world.noise * rng.random()
    current = _disturb(rng, current, 1, 0, noise)
    key = _disturb(rng, key, 1 + world.gain * rng.uniform(-1, 1), world.offset * rng.uniform(-1, 1), noise)
    return SpritePair(channels_first(current), channels_first(key), torch.from_numpy(flow), torch.from_numpy(occluded))


def stacked(pairs: Sequence[SpritePair]) -> SpritePair:
    """Return a batch of these pairs, at least one."""
    return SpritePair(*map(torch.stack, zip(*pairs, strict=True)))


def mirrored(pair: SpritePair, *, left_right: bool = False, upside_down: bool = False) -> SpritePair:
    """Return the pair mirrored, its flow included."""
    axes = [axis for axis, mirror in ((-1, left_right), (-2, upside_down)) if mirror]
    signs = torch.tensor([-1.0 if mirror else 1.0 for mirror in (left_right, upside_down)])
    current, key, flow, occluded = (tensor.flip(axes) for tensor in pair)
    return SpritePair(current, key, flow * signs[:, None, None], occluded)


def _disturb(rng: np.random.Generator, image: np.ndarray, gain: float, offset: float, noise: float) -> np.ndarray:
    levels = (np.arange(256, dtype=np.float32) - 128) * np.float32(gain) + np.float32(128 + offset)
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    grain *= np.float32(noise)
    return cv2.add(cv2.LUT(image, levels), grain, dtype=cv2.CV_8U)  # rounds half to even, and clips


def render_pair(
    layers: Sequence[Layer], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return current and key frame `(H, W, 3)` uint8, flow `(2, H, W)` float32 and occlusion `(H, W)` of a scene."""
    current, owner = render(layers, size)
    key, owner_in_key = render(layers, size, in_key=True)
    height, width = size
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    steps = np.stack([layer.motion - np.eye(3) for layer in layers], axis=2).astype(np.float32)
    flow, index = np.empty((2, *size), np.float32), owner.astype(np.intp)
    for channel, (by_x, by_y, constant) in zip(flow, steps[:2], strict=True):
        np.multiply(by_x.take(index), x, out=channel)
        channel += by_y.take(index) * y
        channel += constant.take(index)
    to_x, to_y = np.rint(x + flow[0]), np.rint(y + flow[1])
    inside_x, inside_y = to_x.clip(0, width - 1), to_y.clip(0, height - 1)
    outside = (to_x != inside_x) | (to_y != inside_y)
    # A higher layer there hides the point. A lower layer there only comes from rounding at an edge.
    above = owner_in_key.take(inside_y.astype(np.intp) * width + inside_x.astype(np.intp))
    return current, key, flow, outside | (above > owner)


def render(layers: Sequence[Layer], size: tuple[int, int], *, in_key: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return one frame `(H, W, 3)` uint8, and `(H, W)` uint8, the topmost layer that covers over half of each pixel."""
    image, owner = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
    motions = np.stack([layer.motion if in_key else np.eye(3) for layer in layers])
    for number, (layer, motion, back) in enumerate(zip(layers, motions, np.linalg.inv(motions), strict=True)):
        x, y, alpha = _cover(layer.outline, motion, size)
        height, width = alpha.shape
        if not alpha.size:
            continue
        covered = (slice(y, y + height), slice(x, x + width))
        to_texture = layer.to_texture @ back @ shift(x, y)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        picture = texture(layer.texture)
        patch = cv2.warpAffine(picture, to_texture[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
        patch = cv2.transform(patch, layer.colours)
        if layer.outline is None:  # the background: nothing shows through
            image, owner[:] = patch, number
            continue
        image[covered] = cv2.blendLinear(patch, image[covered], alpha, 1 - alpha)
        owner[covered] = np.maximum(owner[covered], (alpha > 0.5) * np.uint8(number))
    return image, owner


def _cover(outline: Sequence[np.ndarray] | None, motion: np.ndarray, size: tuple[int, int]) -> tuple:
    """Return corner x, y of the window that the moved outline touches, and the share of each pixel that it covers."""
    if outline is None:
        return 0, 0, np.ones(size, np.float32)
    moved = [apply(motion, polygon) for polygon in outline]
    x, y, width, height = window(np.concatenate(moved), size)
    if not width or not height:
        return x, y, np.zeros((height, width), np.float32)
    fine = np.zeros((height * FINE, width * FINE), np.uint8)
    for polygon in moved:
        corners = (polygon - (x, y) + 0.5) * FINE - 0.5
        cv2.fillPoly(fine, [np.rint(corners * 16).astype(np.int32)], FINE**2, shift=4)
    # Filled with FINE**2, the mean is the exact count of covered pixels. OpenCV halves twice faster than it quarters.
    half = cv2.resize(fine, (width * 2, height * 2), interpolation=cv2.INTER_AREA)
    return x, y, cv2.LUT(cv2.resize(half, (width, height), interpolation=cv2.INTER_AREA), SHARES)


def window(points: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return x, y, width and height of the smallest window in a frame (H, W) around points `(n, 2)`."""
    (left, top), (right, bottom), (height, width) = points.min(axis=0).tolist(), points.max(axis=0).tolist(), size
    x, y = min(max(math.floor(left), 0), width), min(max(math.floor(top), 0), height)
    right, bottom = min(max(math.ceil(right) + 1, x), width), min(max(math.ceil(bottom) + 1, y), height)
    return x, y, right - x, bottom - y


@functools.cache
def texture(index: int) -> np.ndarray:
    """Return texture number `index`, `(512, 512, 3)` uint8 about 128; it depends on the number alone."""
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
    # The pattern varies along one random colour; noise of many scales in all colours keeps it from repeating exactly.
    colour = rng.uniform(0.4, 1, 3) * rng.choice([-1, 1], 3, p=[0.15, 0.85])
    clutter = np.stack([_noise(rng, 2, 8) for _ in range(3)], axis=2) * rng.uniform(0.05, 0.35)
    picture = 128 + 70 * (np.clip(field, -1, 1)[:, :, None] * colour + clutter)
    picture = cv2.GaussianBlur(picture, (0, 0), 0.7)  # interpolation can't move details finer than a pixel
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, first: int, last: int) -> np.ndarray:
    """Return noise with 2**first to 2**last periods a texture, finer ones weaker; standard deviation 0.5."""
    total, fade = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32), rng.uniform(0.5, 0.9)
    for octave in range(first, last + 1):
        grid = rng.standard_normal((2**octave, 2**octave), dtype=np.float32) * fade**octave
        total += cv2.resize(grid, total.shape, interpolation=cv2.INTER_CUBIC)
    return 0.5 * (total - total.mean()) / total.std()


def _scatter(rng: np.random.Generator) -> np.ndarray:
    """Return many filled rectangles and ellipses over each other, values -1 to 1."""
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
