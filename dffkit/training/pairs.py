"""What training draws (Fig. 2b): an annotated frame, and a key frame a little earlier that needs no label."""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dffkit.datasets.snippets import Snippet
from dffkit.support.errors import DataError


class Sample(NamedTuple):
    """One draw: a snippet, its annotated current frame *i*, the key frame *k* <= i, and whether both are mirrored."""

    snippet: int
    frame: int
    key: int
    flip: bool


class Batch(NamedTuple):
    """What one iteration trains on.

    Attributes:
        frames: current frames *i*, `(B, 3, H, W)` uint8.
        key_frames: key frames *k*, the same shape; None to train per frame.
        same: `(B,)` bool, true where i == k; None without key frames.
        targets: label maps `(B, H, W)` stacked, or a list of B dicts with boxes, or a tuple of such for joint targets.
        numbers: the samples' numbers, so that whatever else is random about them can be drawn from these.
    """

    frames: Tensor
    key_frames: Tensor | None
    same: Tensor | None
    targets: Any
    numbers: tuple[int, ...]


class Pairs:
    """An endless sequence of training samples; number n is a function of (seed, n) alone.

    So a run that was stopped goes on with the samples it would have had, processes can share a batch without talking,
    and per-frame training with the same seed sees the same annotated frames as training on pairs.

    Args:
        snippets: where samples come from; each annotated frame is equally likely.
        seed: which sequence.
        max_offset: i - k is uniform in 0..max_offset (Sec. 3: 0..l - 1), cut at the snippet's first frame; None for
            single frames, without key frames.
        label_interval: only every n-th annotated frame of a snippet has a label.
        flip: mirror half of the samples, both frames and the target.

    Raises:
        ValueError: for a wrong option, or if no frame is annotated.
    """

    def __init__(
        self,
        snippets: Sequence[Snippet],
        seed: int,
        *,
        max_offset: int | None = 9,
        label_interval: int = 1,
        flip: bool = True,
    ) -> None:
        if max_offset is not None and max_offset < 0:
            raise ValueError(f"max_offset: expected at least 0, or None for single frames, got {max_offset!r}")
        if label_interval < 1:
            raise ValueError(f"label_interval: expected at least 1, got {label_interval!r}")
        self.snippets, self.seed, self.max_offset, self.flip = snippets, seed, max_offset, flip
        self.annotated = [(i, t) for i, snippet in enumerate(snippets) for t in list(snippet.targets)[::label_interval]]
        if not self.annotated:
            raise ValueError(f"snippets: expected at least one annotated frame, got none in {len(snippets)} snippets")

    def sample(self, number: int) -> Sample:
        """Sample `number`, of 0, 1, 2, ..."""
        # Everything is drawn, in this order, whatever the options: so options do not change what else is drawn.
        rng = random.Random(f"{self.seed}/{number}")
        snippet, frame = self.annotated[rng.randrange(len(self.annotated))]
        flip = rng.random() < 0.5
        offset = rng.randint(0, self.max_offset or 0)
        return Sample(snippet, frame, max(frame - offset, 0), flip and self.flip)

    def batch(self, numbers: Iterable[int]) -> Batch:
        """These samples' frames and targets.

        Raises:
            DataError: if the frames differ in size.
        """
        numbers = tuple(numbers)
        samples = [self.sample(number) for number in numbers]
        frames = [_frame(self.snippets[s.snippet], s.frame, s.flip) for s in samples]
        self._check_sizes([(s.snippet, s.frame) for s in samples], frames)
        targets = [_target(self.snippets[s.snippet].targets[s.frame], s.flip, frames[0].shape[2]) for s in samples]
        if self.max_offset is None:
            return Batch(torch.stack(frames), None, None, collate(targets), numbers)
        keys = [
            frames[i] if s.key == s.frame else _frame(self.snippets[s.snippet], s.key, s.flip)
            for i, s in enumerate(samples)
        ]
        places = [(samples[0].snippet, samples[0].frame), *((s.snippet, s.key) for s in samples)]
        self._check_sizes(places, [frames[0], *keys])
        same = torch.tensor([s.key == s.frame for s in samples])
        return Batch(torch.stack(frames), torch.stack(keys), same, collate(targets), numbers)

    def _check_sizes(self, places: Sequence[tuple[int, int]], frames: Sequence[Tensor]) -> None:
        """That frames, of these snippets and numbers, make a batch."""
        for place, frame in zip(places, frames, strict=True):
            if frame.shape != frames[0].shape:
                one, other = (f"{self.snippets[snippet].name}, frame {index}," for snippet, index in (places[0], place))
                expected, got = (" x ".join(map(str, each.shape[1:])) for each in (frames[0], frame))
                raise DataError(
                    f"{one} is {expected} and {other} {got}: expected frames of one size, as they share a batch; "
                    "scale or crop them to one size where the data set reads them"
                )


def _frame(snippet: Snippet, index: int, flip: bool) -> Tensor:
    frame = snippet.frames[index]
    return frame.flip(-1) if flip else frame


def _target(target: Any, flip: bool, width: int) -> Any:
    return flip_target(target, width) if flip else target


def flip_target(target: Any, width: int) -> Any:
    """A target mirrored left to right in a frame `width` pixels wide.

    Args:
        target: a label map `(H, W)`, a dict with "boxes", and perhaps "ignore", `(N, 4)` xyxy, or a tuple of such.
        width: W of the frame.
    """
    if isinstance(target, tuple):
        return tuple(flip_target(part, width) for part in target)
    if isinstance(target, Tensor):
        return target.flip(-1)
    mirror = target["boxes"].new_tensor([-1, 1, -1, 1]), target["boxes"].new_tensor([width, 0, width, 0])
    mirrored = {
        name: target[name][:, [2, 1, 0, 3]] * mirror[0] + mirror[1] for name in ("boxes", "ignore") if name in target
    }
    return {**target, **mirrored}


def collate(targets: list[Any]) -> Any:
    """Targets of B frames -> as a task network's loss takes them: label maps stacked, boxes as a list."""
    if isinstance(targets[0], tuple):
        return tuple(collate(list(part)) for part in zip(*targets, strict=True))
    return torch.stack(targets) if isinstance(targets[0], Tensor) else targets


def move(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply `function` to every tensor in tuples, lists and dicts; everything else stays."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: move(item, function) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(move(item, function) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(move(item, function) for item in value)
    return value
