"""Scores of aggregation by the number of frames in testing, and by motion class, as rows for the result tables."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dffkit.aggregation.cost import steps
from dffkit.aggregation.model import Aggregation, FrameValues
from dffkit.aggregation.stream import around
from dffkit.datasets.snippets import MOTION_CLASSES, Snippet
from dffkit.datasets.targets import checked_target
from dffkit.experiments.benchmark import times_in_turns
from dffkit.experiments.results import Score
from dffkit.scores.detection import DetectionScores
from dffkit.scores.differences import replicates
from dffkit.scores.evaluation import Evaluation, SnippetScores
from dffkit.training.recipe import Measurement

TEST_FRAMES = (1, 5, 9, 13, 17, 21, 25)  # of the talk's table; 1 is per-frame recognition
QUICK_FRAMES = (1, 5)  # during training
TOGETHER = 5  # frames that go through N_feat together


def metric(frames: int, embed_first: bool = False) -> str:
    """Return the name in `evaluation.csv` of mAP with a number of frames in testing; `embed_first` as in the model."""
    return f"mAP at {frames} frame{'s' * (frames > 1)}" + (", embedded first" if embed_first else "")


def scores(
    model: Aggregation, snippets: Sequence[Snippet], measurement: Measurement, *, quick: bool = False
) -> list[Score]:
    """Return mAP overall and by motion class, for each number of test frames and both orders of embedding and warp.

    Args:
        model: for detection, in eval mode.
        snippets: frames before and after each annotated one; those that are missing are as in `aggregate`.
        measurement: the identity of the rows.
        quick: few test frames, in the order of training, without replicates. Rows on val have none either, and those of
            motion classes that are missing in a draw.
    """
    found: dict[str, list[SnippetScores]] = defaultdict(list)
    for snippet in snippets:
        for name, each in _snippet_scores(model, snippet, QUICK_FRAMES if quick else TEST_FRAMES, quick).items():
            found[name].append(SnippetScores(snippet.name, len(snippet.targets), (each,)))
    return [row for name, each in found.items() for row in rows(measurement, name, each, drawn=not quick)]


def rows(
    measurement: Measurement, name: str, found: Sequence[SnippetScores], *, duration: int | None = None, drawn: bool
) -> list[Score]:
    """Return mAP overall and by motion class as rows; with `drawn`, on splits but val, with their replicates."""
    evaluation, made = Evaluation(tuple(found)), []
    for subset in ("all", *MOTION_CLASSES):
        draws = replicates(evaluation, subset=subset)[0] if drawn and measurement.split != "val" else None
        draws = None if draws is None or draws.isnan().any() else draws.numpy()
        value = evaluation.score("mAP", subset, duration=1)
        made.append(Score(measurement, name, value, subset, duration, evaluation.frames, draws))
    return made


def _snippet_scores(
    model: Aggregation, snippet: Snippet, test_frames: Sequence[int], quick: bool
) -> Mapping[str, DetectionScores]:
    """Return the scores of one snippet by metric; each network runs once for all numbers of frames."""
    parts: dict[str, list[DetectionScores]] = defaultdict(list)
    orders = (False,) if quick or model.embedding is None else (False, True)
    for index in snippet.targets:
        size, classes = tuple(snippet.frames[index].shape[1:]), model.task_network.num_classes
        target = checked_target(snippet, index, size, classes)
        for name, prediction in predictions(model, snippet.frames, index, test_frames, orders).items():
            each = DetectionScores.of(prediction, target, snippet.motion.get(index), num_classes=classes)
            parts[name].append(each)
    return {name: DetectionScores.merge(each) for name, each in parts.items()}


@torch.inference_mode()
def predictions(
    model: Aggregation, frames: Sequence[Tensor], index: int, test_frames: Sequence[int], orders: Sequence[bool]
) -> dict[str, Any]:
    """Return the results of one frame by metric, for several numbers of frames and orders (see `embed_first`).

    The features of all neighbours are carried once; a smaller number of frames takes those in the middle.
    """
    reach = max(test_frames) // 2
    window = around(index, reach, len(frames))
    device = next(model.parameters()).device
    chunks = [window[i : i + TOGETHER] for i in range(0, len(window), TOGETHER)]
    extracted = [model.extract(torch.stack([frames[j] for j in chunk]).to(device)) for chunk in chunks]
    values = FrameValues(*(None if part[0] is None else torch.cat(part) for part in zip(*extracted, strict=True)))
    current = FrameValues(*(None if part is None else part[reach : reach + 1] for part in values))
    own, found, former = torch.tensor([j == index for j in window]), {}, model.embed_first
    for model.embed_first in orders:
        features, embeddings = model.carry(current, values, own)
        for count in test_frames:
            middle = slice(reach - count // 2, reach + count // 2 + 1)
            weighed = None if embeddings is None else embeddings[:, middle]
            maps = model.task_network(model.combine(features[:, middle], weighed, current.embedding))
            size = tuple(frames[index].shape[1:])
            found[metric(count, model.embed_first)] = model.task_network.decode(maps, size)[0]
    model.embed_first = former
    return found


@torch.inference_mode()
def measured_ratio(model: Aggregation, size: tuple[int, int], reach: int, repeats: int = 5) -> float:
    """Return the time of a frame of aggregation over that of per-frame recognition, medians without decoding."""
    parts = dict(zip(("frame", "aggregated"), steps(model, size, reach), strict=True))
    times = times_in_turns(parts, next(model.parameters()).device, repeats)
    return statistics.median(times["aggregated"]) / statistics.median(times["frame"])
