"""Notebook 06's widget: pick a point of the plane of speed and accuracy, and see its frames."""

from collections.abc import Mapping
from functools import partial

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dffkit import weights
from dffkit.baselines import NO_FLOW
from dffkit.datasets.toytown import Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.sources import TOYTOWN_DURATIONS
from dffkit.lessons.clip_pictures import draw, legend, note, picture_of, recognise, truth, verdict
from dffkit.lessons.explore import Choice, Explorer, Picture, Slider
from dffkit.paper import speed_accuracy
from dffkit.paper.style import COLOURS, DARK_GREY, GREY, LINES, RED, styled

# The networks whose weights are shipped: what they are called here, and the last part of their recipe's name.
NETWORKS = {"per frame": "frame", "DFF, FlowNet": "dff", "DFF, FlowNet Inception": "dff-inception"}


def plane_explorer(film: Film, task: str, split: str = "test") -> Explorer:
    """Choose a network and a key frame duration: its place in Figure 3, and three frames as it sees them."""
    models = {name: weights.load(f"toytown/{task}/{recipe}") for name, recipe in NETWORKS.items()}
    points = speed_accuracy.curves(task, split)
    return Explorer(
        partial(place, film, models, points),
        network=Choice("network", tuple(NETWORKS), "DFF, FlowNet"),
        duration=Slider("key frame duration l", 1, TOYTOWN_DURATIONS[task], 1, 5),
    )


@styled
def place(
    film: Film, models: Mapping[str, DeepFeatureFlow], points: pandas.DataFrame, network: str, duration: int
) -> Picture:
    """Where one network with one key frame duration lies in the plane, and the first, a middle and the last frame of
    such a stretch under its results. Per-frame recognition has duration 1, whatever is asked for.

    Args:
        film: whose frames are shown.
        models: by the names in `NETWORKS`.
        points: `speed_accuracy.curves` of the task.
        network, duration: which point.
    """
    duration = 1 if network == "per frame" else duration
    chosen = points[(points.name == NETWORKS[network]) & (points.duration == duration)].iloc[0]
    figure = Figure(figsize=(8.8, 4.9), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    plane = above.subplots()
    _draw_plane(plane, points, chosen)
    words = f"{network}, l = {duration}: {chosen.score:.1f}% at {chosen.speedup:.1f} times Frame's speed"
    plane.set_title(words, loc="left")
    shown = [0, duration // 2, duration - 1]
    seen = []
    for axes, index in zip(below.subplots(1, 3), shown, strict=True):
        seen.append(_draw_frame(axes, film, models[network], index))
    boxes = not seen[0].endswith("%")
    figure.legend(handles=legend(boxes), loc="outside lower center", ncols=10, fontsize=7.5, handlelength=1)
    return picture_of(
        figure,
        f"""Accuracy over speed, one curve for each pair of networks, and on it the point chosen: {words}. Below, frames
        {shown[0]}, {shown[1]} and {shown[2]} of a street under its results, right: {", ".join(seen)}.""",
    )


def _draw_plane(axes: Axes, points: pandas.DataFrame, chosen: pandas.Series) -> None:
    for (features, flow), curve in points[points.flow != NO_FLOW].groupby(["features", "flow"], sort=False):
        ordered = curve.sort_values("duration")
        mine = (features, flow) == (chosen.features, chosen.flow)
        look = {"color": COLOURS[flow], "linestyle": LINES[features], "linewidth": 2 if mine else 0.8}
        axes.plot(ordered.speedup, ordered.score, label=f"{features}, {flow}", **look)
    single = points[points.flow == NO_FLOW]
    axes.plot(single.speedup, single.score, "*", color=GREY, markersize=8, label="per frame")
    axes.plot(chosen.speedup, chosen.score, "o", color=RED, markersize=10, markeredgecolor="black")
    axes.set(xscale="log", xlabel="speedup over Frame with ResNet-101 (Eq. 7)", ylabel="score [%]")
    axes.set_xticks([1, 2, 5, 10, 20], labels=["1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7.5, frameon=False, labelcolor=DARK_GREY)


def _draw_frame(axes: Axes, film: Film, model: DeepFeatureFlow, index: int) -> str:
    """A frame whose key frame is frame 0, and how good the result is."""
    result = recognise(model, film.frame(index), film.frame(0), same=index == 0)
    draw(axes, film.frame(index), result)
    word = verdict(result, truth(film, index, isinstance(result, dict)))
    note(axes, f"i = {index}{' · key' if index == 0 else ''}", word, framed=index == 0)
    return word
