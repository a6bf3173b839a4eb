"""The look of every picture: one style file, colours that every kind of colour vision can tell apart, and labels."""

import math
from importlib.resources import files
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib import style
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from torch import Tensor

STYLE = str(files("dffkit.paper") / "style.mplstyle")
styled = style.context(STYLE)  # as a decorator: the style holds inside the function

# Okabe and Ito's palette.
BLUE, SKY, GREEN, ORANGE, RED, PURPLE = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7"
GREY, DARK_GREY = "#B0B0B0", "#6E6E6E"  # for lines, and for text
READERS = PURPLE  # rows of a reader beside ours

# The pairs of networks: line styles and markers tell the curves apart in grey, too.
COLOURS = {"FlowNet": BLUE, "FlowNet Half": RED, "FlowNet Inception": GREEN}
MARKERS = {"FlowNet": "o", "FlowNet Half": "s", "FlowNet Inception": "D"}
LINES = {"ResNet-50": "--", "ResNet-101": "-"}

METRICS = {"segmentation": "mIoU", "detection": "mAP@0.5"}  # task -> its score, in figures and tables


def panels(rows: int, columns: int, width: float, height: float, **options: Any) -> tuple[Figure, np.ndarray]:
    """Return a figure, `height` inches high, and its axes `(rows, columns)`, each column `width` inches wide."""
    size = columns * width, height
    return plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **options)


def shared_legend(figure: Figure, loc: str = "outside upper right", columns: int = 3) -> None:
    """Draw one legend for all panels outside of them, with each label once."""
    labelled = {}
    for axes in figure.axes:
        artists, labels = axes.get_legend_handles_labels()
        labelled |= dict(zip(labels, artists, strict=True))
    figure.legend(list(labelled.values()), list(labelled), loc=loc, ncols=min(columns, len(labelled)), frameon=False)


def flow_colours(flow: Tensor, longest: float) -> np.ndarray:
    """Return flow `(2, H, W)` as RGB `(H, W, 3)` in 0..1: the direction is the hue, the length the saturation.

    No flow is white; vectors of length `longest` (in the flow's unit) or more have full colour.
    """
    x, y = flow.detach().double().numpy()
    saturation = np.clip(np.hypot(x, y) / (longest or 1), 0, 1)
    return hsv_to_rgb(np.stack([np.arctan2(y, x) / (2 * math.pi) % 1, saturation, np.ones_like(x)], -1))


def flow_wheel() -> np.ndarray:
    """Return the key to `flow_colours`, an RGBA disc `(61, 61, 4)`: a point's vector is that from the centre to it."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 61), torch.linspace(-1, 1, 61), indexing="ij")
    return np.dstack([flow_colours(torch.stack([x, y]), 1), (x**2 + y**2 <= 1).double().numpy()])
