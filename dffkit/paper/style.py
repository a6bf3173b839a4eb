"""The look of every picture: one style file, colours that every kind of colour vision can tell apart, and labels."""

from importlib.resources import files
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import style
from matplotlib.figure import Figure

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
