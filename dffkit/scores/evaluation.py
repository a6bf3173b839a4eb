"""The paper's evaluation (Sec. 5.1): every annotated frame is predicted from each key frame that it could have.

With key frame duration l, annotated frame i is the current frame of l pairs (k, i), k = i - l + 1 .. i, and scores are
averaged over these pairs. As in the authors' evaluation the mean is over l scores, one for each offset d = i - k, so
one pass over the offsets 0 .. L - 1 gives the scores of every duration up to L. Offset 0 is the key frame itself.
"""

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed, nn

from dffkit.datasets.snippets import Snippet
from dffkit.datasets.targets import SuspiciousTargets, checked_target
from dffkit.dff import DeepFeatureFlow, KeyFrame
from dffkit.networks.precision import in_lower_precision
from dffkit.scores.detection import DetectionScores
from dffkit.scores.segmentation import SegmentationScores
from dffkit.support.machine import is_distributed, rank_and_count

Scores = SegmentationScores | DetectionScores


class SnippetScores(NamedTuple):
    """The scores of one snippet."""

    name: str
    frames: int  # annotated frames that count
    offsets: tuple[Scores, ...]  # scores at offset 0, 1, ..., each over those frames


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model, by snippet and offset.

    Attributes:
        snippets: the snippets that have annotated frames with a full history, in the order of the data set.
    """

    snippets: tuple[SnippetScores, ...]

    @property
    def max_duration(self) -> int:
        """The longest key frame duration that has scores."""
        return len(self.snippets[0].offsets)

    @property
    def frames(self) -> int:
        """The number of annotated frames that count; each is in one pair for each offset."""
        return sum(snippet.frames for snippet in self.snippets)

    @cached_property
    def values(self) -> list[dict[tuple[str, str], float]]:
        """For each offset, the fractions over all snippets by (metric, subset), e.g. ("mIoU", "all")."""
        by_offset = zip(*(snippet.offsets for snippet in self.snippets), strict=True)
        return [type(scores[0]).merge(scores).values() for scores in by_offset]

    @property
    def absent(self) -> list[int]:
        """The classes, by label, that no labelled pixel or box is of: they have no part in mIoU or mAP."""
        parts = (part for part in self.values[0].items() if part[0][0] in ("IoU", "AP"))
        return [int(label) for (_, label), value in parts if math.isnan(value)]

    def score(self, metric: str, subset: str = "all", *, duration: int) -> float:
        """Return the paper's score at a key frame duration l: the mean over the offsets 0 .. l - 1, a fraction.

        Raises:
            ValueError: if there are no scores for this duration.
        """
        if not 1 <= duration <= self.max_duration:
            raise ValueError(f"duration: expected 1..{self.max_duration}, as evaluated, got {duration!r}")
        return sum(values[metric, subset] for values in self.values[:duration]) / duration


def evaluate(
    model: DeepFeatureFlow,
    snippets: Sequence[Snippet],
    *,
    max_duration: int = 10,
    history: int | None = None,
    batch_size: int = 10,
    autocast: torch.dtype | None = None,
    progress: bool = False,
) -> Evaluation:
    """Score a model by the paper's protocol.

    If `torch.distributed` is initialized, each process takes its share of the snippets, and all processes return what
    one process would. The model is in eval mode meanwhile and in its own mode after.

    Args:
        model: at any split, with any task network.
        snippets: the data set. Targets that are label maps give mIoU, targets that are boxes give mAP.
        max_duration: L; offsets 0 .. L - 1 are evaluated. 1 is per-frame recognition, the paper's *Frame*.
        history: annotated frames i >= history - 1 count; by default the frames that have all L offsets. A longer
            history makes a smaller `max_duration` comparable: *Frame* beside DFF with L = 10 has max_duration=1 and
            history=10.
        batch_size: the largest number of frames that go through a network together.
        autocast: torch.bfloat16 for mixed precision; None for float32.
        progress: show a bar (needs tqdm), in the first process only.

    Raises:
        ValueError: for a number below 1, a history shorter than `max_duration`, two snippets of one name, or a data set
            without any annotated frame that counts.
        DataError: as `checked_target`.
    """
    history = max_duration if history is None else history
    for name, value, least in (
        ("max_duration", max_duration, 1),
        ("batch_size", batch_size, 1),
        ("history", history, max_duration),
    ):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name}: expected a whole number, at least {least}, got {value!r}")
    model = in_lower_precision(model, autocast)
    walk = _Walk(model, max_duration, history, batch_size, autocast)
    rank, processes = rank_and_count()
    mine: Iterable[int] = range(rank, len(snippets), processes)
    if progress and rank == 0:
        from tqdm import tqdm

        mine = tqdm(mine, desc="evaluation", unit="snippet")
    with _evaluating(model), torch.inference_mode():
        found = {index: walk.snippet(snippets[index]) for index in mine}
    if is_distributed():
        parts: list[dict[int, SnippetScores]] = [{}] * processes
        distributed.all_gather_object(parts, found)
        found = {index: scores for part in parts for index, scores in part.items()}
    # The data set's order decides between detections of equal score.
    scored = [found[index] for index in sorted(found)]
    if twice := sorted(name for name, count in Counter(each.name for each in scored).items() if count > 1):
        raise ValueError(f"snippets: expected names that differ, got {', '.join(twice)} more than once")
    if not any(each.frames for each in scored):
        raise ValueError("snippets: expected an annotated frame with all its history before it, got none")
    found = Evaluation(tuple(each for each in scored if each.frames))
    if ("mIoU", "all") in found.values[0] and len(found.absent) == model.task_network.num_classes - 1 and rank == 0:
        text = "all labelled pixels are of one class, so mIoU is 1 for a network that says nothing else; 255 is ignored"
        warnings.warn(text, SuspiciousTargets, stacklevel=2)
    return found


@dataclass
class _Walk:
    """The pass over a snippet's annotated frames and their key frames, with the options of `evaluate`."""

    model: DeepFeatureFlow
    max_duration: int
    history: int
    batch_size: int
    autocast: torch.dtype | None

    def snippet(self, snippet: Snippet) -> SnippetScores:
        """Return the scores of one snippet; without offsets if no frame counts."""
        frames = [index for index in sorted(snippet.targets) if index >= self.history - 1]
        scores: list[list[Scores]] = [[] for _ in range(self.max_duration)]
        keys: dict[int, KeyFrame] = {}  # frames around share most of their key frames
        together = max(1, self.batch_size // self.max_duration)
        for group in (frames[i : i + together] for i in range(0, len(frames), together)):
            for index in [index for index in keys if index <= group[0] - self.max_duration]:
                del keys[index]
            labels = {}
            for index, offset, prediction in self._predictions(snippet.frames, group, keys):
                kind = SegmentationScores if isinstance(prediction, Tensor) else DetectionScores
                classes = self.model.task_network.num_classes
                if index not in labels:
                    size = prediction.shape if isinstance(prediction, Tensor) else None
                    labels[index] = checked_target(snippet, index, size, classes), snippet.motion.get(index)
                scores[offset].append(kind.of(prediction, *labels[index], num_classes=classes))
        return SnippetScores(snippet.name, len(frames), tuple(type(each[0]).merge(each) for each in scores if each))

    def _predictions(
        self, frames: Sequence[Tensor], group: list[int], keys: dict[int, KeyFrame]
    ) -> Iterator[tuple[int, int, Any]]:
        """Yield (i, offset, prediction) for all pairs of a few annotated frames i; add new key frames to `keys`."""
        current = {index: frames[index].to(self._device) for index in group}
        size = tuple(current[group[0]].shape[1:])
        with self._precision():
            maps, key = self.model.on_key_frame(torch.stack(list(current.values())))
        _store(keys, group, key)
        yield from zip(group, [0] * len(group), self.model.task_network.decode(maps, size), strict=True)
        pairs = [(index, offset) for offset in range(1, self.max_duration) for index in group]
        missing = sorted({index - offset for index, offset in pairs} - keys.keys())
        for batch in self._batches(missing):
            with self._precision():
                _store(keys, batch, self.model.key_frame(torch.stack([frames[k].to(self._device) for k in batch])))
        for batch in self._batches(pairs):
            key = KeyFrame(*map(torch.cat, zip(*(keys[i - d] for i, d in batch), strict=True)))
            with self._precision():
                maps = self.model.on_current_frame(torch.stack([current[i] for i, _ in batch]), key)
            for pair, prediction in zip(batch, self.model.task_network.decode(maps, size), strict=True):
                yield *pair, prediction

    def _batches(self, items: list) -> list[list]:
        return [items[i : i + self.batch_size] for i in range(0, len(items), self.batch_size)]

    @cached_property
    def _device(self) -> torch.device:
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=self.autocast, enabled=self.autocast is not None)


def _store(keys: dict[int, KeyFrame], indices: list[int], batch: KeyFrame) -> None:
    keys.update({index: KeyFrame(*(part[i : i + 1] for part in batch)) for i, index in enumerate(indices)})


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Hold the model in eval mode, then give each part its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
