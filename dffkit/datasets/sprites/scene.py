"""A random scene of sprites: the world it comes from, its layers, and their motions from current to key frame.

Coordinates are pixels, and pixel centres are integers. Motions are affine maps, 3 x 3 matrices.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from dffkit.support.files import fingerprint

VERSION = "sprites-2"  # another one whenever the same parameters give other pictures
TEXTURE_SIZE = 512


@dataclass(frozen=True)
class SpriteWorld:
    """The parameters of the sprites. Lengths are in pixels unless stated otherwise; ranges are (low, high)."""

    sprites: tuple[int, int] = (6, 18)  # number of sprites in a scene, at most 254
    radius: tuple[float, float] = (0.04, 0.5)  # share of the frame's height; all orders of size are equally frequent
    # Mixture of (share, low, high): distances from the current to the key frame. Their distribution resembles street
    # video over 0 to 9 frames: most things are slow, and there is a tail of near and fast ones.
    displacement: tuple[tuple[float, float, float], ...] = ((0.45, 0, 4), (0.4, 4, 20), (0.15, 20, 80))
    still: float = 0.1  # share of pairs with i == k: the same frame twice
    zooming: float = 0.6  # share of backgrounds that zoom about a random point, as in a drive; others only shift
    driving_forward: float = 0.75  # share of these that shrink into the key frame, which is the earlier one
    zooming_shift: float = 0.3  # factor of the shift of a zooming background
    roll: float = 1.0  # largest rotation of the background, in degrees
    own_motion: float = 0.6  # share of sprites that move by themselves, on top of the camera's motion
    parallax: tuple[float, float] = (0.5, 1.5)  # factor of the camera's motion in a sprite's motion
    deformation: float = 0.3  # largest motion of a rim by turning, and by zooming, as a share of the displacement
    textures: int = 64  # number of textures that the layers choose from
    contrast: tuple[float, float] = (0.15, 1.0)  # of a layer's texture
    flicker: float = 0.1  # share of pairs with one wrongly exposed frame, as Toytown has
    exposure: tuple[float, float] = (0.5, 1.7)  # factor of the brightness of a wrongly exposed frame
    gain: float = 0.03  # largest change of contrast from the current to the key frame
    offset: float = 4.0  # the same of brightness, in grey levels
    noise: float = 2.0  # largest standard deviation on both frames, in grey levels; still pairs keep light and noise


# By the data set that the flow is trained for. The handheld camera turns after its subject: the background pans, by
# more than a drive moves it, behind things that fill the picture and stay where they are. A quarter of the picture
# moves by over 24 pixels; in the films it is a sixth. F learns long motions only after short ones, so it starts from
# the drive's: from nothing, with displacements of up to 160 pixels, it came out worse than F of the drive.
WORLDS = {
    "toytown": SpriteWorld(),
    "handheld": SpriteWorld(
        sprites=(4, 14), radius=(0.05, 1.0), displacement=((0.35, 0, 4), (0.35, 4, 20), (0.3, 20, 120)),
        zooming=0.35, zooming_shift=0.6, roll=3.0, parallax=(0.0, 1.2),
    ),
}  # fmt: skip


def data_version(parameters: SpriteWorld | None = None) -> str:
    """Return twelve hexadecimal digits that name the parameters and the version of the drawing code."""
    return fingerprint({"version": VERSION, **asdict(parameters or SpriteWorld())})


@dataclass(frozen=True)
class Layer:
    """One layer of a scene, in the coordinates of the current frame."""

    texture: int  # its number
    to_texture: np.ndarray  # 3x3, current frame -> texture
    colours: np.ndarray  # 3x4, texture colour (and 1) -> colour
    motion: np.ndarray  # 3x3, current frame -> key frame
    outline: Sequence[np.ndarray] | None = None  # polygons (n, 2) whose union is the layer; None for the whole frame


def draw_scene(rng: np.random.Generator, size: tuple[int, int], world: SpriteWorld) -> list[Layer]:
    """Return the layers of a random scene, background first."""
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
        turn, grow = (min(max(rng.uniform(-most, most), -0.35), 0.35) for _ in range(2))
        motion = similarity(math.exp(grow + min(max(parallax * zoom, -0.5), 0.5)), turn, centre, move)
        stretch = np.diag([1, rng.uniform(0.4, 1)]) @ rotation(rng.uniform(0, 2 * math.pi))
        outline = [radius * polygon @ stretch + centre for polygon in shape(rng)]
        layers.append(_layer(rng, world, motion, outline))
    return layers


def _camera(rng: np.random.Generator, size: tuple[int, int], world: SpriteWorld) -> tuple[np.ndarray, float]:
    """Return the background's motion, and the logarithm of its zoom."""
    height, width = size
    focus = rng.uniform(0.25, 0.75, 2) * (width, height)
    distance, zoom = _displacement(rng, world), 0.0
    if rng.random() < world.zooming:
        distance *= world.zooming_shift
        zoom = _displacement(rng, world) / (width / 2)  # moves points half a frame from the focus by this displacement
        zoom = float(np.clip(-zoom if rng.random() < world.driving_forward else zoom, -0.5, 0.5))
    # A slow camera rolls little: the roll moves the frame's edge no further than zoom and shift do.
    most = min(math.radians(world.roll), (abs(zoom) * width / 2 + distance) / (width / 2))
    return similarity(math.exp(zoom), rng.uniform(-most, most), focus, random_vector(rng, distance)), zoom


def _layer(rng: np.random.Generator, world: SpriteWorld, motion: np.ndarray, outline: list | None = None) -> Layer:
    """Return a layer with a random part of a random texture in random colours."""
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


def shape(rng: np.random.Generator) -> list[np.ndarray]:
    """Return polygons `(n, 2)` of about unit radius, whose union is a random shape."""
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


def _polar(angles: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Return a random number between `low` and `high`, all orders of size equally likely."""
    return low * (high / low) ** rng.random()


def random_vector(rng: np.random.Generator, length: float) -> np.ndarray:
    """Return x, y of this length in a random direction."""
    angle = rng.uniform(0, 2 * math.pi)
    return np.array([length * math.cos(angle), length * math.sin(angle)])


def rotation(angle: float) -> np.ndarray:
    """Return the rotation (2, 2) by an angle in radians."""
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def shift(x: float, y: float) -> np.ndarray:
    """Return the translation (3, 3) by x, y."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def similarity(
    zoom: float, angle: float, centre: Sequence[float] = (0, 0), move: Sequence[float] = (0, 0)
) -> np.ndarray:
    """Return the map (3, 3) that zooms and turns about `centre`, then moves by `move`."""
    result = np.eye(3)
    result[:2, :2] = zoom * rotation(angle)
    result[:2, 2] = np.add(centre, move) - result[:2, :2] @ centre
    return result


def apply(motion: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the images of points `(n, 2)` under a map (3, 3)."""
    return points @ motion[:2, :2].T + motion[:2, 2]
