"""Toytown's own flow in the place of *F*: the ablation's oracle, which no paper could have.

What is left of the loss with it is not the flow network's: it is what one vector for each cell of 16 pixels, and the
warping itself, cost.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dffkit.datasets.snippets import Snippet
from dffkit.warp import flow_to_cells

REACH = 19  # a current frame is at most that far from its key frame: the longest duration that is scored is 20


class _Place(NamedTuple):
    """Where a frame comes from."""

    snippet: Snippet
    index: int
    mirrored: bool


class ExactFlow(nn.Module):
    """Stands in for a flow network: the exact flow field, averaged over each cell, and no scale field (S = 1).

    A flow network is shown frames and nothing else, so this one has to `know` the snippets: it recognises a frame, or
    its mirror image, by its pixels, and looks up the flow of the pair.
    """

    scale_channels = None

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[bytes, _Place] = {}
        self._fields: dict[tuple[str, int, int], Tensor] = {}

    def know(self, snippets: Iterable[Snippet]) -> None:
        """Remember the frames of these snippets, in addition to those it knows; the flow is found when it is needed.

        Raises:
            ValueError: if a snippet has no exact flow.
        """
        for snippet in snippets:
            if snippet.flow is None:
                raise ValueError(f"snippets: expected exact flow, got none in {snippet.name}")
            for index, frame in enumerate(snippet.frames):
                for mirrored in (True, False):  # a frame that is its own mirror image counts as it is
                    place = _Place(snippet, index, mirrored)
                    self._places[_digest(frame.flip(-1) if mirrored else frame)] = place

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames `(B, 3, H, W)` uint8 as they are."""
        return frames

    def forward(self, current: Tensor, key: Tensor) -> tuple[Tensor, None]:
        """Flow `(B, 2, ceil(H/16), ceil(W/16))` in cells, on the frames' device.

        Args:
            current: frames `(B, 3, H, W)` uint8 of snippets that it knows.
            key: the same, or one key frame `(1, 3, H, W)` for all; of the same snippet, at most `REACH` frames earlier.

        Raises:
            ValueError: for a frame that it does not know, or frames of which it has no flow.
        """
        pairs = zip(current, key.expand_as(current), strict=True)
        fields = [self._field(self._place(frame), self._place(earlier)) for frame, earlier in pairs]
        return torch.stack(fields).to(current.device), None

    def _place(self, frame: Tensor) -> _Place:
        try:
            return self._places[_digest(frame)]
        except KeyError:
            known = len(self._places) // 2
            raise ValueError(f"frame: expected one of the {known} that `know` was given, got another") from None

    def _field(self, current: _Place, key: _Place) -> Tensor:
        name, i, k = current.snippet.name, current.index, key.index
        same_film = name == key.snippet.name and current.mirrored == key.mirrored
        if not (same_film and 0 <= i - k <= REACH):
            raise ValueError(
                f"key: expected a frame at most {REACH} before {i} of {name}, got {k} of {key.snippet.name}"
            )
        if (name, i, k) not in self._fields:
            # All at once: others of this frame will be asked for, and building its street is half of the work.
            for earlier in range(max(0, i - REACH), i + 1):
                field, _ = current.snippet.flow(i, earlier)
                self._fields[name, i, earlier] = flow_to_cells(field[None])[0]
        field = self._fields[name, i, k]
        return field.flip(-1) * torch.tensor([-1.0, 1.0]).view(2, 1, 1) if current.mirrored else field


def _digest(frame: Tensor) -> bytes:
    return blake2b(frame.contiguous().cpu().numpy().tobytes(), digest_size=16).digest()
