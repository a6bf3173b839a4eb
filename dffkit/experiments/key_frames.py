"""When to take a key frame: schedules compared at equal mean rate, on films with boxes in every frame.

All schedules share what they need: each pair of key frame and current frame is computed once a film. Thresholds are
chosen on val, so that the mean rate there is that of every l-th frame; the rate on the scored films has its own row.
"""

import random
from collections.abc import Callable, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from tqdm import tqdm

from dffkit.aggregation.key_frames import flow_signals, most_likely
from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.aggregation import rows
from dffkit.experiments.lost_boxes import CONFIDENT, found_boxes
from dffkit.experiments.results import Score
from dffkit.scores import DetectionScores, SnippetScores
from dffkit.training.recipe import Measurement

DURATIONS = (2, 3, 5, 7, 10, 15)  # mean key frame durations
POLICIES = ("fixed", "random", "frame difference", "label change", "flow length", "carried error", "learned")
WEIGHTS = {"flow length": (1.0, 0.0), "carried error": (0.0, 1.0)}  # of `flow_signals`
FILMS = 24  # of val, to choose thresholds on
LONGEST = 30
SCORED = 4  # every fourth frame is scored
LOWEST, HIGHEST, STEPS = 1e-4, 256.0, 24  # of the search for a threshold


class Clip:
    """A film whose frames are computed from any key frame; each result is kept."""

    def __init__(self, model: DeepFeatureFlow, film: Snippet) -> None:
        self.model, self.film, self.length = model, film, len(film.frames)
        self.device = next(model.parameters()).device
        self.size = tuple(film.frames[0].shape[1:])
        for name in ("frame", "key", "signals", "detections", "difference"):
            setattr(self, name, cache(getattr(self, f"_{name}")))

    def _frame(self, i: int) -> torch.Tensor:
        return self.film.frames[i][None].to(self.device)

    @torch.inference_mode()
    def _key(self, k: int) -> tuple:
        return self.model.on_key_frame(self.frame(k))

    @torch.inference_mode()
    def _signals(self, k: int, i: int) -> tuple[float, float, float]:
        """Return `flow_signals` and the share of cells whose label has changed, for frame i of key frame k."""
        maps, key = self.key(k)
        prepared = self.model.flow_network.prepare(self.frame(i))
        flow, _ = self.model.flow_network(prepared, key.flow_input)
        labels = [
            most_likely(self.model.task_network, m) for m in (maps, self.model.on_current_frame(self.frame(i), key))
        ]
        return *flow_signals(prepared, key.flow_input, flow), float((labels[0] != labels[1]).float().mean())

    @torch.inference_mode()
    def _detections(self, k: int, i: int) -> dict[str, torch.Tensor]:
        maps, key = self.key(k)
        maps = maps if i == k else self.model.on_current_frame(self.frame(i), key)
        return self.model.task_network.decode(maps, self.size)[0]

    def _difference(self, k: int, i: int) -> float:
        blocks = [F.avg_pool2d(self.frame(each)[0].float(), 8, ceil_mode=True) for each in (k, i)]
        return float((blocks[0] - blocks[1]).abs().mean())

    def change(self, policy: str, weights: tuple[float, float], k: int, i: int) -> float:
        """Return the signal that a policy compares with its threshold, for frame i of key frame k."""
        if policy == "frame difference":
            return self.difference(k, i)
        length, error, labels = self.signals(k, i)
        return labels if policy == "label change" else weights[0] * length + weights[1] * error

    def key_frames(self, policy: str, parameter: float, weights: tuple[float, float] = (0.0, 0.0)) -> list[int]:
        """Return the key frame of each frame; `parameter` is the duration, probability or threshold of the policy.

        Signals from networks are those of the frame before, as in `dffkit.aggregation.key_frames`.
        """
        rng, keys = random.Random(self.film.name), [0]
        for i in range(1, self.length):
            k, seen = keys[-1], i if policy == "frame difference" else i - 1
            if policy in ("fixed", "random"):
                new = i % parameter == 0 if policy == "fixed" else rng.random() < parameter
            else:
                new = i - k >= LONGEST or (seen > k and self.change(policy, weights, k, seen) > parameter)
            keys.append(i if new else k)
        return keys


