"""Labelled stills made into short videos, for training on pairs where only single images have labels.

The last frame of a snippet is a random view of a still with its label map. In the frames before it the view moves
smoothly backwards in time, and pieces of the picture move by themselves. Every frame is a function of (seed, still,
variant, frame) alone.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from dffkit.datasets.images import channels_first
from dffkit.datasets.snippets import Frames, OnDemand, Snippet
from dffkit.datasets.still_camera import Shot, draw_shot
from dffkit.networks.segmentation import IGNORE

FPS = 15.0  # the speeds in still_camera.py fit nine frames of CamVid's clip at this rate


class MovingStills(Sequence[Snippet]):
    """One snippet for each still and variant, with a label map for its last frame.

    Outside the still, the label map is 255 and the picture continues as its mirror image: a plain colour would have
    edges to learn.

    Args:
        stills: snippets; each of their annotated frames is a still, with a label map `(H, W)` uint8.
        variants: number of snippets made from each still.
        length: frames of each snippet.
        seed: seed of the random views and motions.
        size: (H, W) of the frames, which show the still at 0.7 to 1.4 times its size; smaller frames reach less far
            outside the still.

    Raises:
        ValueError: for a wrong option, or if no frame is annotated.
    """

    def __init__(
        self, stills: Sequence[Snippet], *, variants: int, length: int = 10, seed: int, size: tuple[int, int]
    ) -> None:
        if min(variants, length, *size) < 1:
            raise ValueError(f"variants, length, size: expected at least 1, got {variants}, {length}, {size}")
        self.places = [(still, frame) for still in stills for frame in still.targets]
        if not self.places:
            raise ValueError(f"stills: expected at least one annotated frame, got none in {len(stills)} snippets")
        self.variants, self.length, self.seed, self.size = variants, length, seed, tuple(size)
        # A sample needs its frame, its target and its key frame in turn; the cache reads the still once.
        self._scene = lru_cache(maxsize=32)(self._make_scene)

    def __len__(self) -> int:
        return len(self.places) * self.variants

    def __getitem__(self, index: int) -> Snippet:
        index = range(len(self))[index]
        last = self.length - 1

        def frame(t: int) -> Tensor:
            scene = self._scene(index)
            return channels_first(scene.shot.picture(scene.still, last - t))

        def target(_: int) -> Tensor:
            scene = self._scene(index)
            flags = {"flags": cv2.INTER_NEAREST, "borderValue": IGNORE}
            return torch.from_numpy(cv2.warpAffine(scene.labels, scene.shot.view[:2], self.size[::-1], **flags))

        return Snippet(self._name(index), FPS, Frames(frame, self.length), OnDemand(target, [last]))

    def _name(self, index: int) -> str:
        still, frame = self.places[index // self.variants]
        return f"{still.name}/{frame}/{index % self.variants}"

    def _make_scene(self, index: int) -> "_Scene":
        snippet, frame = self.places[index // self.variants]
        still = snippet.frames[frame].permute(1, 2, 0).contiguous().numpy()
        rng = np.random.default_rng(list(f"{self.seed}/{self._name(index)}".encode()))
        return _Scene(still, snippet.targets[frame].numpy(), draw_shot(rng, still.shape[:2], self.size))


class _Scene(NamedTuple):
    still: np.ndarray
    labels: np.ndarray
    shot: Shot
