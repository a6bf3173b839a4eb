"""A random scene of sprites: its layers, and how each moves from the current frame to the key frame."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dffkit.datasets.sprites.affine import apply, rotation, shift, similarity
from dffkit.datasets.sprites.looks import TEXTURE_SIZE, log_uniform, shape
from dffkit.datasets.sprites.world import SpriteWorld


@dataclass(frozen=True)
class Layer:
    """One thing in a scene. Its own coordinates are those of the current frame; maps are 3x3, pixel centres integers.

    Attributes:
        texture: index of a texture.
        to_texture: current frame -> texture.
        colours: 3x4, texture colour (and 1) -> colour.
        motion: current frame -> key frame.
        outline: polygons `(n, 2)` in the current frame, of which the layer is the union; None for everywhere.
    """

    texture: int
    to_texture: np.ndarray
    colours: np.ndarray
    motion: np.ndarray
    outline: Sequence[np.ndarray] | None = None


def draw_scene(rng: np.random.Generator, size: tuple[int, int], world: SpriteWorld) -> list[Layer]:
    """A random scene, background first."""
    height, width = size
    camera, zoom = _camera(rng, size, world)
    layers = [_layer(rng, world, camera)]
    longest = max(high for _, _, high in world.displacement)
    for _ in range(rng.integers(*world.sprites, endpoint=True)):
        radius = height * log_uniform(rng, *world.radius)
        centre = rng.uniform(-0.05, 1.05, 2) * (width, height)
        parallax = rng.uniform(*world.parallax)
        move = parallax * (apply(camera, centre[None])[0] - centre)
        if rng.random() < world.own_motion:
            move = move + random_vector(rng, _displacement(rng, world))
        length = math.hypot(*move)
        move = move * min(1, longest / max(length, 1e-9))
        most = world.deformation * length / radius
        turn, grow = (np.clip(rng.uniform(-most, most), -0.35, 0.35) for _ in range(2))
        motion = similarity(math.exp(grow + np.clip(parallax * zoom, -0.5, 0.5)), turn, centre, move)
        stretch = np.diag([1, rng.uniform(0.4, 1)]) @ rotation(rng.uniform(0, 2 * math.pi))
        outline = [radius * polygon @ stretch + centre for polygon in shape(rng)]
        layers.append(_layer(rng, world, motion, outline))
    return layers


def _camera(rng: np.random.Generator, size: tuple[int, int], world: SpriteWorld) -> tuple[np.ndarray, float]:
    """The background's motion, and the logarithm of its zoom."""
    height, width = size
    focus = rng.uniform(0.25, 0.75, 2) * (width, height)
    distance, zoom = _displacement(rng, world), 0.0
    if rng.random() < world.zooming:
        distance *= world.zooming_shift
        zoom = _displacement(rng, world) / (width / 2)  # so far moves what is half a frame from the focus
        zoom = float(np.clip(-zoom if rng.random() < world.driving_forward else zoom, -0.5, 0.5))
    # A camera that hardly moves hardly rolls: the roll moves the frame's edge no further than the rest does.
    most = min(math.radians(world.roll), (abs(zoom) * width / 2 + distance) / (width / 2))
    return similarity(math.exp(zoom), rng.uniform(-most, most), focus, random_vector(rng, distance)), zoom


def _layer(rng: np.random.Generator, world: SpriteWorld, motion: np.ndarray, outline: list | None = None) -> Layer:
    """A layer with a random texture, random part of it, random colours."""
    where = rng.uniform(0, TEXTURE_SIZE, 2)
    to_texture = shift(*where) @ similarity(log_uniform(rng, 0.6, 1.5), rng.uniform(0, 2 * math.pi))
    contrast = log_uniform(rng, *world.contrast) * rng.uniform(0.8, 1.2, 3)
    base = np.clip(rng.uniform(40, 215) + rng.normal(0, 25, 3), 20, 235)
    colours = np.zeros((3, 4))
    colours[range(3), rng.permutation(3)] = contrast
    colours[:, 3] = base - 128 * contrast
    return Layer(int(rng.integers(world.textures)), to_texture, colours, motion, outline)


def _displacement(rng: np.random.Generator, world: SpriteWorld) -> float:
    _, low, high = world.displacement[rng.choice(len(world.displacement), p=[s for s, _, _ in world.displacement])]
    return log_uniform(rng, low, high) if low else rng.uniform(0, high)


def random_vector(rng: np.random.Generator, length: float) -> np.ndarray:
    """x, y of this length, in any direction."""
    angle = rng.uniform(0, 2 * math.pi)
    return np.array([length * math.cos(angle), length * math.sin(angle)])
