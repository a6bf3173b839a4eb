"""Exercises of notebook 03: the pyramid's target, drawing a pair, a planted bug, and the switch for i == k."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.lessons.check import Example, Exercise, Mistake
from dffkit.lessons.examples import same_everywhere

# Exercise 1: what the pyramid should predict


def _target(flow: Tensor, stride: int, side: int = 2, **options: Any) -> Tensor:
    return F.avg_pool2d(flow[None], side * stride, **{"ceil_mode": True, **options})[0] / 40


def _uneven_flow(height: int, width: int) -> Tensor:
    """Return a flow that changes from pixel to pixel."""
    y, x = torch.arange(float(height))[:, None], torch.arange(float(width))
    return torch.stack([(x - 20) ** 2 - 30 * y, 90 * y - 40 * x - 160])


_UNITS = "The units are pixels of the half-size input divided by 20, so 40 pixels of the frame are 1"

flow_target = Exercise(
    "Exercise 1",
    _target,
    [
        Example("32x48 pixels, flow x = 40, y = 0 everywhere, stride 4", (same_everywhere(40.0, 0.0, 32, 48)[0], 4)),
        Example("32x64 pixels, flow x = 20, y = -60 everywhere, stride 8",
                (same_everywhere(20.0, -60.0, 32, 64)[0], 8)),
        Example("32x64 pixels of a flow that changes from pixel to pixel, stride 4", (_uneven_flow(32, 64), 4)),
        Example("32x64 pixels of a flow that changes from pixel to pixel, stride 16", (_uneven_flow(32, 64), 16)),
        Example("40x56 pixels of a flow that changes from pixel to pixel, stride 8", (_uneven_flow(40, 56), 8)),
    ],
    [
        Mistake("The stride counts pixels of the half-size input: a cell is 2 * stride pixels of the frame.",
                lambda flow, stride: _target(flow, stride, side=1)),
        Mistake(f"{_UNITS}: you leave the flow in pixels of the frame.",
                lambda flow, stride: _target(flow, stride) * 40),
        Mistake(f"{_UNITS}: you divide by 20 but forget that the input has half the size.",
                lambda flow, stride: _target(flow, stride) * 2),
        Mistake(f"{_UNITS}: you halve the flow but forget to divide by 20.",
                lambda flow, stride: _target(flow, stride) * 20),
        Mistake(f"{_UNITS} at every level: you divide by the size of a cell, as for the flow that the warp takes.",
                lambda flow, stride: _target(flow, stride) * 20 / stride),
        Mistake("The cells cut off by the border are missing: there are ceil(H / (2 stride)) rows, and so for columns.",
                lambda flow, stride: _target(flow, stride, ceil_mode=False)),
        Mistake("You average a cell cut off by the border over pixels that are not there: divide by the number of its "
                "pixels.",
                lambda flow, stride: _target(flow, stride, divisor_override=4 * stride**2)),
        Mistake("You take one pixel of each cell; a cell's flow is the mean of its pixels.",
                lambda flow, stride: flow[:, :: 2 * stride, :: 2 * stride] / 40),
    ],
    describe_index=lambda channel, row, column, *_: f"channel {channel} ({'xy'[channel]}), row {row}, column {column}",
)  # fmt: skip


# Exercise 2: draw a pair


def _draw(
    offset: Callable[[float], int] = lambda u: int(10 * u),
    key: Callable[[int, int, int], int] = lambda i, offset, last: max(i - offset, 0),
    mirrored: tuple[bool, bool, bool] = (True, True, True),
) -> Callable[..., Tensor]:
    """Return the solution, or a sampler with another offset, another key frame, or other mirrored parts."""

    def function(frames: Tensor, labels: Tensor, i: int, u: float, mirror: bool) -> Tensor:
        parts = (frames[key(i, offset(u), len(frames) - 1)], frames[i], labels[i])
        return torch.stack(
            [part.flip(-1) if mirror and included else part for part, included in zip(parts, mirrored, strict=True)]
        )

    return function


def _draw_labels_of_the_key_frame(frames: Tensor, labels: Tensor, i: int, u: float, mirror: bool) -> Tensor:
    key, current, _ = _draw()(frames, labels, i, u, mirror)
    return torch.stack([key, current, _draw()(labels, labels, i, u, mirror)[0]])


_BOTH = "The pair belongs together: mirror the key frame, the current frame and the label map, or none of them."
_FILM = 10.0 * torch.arange(30).view(30, 1, 1) + torch.arange(6.0).view(2, 3)  # each value names its frame and cell


def _draw_example(i: int, u: float, mirror: bool) -> Example:
    description = f"i = {i}, u = {u:g}, mirror = {mirror}; frame n is 10 n + 3 row + column, its labels 0.5 more"
    return Example(description, (_FILM, _FILM + 0.5, i, u, mirror))


draw_pair = Exercise(
    "Exercise 2",
    _draw(),
    [
        *(_draw_example(20, u, False) for u in (0.35, 0.0, 0.999, 0.79, 0.96)),
        _draw_example(15, 0.35, True),
        _draw_example(5, 0.5, False),
        _draw_example(3, 0.75, False),
    ],
    [
        Mistake("Your key frame comes after the current frame: at run time it is always earlier, so k = i - offset.",
                _draw(key=lambda i, offset, last: min(i + offset, last))),
        Mistake("The offset is never 0: i == k is one of the ten cases, as key frames are frames of the video too.",
                _draw(offset=lambda u: int(9 * u) + 1)),
        Mistake("The offset is never 9: with l = 10, the last frame before the next key frame is 9 frames away.",
                _draw(offset=lambda u: int(9 * u))),
        Mistake("You round: then the first and the last offset come half as often as the others. Use int(10 * u).",
                _draw(offset=lambda u: round(9 * u))),
        Mistake("There is nothing before frame 0: in Python the index -1 is the last frame. Take frame 0 then.",
                _draw(key=lambda i, offset, last: i - offset)),
        Mistake(f"{_BOTH} Your parts are never mirrored.", _draw(mirrored=(False, False, False))),
        Mistake(f"{_BOTH} Your key frame stays as it was.", _draw(mirrored=(False, True, True))),
        Mistake(f"{_BOTH} Your label map stays as it was.", _draw(mirrored=(True, True, False))),
        Mistake("You return the key frame's label map; the loss is on the current frame and needs its labels.",
                _draw_labels_of_the_key_frame),
    ],
    describe_index=lambda part, row, column, *_: (
        f"the {('key frame', 'current frame', 'label map')[part]}, row {row}, column {column}"
    ),
    on_index_error="Frames before frame 0 do not exist: take frame 0 then.",
)  # fmt: skip


# Exercise 3: samples with a planted bug


def _samples(
    key: Callable[[int, int], int] = lambda i, offset: max(i - offset, 0),
    current: Callable[[int, int], int] = lambda i, offset: i,
) -> Callable[..., list[tuple[float, ...]]]:
    """Return the solution, or one that takes other frames for the label of frame i."""
    return lambda labels, offset: [(key(i, offset), current(i, offset), labels[i]) for i in sorted(labels)]


_SPARSE = {19: 0.19, 49: 0.49, 79: 0.79}  # a label "map" is one number here

mended_samples = Exercise(
    "Exercise 3",
    _samples(),
    [
        Example("labels of frames 19, 49 and 79, offset 4", (_SPARSE, 4)),
        Example("labels of frames 19, 49 and 79, offset 0", (_SPARSE, 0)),
        Example("labels of frames 2 and 10, offset 7", ({10: 0.1, 2: 0.02}, 7)),
    ],
    [
        Mistake("The bug is still there. Of which of the two frames does the network give a result, and whose label is "
                "it compared with?",
                _samples(lambda i, offset: i, lambda i, offset: i + offset)),
        Mistake("The key frame is now after the current frame: at run time it is always earlier.",
                _samples(lambda i, offset: i + offset)),
        Mistake("There is nothing before frame 0: take frame 0 as the key frame then.",
                _samples(lambda i, offset: i - offset)),
        Mistake("Both frames have moved: only the key frame lies `offset` frames before the label.",
                _samples(lambda i, offset: max(i - offset, 0), lambda i, offset: max(i - offset, 0))),
        Mistake("The order is (current frame, key frame): the key frame comes first.",
                _samples(lambda i, offset: i, lambda i, offset: max(i - offset, 0))),
    ],
    describe_index=lambda sample, part: (
        f"the {('key frame', 'current frame', 'label map')[part]} of sample {sample}"
    ),
)  # fmt: skip


# Exercise 4: the switch for i == k


def _switch(key: Tensor, propagated: Tensor, same: Tensor) -> Tensor:
    return torch.where(same.view(-1, 1, 1, 1), key, propagated)


def _batch(*same: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return features of three channels of 1x3 cells for each sample; with three samples no mix-up of axes raises."""
    key = (10.0 * torch.arange(len(same)).view(-1, 1, 1, 1) + torch.arange(3).view(1, 3, 1, 1)).expand(-1, -1, 1, 3)
    return key, key + 100, torch.tensor(same)


