"""Snippets at another size, and random windows of them: frames, label maps and boxes change together, on access."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from dffkit.datasets.snippets import Frames, OnDemand, Snippet

Size = tuple[int, int]  # height, width
LEAST = 1.0  # pixels: a narrower or lower rest of a box does not count as seen
VISIBLE = 0.4  # share of a box that must be in a window; of a box with less, the rest becomes a region to ignore


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

    Frames are scaled bilinearly with antialiasing, label maps take the nearest pixel, boxes are multiplied. `fit` maps
    the (H, W) of a frame to its new (H, W).
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


def clip_boxes(boxes: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Return boxes `(N, 4)` clipped to a picture of `size` (H, W), and the share `(N,)` of each that is in it.

    The share is 0 where less than a pixel of the box's width or height remains.
    """
    clipped = boxes.clamp(min=0).minimum(torch.tensor([size[1], size[0]] * 2))
    sides = clipped[:, 2:] - clipped[:, :2]
    share = sides.prod(1) / (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return clipped, torch.where((sides >= LEAST).all(1), share, 0)


class Window(NamedTuple):
    """A part of a frame, in pixels, and the (H, W) to which it is scaled."""

    top: int
    left: int
    height: int
    width: int
    size: Size

    def frame(self, frame: Tensor) -> Tensor:
        """Return the window of a frame `(3, H, W)` uint8, `(3, *size)` uint8."""
        part = frame[:, self.top : self.top + self.height, self.left : self.left + self.width]
        return resized_frame(part, self.size)

    def target(self, target: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the boxes in the window, clipped; boxes of which too little is seen become regions to ignore.

        Args:
            target: "boxes" `(N, 4)`, optionally "ignore" `(R, 4)`, and other tensors with a row for each box.
        """
        corner = torch.tensor([self.left, self.top] * 2)
        ratio = torch.tensor([self.size[1] / self.width, self.size[0] / self.height] * 2)
        boxes, share = clip_boxes((target["boxes"] - corner) * ratio, self.size)
        regions, rest = clip_boxes((target.get("ignore", torch.zeros(0, 4)) - corner) * ratio, self.size)
        kept, partly = share >= VISIBLE, (share > 0) & (share < VISIBLE)
        others = {name: rows[kept] for name, rows in target.items() if name not in ("boxes", "ignore")}
        return {**others, "boxes": boxes[kept], "ignore": torch.cat([regions[rest > 0], boxes[partly]])}


class Crops(Sequence[Snippet]):
    """Snippets that each show one random window of a video with boxes, the same in all frames.

    Every window contains the centre of a random box of a random frame: most windows of a street are empty, and an
    empty window teaches only background.

    Args:
        snippets: the videos; all frames of one have the same size.
        count: number of windows of each video.
        size: (H, W) of the frames.
        scales: smallest and largest factor by which a window is enlarged, distributed evenly on a logarithmic scale.
        seed: seed of the windows.

    Raises:
        ValueError: if a video is too small for its windows, or has no box.
    """

    def __init__(
        self, snippets: Sequence[Snippet], *, count: int, size: Size, scales: tuple[float, float], seed: int
    ) -> None:
        self.snippets, self.count, self.size, self.scales, self.seed = snippets, count, size, scales, seed
        self._centres = [_centres(snippet) for snippet in snippets]
        self._sizes = [tuple(snippet.frames[0].shape[1:]) for snippet in snippets]
        needed = [round(side / scales[0]) for side in size]
        for snippet, has in zip(snippets, self._sizes, strict=True):
            if any(side > room for side, room in zip(needed, has, strict=True)):
                raise ValueError(
                    f"size: windows of {size} at {scales[0]:g} need {needed} pixels, {snippet.name} has {has}"
                )

    def __len__(self) -> int:
        return len(self.snippets) * self.count

    def __getitem__(self, index: int) -> Snippet:
        number, variant = divmod(range(len(self))[index], self.count)
        snippet, window = self.snippets[number], self._window(number, variant)
        frames = Frames(lambda i: window.frame(snippet.frames[i]), len(snippet.frames))
        targets = OnDemand(lambda i: window.target(snippet.targets[i]), list(snippet.targets))
        return Snippet(f"{snippet.name}/{variant}", snippet.fps, frames, targets)

    def _window(self, number: int, variant: int) -> Window:
        rng = np.random.default_rng((self.seed, number, variant))
        low, high = np.log(self.scales)
        scale = np.exp(rng.uniform(low, high))
        height, width = (round(side / scale) for side in self.size)
        centre = self._centres[number][rng.integers(len(self._centres[number]))]
        top, left = (
            int((at - rng.uniform(0, side)).clip(0, room - side).round())
            for at, room, side in zip(centre, self._sizes[number], (height, width), strict=True)
        )
        return Window(top, left, height, width, self.size)


def _centres(snippet: Snippet) -> np.ndarray:
    """Return the centres of all boxes of all frames, `(n, 2)`, y then x."""
    boxes = torch.cat([torch.zeros(0, 4), *(snippet.targets[i]["boxes"] for i in snippet.targets)])
    if not len(boxes):
        raise ValueError(f"snippets: expected boxes, got none in {snippet.name}")
    return torch.stack([boxes[:, [1, 3]].mean(1), boxes[:, [0, 2]].mean(1)], 1).double().numpy()
