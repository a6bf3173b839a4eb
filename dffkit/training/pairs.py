"""Training samples (Fig. 2b): an annotated current frame, and an earlier key frame, or others, which need no label."""

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dffkit.datasets.snippets import Snippet
from dffkit.datasets.targets import checked_target
from dffkit.support.errors import DataError


class Sample(NamedTuple):
    """Numbers of a snippet, its annotated current frame *i*, and the key frame *k* <= i; `flip` mirrors both frames."""

    snippet: int
    frame: int
    key: int
    flip: bool


class Batch(NamedTuple):
    """The frames and targets of one iteration."""

    frames: Tensor  # current frames *i*, `(B, 3, H, W)` uint8
    # Key frames *k*, the same shape; None to train per frame; `(B, n, 3, H, W)` for n neighbours each.
    key_frames: Tensor | None
    same: Tensor | None  # `(B,)` bool, true where i == k, or `(B, n)`; None without key frames
    targets: Any  # label maps `(B, H, W)`, or a list of B dicts with boxes, or a tuple of both for several heads
    numbers: tuple[int, ...]  # the samples' numbers, which seed later random choices, e.g. of anchors


class Pairs:
    """An endless sequence of training samples; number n is a function of (seed, n) alone.

    So a stopped run goes on with the same samples, processes share a batch without communication, and per-frame
    training with the same seed sees the same annotated frames as training on pairs.

    Args:
        snippets: the data set; each annotated frame is equally likely.
        seed: seed of the sequence.
        max_offset: i - k is uniform in 0..max_offset (Sec. 3: 0..l - 1), cut at the snippet's first frame; None for
            single frames, without key frames.
        label_interval: only every n-th annotated frame of a snippet has a label.
        flip: mirror half of the samples, both frames and the target.
        classes: number of classes, to refuse targets with others; None if targets are of several heads.

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
        classes: int | None = None,
    ) -> None:
        if max_offset is not None and max_offset < 0:
            raise ValueError(f"max_offset: expected at least 0, or None for single frames, got {max_offset!r}")
        if label_interval < 1:
            raise ValueError(f"label_interval: expected at least 1, got {label_interval!r}")
        self.snippets, self.seed, self.max_offset, self.flip, self.classes = snippets, seed, max_offset, flip, classes
        self.annotated = [(i, t) for i, snippet in enumerate(snippets) for t in list(snippet.targets)[::label_interval]]
        if not self.annotated:
            raise ValueError(f"snippets: expected at least one annotated frame, got none in {len(snippets)} snippets")

    def sample(self, number: int) -> Sample:
        """Return sample `number`, of 0, 1, 2, ..."""
        # All values are drawn, in this order, whatever the options: so no option changes the other values.
        rng = random.Random(f"{self.seed}/{number}")
        snippet, frame = self.annotated[rng.randrange(len(self.annotated))]
        flip = rng.random() < 0.5
        offset = rng.randint(0, self.max_offset or 0)
        return Sample(snippet, frame, max(frame - offset, 0), flip and self.flip)

    def batch(self, numbers: Iterable[int]) -> Batch:
        """Return the frames and targets of these samples.

        Raises:
            DataError: if the frames differ in size, or as `checked_target`.
        """
        numbers = tuple(numbers)
        samples = [self.sample(number) for number in numbers]
        frames = [_frame(self.snippets[s.snippet], s.frame, s.flip) for s in samples]
        self._check_sizes([(s.snippet, s.frame) for s in samples], frames)
        height, width = frames[0].shape[1:]
        targets = [checked_target(self.snippets[s.snippet], s.frame, (height, width), self.classes) for s in samples]
        targets = [flip_target(target, width) if s.flip else target for s, target in zip(samples, targets, strict=True)]
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
        """Raise `DataError` unless all frames have one size; `places` are their snippets and frame numbers."""
        for place, frame in zip(places, frames, strict=True):
            if frame.shape != frames[0].shape:
                one, other = (f"{self.snippets[snippet].name}, frame {index}," for snippet, index in (places[0], place))
                expected, got = (" x ".join(map(str, each.shape[1:])) for each in (frames[0], frame))
                raise DataError(
                    f"{one} is {expected} and {other} {got}: expected frames of one size, as they share a batch; "
                    "scale or crop them to one size where the data set reads them"
                )


class Mixture(list[Snippet]):
    """The snippets of several data sets, which `MixedPairs` samples in a ratio.

    Args:
        parts: (data set, its share in the ratio).

    Raises:
        ValueError: for a share below 1, or no parts.
    """

    def __init__(self, parts: Sequence[tuple[Sequence[Snippet], int]]) -> None:
        if not parts or any(share < 1 for _, share in parts):
            raise ValueError(f"parts: expected shares of at least 1, got {[share for _, share in parts]}")
        super().__init__(snippet for data, _ in parts for snippet in data)
        self.parts = parts


class MixedPairs(Pairs):
    """`Pairs` that takes samples from several data sets in turn; sample n is still a function of (seed, n) alone.

    With the shares 2 and 1, every batch of three has two samples of the first data set and one of the second (Sec. 5:
    VID and DET are 2:1 in a mini-batch). The authors' code shuffles both lists together instead, which is about 1:1:
    https://github.com/msracver/Deep-Feature-Flow, 57,834 frames of VID and 53,639 images of DET.

    Arguments and errors are those of `Pairs`. In each data set every annotated frame is equally likely.
    """

    def __init__(self, snippets: Mixture, seed: int, **options: Any) -> None:
        super().__init__(snippets, seed, **options)
        self.parts = [Pairs(data, seed, **options) for data, _ in snippets.parts]
        self.starts = list(accumulate((len(data) for data, _ in snippets.parts), initial=0))
        self.turns = [part for part, (_, share) in enumerate(snippets.parts) for _ in range(share)]

    def sample(self, number: int) -> Sample:
        """Return sample `number`, of 0, 1, 2, ..."""
        part = self.turns[number % len(self.turns)]
        sample = self.parts[part].sample(number)
        return sample._replace(snippet=self.starts[part] + sample.snippet)


class Neighbours:
    """Samples of current frames and of a few frames around each, before or after it ("temporal dropout" of FGFA).

    The offsets are drawn without replacement from -reach .. reach, so one may be 0, and all may be on one side. They
    are cut at the ends of the snippet, as in the authors' code: a still is its own neighbour. As the weights of the
    frames add up to 1 for any number of them, training may take fewer frames than testing.

    Args:
        pairs: the current frames: `Pairs` or `MixedPairs` without key frames.
        reach: largest distance of a neighbour, in frames.
        count: n, number of neighbours.
    """

    def __init__(self, pairs: Pairs, reach: int, count: int) -> None:
        self.pairs, self.reach, self.count, self.seed = pairs, reach, count, pairs.seed

    def frames(self, number: int) -> list[int]:
        """Return the n frames around the current frame of sample `number`, a function of (seed, number) alone."""
        sample, rng = self.pairs.sample(number), random.Random(f"{self.seed}/{number}/neighbours")
        last = len(self.pairs.snippets[sample.snippet].frames) - 1
        offsets = rng.sample(range(-self.reach, self.reach + 1), self.count)
        return [min(max(sample.frame + offset, 0), last) for offset in offsets]

    def batch(self, numbers: Iterable[int]) -> Batch:
        """Return the current frames and targets of these samples, with their neighbours as `key_frames`.

        Raises:
            DataError: as `Pairs.batch`.
        """
        batch = self.pairs.batch(numbers)
        samples = [(self.pairs.sample(number), self.frames(number)) for number in batch.numbers]
        found = [[_frame(self.pairs.snippets[s.snippet], j, s.flip) for j in around] for s, around in samples]
        same = torch.tensor([[j == sample.frame for j in around] for sample, around in samples])
        return batch._replace(key_frames=torch.stack([torch.stack(each) for each in found]), same=same)


def _frame(snippet: Snippet, index: int, flip: bool) -> Tensor:
    frame = snippet.frames[index]
    return frame.flip(-1) if flip else frame


def flip_target(target: Any, width: int) -> Any:
    """Mirror the target of a frame `width` pixels wide left to right.

    A target is a label map `(H, W)`, a dict with "boxes" and possibly "ignore", `(N, 4)` xyxy, or a tuple of these.
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
    """Collect the targets of B frames for a task network's loss: label maps are stacked, boxes stay a list."""
    if isinstance(targets[0], tuple):
        return tuple(collate(list(part)) for part in zip(*targets, strict=True))
    return torch.stack(targets) if isinstance(targets[0], Tensor) else targets


def move(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply `function` to every tensor in tuples, lists and dicts; other values stay as they are."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: move(item, function) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(move(item, function) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(move(item, function) for item in value)
    return value
