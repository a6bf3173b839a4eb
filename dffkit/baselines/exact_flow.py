"""The data set's own flow in the place of *F*: the ablation's oracle, which only a rendered data set can have.

With exact flow, the loss of accuracy that is left is the cost of one vector for each cell of 16 pixels, and of the
warping itself.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor

from dffkit.baselines.without_flow import FlowStandIn
from dffkit.datasets.snippets import Snippet
from dffkit.warp import CELL, flow_to_cells

REACH = 19  # largest distance in frames from a key frame to a current frame: the longest duration scored is 20


class _Origin(NamedTuple):
    """The snippet and index that a frame comes from."""

    snippet: Snippet
    index: int
    mirrored: bool


class ExactFlow(FlowStandIn):
    """Exact flow fields, averaged over each cell, and no scale field.

    A flow network receives frames only. This one therefore has to `register` the snippets: it recognizes a frame, or
    its mirror image, by its pixels, and looks up the flow of the pair.
    """

    def __init__(self) -> None:
        super().__init__()
        self._origins: dict[bytes, _Origin] = {}
        self._fields: dict[tuple[str, int, int], Tensor] = {}

    def register(self, snippets: Iterable[Snippet]) -> None:
        """Add the frames of these snippets to those it recognizes; their flow is computed when it is needed.

        Raises:
            ValueError: if a snippet has no exact flow.
        """
        for snippet in snippets:
            if snippet.flow is None:
                raise ValueError(f"snippets: expected exact flow, got none in {snippet.name}")
            for index, frame in enumerate(snippet.frames):
                for mirrored in (True, False):  # a frame that is its own mirror image counts as not mirrored
                    origin = _Origin(snippet, index, mirrored)
                    self._origins[_digest(frame.flip(-1) if mirrored else frame)] = origin

    def field(self, current_frame: Tensor, key_frame: Tensor) -> Tensor:
        """Look up the flow `(2, h, w)` in cells from a registered frame to one at most `REACH` frames earlier.

        Raises:
            ValueError: for a frame that is not registered, frames that have no flow between them, or mirrored frames
                whose width is no multiple of 16.
        """
        current, key = self._origin(current_frame), self._origin(key_frame)
        name, i, k = current.snippet.name, current.index, key.index
        same_film = name == key.snippet.name and current.mirrored == key.mirrored
        if not (same_film and 0 <= i - k <= REACH):
            raise ValueError(
                f"key: expected a frame at most {REACH} before {i} of {name}, got {k} of {key.snippet.name}"
            )
        if (name, i, k) not in self._fields:
            # All earlier frames at once: they will be needed, and building the street of frame i is half of the work.
            for earlier in range(max(0, i - REACH), i + 1):
                field, _ = current.snippet.flow(i, earlier)
                self._fields[name, i, earlier] = flow_to_cells(field[None])[0]
        field = self._fields[name, i, k]
        return field.flip(-1) * torch.tensor([-1.0, 1.0]).view(2, 1, 1) if current.mirrored else field

    def _origin(self, frame: Tensor) -> _Origin:
        origin = self._origins.get(_digest(frame))
        if origin is None:
            known = len(self._origins) // 2
            raise ValueError(f"frame: expected one of the {known} that `register` was given, got another")
        if origin.mirrored and frame.shape[-1] % CELL:
            raise ValueError(f"frame: expected a width that {CELL} divides for mirrored flow, got {frame.shape[-1]}")
        return origin


def _digest(frame: Tensor) -> bytes:
    return blake2b(frame.contiguous().cpu().numpy().tobytes(), digest_size=16).digest()
