"""Snippets at another size: frames, label maps and boxes scaled together on access."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dffkit.datasets.snippets import Frames, OnDemand, Snippet

Size = tuple[int, int]  # height, width


def short_side(least: int, most: float = math.inf) -> Callable[[Size], Size]:
    """Return a function that scales (H, W) to a shorter side of `least` pixels and a longer one of at most `most`.

    The authors use 600 and 1000 for ImageNet VID, so that its frames of 720x1280 become 562x1000 (Sec. 5).
    """

    def fit(size: Size) -> Size:
        factor = min(least / min(size), most / max(size))
        return tuple(max(1, round(factor * side)) for side in size)

    return fit


def resized(snippet: Snippet, fit: Callable[[Size], Size]) -> Snippet:
    """Return a snippet whose frames, targets and regions to ignore have another size; it has no exact flow.

    Frames are scaled bilinearly with antialiasing, label maps take the nearest pixel, boxes are multiplied.

    Args:
        snippet: the snippet to scale.
        fit: maps the (H, W) of a frame to its new (H, W).
    """

    def frame(i: int) -> Tensor:
        own = snippet.frames[i]
        return resized_frame(own, fit(tuple(own.shape[1:])))

    def target(i: int) -> Any:
        size = tuple(snippet.frames[i].shape[1:])
        return resized_target(snippet.targets[i], size, fit(size))

    frames = Frames(frame, len(snippet.frames))
    return replace(snippet, frames=frames, targets=OnDemand(target, list(snippet.targets)), flow=None)


def resized_frame(frame: Tensor, size: Size) -> Tensor:
    """Return a frame `(3, H, W)` uint8 at another size (H, W)."""
    if size == tuple(frame.shape[1:]):
        return frame
    scaled = F.interpolate(frame[None].float(), size, mode="bilinear", antialias=True)[0]
    return scaled.round().clamp(0, 255).to(torch.uint8)


def resized_target(target: Any, old: Size, new: Size) -> Any:
    """Return the label map or the boxes of a frame of size `old` (H, W) for the same frame at size `new`."""
    if isinstance(target, Tensor):
        return F.interpolate(target[None, None], new, mode="nearest-exact")[0, 0]
    ratio = torch.tensor([new[1] / old[1], new[0] / old[0]] * 2)
    return target | {name: target[name] * ratio for name in ("boxes", "ignore") if name in target}
