"""Real video, CamVid and PETS09: score of each method over the key frame duration, as numbers and as a picture."""

import matplotlib.pyplot as plt
import pandas
from matplotlib.figure import Figure

from dffkit.experiments.runs import default_workspace
from dffkit.paper import scored
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, GREY, ORANGE
from dffkit.training.recipes import REAL

METHODS = {
    "frame": "copy",
    "frame-longer": "Frame, longer",
    "dff": "DFF",
    "separate": "DFF separate",
    "sff-dis": "SFF-DIS",
}
TITLES = {
    "camvid": ("CamVid, a clip of 101 frames", "mIoU of 11 classes [%]"),
    "pets09": ("PETS09-S2L1, frames 501 to 600", "AP@0.5 of people [%]"),
}
LEVELS = {"Frame": {"color": "black"}, "Frame, longer": {"color": GREY, "linestyle": "--"}}
LOOKS = {
    "DFF": ("o-", BLUE), "DFF separate": ("s--", ORANGE), "SFF-DIS": ("D-.", GREEN), "copy": ("v:", DARK_GREY),
}  # fmt: skip


def curves(data: str) -> pandas.DataFrame:
    """Scores of each method: columns `method`, `duration`, `score` (percent), a line for each scored point.

    Frame has duration 1 alone, and so has "Frame, longer", which was trained for as many iterations as DFF in all.
    "copy" is Frame that keeps the features of every `duration`-th frame.

    Args:
        data: "camvid", the clip of 101 frames, or "pets09", its frames 501 to 600.
    """
    recipes = {method: REAL[f"{data}/{name}"] for name, method in METHODS.items()}
    scores = scored.overall(default_workspace().results, recipes)
    scores = scores[(scores.seed == 0) & ((scores.name != "Frame, longer") | (scores.duration == 1))]
    method = scores.name.mask((scores.name == "copy") & (scores.duration == 1), "Frame")
    return scores.assign(method=method)[["method", "duration", "score"]]


def draw() -> tuple[Figure, pandas.DataFrame]:
    """Draw score over key frame duration on CamVid and PETS09; Frame, which has no duration, is a level line."""
    figure, panels = plt.subplots(1, 2, figsize=(10.2, 4.0), layout="constrained")
    tables = []
    for axes, (data, (title, score)) in zip(panels, TITLES.items(), strict=True):
        table = curves(data)
        tables.append(table.assign(data=data))
        for name, style in LEVELS.items():
            for frame in table[table.method == name].itertuples():
                axes.axhline(frame.score, linewidth=1, label=name, **style)
        for method, (style, colour) in LOOKS.items():
            curve = table[table.method == method].sort_values("duration")
            if len(curve):
                axes.plot(curve.duration, curve.score, style, color=colour, markersize=5, label=method)
        axes.set(xlabel="key frame duration l [frames]", ylabel=score, xticks=range(1, 11))
        axes.set_title(title, loc="left")
    panels[1].legend(*panels[0].get_legend_handles_labels())
    return figure, pandas.concat(tables, ignore_index=True)
