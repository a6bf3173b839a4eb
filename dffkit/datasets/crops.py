"""Random windows of a video as snippets of their own: small enough to train on, at the scale of what will be seen."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dffkit.datasets.in_view import in_view
from dffkit.datasets.on_demand import Frames, OnDemand
from dffkit.datasets.resized import resized_frame
from dffkit.datasets.snippets import Snippet

VISIBLE = 0.4  # share of a box that has to be in the window; of one that has less, the rest becomes a region to ignore


class Window(NamedTuple):
    """A part of a frame, and the size at which it is seen."""

    top: int
    left: int
    height: int
    width: int
    size: tuple[int, int]

    def frame(self, frame: Tensor) -> Tensor:
        """`(3, H, W)` uint8 -> `(3, *size)` uint8."""
        part = frame[:, self.top : self.top + self.height, self.left : self.left + self.width]
        return resized_frame(part, self.size)

    def target(self, target: dict[str, Tensor]) -> dict[str, Tensor]:
        """Boxes and regions to ignore in the window."""
        return in_view(target, self._moved, self.size, VISIBLE)

    def _moved(self, boxes: Tensor) -> Tensor:
        ratio = torch.tensor([self.size[1] / self.width, self.size[0] / self.height] * 2)
        return (boxes - torch.tensor([self.left, self.top] * 2)) * ratio


class Crops(Sequence[Snippet]):
    """Snippets of which each shows one random window of a video with boxes; all their frames show the same window.

    A window lies so that the middle of a random box of a random frame is in it: most of a street is empty most of the
    time, and nothing can be learned there but what is no box.

    Args:
        snippets: the videos; all frames of one have the same size.
        count: how many windows of each.
        size: (H, W) of the frames.
        scales: smallest and largest factor by which a window is enlarged; all orders of size are equally frequent.
        seed: which windows.

    Raises:
        ValueError: if a video is too small for its windows, or has no box.
    """

    def __init__(
        self, snippets: Sequence[Snippet], *, count: int, size: tuple[int, int], scales: tuple[float, float], seed: int
    ) -> None:
        self.snippets, self.count, self.size, self.scales, self.seed = snippets, count, size, scales, seed
        self._middles = [_middles(snippet) for snippet in snippets]
        self._largest = [tuple(snippet.frames[0].shape[1:]) for snippet in snippets]
        needed = [round(side / scales[0]) for side in size]
        for snippet, has in zip(snippets, self._largest, strict=True):
            if any(side > room for side, room in zip(needed, has, strict=True)):
                raise ValueError(
                    f"size: windows of {size} at {scales[0]:g} need {needed} pixels, {snippet.name} has {has}"
                )

    def __len__(self) -> int:
        return len(self.snippets) * self.count

    def __getitem__(self, index: int) -> Snippet:
        number, variant = divmod(range(len(self))[index], self.count)
        snippet, window = self.snippets[number], self._window(number, variant)

        def target(i: int) -> Any:
            return window.target(snippet.targets[i])

        frames = Frames(lambda i: window.frame(snippet.frames[i]), len(snippet.frames))
        targets = OnDemand(target, list(snippet.targets))
        return Snippet(f"{snippet.name}/{variant}", snippet.fps, frames, targets)

    def _window(self, number: int, variant: int) -> Window:
        rng = np.random.default_rng((self.seed, number, variant))
        low, high = np.log(self.scales)
        scale = np.exp(rng.uniform(low, high))
        height, width = (round(side / scale) for side in self.size)
        middle = self._middles[number][rng.integers(len(self._middles[number]))]
        top, left = (
            int((at - rng.uniform(0, side)).clip(0, room - side).round())
            for at, room, side in zip(middle, self._largest[number], (height, width), strict=True)
        )
        return Window(top, left, height, width, self.size)


def _middles(snippet: Snippet) -> np.ndarray:
    """The middles of all boxes of all frames, `(n, 2)`, y then x."""
    boxes = torch.cat([torch.zeros(0, 4), *(snippet.targets[i]["boxes"] for i in snippet.targets)])
    if not len(boxes):
        raise ValueError(f"snippets: expected boxes, got none in {snippet.name}")
    return torch.stack([boxes[:, [1, 3]].mean(1), boxes[:, [0, 2]].mean(1)], 1).double().numpy()