_HOLD = "sample b, channel c: key 10 b + c, propagated 100 more"
_EACH = "Each sample of the batch decides for itself: where same[b] is true, take sample b from the key features."

switch = Exercise(
    "Exercise 4",
    _switch,
    [
        Example(f"one sample, i != k; {_HOLD}", _batch(False)),
        Example(f"one sample, i == k; {_HOLD}", _batch(True)),
        *(Example(f"same = {same}; {_HOLD}", _batch(*same))
          for same in ([False, True, False], [True, False, False], [True, True, False])),
    ],
    [
        Mistake("You always propagate: where i == k, the key features are right as they are.", lambda k, p, same: p),
        Mistake("You never propagate: where i != k, the features must be carried along the flow.",
                lambda k, p, same: k),
        Mistake("You swap the cases: take the key features where same is true, the propagated ones elsewhere.",
                lambda key, propagated, same: _switch(propagated, key, same)),
        Mistake(f"You decide once for the whole batch. {_EACH}",
                lambda key, propagated, same: key if same.any() else propagated),
        Mistake(f"You decide once for the whole batch. {_EACH}",
                lambda key, propagated, same: key if same.all() else propagated),
        Mistake(f"`same` decides here for columns and not for samples: give it the shape (B, 1, 1, 1). {_EACH}",
                lambda key, propagated, same: torch.where(same, key, propagated)),
        Mistake("You change the order of the batch: the targets come in the old order.",
                lambda key, propagated, same: torch.cat([key[same], propagated[~same]])),
        Mistake("You add both: where i == k, nothing of the propagated features may be left.",
                lambda key, propagated, same: propagated + key * same.view(-1, 1, 1, 1)),
    ],
    describe_index=lambda sample, channel, row, column: (
        f"sample {sample}, channel {channel}, row {row}, column {column}"
    ),
    on_index_error="`same` has one entry for each sample; give it the shape (B, 1, 1, 1) to use it on features.",
)  # fmt: skip
