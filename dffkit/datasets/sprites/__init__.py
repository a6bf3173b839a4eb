"""Flying textured sprites with exact flow: they pre-train *F*, in the role that FlyingChairs has for FlowNet.

A scene is a stack of layers, a background and random shapes above it; each moves by an affine map of its own from the
current frame to the key frame. So the flow is known analytically, and occlusion follows from the order of the layers.
Nothing looks like a street: F learns to match, not to know a data set. Every pair is a function of (seed, index) alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dffkit.datasets.sprites.drawing import render, render_pair, to_tensor
from dffkit.datasets.sprites.scene import SpriteWorld, data_version, draw_scene, log_uniform

__all__ = ["SpritePair", "SpriteWorld", "data_version", "mirrored", "sprite_pair", "stacked"]


class SpritePair(NamedTuple):
    """A pair of frames and the flow between them; in a batch every tensor has a dimension B in front.

    Attributes:
        current, key: `(3, H, W)` uint8 RGB.
        flow: `(2, H, W)` float32, pixels; x then y, defined on the current frame, pointing into the key frame.
        occluded: `(H, W)` bool, true where a point of the current frame is hidden in the key frame or outside it.
    """

    current: Tensor
    key: Tensor
    flow: Tensor
    occluded: Tensor


def sprite_pair(
    seed: int, index: int, size: tuple[int, int] = (192, 384), parameters: SpriteWorld | None = None
) -> SpritePair:
    """Return pair number `index` of the endless data set `seed`.

    Args:
        seed: number of the data set.
        index: number of the pair; pairs can be made in any order.
        size: `(H, W)` of the frames in pixels.
        parameters: the world; None for the standard one.

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
        image = to_tensor(render(layers, size)[0])
        return SpritePair(image, image.clone(), torch.zeros(2, *size), torch.zeros(size, dtype=torch.bool))
    current, key, flow, occluded = render_pair(layers, size)
    if rng.random() < world.flicker:
        factor = np.float32(log_uniform(rng, *world.exposure))
        spoilt = current if rng.random() < 0.5 else key
        spoilt[:] = np.clip(spoilt * factor, 0, 255)
    noise = world.noise * rng.random()
    current = _disturb(rng, current, 1, 0, noise)
    key = _disturb(rng, key, 1 + world.gain * rng.uniform(-1, 1), world.offset * rng.uniform(-1, 1), noise)
    return SpritePair(to_tensor(current), to_tensor(key), torch.from_numpy(flow), torch.from_numpy(occluded))


def stacked(pairs: Sequence[SpritePair]) -> SpritePair:
    """Return a batch of these pairs. Raises `ValueError` if there are none."""
    if not pairs:
        raise ValueError("pairs: expected at least one, got none")
    return SpritePair(*map(torch.stack, zip(*pairs, strict=True)))


def mirrored(pair: SpritePair, *, left_right: bool = False, upside_down: bool = False) -> SpritePair:
    """Return the pair mirrored, its flow included."""
    axes = [axis for axis, mirror in ((-1, left_right), (-2, upside_down)) if mirror]
    if not axes:
        return pair
    signs = torch.tensor([-1.0 if mirror else 1.0 for mirror in (left_right, upside_down)])
    current, key, flow, occluded = (tensor.flip(axes) for tensor in pair)
    return SpritePair(current, key, flow * signs[:, None, None], occluded)


def _disturb(rng: np.random.Generator, image: np.ndarray, gain: float, offset: float, noise: float) -> np.ndarray:
    if gain == 1 and offset == 0 and noise == 0:
        return image
    changed = (image - np.float32(128)) * np.float32(gain) + np.float32(128 + offset)
    if noise:
        changed += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(noise)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)
