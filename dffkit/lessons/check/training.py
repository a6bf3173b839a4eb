"""Exercises 2 and 3 of notebook 03, pairs and the switch for i == k: the solutions, and the wrong ways to them."""

from collections.abc import Callable

import torch
from torch import Tensor

from dffkit.lessons.check.exercise import Example, Exercise, Mistake

# Exercise 2: draw a pair


def _draw(
    offset: Callable[[float], int] = lambda u: int(10 * u),
    key: Callable[[int, int, int], int] = lambda i, offset, last: max(i - offset, 0),
    mirrored: tuple[bool, bool, bool] = (True, True, True),
    side: int = -1,
) -> Callable[..., Tensor]:
    """A sampler like the solution with one thing another: the offset, the key frame, what is mirrored and how."""

    def function(frames: Tensor, labels: Tensor, i: int, u: float, mirror: bool) -> Tensor:
        drawn = (frames[key(i, offset(u), len(frames) - 1)], frames[i], labels[i])
        return torch.stack(
            [part.flip(side) if mirror and too else part for part, too in zip(drawn, mirrored, strict=True)]
        )

    return function


def _rearranged(*order: int) -> Callable[..., Tensor]:
    return lambda *arguments: _draw()(*arguments)[list(order)]


def _labels_of_the_key(frames: Tensor, labels: Tensor, i: int, u: float, mirror: bool) -> Tensor:
    key, current, _ = _draw()(frames, labels, i, u, mirror)
    return torch.stack([key, current, _draw()(labels, labels, i, u, mirror)[0]])


_BOTH = "The pair belongs together: mirror the key frame, the current frame and the label map, or none of them."
_FILM = 10.0 * torch.arange(30).view(30, 1, 1) + torch.arange(6.0).view(2, 3)  # each value says where it is from
_LABELS = _FILM + 0.5


def _case(i: int, u: float, mirror: bool) -> Example:
    words = f"i = {i}, u = {u:g}, mirror = {mirror}; frame n is 10 n + 3 row + column, its labels 0.5 more"
    return Example(words, (_FILM, _LABELS, i, u, mirror))


draw_pair = Exercise(
    "Exercise 2",
    _draw(),
    [
        _case(20, 0.35, False),
        _case(20, 0.0, False),
        _case(20, 0.999, False),
        _case(20, 0.79, False),
        _case(20, 0.96, False),
        _case(15, 0.35, True),
        _case(5, 0.5, False),
        _case(3, 0.75, False),
    ],
    [
        Mistake(
            "The key frame comes after the current frame: at run time it is always an earlier one, so k = i - offset.",
            _draw(key=lambda i, offset, last: min(i + offset, last)),
        ),
        Mistake(
            "The offset is never 0: i == k is one of the ten cases, as key frames are frames of the video too.",
            _draw(offset=lambda u: int(10 * u) + 1),
        ),
        Mistake(
            "The offset is never 0: i == k is one of the ten cases, as key frames are frames of the video too.",
            _draw(offset=lambda u: int(9 * u) + 1),
        ),
        Mistake(
            "The offset is never 0: i == k is one of the ten cases, as key frames are frames of the video too.",
            _draw(offset=lambda u: max(int(10 * u), 1)),
        ),
        Mistake(
            "The offset is never 9: with l = 10, the last frame before the next key frame is 9 frames away.",
            _draw(offset=lambda u: int(9 * u)),
        ),
        Mistake(
            "The offset can be 10: with l = 10 that frame would be the next key frame. There are ten cases, 0 to 9.",
            _draw(offset=lambda u: int(11 * u)),
        ),
        Mistake(
            "You round: then the offsets at both ends come half as often as the others. Cut 10 * u down.",
            _draw(offset=lambda u: round(9 * u)),
        ),
        Mistake(
            "You round: then the offsets at both ends come half as often as the others. Cut 10 * u down.",
            _draw(offset=lambda u: round(10 * u)),
        ),
        Mistake(
            "You always take the farthest key frame; every offset from 0 to 9 comes up at run time.",
            _draw(offset=lambda u: 9),
        ),
        Mistake(
            "Before frame 0 there is nothing: in Python the index -1 is the last frame. Take frame 0 then.",
            _draw(key=lambda i, offset, last: i - offset),
        ),
        Mistake(f"{_BOTH} Yours never are.", _draw(mirrored=(False, False, False))),
        Mistake(f"{_BOTH} Yours leaves the key frame as it was.", _draw(mirrored=(False, True, True))),
        Mistake(f"{_BOTH} Yours leaves the current frame as it was.", _draw(mirrored=(True, False, True))),
        Mistake(f"{_BOTH} Yours leaves the label map as it was.", _draw(mirrored=(True, True, False))),
        Mistake(f"{_BOTH} Yours mirrors the key frame only.", _draw(mirrored=(True, False, False))),
        Mistake(f"{_BOTH} Yours mirrors the current frame only.", _draw(mirrored=(False, True, False))),
        Mistake(
            "You turn the frames upside down: columns are the last axis.",
            _draw(side=-2),
        ),
        Mistake(
            "The label map is the key frame's; the loss is on the current frame, so its labels are needed.",
            _labels_of_the_key,
        ),
        Mistake("The order is another: key frame, current frame, label map.", _rearranged(1, 0, 2)),
    ],
    places=lambda part, row, column, *_: (
        f"the {('key frame', 'current frame', 'label map')[part]}, row {row}, column {column}"
    ),
    on_index_error="Frames before frame 0 do not exist: take frame 0 then.",
)


