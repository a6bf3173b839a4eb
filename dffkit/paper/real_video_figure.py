"""The curves on real video as a picture, with the numbers it shows."""

import matplotlib.pyplot as plt
import pandas
from matplotlib.figure import Figure

from dffkit.paper import real_video
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, GREY, ORANGE

TITLES = {
    "camvid": ("CamVid, a clip of 101 frames", "mIoU of 11 classes [%]"),
    "pets09": ("PETS09-S2L1, frames 501 to 600", "AP@0.5 of people [%]"),
}
LEVELS = {"Frame": {"color": "black"}, "Frame, longer": {"color": GREY, "linestyle": "--"}}
LOOKS = {
    "DFF": ("o-", BLUE), "DFF separate": ("s--", ORANGE), "SFF-DIS": ("D-.", GREEN), "copy": ("v:", DARK_GREY),
}  # fmt: skip


def draw(split: str = "test") -> tuple[Figure, pandas.DataFrame]:
    """Score over key frame duration on CamVid and PETS09; Frame, which has no duration, is a level line."""
    figure, panels = plt.subplots(1, 2, figsize=(10.2, 4.0), layout="constrained")
    tables = []
    for axes, (data, (title, score)) in zip(panels, TITLES.items(), strict=True):
        table = real_video.curves(data, split)
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
