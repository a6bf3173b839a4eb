"""Notebook 06: verdicts with reasons, the time of each frame, things that are lost, and a widget for points."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from dffkit import weights
from dffkit.baselines import NO_FLOW
from dffkit.datasets.toytown import FPS, HANDHELD, WORLDS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.sources import TOYTOWN_DURATIONS
from dffkit.lessons import clip_pictures
from dffkit.lessons.explore import Explorer, Picture, choice, slider
from dffkit.paper import speed_accuracy
from dffkit.paper.claims import claims
from dffkit.paper.settings import find_setting
from dffkit.paper.style import BLUE, COLOURS, GREY, LINES, ORANGE, RED, styled
from dffkit.schedules import FixedInterval
from dffkit.video import Recognition, recognize

# Names of the networks with shipped weights -> last part of their recipes' names.
NETWORKS = {"per frame": "frame", "DFF, FlowNet": "dff", "DFF, FlowNet Inception": "dff-inception"}
# The paper's statements on its figure: the beginning of the statement -> a short name, and what the paper prints.
STATEMENTS = {
    "FlowNet Inception": ("FlowNet Inception is the fastest at most accuracies", "stated, no share"),
    "ResNet-101 ahead where": ("ResNet-101 is ahead where accuracy is high", "stated, no points"),
    "ResNet-50 ahead where": ("ResNet-50 is ahead where speed is high", "from {crossing} fps on"),
    "ResNet-101 ahead at every": ("ResNet-101 is ahead at every speed", "stated, no points"),
}
# What explains a verdict: setting -> beginning of the statement -> the verdict, and its reason. A reason is shown only
# beside the verdict that it explains.
WHY = {
    "handheld": {
        "FlowNet Inception": ("not resolved", "it loses more of what moves fast: section 5"),
        "ResNet-101 ahead where": ("not resolved", "ResNet-50 alone is as accurate, and faster"),
        "ResNet-101 ahead at every": ("does not hold", "it needs a longer l, and depth does not make up for that"),
    },
    "detection": {
        "FlowNet Inception": ("not resolved", "as in the paper, but other streets might give half"),
        "ResNet-101 ahead where": ("not resolved", "ResNet-50 alone is as accurate, and faster"),
        "ResNet-101 ahead at every": ("does not hold", "it needs a longer l, and depth does not make up for that"),
    },
    "segmentation": {
        "FlowNet Inception": ("does not hold", "FlowNet Half is nearly as fast, and more accurate"),
        "ResNet-101 ahead where": ("does not hold", "ResNet-50 alone is as accurate, and faster"),
        "ResNet-50 ahead where": ("holds", "at equal speed its key frames are newer"),
    },
}
NAMES = {"handheld": "films, detection", "detection": "drive, detection", "segmentation": "drive, segmentation"}


def plane_explorer(setting: str, number: int) -> Explorer:
    """Return a widget that shows the point of Figure 3, and three results, of a network and a key frame duration.

    The point is from test, the results are from film `number` of val.
    """
    shown, film = find_setting(setting), clip_pictures.remembered(film_of(setting, number))
    models = {name: weights.load(shown.recipe(recipe).name) for name, recipe in NETWORKS.items()}
    return Explorer(
        partial(point_in_plane, film, models, speed_accuracy.curves(setting)),
        network=choice("network", tuple(NETWORKS), "DFF, FlowNet"),
        duration=slider("key frame duration l", 1, TOYTOWN_DURATIONS[shown.task], 1, 5),
    )


@styled
def point_in_plane(
    film: Film, models: Mapping[str, DeepFeatureFlow], points: pandas.DataFrame, network: str, duration: int
) -> Picture:
    """Draw the point of a network and a key frame duration, and its results on the first, a middle and the last frame.

    Args:
        film: the street to show.
        models: name in `NETWORKS` -> model.
        points: `speed_accuracy.curves` of the setting.
        network, duration: the point; per-frame recognition always has duration 1.
    """
    duration = 1 if network == "per frame" else duration
    chosen = points[(points.name == NETWORKS[network]) & (points.duration == duration)].iloc[0]
    figure = Figure(figsize=(8.8, 4.9))
    plane = figure.add_axes((0.055, 0.5, 0.7, 0.45))
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
    plane.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7.5, frameon=False)
    words = f"{network}, l = {duration}: {chosen.score:.1f}% at {chosen.speedup:.1f} times Frame's speed"
    plane.set_title(words, loc="left")
    shown = [0, duration // 2, duration - 1]
    seen = []
    results = clip_pictures.recognize_frames(models[network], film, shown, 0)
    below = [figure.add_axes((0.005 + 0.333 * column, 0.075, 0.325, 0.292)) for column in range(3)]
    for axes, index, result in zip(below, shown, results, strict=True):
        seen.append(clip_pictures.draw_recognition(axes, film, Recognition(index, index == 0, result)))
    boxes = not seen[0].endswith("%")
    clip_pictures.add_class_legend(figure, boxes, loc="lower center", classes=film.world.classes)
    return Picture.of(
        figure,
        f"""Accuracy over speed, one curve for each pair of networks, and on it the chosen point: {words}. Below, frames
        {shown[0]}, {shown[1]} and {shown[2]} of a film with its results; right are {", ".join(seen)}.""",
        bits=5,
    )


def by_setting(function: Callable[[str], pandas.DataFrame], settings: Sequence[str] = tuple(NAMES)) -> pandas.DataFrame:
    """Return the tables that a function gives for settings below each other, with their `NAMES` in column `where`."""
    tables = {NAMES[setting]: function(setting) for setting in settings}
    return pandas.concat(tables, names=["where", ""]).reset_index(level=0)


def verdicts(setting: str) -> pandas.DataFrame:
    """Return the verdicts on what the paper says of its figure.

    Returns:
        Columns: `statement`; `paper`, what it prints; `ours`, with its interval; `verdict`; `why`, "" for a verdict
        that has no reason in `WHY`. Empty while a network of the setting is missing.
    """
    crossing, lines = claims()["figure3-fps.segmentation.crossing"].paper, []
    for line in speed_accuracy.statements(setting).itertuples():
        (begin,) = (begin for begin in STATEMENTS if line.statement.startswith(begin))
        name, paper = STATEMENTS[begin]
        share = begin == "FlowNet Inception"  # in percent over one half, the others in points
        numbers = [number + 50 * share for number in (line.difference, line.low, line.high)]
        ours = "{:.0f}% ({:.0f} to {:.0f})" if share else "by {:.1f} points ({:.1f} to {:.1f})"
        verdict, why = WHY.get(setting, {}).get(begin, ("", ""))
        lines.append({
            "statement": name, "paper": paper.format(crossing=crossing), "ours": ours.format(*numbers),
            "verdict": line.verdict, "why": why if verdict == line.verdict else "",
        })  # fmt: skip
    return pandas.DataFrame(lines, columns=["statement", "paper", "ours", "verdict", "why"])


def film_of(setting: str, number: int, split: str = "val") -> Film:
    """Return a film of a setting for detection, at the frame rate and in the world of its recipes."""
    return Film(split, number, FPS["detection"], HANDHELD if setting == "handheld" else WORLDS["detection"])


@styled
def own_and_carried(setting: str, number: int, index: int, gap: int = 9) -> Picture:
    """Draw a frame of val twice: with what Frame finds in it, and with what DFF finds from an earlier key frame.

    Args:
        setting: "handheld" or "detection".
        number: of the film.
        index: of the frame.
        gap: frames since the key frame.
    """
    film, setting = film_of(setting, number), find_setting(setting)
    target = film.boxes(index)
    figure = Figure(figsize=(8.8, 2.8), layout="constrained")
    words = []
    for axes, name, key_index in zip(figure.subplots(1, 2), ("frame", "dff"), (index, index - gap), strict=True):
        model = weights.load(setting.recipe(name).name)
        result = clip_pictures.recognize_frame(model, film, index, key_index)
        features = "its own features" if key_index == index else f"the features of frame {key_index}"
        found = clip_pictures.score_text(result, target)
        words.append(f"with {features}, {found} are found")
        axes.set_title(f"frame {index}, {features}: {found} found", loc="left")
        draw_found(axes, film, index, result, target)
    clip_pictures.add_class_legend(figure, True, classes=film.world.classes)
    return Picture.of(
        figure,
        f"""Frame {index} of {setting.scenes[:-1]} {number} of the validation split, twice, with the true boxes dashed
        and those found solid, in the colours of their classes: {", and ".join(words)}.""",
        bits=5,
    )


def draw_found(axes: Axes, film: Film, index: int, result: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    """Draw a frame with the boxes found, in the colours of their classes, and above them its true boxes, dashed."""
    clip_pictures.draw_result(axes, film.frame(index), result)
    for x1, y1, x2, y2 in target["boxes"].tolist():
        for colour, line in (("black", "-"), ("white", "--")):
            axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linestyle=line))


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
    axes.xaxis.set_major_locator(MaxNLocator(steps=[1, 5, 10], integer=True))
    axes.set(xlabel="frame", ylabel="milliseconds", xlim=(-0.8, len(times) - 0.2), ylim=(0, None))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    words = (
        f"{np.median(times[keys]):.0f} ms, the others {np.median(times[~keys]):.0f} ms; the mean is {times.mean():.0f}"
    )
    return Picture.of(
        figure, f"A bar for the time of each of {len(times)} frames, with l = {duration}: key frames take {words} ms."
    )
