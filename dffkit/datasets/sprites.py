"""Flying textured sprites with exact flow: what pre-trains *F*, in the role that FlyingChairs has for FlowNet.

A scene is a stack of layers, a background and random shapes above it; each moves by an affine map of its own from the
current frame to the key frame. So the flow is known analytically, and what hides what follows from the order. Nothing
looks like a street: F learns to match, not to know a data set. Every pair is a function of (seed, index) alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from dffkit.datasets.sprite_looks import TEXTURE_SIZE, log_uniform, shape, texture
from dffkit.fingerprint import fingerprint

VERSION = "sprites-2"  # another one whenever the same parameters give other pictures
FINE = 4  # outlines are drawn that many times finer, for smooth edges


@dataclass(frozen=True)
class SpriteWorld:
    """Everything that can be set. Lengths are in pixels where nothing else is said; ranges are (low, high).

    Attributes:
        sprites: how many.
        radius: of a sprite, as a share of the frame's height; all orders of size are equally frequent.
        displacement: mixture of (share, low, high): how far things move from the current to the key frame. The shape
            is that of street video over 0 to 9 frames: much is slow, and there is a tail of near and fast things.
        still: share of pairs with i == k: the same frame twice.
        zooming: share of backgrounds that zoom about a random point, as if the camera drove; others only shift.
        driving_forward: share of those that shrink into the key frame, which is the earlier one.
        zooming_shift: how much of a drawn displacement a zooming background shifts as well.
        roll: largest rotation of the background, in degrees.
        own_motion: share of sprites that move by themselves, on top of the camera's motion.
        parallax: how many times the camera's motion a sprite takes part in.
        deformation: most that turning, and also that zooming, moves a sprite's rim, as a share of its displacement.
        textures: how many the layers draw from.
        contrast: of a layer's texture.
        flicker: share of pairs of which one frame is exposed wrongly, as Toytown's frames sometimes are ...
        exposure: ... and by what factor.
        gain, offset: largest change of contrast, and of brightness in grey levels, from the current to the key frame.
        noise: largest standard deviation of the noise on both frames, in grey levels. Still pairs have no such change.
    """

    sprites: tuple[int, int] = (6, 18)
    radius: tuple[float, float] = (0.04, 0.5)
    displacement: tuple[tuple[float, float, float], ...] = ((0.45, 0, 4), (0.4, 4, 20), (0.15, 20, 80))
    still: float = 0.1
    zooming: float = 0.6
    driving_forward: float = 0.75
    zooming_shift: float = 0.3
    roll: float = 1.0
    own_motion: float = 0.6
    parallax: tuple[float, float] = (0.5, 1.5)
    deformation: float = 0.3
    textures: int = 64
    contrast: tuple[float, float] = (0.15, 1.0)
    flicker: float = 0.1
    exposure: tuple[float, float] = (0.5, 1.7)
    gain: float = 0.03
    offset: float = 4.0
    noise: float = 2.0

    def __post_init__(self) -> None:
        shares = [share for share, _, _ in self.displacement]
        if min(shares) < 0 or not math.isclose(sum(shares), 1):
            raise ValueError(f"displacement: expected shares of at least 0 that add up to 1, got {shares}")
        if any(not 0 <= low <= high for _, low, high in self.displacement):
            raise ValueError(f"displacement: expected 0 <= low <= high, got {self.displacement}")
        if self.sprites[0] < 0 or self.sprites[1] < self.sprites[0] or self.sprites[1] > 254:
            raise ValueError(f"sprites: expected 0 <= low <= high <= 254, got {self.sprites}")
        if self.textures < 1:
            raise ValueError(f"textures: expected at least 1, got {self.textures}")


class SpritePair(NamedTuple):
    """A pair of frames and the flow between them; in a batch each has a dimension B in front.

    Attributes:
        current, key: `(3, H, W)` uint8 RGB.
        flow: `(2, H, W)` float32, pixels; x then y, defined on the current frame, pointing into the key frame.
        occluded: `(H, W)` bool, true where what the current frame shows is hidden in the key frame or outside it.
    """

    current: Tensor
    key: Tensor
    flow: Tensor
    occluded: Tensor


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


def sprite_pair(
    seed: int, index: int, size: tuple[int, int] = (192, 384), parameters: SpriteWorld | None = None
) -> SpritePair:
    """Pair number `index` of the endless data set `seed`.

    Args:
        seed: which data set.
        index: which pair; any order, none depends on another.
        size: `(H, W)`.
        parameters: None for the standard world.

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
        current, _ = render(layers, size)
        image = _to_tensor(current)
        return SpritePair(image, image.clone(), torch.zeros(2, *size), torch.zeros(size, dtype=torch.bool))
    current, key, flow, occluded = render_pair(layers, size)
    if rng.random() < world.flicker:
        factor = np.float32(log_uniform(rng, *world.exposure))
        spoilt = current if rng.random() < 0.5 else key
        spoilt[:] = np.clip(spoilt * factor, 0, 255)
    noise = world.noise * rng.random()
    current = _change(rng, current, 1, 0, noise)
    key = _change(rng, key, 1 + world.gain * rng.uniform(-1, 1), world.offset * rng.uniform(-1, 1), noise)
    return SpritePair(_to_tensor(current), _to_tensor(key), torch.from_numpy(flow), torch.from_numpy(occluded))


