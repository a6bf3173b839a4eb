"""Notebook 06: a widget for points of speed and accuracy, boxes found by their width, and the time of each frame."""

import time
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dffkit import weights
from dffkit.baselines import NO_FLOW
from dffkit.datasets.toytown import FPS, WORLDS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.sources import TOYTOWN_DURATIONS
from dffkit.lessons import clip_pictures
from dffkit.lessons.explore import Explorer, Picture, choice, slider
from dffkit.paper import speed_accuracy
from dffkit.paper.style import BLUE, COLOURS, DARK_GREY, GREY, LINES, ORANGE, RED, styled
from dffkit.schedules import FixedInterval
from dffkit.video import Recognition, recognize
from dffkit.warp import CELL

# Names of the networks with shipped weights -> last part of their recipes' names.
NETWORKS = {"per frame": "frame", "DFF, FlowNet": "dff", "DFF, FlowNet Inception": "dff-inception"}
WIDTHS = {"up to 2 cells": (0, 2), "2 to 4 cells": (2, 4), "more than 4 cells": (4, np.inf)}


def plane_explorer(film: Film, task: str, split: str = "test") -> Explorer:
    """Return a widget that shows the point of Figure 3, and three results, of a network and a key frame duration."""
    models = {name: weights.load(f"toytown/{task}/{recipe}") for name, recipe in NETWORKS.items()}
    points = speed_accuracy.curves(task, split)
    return Explorer(
        partial(point_in_plane, film, models, points),
        network=choice("network", tuple(NETWORKS), "DFF, FlowNet"),
        duration=slider("key frame duration l", 1, TOYTOWN_DURATIONS[task], 1, 5),
    )


@styled
def point_in_plane(
    film: Film, models: Mapping[str, DeepFeatureFlow], points: pandas.DataFrame, network: str, duration: int
) -> Picture:
    """Draw the point of a network and a key frame duration, and its results on the first, a middle and the last frame.

    Args:
        film: the street to show.
        models: name in `NETWORKS` -> model.
        points: `speed_accuracy.curves` of the task.
        network, duration: the point; per-frame recognition always has duration 1.
    """
    duration = 1 if network == "per frame" else duration
    chosen = points[(points.name == NETWORKS[network]) & (points.duration == duration)].iloc[0]
    figure = Figure(figsize=(8.8, 4.9), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    plane = above.subplots()
    for (features, flow), curve in points[points.flow != NO_FLOW].groupby(["features", "flow"], sort=False):
        ordered = curve.sort_values("duration")
        mine = (features, flow) == (chosen.features, chosen.flow)
        look = {"color": COLOURS[flow], "linestyle": LINES[features], "linewidth": 2 if mine else 0.8}
        plane.plot(ordered.speedup, ordered.score, label=f"{features}, {flow}", **look)
    single = points[points.flow == NO_FLOW]
    plane.plot(single.speedup, single.score, "*", color=GREY, markersize=8, label="per frame")
    plane.plot(chosen.speedup, chosen.score, "o", color=RED, markersize=10, markeredgecolor="black")
    plane.set(xscale="log", xlabel="speedup over Frame with ResNet-101 (Eq. 7)", ylabel="score [%]")
    plane.set_xticks([1, 2, 5, 10, 20], labels=["1", "2", "5", "10", "20"])
    plane.minorticks_off()
    plane.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7.5, frameon=False, labelcolor=DARK_GREY)
    words = f"{network}, l = {duration}: {chosen.score:.1f}% at {chosen.speedup:.1f} times Frame's speed"
    plane.set_title(words, loc="left")
    shown = [0, duration // 2, duration - 1]
    seen = []
    for axes, index in zip(below.subplots(1, 3), shown, strict=True):
        result = clip_pictures.recognize_frame(models[network], film, index, 0)
        seen.append(clip_pictures.draw_recognition(axes, film, Recognition(index, index == 0, result)))
    boxes = not seen[0].endswith("%")
    clip_pictures.add_class_legend(figure, boxes)
    return Picture.of(
        figure,
        f"""Accuracy over speed, one curve for each pair of networks, and on it the chosen point: {words}. Below, frames
        {shown[0]}, {shown[1]} and {shown[2]} of a street with its results; right are {", ".join(seen)}.""",
        bits=5,
    )


def detection_street(number: int, split: str = "val") -> Film:
    """Return a street at the frame rate and in the town of the recipes for detection."""
    return Film(split, number, FPS["detection"], WORLDS["detection"])


def found_by_width(
    models: Mapping[str, DeepFeatureFlow], gap: int = 9, streets: int = 12, frames: Sequence[int] = (19, 24, 29)
) -> pandas.DataFrame:
    """Return the percentage of true boxes that are found, by their width: a row for each of `WIDTHS`.

    Column `boxes` is the number of boxes; the others are the models. A model whose name begins with "Frame" uses the
    frame's own features, the others those of the frame `gap` frames earlier.
    """
    widths, hits = [], {name: [] for name in models}
    for film in map(detection_street, range(streets)):
        for index in frames:
            target = film.boxes(index)
            widths.append((target["boxes"][:, 2] - target["boxes"][:, 0]) / CELL)
            for name, model in models.items():
                key_index = index if name.startswith("Frame") else index - gap
                result = clip_pictures.recognize_frame(model, film, index, key_index)
                hits[name].append(clip_pictures.found_targets(result, target))
    width, lines = torch.cat(widths), []
    for low, high in WIDTHS.values():
        wide = (width > low) & (width <= high)
        shares = {name: 100 * float(torch.cat(each)[wide].float().mean()) for name, each in hits.items()}
        lines.append({"boxes": int(wide.sum()), **shares})
    return pandas.DataFrame(lines, index=list(WIDTHS))


def frame_times(model: DeepFeatureFlow, frames: Sequence[Tensor], duration: int, repeats: int = 5) -> np.ndarray:
    """Return the milliseconds for each frame's result, `(n,)`: medians over some passes, after one to warm up.

    Args:
        model: a model in eval mode.
        frames: `(3, H, W)` uint8 each.
        duration: the key frame duration in frames.
        repeats: number of measured passes over the frames.
    """
    passes = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        ends = [time.perf_counter() for _ in recognize(model, frames, FixedInterval(duration))]
        passes.append(np.diff(ends, prepend=begin))
    return 1000 * np.median(passes[1:], axis=0)


@styled
def frame_time_bars(times: np.ndarray, duration: int) -> Picture:
    """Draw a bar for each frame's milliseconds, key frames in another colour, and a line for the mean."""
    figure = Figure(figsize=(8.8, 2.4), layout="constrained")
    axes = figure.subplots()
    keys = np.arange(len(times)) % duration == 0
    axes.bar(np.flatnonzero(keys), times[keys], color=ORANGE, label="key frame")
    axes.bar(np.flatnonzero(~keys), times[~keys], color=BLUE, label="other frame")
    axes.axhline(times.mean(), color=GREY, linestyle="--", label=f"mean, {1000 / times.mean():.0f} frames a second")
    axes.set(xlabel="frame", ylabel="milliseconds", xlim=(-0.8, len(times) - 0.2), ylim=(0, None))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    words = (
        f"{np.median(times[keys]):.0f} ms, the others {np.median(times[~keys]):.0f} ms; the mean is {times.mean():.0f}"
    )
    return Picture.of(
        figure, f"A bar for the time of each of {len(times)} frames, with l = {duration}: key frames take {words} ms."
    )