# Exercise 3: the switch for i == k


def _switch(key: Tensor, propagated: Tensor, same: Tensor) -> Tensor:
    return torch.where(same.view(-1, 1, 1, 1), key, propagated)


def _for_the_whole_batch(decide: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda key, propagated, same: key if decide(same) else propagated


def _batch(*same: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Three channels of 1x3 for each sample. As many as samples, so that no mix-up of axes is an error."""
    key = (10.0 * torch.arange(len(same)).view(-1, 1, 1, 1) + torch.arange(3).view(1, 3, 1, 1)).expand(-1, -1, 1, 3)
    return key, key + 100, torch.tensor(same)


_HOLD = "sample b, channel c: key 10 b + c, propagated 100 more"
_EACH = "Each sample of the batch decides for itself: where same[b] is true, take sample b from the key features."

switch = Exercise(
    "Exercise 3",
    _switch,
    [
        Example(f"one sample, i != k; {_HOLD}", _batch(False)),
        Example(f"one sample, i == k; {_HOLD}", _batch(True)),
        Example(f"same = [False, True, False]; {_HOLD}", _batch(False, True, False)),
        Example(f"same = [True, False, False]; {_HOLD}", _batch(True, False, False)),
        Example(f"same = [True, True, False]; {_HOLD}", _batch(True, True, False)),
    ],
    [
        Mistake("You always propagate: where i == k, the key features are right as they are.", lambda k, p, s: p),
        Mistake("You never propagate: where i != k, the features must be carried along the flow.", lambda k, p, s: k),
        Mistake(
            "It is the wrong way round: the key features where same is true, the propagated ones elsewhere.",
            lambda key, propagated, same: _switch(propagated, key, same),
        ),
        Mistake(f"You decide once for the whole batch. {_EACH}", _for_the_whole_batch(torch.any)),
        Mistake(f"You decide once for the whole batch. {_EACH}", _for_the_whole_batch(torch.all)),
        Mistake(f"You decide once for the whole batch. {_EACH}", _for_the_whole_batch(lambda same: same[0])),
        Mistake(
            f"`same` decides here for channels and not for samples: give it the shape (B, 1, 1, 1). {_EACH}",
            lambda key, propagated, same: torch.where(same.view(1, -1, 1, 1), key, propagated),
        ),
        Mistake(
            f"`same` decides here for columns and not for samples: give it the shape (B, 1, 1, 1). {_EACH}",
            lambda key, propagated, same: torch.where(same, key, propagated),
        ),
        Mistake(
            "The order of the batch has changed: the targets come in the old one.",
            lambda key, propagated, same: torch.cat([propagated[~same], key[same]]),
        ),
        Mistake(
            "The order of the batch has changed: the targets come in the old one.",
            lambda key, propagated, same: torch.cat([key[same], propagated[~same]]),
        ),
        Mistake(
            "Half of the batch is 0: where same is false, the propagated features are missing.",
            lambda key, propagated, same: key * same.view(-1, 1, 1, 1),
        ),
        Mistake(
            "Half of the batch is 0: where same is true, the key features are missing.",
            lambda key, propagated, same: propagated * ~same.view(-1, 1, 1, 1),
        ),
        Mistake(
            "You add up both: where i == k, nothing of the propagated features may be left.",
            lambda key, propagated, same: propagated + key * same.view(-1, 1, 1, 1),
        ),
        Mistake(
            "You take the mean of both: where i == k, nothing of the propagated features may be left.",
            lambda key, propagated, same: _switch((key + propagated) / 2, propagated, same),
        ),
    ],
    places=lambda sample, channel, row, column: f"sample {sample}, channel {channel}, row {row}, column {column}",
    on_index_error="`same` has one entry for each sample; give it the shape (B, 1, 1, 1) to use it on features.",
)
