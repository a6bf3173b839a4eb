"""Handheld films recognized as a whole: what Seq-NMS adds to Frame, DFF and aggregation, and when to take key frames.

The option `--clips` of `evaluate` adds the rows to `clips.csv`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import nn

from dffkit.aggregation.seq_nms import seq_nms, without_nms
from dffkit.aggregation.stream import aggregate
from dffkit.datasets.snippets import Snippet
from dffkit.experiments import key_frames, sources
from dffkit.experiments.aggregation import rows
from dffkit.experiments.rendered import labelled_films
from dffkit.experiments.results import Score
from dffkit.experiments.runs import Run, Workspace
from dffkit.scores import DetectionScores, SnippetScores
from dffkit.support.errors import CommandError
from dffkit.training.handheld_recipes import DATA
from dffkit.training.recipe import Measurement
from dffkit.video import recognize

REACH = 10  # K of aggregation
DURATION = 10  # l of Deep Feature Flow
POSTPROCESSING: dict[str, Callable] = {
    "": lambda clip: [seq_nms([frame])[0] for frame in clip],  # each frame for itself: ordinary NMS
    ", Seq-NMS mean": seq_nms,
    ", Seq-NMS max": lambda clip: seq_nms(clip, rescore="max"),
}


def score(run: Run, model: nn.Module, workspace: Workspace, *, split: str) -> list[Score]:
    """Return the scores of a run with Seq-NMS, and for Deep Feature Flow those of the schedules.

    Args:
        run: what `model` was trained by, on the handheld world.
        model: for detection, in eval mode.
        workspace: where films are rendered; its `streets` are the number of films.
        split: "val" or "test".

    Raises:
        CommandError: if the recipe is not for boxes of the handheld world.
    """
    recipe = run.scored
    if recipe.data != DATA or recipe.pretraining:
        raise CommandError(f"--clips: expected a recipe for boxes of the {DATA} world, got {recipe.name}")
    count = workspace.streets or sources.counts(recipe)[split]
    films = labelled_films(split, count, workspace.cache, workspace.progress)
    label = sources.longest_duration(recipe, films) - 1  # the frame that is scored elsewhere
    found = seq_nms_scores(model, recipe.job, films, label, run.measurement(split))
    if recipe.job == "pairs":
        chosen = min(key_frames.CHOSEN_ON, count)
        val = labelled_films("val", chosen, workspace.cache, workspace.progress)
        found += key_frames.scores(model, val, films[: key_frames.FILMS], run.measurement(split))
    return found


def seq_nms_scores(
    model: nn.Module, job: str, films: Sequence[Snippet], label: int, measurement: Measurement
) -> list[Score]:
    """Return mAP of frame `label` of each film, with and without Seq-NMS over all frames of the film."""
    found: dict[str, list[SnippetScores]] = defaultdict(list)
    classes = model.task_network.num_classes
    for number, film in enumerate(films):
        with without_nms(model.task_network):
            clip = [result.output for result in _results(model, job, film, number)]
        for name, process in POSTPROCESSING.items():
            prediction = process(clip)[label]
            each = DetectionScores.of(prediction, film.targets[label], film.motion[label], num_classes=classes)
            found[f"mAP of clips{name}"].append(SnippetScores(film.name, 1, (each,)))
    duration = {"pairs": DURATION, "frames": 1}.get(job)
    return [row for name, each in found.items() for row in rows(measurement, name, each, duration=duration, drawn=True)]


def _results(model: nn.Module, job: str, film: Snippet, number: int) -> Iterator[Any]:
    """Recognize a film. Its first key frame depends on its number, so that the scored frames have all offsets."""
    if job == "aggregate":
        return aggregate(model, film.frames, REACH)
    duration = DURATION if job == "pairs" else 1
    return recognize(model, film.frames, lambda index, _: (index - number) % duration == 0, look_ahead=duration)