def sprite_batch(
    seed: int, indices: Iterable[int], size: tuple[int, int] = (192, 384), parameters: SpriteWorld | None = None
) -> SpritePair:
    """The pairs of these indices, stacked: each tensor has a dimension B in front. Raises as `sprite_pair`."""
    return stacked([sprite_pair(seed, index, size, parameters) for index in indices])


def stacked(pairs: Sequence[SpritePair]) -> SpritePair:
    """A batch of these pairs. Raises ValueError if there are none."""
    if not pairs:
        raise ValueError("indices: expected at least one, got none")
    return SpritePair(*map(torch.stack, zip(*pairs, strict=True)))


def mirrored(pair: SpritePair, *, left_right: bool = False, upside_down: bool = False) -> SpritePair:
    """The pair as a mirror shows it, its flow as well."""
    axes = [axis for axis, mirror in ((-1, left_right), (-2, upside_down)) if mirror]
    if not axes:
        return pair
    signs = torch.tensor([-1.0 if left_right else 1.0, -1.0 if upside_down else 1.0])
    current, key, flow, occluded = (tensor.flip(axes) for tensor in pair)
    return SpritePair(current, key, flow * signs[:, None, None], occluded)


def world_hash(parameters: SpriteWorld | None = None) -> str:
    """Twelve hex digits that say which pictures (seed, index) gives: of the parameters and of this code's version."""
    return fingerprint({"version": VERSION, **asdict(parameters or SpriteWorld())})


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
        move = parallax * (_apply(camera, centre[None])[0] - centre)
        if rng.random() < world.own_motion:
            move = move + _vector(rng, _displacement(rng, world))
        length = math.hypot(*move)
        move = move * min(1, longest / max(length, 1e-9))
        most = world.deformation * length / radius
        turn, grow = (np.clip(rng.uniform(-most, most), -0.35, 0.35) for _ in range(2))
        motion = _similarity(math.exp(grow + np.clip(parallax * zoom, -0.5, 0.5)), turn, centre, move)
        stretch = np.diag([1, rng.uniform(0.4, 1)]) @ _rotation(rng.uniform(0, 2 * math.pi))
        outline = [radius * polygon @ stretch + centre for polygon in shape(rng)]
        layers.append(_layer(rng, world, motion, outline))
    return layers


