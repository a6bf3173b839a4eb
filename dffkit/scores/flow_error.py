"""Endpoint error of flow at stride 16: on sprites and on Toytown, over all cells or by region."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from dffkit.datasets import toytown
from dffkit.datasets.sprites import SpriteWorld, sprite_pair, stacked
from dffkit.warp import CELL, flow_to_cells

SPRITE_SEED = 1_000_000  # a seed that no run trains with
OFFSETS = tuple(range(1, 10))  # i - k, as in training but without 0, where no flow is computed

Flow = Callable[[Tensor, Tensor], Tensor]  # current and key frames (B, 3, H, W) uint8 -> flow (B, 2, h, w) in cells
Pairs = Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]  # current, key, flow in pixels, occluded


def endpoint_errors(flow: Flow, pairs: Pairs) -> dict[str, float]:
    """Return the mean endpoint error in pixels of the frame, against the exact flow averaged over each cell.

    Args:
        flow: the flow that is measured.
        pairs: batches of current frames and key frames `(B, 3, H, W)`, exact flow `(B, 2, H, W)` in pixels, and
            `(B, H, W)` bool, true where the pixel's point is hidden in the key frame.

    Returns:
        "all": over all cells; "visible": over cells of which at least half is visible in the key frame.
    """
    found = [_errors(flow, *pair) for pair in pairs]
    error, visible = (torch.cat([part.flatten() for part in parts]) for parts in zip(*found, strict=True))
    return {"all": float(error.mean()), "visible": float(error[visible].mean())}


def errors_by_region(
    flow: Flow, films: Iterable[toytown.Film], offsets: Sequence[int] = OFFSETS, current: int = 19
) -> dict[str, float]:
    """Return the mean endpoint error in pixels over the cells of rendered films, by region of the frame.

    Args:
        flow: the flow that is measured.
        films: what it is measured on.
        offsets: i - k.
        current: i.

    Returns:
        "all": over all cells; "objects", "borders" and "background": over cells of which at least half is visible in
        the key frame, and of which objects with boxes cover more than 90%, 10 to 90%, or less than 10%.
    """
    errors, visible, shares = [], [], []
    for film in films:
        error, seen = _errors(flow, *film_pairs(film, offsets, current))
        covered = F.avg_pool2d((film.owners(current) >= 0)[None, None].float(), CELL, ceil_mode=True)
        errors.append(error.flatten())
        visible.append(seen.flatten())
        shares.append(covered[0].expand_as(error).flatten())
    error, seen, share = (torch.cat(parts) for parts in (errors, visible, shares))
    regions = {"objects": share > 0.9, "borders": (share >= 0.1) & (share <= 0.9), "background": share < 0.1}
    return {"all": float(error.mean())} | {name: float(error[seen & where].mean()) for name, where in regions.items()}


def _errors(flow: Flow, current: Tensor, key: Tensor, exact: Tensor, occluded: Tensor) -> tuple[Tensor, Tensor]:
    """Return each cell's endpoint error `(B, h, w)` in pixels, and True where at least half of the cell is visible."""
    error = (flow(current, key).cpu() - flow_to_cells(exact)).norm(dim=1) * CELL
    hidden = F.avg_pool2d(occluded[:, None].float(), CELL, ceil_mode=True)
    return error, (hidden <= 0.5)[:, 0]


def sprites(count: int, size: tuple[int, int], world: SpriteWorld | None = None, batch: int = 8) -> Pairs:
    """Yield the first pairs of a world of sprites, with a seed that no run trains with."""
    for first in range(0, count, batch):
        indices = range(first, min(first + batch, count))
        yield tuple(stacked([sprite_pair(SPRITE_SEED, index, size, world) for index in indices]))


def film_pairs(
    film: toytown.Film, offsets: Sequence[int] = OFFSETS, current: int = 19
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the pairs (current - offset, current) of a rendered film as one batch."""
    flow, occluded = zip(*(film.flow(current, current - d) for d in offsets), strict=True)
    keys = torch.stack([film.frame(current - d) for d in offsets])
    return film.frame(current).expand_as(keys), keys, torch.stack(flow), torch.stack(occluded)


def network_flow(flow_network: Any) -> Flow:
    """Return the flow of a flow network, or of a baseline: `NoFlow`, `ClassicalFlow`."""
    device = next((parameter.device for parameter in flow_network.parameters()), torch.device("cpu"))

    @torch.no_grad()
    def predict(current: Tensor, key: Tensor) -> Tensor:
        return flow_network(*(flow_network.prepare(frames.to(device)) for frames in (current, key)))[0]

    return predict
