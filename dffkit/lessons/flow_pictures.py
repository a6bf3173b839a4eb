"""Pictures of flow fields in colours (notebooks 03 and 07)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dffkit.datasets.sprites import SpritePair
from dffkit.lessons.explore import Picture
from dffkit.paper.style import flow_colours, flow_wheel, styled
from dffkit.training.jobs import FINEST, PIXELS_TO_PREDICTION, endpoint_error
from dffkit.warp import CELL, flow_to_cells

BITS = 6  # for each colour in the pictures; with fewer bits, smooth flow shows steps


class Estimate(NamedTuple):
    """The flow that F finds for a pair of frames, and the exact flow."""

    frame: Tensor  # (3, H, W) uint8, the current one
    exact: Tensor  # (2, H, W) in pixels
    found: Tensor  # (2, h, w) in cells of 16 pixels

    @property
    def error(self) -> float:
        """Mean endpoint error in pixels, cell by cell."""
        return float(endpoint_error(self.found[None], flow_to_cells(self.exact[None]))) * CELL

    @property
    def motion(self) -> float:
        """Mean length of the exact flow in pixels: the error of predicting no motion at all."""
        return float(flow_to_cells(self.exact[None]).norm(dim=1).mean()) * CELL


@styled
def sprite_flow(pair: SpritePair, every: int = 32) -> Picture:
    """Draw a pair of sprite frames and their exact flow: an arrow at each `every` pixels, and in colours."""
    lengths = pair.flow.norm(dim=0)
    longest, height, width = float(lengths.max()), *lengths.shape
    figure = Figure(figsize=(8.8, 1.75), layout="constrained")
    key, current, flow = figure.subplots(1, 3)
    key.imshow(_rgb(pair.key))
    current.imshow(_rgb(pair.current))
    flow.imshow(flow_colours(pair.flow, longest) * np.where(pair.occluded, 0.45, 1)[:, :, None])
    draw_arrows(current, pair.flow, every, color="white", width=0.007)
    colour_wheel(flow)
    for axes, title in ((key, "key frame k"), (current, "current frame i, its flow"), (flow, "its flow in colours")):
        axes.set(title=title, xticks=[], yticks=[], xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return Picture.of(
        figure,
        f"""A key frame and a current frame with the same flat, textured shapes, a little further on. Arrows on the
        current frame point to where each surface is in the key frame, up to {longest:.0f} pixels away. Beside it the
        same flow in colours, the hue for the direction and stronger for longer: the ground changes smoothly, shapes
        that move by themselves stand out. It is darkened where the key frame hides the surface, on
        {100 * float(pair.occluded.float().mean()):.0f}% of the pixels.""",
        bits=BITS,
    )


@styled
def flow_pyramid(predictions: Sequence[Tensor], flow: Tensor) -> Picture:
    """Draw the pyramid's predictions for one pair, coarse to fine, above their targets.

    Args:
        predictions: `(1, 2, h, w)` each, in pixels of the half-size input / 20.
        flow: exact flow `(2, H, W)` in pixels of the frame.
    """
    longest = float(flow.norm(dim=0).max()) * PIXELS_TO_PREDICTION
    figure = Figure(figsize=(8.8, 2.35), layout="constrained")
    above, below = figure.subplots(2, len(predictions))
    sizes = []
    for level, prediction in enumerate(predictions):
        stride = FINEST << (len(predictions) - 1 - level)  # in pixels of the frame
        target = F.avg_pool2d(flow, stride, ceil_mode=True) * PIXELS_TO_PREDICTION
        above[level].imshow(flow_colours(prediction[0], longest), aspect="auto")
        below[level].imshow(flow_colours(target, longest), aspect="auto")
        sizes.append(f"{target.shape[1]}×{target.shape[2]}")
        above[level].set_title(f"stride {stride // 2}: {sizes[-1]}")
    above[0].set_ylabel("predicted")
    below[0].set_ylabel("target")
    for axes in (*above, *below):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=True, linewidth=0.6)
    colour_wheel(below[-1])
    return Picture.of(
        figure,
        f"""Five flow fields in colours, of {", ".join(sizes)} cells, above five targets of the same sizes. The
        predictions have the ground's smooth motion at every level; the finer targets have the shapes as well.""",
    )


@styled
def flow_estimates(named: Mapping[str, Estimate]) -> Picture:
    """Draw a row for each pair: the current frame, the exact flow, and the flow that F finds, in the same colours."""
    figure = Figure(figsize=(8.8, 1.65 * len(named) + 0.25), layout="constrained")
    texts = []
    for row, (name, pair) in zip(figure.subplots(len(named), 3, squeeze=False), named.items(), strict=True):
        # By the maximum, a few long vectors would leave all others pale.
        longest = float(torch.quantile(pair.exact.norm(dim=0), 0.98)) or 1.0
        row[0].imshow(_rgb(pair.frame))
        row[1].imshow(flow_colours(pair.exact, longest))
        height, width = (CELL * size for size in pair.found.shape[1:])
        row[2].imshow(flow_colours(pair.found * CELL, longest), extent=(-0.5, width - 0.5, height - 0.5, -0.5))
        row[0].set_ylabel(name)
        colour_wheel(row[1])
        titles = "current frame", "exact flow", f"F's flow: off by {pair.error:.1f} of {pair.motion:.1f} px"
        for axes, title in zip(row, titles, strict=True):
            axes.set(title=title, xticks=[], yticks=[], xlim=row[0].get_xlim(), ylim=row[0].get_ylim())
        texts.append(f"{name}: F's flow is off by {pair.error:.1f} pixels where the mean flow is {pair.motion:.1f}.")
    return Picture.of(
        figure,
        f"""For each pair the current frame, its exact flow in colours, and in the same colours the flow that F finds,
        which is coarse, on cells of 16 pixels. {" ".join(texts)}""",
        bits=BITS,
    )


def _rgb(frame: Tensor) -> np.ndarray:
    return frame.permute(1, 2, 0).numpy()


def draw_arrows(axes: Axes, flow: Tensor, every: int, **look: Any) -> None:
    """Draw a flow field `(2, H, W)` in pixels as arrows of their real length, one at each `every` pixels."""
    y, x = (torch.arange(every // 2, size, every) for size in flow.shape[1:])
    look |= {"edgecolor": "black", "linewidth": 0.5, "angles": "xy", "scale_units": "xy", "scale": 1}
    axes.quiver(x.numpy(), y.numpy(), *flow[:, y[:, None], x].numpy(), **look)


def colour_wheel(axes: Axes) -> None:
    """Draw the key to the colours in a corner: each point has the colour of the vector from the centre to it."""
    inset = axes.inset_axes([0.01, 0.02, 0.16, 0.3])
    inset.imshow(flow_wheel())
    inset.axis("off")