def mean_rate(clips: Sequence[Clip], *policy: object) -> float:
    """Return the share of all frames that are key frames, for the arguments of `Clip.key_frames`."""
    return sum(len(set(clip.key_frames(*policy))) for clip in clips) / sum(clip.length for clip in clips)


def parameter_for(clips: Sequence[Clip], policy: str, duration: int, weights: tuple[float, float]) -> float:
    """Return the parameter with which a policy takes as many key frames as every `duration`-th frame makes."""
    rate = mean_rate(clips, "fixed", duration)
    if policy == "fixed":
        return duration
    if policy == "random":  # the first frame is a key frame in any case
        return (rate * clips[0].length - 1) / (clips[0].length - 1)
    low, high = LOWEST, HIGHEST
    for _ in range(STEPS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if mean_rate(clips, policy, middle, weights) > rate else (low, middle)
    return high


def learned_weights(clips: Sequence[Clip], step: int = 10) -> tuple[float, float]:
    """Return the weights of `flow_signals` that best predict the share of found boxes that are lost (least squares)."""
    signals, lost = [], []
    for clip in clips:
        for k in range(0, clip.length, step):
            for i in range(k + 1, min(k + step, clip.length)):
                target = clip.film.targets[i]
                itself, carried = (found_boxes(target, clip.detections(each, i), CONFIDENT) for each in (i, k))
                if itself.any():
                    signals.append(clip.signals(k, i)[:2])
                    lost.append(1 - float((itself & carried).sum() / itself.sum()))
    if not lost:
        return WEIGHTS["flow length"]
    solution = torch.linalg.lstsq(torch.tensor(signals), torch.tensor(lost)[:, None]).solution[:, 0].clamp(min=0)
    return tuple(solution.tolist()) if solution.any() else WEIGHTS["flow length"]


def scores(
    model: DeepFeatureFlow, val: Sequence[Snippet], films: Sequence[Snippet], measurement: Measurement
) -> list[Score]:
    """Return mAP and the rate of key frames of each policy, at each mean duration chosen on `val`."""
    chosen = [Clip(model, film) for film in val]
    weights = WEIGHTS | {"learned": learned_weights(chosen)}
    settings = {}
    for policy in POLICIES:
        weight = weights.get(policy, (0.0, 0.0))
        for duration in DURATIONS:
            settings[policy, duration] = policy, parameter_for(chosen, policy, duration, weight), weight
    found: dict[tuple[str, int], list[SnippetScores]] = {name: [] for name in settings}
    keys, frames, classes = dict.fromkeys(settings, 0), 0, model.task_network.num_classes
    for number, film in enumerate(tqdm(films, desc="key frames", unit="film", disable=None)):
        clip = Clip(model, film)
        frames += clip.length
        score = cache(_scorer(clip, classes))
        for name, setting in settings.items():
            of = clip.key_frames(*setting)
            keys[name] += len(set(of))
            each = [score(of[i], i) for i in range(number % SCORED, clip.length, SCORED)]
            found[name].append(SnippetScores(film.name, len(each), (DetectionScores.merge(each),)))
    made = []
    for (policy, duration), each in found.items():
        rate = keys[policy, duration] / frames
        made += rows(measurement, f"mAP, key frames: {policy}", each, duration=duration, drawn=True)
        made.append(Score(measurement, f"rate, key frames: {policy}", rate, "all", duration, frames))
    return made


def _scorer(clip: Clip, classes: int) -> Callable[[int, int], DetectionScores]:
    targets, motion = clip.film.targets, clip.film.motion
    return lambda k, i: DetectionScores.of(clip.detections(k, i), targets[i], motion[i], num_classes=classes)
