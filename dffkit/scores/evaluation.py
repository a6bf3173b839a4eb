"""The paper's evaluation (Sec. 5.1): every annotated frame is predicted from each key frame that it could have.

With key frame duration l, annotated frame i is the current frame of l pairs (k, i), k = i - l + 1 .. i, and scores are
averaged over them. As in the authors' evaluation the mean is of l scores, one for each offset d = i - k, so one walk
over the offsets 0 .. L - 1 gives the scores of every duration up to L. Offset 0 is the key frame itself.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn

from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow, KeyFrame
from dffkit.networks.precision import in_lower_precision
from dffkit.scores import DetectionScores, Evaluation, Scores, SegmentationScores, SnippetScores, merge
from dffkit.support.processes import is_distributed, rank_and_count


def evaluate(
    model: DeepFeatureFlow,
    snippets: Sequence[Snippet],
    *,
    max_duration: int = 10,
    history: int | None = None,
    batch_size: int = 10,
    num_classes: int | None = None,
    autocast: torch.dtype | None = None,
    progress: bool = False,
) -> Evaluation:
    """Score a model by the paper's protocol.

    If `torch.distributed` is initialised, each process takes its share of the snippets, and all return the same as one
    process would. The model is in eval mode meanwhile and in its own mode after.

    Args:
        model: at any split, with any task network.
        snippets: the data set. Targets that are label maps give mIoU, targets that are boxes give mAP.
        max_duration: L; offsets 0 .. L - 1 are evaluated. 1 is per-frame recognition, the paper's *Frame*.
        history: annotated frames i >= history - 1 count, by default those that have all L offsets. A larger one makes
            a smaller `max_duration` comparable: *Frame* beside DFF with L = 10 is max_duration=1, history=10.
        batch_size: how many frames, at most, go through a network together.
        num_classes: C, by default the task network's.
        autocast: torch.bfloat16 for mixed precision; None for float32.
        progress: show a bar (needs tqdm), in the first process only.

    Raises:
        ValueError: for a number below 1, a history shorter than `max_duration`, two snippets of one name, or a data set
            without any annotated frame that counts.
    """
    history = max_duration if history is None else history
    for name, value, least in (
        ("max_duration", max_duration, 1),
        ("batch_size", batch_size, 1),
        ("history", history, max_duration),
    ):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name}: expected a whole number, at least {least}, got {value!r}")
    num_classes = model.task_network.num_classes if num_classes is None else num_classes
    model = model if autocast is None else in_lower_precision(model, autocast)
    walk = _Walk(model, max_duration, history, batch_size, num_classes, autocast)
    rank, processes = rank_and_count()
    with _evaluating(model), torch.inference_mode():
        mine = _bar(range(rank, len(snippets), processes), progress and rank == 0)
        found = {index: walk.snippet(snippets[index]) for index in mine}
    return _joined(_gathered(found))


@dataclass
class _Walk:
    """How snippets are walked through: what `evaluate` was asked for."""

    model: DeepFeatureFlow
    max_duration: int
    history: int
    batch_size: int
    num_classes: int
    autocast: torch.dtype | None

    def snippet(self, snippet: Snippet) -> SnippetScores:
        """The scores of one snippet; without offsets if no frame counts."""
        frames = [index for index in sorted(snippet.targets) if index >= self.history - 1]
        scores: list[list[Scores]] = [[] for _ in range(self.max_duration)]
        keys: dict[int, KeyFrame] = {}  # frames around share most of their key frames
        together = max(1, self.batch_size // self.max_duration)
        for group in (frames[i : i + together] for i in range(0, len(frames), together)):
            for index in [index for index in keys if index <= group[0] - self.max_duration]:
                del keys[index]
            labels = {index: (snippet.targets[index], snippet.motion.get(index)) for index in group}
            for index, offset, prediction in self._predictions(snippet.frames, group, keys):
                kind = SegmentationScores if isinstance(labels[index][0], Tensor) else DetectionScores
                scores[offset].append(kind.of(prediction, *labels[index], num_classes=self.num_classes))
        return SnippetScores(snippet.name, len(frames), tuple(merge(each) for each in scores if each))

    def _predictions(
        self, frames: Sequence[Tensor], group: list[int], keys: dict[int, KeyFrame]
    ) -> Iterator[tuple[int, int, Any]]:
        """(i, offset, prediction) of all pairs of a few annotated frames i; key frames that are new join `keys`."""
        current = {index: self._load(frames, index) for index in group}
        size = tuple(current[group[0]].shape[1:])
        with self._precision():
            maps, key = self.model.on_key_frame(torch.stack(list(current.values())))
        _store(keys, group, key)
        yield from zip(group, [0] * len(group), self.model.task_network.decode(maps, size), strict=True)
        pairs = [(index, offset) for offset in range(1, self.max_duration) for index in group]
        missing = sorted({index - offset for index, offset in pairs} - keys.keys())
        for batch in self._batches(missing):
            with self._precision():
                _store(keys, batch, self.model.key_frame(torch.stack([self._load(frames, k) for k in batch])))
        for batch in self._batches(pairs):
            key = KeyFrame(*map(torch.cat, zip(*(keys[i - d] for i, d in batch), strict=True)))
            with self._precision():
                maps = self.model.on_current_frame(torch.stack([current[i] for i, _ in batch]), key)
            for pair, prediction in zip(batch, self.model.task_network.decode(maps, size), strict=True):
                yield *pair, prediction

    def _batches(self, items: list) -> list[list]:
        return [items[i : i + self.batch_size] for i in range(0, len(items), self.batch_size)]

    def _load(self, frames: Sequence[Tensor], index: int) -> Tensor:
        return frames[index].to(self._device)

    @property
    def _device(self) -> torch.device:
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, dtype=self.autocast, enabled=self.autocast is not None)


def _store(keys: dict[int, KeyFrame], indices: list[int], batch: KeyFrame) -> None:
    keys.update({index: KeyFrame(*(part[i : i + 1] for part in batch)) for i, index in enumerate(indices)})


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode for a while; each part then gets its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _bar(items: Sequence[int], show: bool) -> Iterable[int]:
    if not show:
        return items
    from tqdm import tqdm

    return tqdm(items, desc="evaluation", unit="snippet")


def _gathered(found: dict[int, SnippetScores]) -> dict[int, SnippetScores]:
    """What all processes have found, in every process."""
    if not is_distributed():
        return found
    parts: list[Mapping[int, SnippetScores] | None] = [None] * distributed.get_world_size()
    distributed.all_gather_object(parts, found)
    return {index: scores for part in parts for index, scores in part.items()}


def _joined(found: dict[int, SnippetScores]) -> Evaluation:
    """In the data set's order, which decides between detections of equal score: the same however they were shared."""
    names = [found[index].name for index in sorted(found)]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"snippets: expected names that differ, got {', '.join(twice)} more than once")
    snippets = tuple(found[index] for index in sorted(found) if found[index].frames)
    if not snippets:
        raise ValueError("snippets: expected an annotated frame with all its history before it, got none")
    return Evaluation(snippets)