def render_pair(
    layers: Sequence[Layer], size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Current and key frame `(H, W, 3)` uint8, flow `(2, H, W)` float32 and occlusion `(H, W)` of a scene."""
    current, owner = render(layers, size)
    key, owner_in_key = render(layers, size, in_key=True)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    steps = np.stack([layer.motion[:2] - np.eye(2, 3) for layer in layers]).astype(np.float32)[owner]  # (H, W, 2, 3)
    flow = np.stack([steps[:, :, i, 0] * x + steps[:, :, i, 1] * y + steps[:, :, i, 2] for i in range(2)])
    to_x, to_y = np.rint(x + flow[0]).astype(int), np.rint(y + flow[1]).astype(int)
    outside = (to_x < 0) | (to_x >= size[1]) | (to_y < 0) | (to_y >= size[0])
    # The point is hidden where a higher layer is. A lower one there is only an edge that was rounded.
    above = owner_in_key[to_y.clip(0, size[0] - 1), to_x.clip(0, size[1] - 1)]
    return current, key, flow, outside | (above > owner)


def render(layers: Sequence[Layer], size: tuple[int, int], *, in_key: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """One frame `(H, W, 3)` uint8, and for each pixel `(H, W)` uint8 the topmost layer that covers more than half."""
    image, owner = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
    for number, layer in enumerate(layers):
        motion = layer.motion if in_key else np.eye(3)
        x, y, alpha = _cover(layer.outline, motion, size)
        height, width = alpha.shape
        if height == 0 or width == 0:
            continue
        window = (slice(y, y + height), slice(x, x + width))
        to_texture = layer.to_texture @ np.linalg.inv(motion) @ _shift(x, y)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        picture = texture(layer.texture)
        patch = cv2.warpAffine(picture, to_texture[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
        patch = cv2.transform(patch, layer.colours)
        image[window] = cv2.blendLinear(patch, image[window], alpha, 1 - alpha)
        owner[window][alpha > 0.5] = number
    return image, owner


def _cover(outline: Sequence[np.ndarray] | None, motion: np.ndarray, size: tuple[int, int]) -> tuple:
    """Corner x, y of the window that the moved outline touches, and how much of each pixel there it covers."""
    if outline is None:
        return 0, 0, np.ones(size, np.float32)
    moved = [_apply(motion, polygon) for polygon in outline]
    points = np.concatenate(moved)
    x, y = np.floor(points.min(axis=0)).astype(int).clip(0, (size[1], size[0]))
    right, bottom = (np.ceil(points.max(axis=0)).astype(int) + 1).clip((x, y), (size[1], size[0]))
    if x == right or y == bottom:
        return x, y, np.zeros((bottom - y, right - x), np.float32)
    fine = np.zeros(((bottom - y) * FINE, (right - x) * FINE), np.uint8)
    for polygon in moved:
        corners = (polygon - (x, y) + 0.5) * FINE - 0.5
        cv2.fillPoly(fine, [np.rint(corners * 16).astype(np.int32)], 255, shift=4)
    alpha = cv2.resize(fine, (right - x, bottom - y), interpolation=cv2.INTER_AREA)
    return x, y, alpha.astype(np.float32) / 255


def _camera(rng: np.random.Generator, size: tuple[int, int], world: SpriteWorld) -> tuple[np.ndarray, float]:
    """The background's motion, and the logarithm of its zoom."""
    height, width = size
    focus = rng.uniform(0.25, 0.75, 2) * (width, height)
    shift, zoom = _displacement(rng, world), 0.0
    if rng.random() < world.zooming:
        shift *= world.zooming_shift
        zoom = _displacement(rng, world) / (width / 2)  # so far moves what is half a frame from the focus
        zoom = float(np.clip(-zoom if rng.random() < world.driving_forward else zoom, -0.5, 0.5))
    # A camera that hardly moves hardly rolls: the roll moves the frame's edge no further than the rest does.
    most = min(math.radians(world.roll), (abs(zoom) * width / 2 + shift) / (width / 2))
    return _similarity(math.exp(zoom), rng.uniform(-most, most), focus, _vector(rng, shift)), zoom


def _layer(rng: np.random.Generator, world: SpriteWorld, motion: np.ndarray, outline: list | None = None) -> Layer:
    """A layer with a random texture, random part of it, random colours."""
    where = rng.uniform(0, TEXTURE_SIZE, 2)
    to_texture = _shift(*where) @ _similarity(log_uniform(rng, 0.6, 1.5), rng.uniform(0, 2 * math.pi))
    contrast = log_uniform(rng, *world.contrast) * rng.uniform(0.8, 1.2, 3)
    base = np.clip(rng.uniform(40, 215) + rng.normal(0, 25, 3), 20, 235)
    colours = np.zeros((3, 4))
    colours[range(3), rng.permutation(3)] = contrast
    colours[:, 3] = base - 128 * contrast
    return Layer(int(rng.integers(world.textures)), to_texture, colours, motion, outline)


def _change(rng: np.random.Generator, image: np.ndarray, gain: float, offset: float, noise: float) -> np.ndarray:
    if gain == 1 and offset == 0 and noise == 0:
        return image
    changed = (image - np.float32(128)) * np.float32(gain) + np.float32(128 + offset)
    if noise:
        changed += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(noise)
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def _displacement(rng: np.random.Generator, world: SpriteWorld) -> float:
    _, low, high = world.displacement[rng.choice(len(world.displacement), p=[s for s, _, _ in world.displacement])]
    return log_uniform(rng, low, high) if low else rng.uniform(0, high)


def _vector(rng: np.random.Generator, length: float) -> np.ndarray:
    angle = rng.uniform(0, 2 * math.pi)
    return np.array([length * math.cos(angle), length * math.sin(angle)])


def _rotation(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def _similarity(zoom: float, angle: float, centre: Sequence[float] = (0, 0), move: Sequence[float] = (0, 0)):
    """3x3: zoom and turn about `centre`, then `move`."""
    result = np.eye(3)
    result[:2, :2] = zoom * _rotation(angle)
    result[:2, 2] = np.add(centre, move) - result[:2, :2] @ centre
    return result


def _apply(motion: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ motion[:2, :2].T + motion[:2, 2]


def _to_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
