"""When to take a key frame: schedules compared at equal mean rate, on films with boxes in every frame.

All schedules share the results of a film: each frame is computed once from each key frame. Thresholds and weights are
chosen on val, so that the mean rate there is that of every l-th frame; the rate on the scored films has its own row.
"""

import random
from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from dffkit.aggregation.key_frames import flow_signals
from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.aggregation import rows
from dffkit.experiments.lost_boxes import CONFIDENT, found_boxes
from dffkit.experiments.results import Score
from dffkit.scores import DetectionScores, SnippetScores
from dffkit.training.recipe import Measurement

DURATIONS = (3, 5, 7, 10, 15)  # mean key frame durations
FIXED, LEARNED = "fixed", "learned"
# Weights of `flow_signals`; the difference of frames has none, as it is not from a network.
WEIGHTS = {"frame difference": None, "flow length": (1.0, 0.0, 0.0), "carried error": (0.0, 1.0, 0.0)}
POLICIES = (FIXED, "random", *WEIGHTS, LEARNED)
CHOSEN_ON, FILMS = 24, 120  # films of val to choose thresholds on, and films that are scored
LONGEST = 30
SCORED = 4  # every fourth frame is scored
LOWEST, HIGHEST, STEPS = 1e-4, 256.0, 24  # of the search for a threshold


class Clip:
    """A film whose frames are computed from each key frame, once; `scored` frames are decoded too."""

    def __init__(self, model: DeepFeatureFlow, film: Snippet, scored: Sequence[int]) -> None:
        self.model, self.film, self.scored, self.length = model, film, scored, len(film.frames)
        frames = torch.stack([film.frames[i] for i in range(self.length)])
        self.frames = frames.to(next(model.parameters()).device)
        self.blocks = F.avg_pool2d(frames.float(), 8, ceil_mode=True)
        self.from_key, self.changes = cache(self._from_key), cache(self._changes)

    @torch.inference_mode()
    def _from_key(self, k: int) -> tuple[Tensor, dict[int, dict[str, Tensor]]]:
        """Return `flow_signals` of all frames after key frame k, and the detections of scored frames from k on."""
        signals = [torch.zeros(0, 3)]
        hook = self.model.flow_network.register_forward_hook(
            lambda _, inputs, output: signals.append(flow_signals(*inputs, *output).cpu())
        )
        maps, key = self.model.on_key_frame(self.frames[k : k + 1])
        if k + 1 < self.length:
            maps = torch.cat([maps, self.model.on_current_frame(self.frames[k + 1 :], key)])
        hook.remove()
        size = tuple(self.frames.shape[2:])
        decoded = {i: self.model.task_network.decode(maps[[i - k]], size)[0] for i in self.scored if i >= k}
        return torch.cat(signals), decoded

    def _changes(self, k: int, weights: tuple[float, ...] | None) -> list[float]:
        """Return the signal that a policy compares with its threshold, for all frames after key frame k."""
        if weights is None:
            return (self.blocks[k + 1 :] - self.blocks[k]).abs().mean((1, 2, 3)).tolist()
        return (self.from_key(k)[0] @ torch.tensor(weights)).tolist()

    def key_frames(self, policy: str, parameter: float, weights: tuple[float, ...] | None = None) -> list[int]:
        """Return the key frame of each frame; `parameter` is the duration, probability or threshold of the policy.

        Signals from networks are those of the frame before, as in `dffkit.aggregation.key_frames`.
        """
        rng, keys = random.Random(self.film.name), [0]
        for i in range(1, self.length):
            after = i - keys[-1]
            if policy in (FIXED, "random"):
                new = i % parameter == 0 if policy == FIXED else rng.random() < parameter
            else:
                seen = after - 1 - (weights is not None)
                new = after >= LONGEST or (seen >= 0 and self.changes(keys[-1], weights)[seen] > parameter)
            keys.append(i if new else keys[-1])
        return keys


