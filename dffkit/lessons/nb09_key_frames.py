"""Notebook 09: schedules by hand, on one film in a widget, and the time of deciding."""

import statistics
from collections.abc import Sequence
from functools import partial

import pandas
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dffkit.aggregation.key_frames import flow_signals
from dffkit.complexity import count_costs
from dffkit.datasets import toytown
from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.benchmark import times_in_turns
from dffkit.experiments.key_frames import FIXED, WEIGHTS, Clip, threshold_for
from dffkit.lessons.clip_pictures import draw_result
from dffkit.lessons.explore import Explorer, Picture, choice, slider
from dffkit.paper import key_frame_curves
from dffkit.paper.key_frame_curves import LOOKS
from dffkit.paper.style import DARK_GREY, GREY, styled
from dffkit.paper.three_ways import overlap
from dffkit.schedules import FixedInterval, FrameDifference

LENGTH = 32  # frames of a film
SIGNALS = {"frame difference": "grey levels", "flow length": "cells", "carried error": "grey levels"}  # and their units


def key_frames(positions: Sequence[float], threshold: float, late: bool = False) -> list[int]:
    """Return the key frame of each frame of a made-up video, where a thing has a position in each frame.

    A frame becomes a key frame if the thing has moved more than `threshold` since the last one; if `late`, if it has
    in the frame before.
    """
    keys = [0]
    for i in range(1, len(positions)):
        moved = abs(positions[max(keys[-1], i - late)] - positions[keys[-1]])
        keys.append(i if moved > threshold else keys[-1])
    return keys


def by_hand(positions: Sequence[float], schedules: dict[str, Sequence[int]]) -> pandas.DataFrame:
    """Return a table: frames, positions, and for each schedule the distance to the key frame, with a sum at the end."""
    found = {"frame": [*map(str, range(len(positions))), "sum"], "position": [*map(str, positions), ""]}
    for name, keys in schedules.items():
        off = [abs(position - positions[k]) for position, k in zip(positions, keys, strict=True)]
        cells = ["key frame" if i == k else str(each) for i, (k, each) in enumerate(zip(keys, off, strict=True))]
        found[name] = [*cells, str(sum(off))]
    return pandas.DataFrame(found)


def film(number: int) -> Snippet:
    """Return a handheld film of val with its boxes, rendered now."""
    settings = {"fps": toytown.FPS["detection"], "length": LENGTH, "world": toytown.HANDHELD}
    return toytown.snippets("val", "detection", (number,), annotated=range(LENGTH), **settings)[0]


def schedule_explorer(clip: Clip) -> Explorer:
    """Return a widget that gives a film some key frames by a schedule, beside as many at equal distances."""
    for k in range(clip.length):  # all results, so that the picture follows the slider at once
        clip.from_key(k)
    return Explorer(
        partial(schedule_on_film, clip),
        schedule=choice("schedule", tuple(SIGNALS), "carried error"),
        count=slider("key frames", 2, 12, 1, 6),
    )


@styled
def schedule_on_film(clip: Clip, schedule: str, count: int) -> Picture:
    """Draw a schedule's signal and key frames, each frame's overlap with the truth, and the frame that gains most.

    Args:
        clip: all of its frames are decoded.
        schedule: one of `SIGNALS`.
        count: largest number of key frames; the threshold is the lowest that takes no more.
    """
    weights = WEIGHTS[schedule]
    threshold = threshold_for([clip], schedule, count / clip.length, weights)
    keys = clip.key_frames(schedule, threshold, weights)
    by_schedule = {schedule: keys, FIXED: evenly(len(set(keys)), clip.length)}
    overlaps = {name: overlap_with_truth(clip, each) for name, each in by_schedule.items()}
    gains = [good - usual for good, usual in zip(*overlaps.values(), strict=True)]
    best = max(range(clip.length), key=gains.__getitem__)
    figure = Figure(figsize=(8.8, 4.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.6, 1])
    signal, result = left.subplots(2, 1, sharex=True)
    signal.plot([0 if i == k else clip.changes(k, weights)[i - k - 1] for i, k in enumerate(keys)], "k.-")
    signal.axhline(threshold, color=DARK_GREY, linestyle=":")
    signal.set(title=f"{schedule} since the key frame, and the threshold", ylabel=SIGNALS[schedule], ylim=(0, None))
    words = []
    for place, (name, values) in enumerate(overlaps.items()):
        colour, look = LOOKS[name]
        mean = sum(values) / len(values)
        words.append(f"{name}, mean {mean:.2f}")
        result.plot(values, look[1:], color=colour, label=words[-1])
        starts = sorted(set(by_schedule[name]))
        result.plot(starts, [-0.08 - 0.1 * place] * len(starts), look[0], color=colour, markersize=5)
    result.axvline(best, color=GREY, linewidth=0.8)
    result.set(title="overlap with the true boxes, and key frames below", xlabel="frame", ylabel="IoU")
    result.set_ylim(-0.3, 1.35)
    result.legend(loc="upper right", fontsize=7.5, ncols=2)
    for axes, (name, each) in zip(right.subplots(2, 1), by_schedule.items(), strict=True):
        draw_result(axes, clip.film.frames[best], clip.from_key(each[best])[1][best])
        axes.set_title(f"frame {best}, {name}: key frame {each[best]}", loc="left")
    starts = " and ".join(", ".join(map(str, sorted(set(each)))) for each in by_schedule.values())
    return Picture.of(
        figure,
        f"""The signal "{schedule}" over {clip.length} frames of a film with its threshold, the overlap of the boxes
        found with the true ones, and the frame that gains most, with both results. Key frames of {schedule} and of
        equal distances: {starts}. Overlaps: {"; ".join(words)}.""",
        bits=5,
    )


