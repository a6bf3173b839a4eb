"""Small examples: a map of addresses, a scene with known motion, and forward warping."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.warp import CELL


def address_map(height: int = 4, width: int = 4) -> Tensor:
    """Return a map whose values name their cells: 10 * row + column, so 12 is row 1, column 2.

    Returns:
        `(1, 1, height, width)`.
    """
    return (10.0 * torch.arange(height)[:, None] + torch.arange(width)).view(1, 1, height, width)


def same_everywhere(x: float | Tensor, y: float | Tensor, height: int = 4, width: int = 4) -> Tensor:
    """Return the flow field with the same vector at every cell.

    Args:
        x, y: cells to the right and down; tensors keep their gradient.

    Returns:
        `(1, 2, height, width)`.
    """
    vector = torch.stack([torch.as_tensor(x), torch.as_tensor(y)])
    vector = vector if vector.is_floating_point() else vector.float()
    return vector.view(1, 2, 1, 1).expand(1, 2, height, width)


class Scene(NamedTuple):
    """Two frames of a moving scene and their exact flow."""

    key_frame: Tensor  # (3, H, W) uint8
    current_frame: Tensor  # (3, H, W) uint8
    flow: Tensor  # (2, H, W) in pixels, current -> key, exact
    uncovered: Tensor  # (H, W) bool: background of the current frame that the ball hid in the key frame


def moving_scene(height: int = 600, width: int = 1000, step: tuple[int, int] = (140, 20)) -> Scene:
    """Return a scene of a camera that comes nearer while a ball crosses its view.

    Ground and ball have textures of sine waves, which can be computed at any position. So the current frame is drawn
    anew, not warped from the key frame, and the flow is exact wherever the key frame shows the same surface.

    Args:
        height, width: of the frames, in pixels.
        step: the ball's motion in pixels, to the right and down.
    """
    zoom = 1.08  # of the background, from the key frame to the current frame
    y, x = torch.arange(height)[:, None].float(), torch.arange(width)[None].float()
    left, top, radius = 0.33 * width, 0.55 * height, 0.18 * height  # the ball in the key frame
    background_y, background_x = height / 2 + (y - height / 2) / zoom, width / 2 + (x - width / 2) / zoom
    covered_then = _disc(background_x - left, background_y - top, radius)
    ball_then, ball_now = (_disc(x - left - t * step[0], y - top - t * step[1], radius) for t in (0, 1))
    key_frame = torch.where(ball_then, _ball(x - left, y - top), _ground(x, y))
    current_ball = _ball(x - left - step[0], y - top - step[1])
    current_frame = torch.where(ball_now, current_ball, _ground(background_x, background_y))
    ground_flow = torch.stack(torch.broadcast_tensors(background_x - x, background_y - y))
    flow = torch.where(ball_now, -torch.tensor(step).float()[:, None, None], ground_flow)
    return Scene(key_frame, current_frame, flow, covered_then & ~ball_now)


def simple_features(frame: Tensor, channels: int = 1024) -> Tensor:
    """Return features without a trained *N_feat*: one layer of smooth random filters, stride 16, and a ReLU.

    Args:
        frame: `(3, H, W)` uint8.
        channels: number of filters.

    Returns:
        `(1, channels, ceil(H/16), ceil(W/16))`. A cell sees 64x64 pixels around its own 16x16.
    """
    size, pooled = 16, 4  # each filter spans 16x16 means of 4x4 pixels
    filters = torch.randn(channels, 3, size, size, generator=torch.Generator().manual_seed(0))
    window = torch.hann_window(size + 2, periodic=False)[1:-1]  # fades towards the rim, so features change smoothly
    filters = filters * window[:, None] * window / math.sqrt(3 * size**2)
    small = F.avg_pool2d((frame[None].float() - 128) / 64, pooled, ceil_mode=True)
    step = CELL // pooled
    rows, columns = (math.ceil(n / CELL) for n in frame.shape[1:])
    before = (size - step) // 2
    right, bottom = (n * step - m + before for n, m in ((columns, small.shape[3]), (rows, small.shape[2])))
    small = F.pad(small, (before, right, before, bottom), mode="replicate")
    return F.conv2d(small, filters, stride=step).relu()


def forward_warp(values: Tensor, flow: Tensor) -> Tensor:
    """Warp forwards, the tempting wrong way: each cell throws its value along the flow to the nearest cell.

    Args:
        values: `(h, w)`.
        flow: `(2, h, w)`, key frame -> current frame, in cells.

    Returns:
        `(h, w)`: a cell that no value reaches stays 0, several values in one cell add up.
    """
    thrown = torch.zeros_like(values)
    for start, landing in landings(flow):
        thrown[landing] += values[start]
    return thrown


def landings(flow: Tensor) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield each cell (row, column) whose flow `(2, h, w)` ends on the map, and the cell nearest to that end."""
    _, height, width = flow.shape
    for row in range(height):
        for column in range(width):
            x, y = round(column + float(flow[0, row, column])), round(row + float(flow[1, row, column]))
            if 0 <= x < width and 0 <= y < height:
                yield (row, column), (y, x)


def _disc(x: Tensor, y: Tensor, radius: float) -> Tensor:
    return x**2 + y**2 < radius**2


def _ground(x: Tensor, y: Tensor) -> Tensor:
    return _paint(_texture(x, y, seed=0, shortest=40, longest=400), darkest=(24, 48, 84), lightest=(214, 224, 226))


def _ball(x: Tensor, y: Tensor) -> Tensor:
    return _paint(_texture(x, y, seed=1, shortest=50, longest=120), darkest=(150, 50, 10), lightest=(255, 214, 120))


def _texture(x: Tensor, y: Tensor, *, seed: int, shortest: float, longest: float, waves: int = 48) -> Tensor:
    """Sum sine waves in all directions, long ones higher, at `(1, W)` and `(H, 1)` positions: `(H, W)` in -1..1."""
    random = torch.Generator().manual_seed(seed)
    length = shortest * (longest / shortest) ** torch.rand(waves, generator=random)
    direction, phase = 2 * math.pi * torch.rand(2, waves, generator=random)
    across, down = direction.cos() / length, direction.sin() / length  # waves for each pixel
    u, v = 2 * math.pi * x.T * across + phase, 2 * math.pi * y * down  # (W, waves), (H, waves)
    height = (length / longest).sqrt()
    # sin(u + v) = cos(v) sin(u) + sin(v) cos(u), so all waves at all pixels are two matrix products.
    total = (v.cos() * height) @ u.sin().T + (v.sin() * height) @ u.cos().T
    return torch.tanh(total / height.square().sum().div(2).sqrt())


def _paint(texture: Tensor, darkest: tuple[int, ...], lightest: tuple[int, ...]) -> Tensor:
    """Return a texture in -1..1 as a picture `(3, H, W)` uint8 between two colours."""
    low, high = (torch.tensor(colour, dtype=torch.float32).view(3, 1, 1) for colour in (darkest, lightest))
    return (low + (high - low) * (texture + 1) / 2).round().clamp(0, 255).to(torch.uint8)