def mean_rate(clips: Sequence[Clip], *policy: object) -> float:
    """Return the share of all frames that are key frames, for the arguments of `Clip.key_frames`."""
    return sum(len(set(clip.key_frames(*policy))) for clip in clips) / sum(clip.length for clip in clips)


def parameter_for(clips: Sequence[Clip], policy: str, duration: int, weights: tuple[float, ...] | None) -> float:
    """Return the parameter with which a policy takes as many key frames as every `duration`-th frame makes."""
    rate = mean_rate(clips, FIXED, duration)
    if policy == FIXED:
        return duration
    if policy == "random":  # the first frame is a key frame in any case
        return (rate * clips[0].length - 1) / (clips[0].length - 1)
    return threshold_for(clips, policy, rate, weights)


def threshold_for(clips: Sequence[Clip], policy: str, rate: float, weights: tuple[float, ...] | None) -> float:
    """Return the lowest threshold with which the mean rate of a policy is at most `rate`."""
    low, high = LOWEST, HIGHEST
    for _ in range(STEPS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if mean_rate(clips, policy, middle, weights) > rate else (low, middle)
    return high


def learned_weights(clips: Sequence[Clip]) -> tuple[float, ...]:
    """Return the weights of `flow_signals` that best predict the share of found boxes that are lost (least squares).

    It is predicted for scored frames, from each key frame less than the longest mean duration before them.
    """
    signals, lost = [], []
    for clip in clips:
        for i in clip.scored:
            target = clip.film.targets[i]
            found = found_boxes(target, clip.from_key(i)[1][i], CONFIDENT)
            for k in range(max(0, i - max(DURATIONS) + 1), i) if found.any() else ():
                seen, carried = clip.from_key(k)
                signals.append(seen[i - k - 1])
                lost.append(1 - float((found & found_boxes(target, carried[i], CONFIDENT)).sum() / found.sum()))
    if not any(lost):
        return WEIGHTS["flow length"]
    return tuple(torch.linalg.lstsq(torch.stack(signals), torch.tensor(lost)[:, None]).solution[:, 0].tolist())


def scores(
    model: DeepFeatureFlow, val: Sequence[Snippet], films: Sequence[Snippet], measurement: Measurement
) -> list[Score]:
    """Return mAP and the rate of key frames of each policy, at each mean duration chosen on `val`."""
    chosen = [_clip(model, film, number) for number, film in enumerate(val)]
    weights = WEIGHTS | {LEARNED: learned_weights(chosen)}
    settings = {
        (policy, duration): (policy, parameter_for(chosen, policy, duration, weights.get(policy)), weights.get(policy))
        for policy in POLICIES
        for duration in DURATIONS
    }
    found: dict[tuple[str, int], list[SnippetScores]] = {name: [] for name in settings}
    keys = dict.fromkeys(settings, 0)
    for number, film in enumerate(tqdm(films, desc="key frames", unit="film", disable=None)):
        clip = _clip(model, film, number)

        @cache
        def score(k: int, i: int, clip: Clip = clip) -> DetectionScores:
            labels = clip.film.targets[i], clip.film.motion[i]
            return DetectionScores.of(clip.from_key(k)[1][i], *labels, num_classes=model.task_network.num_classes)

        for name, setting in settings.items():
            key_of = clip.key_frames(*setting)
            keys[name] += len(set(key_of))
            each = [score(key_of[i], i) for i in clip.scored]
            found[name].append(SnippetScores(film.name, len(each), (DetectionScores.merge(each),)))
    made, frames = [], sum(len(film.frames) for film in films)
    for (policy, duration), each in found.items():
        made += rows(measurement, f"mAP, key frames: {policy}", each, duration=duration, drawn=True)
        rate = keys[policy, duration] / frames
        made.append(Score(measurement, f"rate, key frames: {policy}", rate, "all", duration, frames))
    return made


def _clip(model: DeepFeatureFlow, film: Snippet, number: int) -> Clip:
    """Return a film by its number; films are scored on different frames, so that scored frames have all offsets."""
    return Clip(model, film, range(number % SCORED, len(film.frames), SCORED))