def evenly(count: int, length: int) -> list[int]:
    """Return the key frame of each of `length` frames, with `count` key frames at equal distances."""
    starts = [round(number * length / count) for number in range(count)]
    return [max(start for start in starts if start <= i) for i in range(length)]


def overlap_with_truth(clip: Clip, keys: Sequence[int]) -> list[float]:
    """Return each frame's mean IoU of true boxes with those found from its key frame."""
    return [overlap(clip.from_key(k)[1][i], clip.film.targets[i]) for i, k in enumerate(keys)]


def differences(subset: str = "all") -> pandas.DataFrame:
    """Return the points over the fixed schedule at equal rate, with intervals: a line for each schedule.

    Columns: `schedule`, and "l = 3", ... for the rates of these durations on val.
    """
    found = key_frame_curves.schedules(subset).dropna()
    ends = zip(found.difference, found.difference_low, found.difference_high, strict=True)
    words = [f"{mean:+.1f} ({low:.1f} to {high:.1f})" for mean, low, high in ends]
    found = found.assign(words=words, duration="l = " + found.duration.astype(str))
    lines = found.groupby("schedule", sort=False)
    return pandas.DataFrame(
        [{"schedule": name} | dict(zip(each.duration, each.words, strict=True)) for name, each in lines]
    )


@torch.inference_mode()
def deciding(model: DeepFeatureFlow, frames: Sequence[Tensor], repeats: int = 9) -> pandas.DataFrame:
    """Count and time what it takes to decide on a frame, beside the networks.

    Args:
        model: in eval mode, on the CPU.
        frames: a key frame and a later one, `(3, H, W)` uint8.
        repeats: of the measurement; times are medians.

    Returns:
        Columns: `what`; `multiply_adds` of networks, in millions; `read`, kilobytes that a decision reads; `ms`;
        `share`, the time in percent of a non-key frame's.
    """
    key_frame, frame = (each[None] for each in frames)
    key, prepared = model.key_frame(key_frame), model.flow_network.prepare(frame)
    flow, scale = model.flow_network(prepared, key.flow_input)
    difference = FrameDifference(threshold=256.0, longest=10**6)
    difference(0, frames[0])
    costs = count_costs(model, tuple(frame.shape[2:]))
    lines = {
        FIXED: (0, (), lambda: FixedInterval(10)(7, frames[1])),
        "frame difference": (0, (frame,), lambda: difference(1, frames[1])),
        "flow length, carried error, learned": (
            0, (prepared, key.flow_input, flow, scale), lambda: flow_signals(prepared, key.flow_input, flow, scale)
        ),
        "F": (costs.flow, (), lambda: model.flow_network(prepared, key.flow_input)),
        "a non-key frame": (costs.flow + costs.warp + costs.task, (), lambda: model.on_current_frame(frame, key)),
        "a key frame": (costs.features + costs.task, (), lambda: model.on_key_frame(frame)),
    }  # fmt: skip
    times = times_in_turns({name: run for name, (*_, run) in lines.items()}, "cpu", repeats)
    found = pandas.DataFrame({
        "what": list(lines),
        "multiply_adds": [flops / 2e6 for flops, *_ in lines.values()],
        "read": [sum(each.numel() * each.element_size() for each in values) / 1e3 for _, values, _ in lines.values()],
        "ms": [statistics.median(each) for each in times.values()],
    })  # fmt: skip
    return found.assign(share=100 * found.ms / found.ms[found.what == "a non-key frame"].item())
