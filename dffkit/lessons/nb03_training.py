"""Notebook 03: training pairs, the gradient of the loss by the flow, and a loss curve that grows."""

from collections import Counter
from collections.abc import Sequence

import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dffkit.lessons.clip_pictures import add_class_legend, draw_result
from dffkit.lessons.explore import Picture
from dffkit.paper.style import BLUE, DARK_GREY, GREY, ORANGE, styled
from dffkit.training.pairs import Pairs, Sample
from dffkit.warp import CELL


@styled
def sampled_pairs(samples: Sequence[Sample], length: int = 30, shown: int = 10) -> Picture:
    """Draw the first pairs within their snippets of `length` frames, and the number of pairs with each i - k."""
    figure = Figure(figsize=(8.8, 2.9), layout="constrained")
    lines, bars = figure.subplots(1, 2, width_ratios=[1.5, 1])
    for row, sample in enumerate(samples[:shown]):
        lines.hlines(row, 0, length - 1, color=GREY, linewidth=0.6)
        lines.plot([sample.key, sample.frame], [row, row], "-", color=BLUE, linewidth=2)
        lines.plot(sample.key, row, "s", color="white", markeredgecolor=BLUE, markersize=9, markeredgewidth=1.8)
        lines.plot(sample.frame, row, "o", color=ORANGE, markersize=5.5)
        lines.text(length, row, "mirrored" if sample.flip else "", va="center", fontsize=8, color=DARK_GREY)
    lines.plot([], [], "s", color="white", markeredgecolor=BLUE, markersize=9, label="key frame k")
    lines.plot([], [], "o", color=ORANGE, markersize=5.5, label="current frame i, with its label")
    lines.set(xlim=(-1, length + 4), ylim=(shown - 0.4, -0.6), yticks=[], xlabel="frame of the snippet")
    lines.set_title(f"the first {min(shown, len(samples))} draws")
    lines.legend(loc="upper center", bbox_to_anchor=(0.45, -0.2), ncols=2, frameon=False)
    lines.spines["left"].set_visible(False)
    counts = Counter(sample.frame - sample.key for sample in samples)
    bars.bar(list(counts), list(counts.values()), color=BLUE, width=0.7)
    bars.set(xticks=range(max(counts) + 1), xlabel="i − k, in frames", ylabel="draws")
    bars.set_title(f"all {len(samples)} draws")
    return Picture.of(
        figure,
        f"""Left, lines of {length} frames with a square for the key frame and a disc for the current frame, which is
        never before it and at most {max(counts)} frames after it; some pairs are mirrored. Right, bars for i − k from 0
        to {max(counts)}: {", ".join(str(counts[offset]) for offset in range(max(counts) + 1))} draws.""",
    )


@styled
def pair_batch(pairs: Pairs, numbers: Sequence[int]) -> Picture:
    """Draw pairs by their numbers: key frames, current frames, and the label maps over the current frames."""
    drawn, samples = pairs.batch(numbers), [pairs.sample(number) for number in numbers]
    figure = Figure(figsize=(2.2 * len(samples), 3.75), layout="constrained")
    for column, (sample, axes) in enumerate(zip(samples, figure.subplots(3, len(samples)).T, strict=True)):
        draw_result(axes[0], drawn.key_frames[column])
        draw_result(axes[1], drawn.frames[column])
        draw_result(axes[2], drawn.frames[column], drawn.targets[column])
        same = " = i" if drawn.same[column] else ""
        axes[0].set_title(f"k = {sample.key}{same}")
        axes[1].set_title(f"i = {sample.frame}{', mirrored' if sample.flip else ''}")
        if column == 0:
            for name, row in zip(("key frame", "current frame", "its label"), axes, strict=True):
                row.set_ylabel(name)
    add_class_legend(figure, False)
    offsets = ", ".join(f"{sample.frame} and {sample.key}" for sample in samples)
    return Picture.of(
        figure,
        f"""{len(samples)} columns with a key frame, a current frame of the same street a moment later, and the current
        frame under the colours of its label map. Current frames and key frames: {offsets}.""",
        bits=5,
    )


@styled
def flow_gradient(frame: Tensor, gradient: Tensor, exact: Tensor, wrong: Tensor) -> Picture:
    """Draw the direction in which the loss changes a zero flow field, beside the exact flow.

    Args:
        frame: the current frame, `(3, H, W)` uint8.
        gradient: gradient of the loss by the flow, `(1, 2, h, w)`; arrows go against it, the longest over two cells.
        exact: the exact flow `(1, 2, h, w)` in cells; its arrows have their real length.
        wrong: pixels that get a wrong label without flow, `(H, W)` bool.
    """
    figure = Figure(figsize=(8.8, 2.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        draw_result(axes, 255 - (255 - frame) // 2)  # paler
    shade = torch.zeros(*wrong.shape, 4)
    shade[wrong] = torch.tensor([0.84, 0.37, 0, 0.45])
    left.imshow(shade.numpy())
    lengths = gradient.norm(dim=1)
    _arrows(left, -2 * gradient[0] / lengths.max().clamp(min=1e-30), "black")
    _arrows(right, exact[0], BLUE)
    left.set_title("where the loss pulls the flow; orange: wrong labels")
    right.set_title("where things really were in the key frame")
    lengths, _ = lengths.flatten().sort(descending=True)
    share = float(lengths[: len(lengths) // 10].sum() / lengths.sum())
    spread = f"a tenth of the cells has {100 * share:.0f}% of it" if lengths[0] else "here it is zero everywhere"
    return Picture.of(
        figure,
        f"""Two copies of the current frame with a grid of arrows. Left, the pull of the loss: long at the outlines of
        things, where pixels shaded orange get a wrong label, and almost zero inside; {spread}. Right, the exact flow
        into the key frame: smooth, and longest near the camera.""",
        bits=5,
    )


def _arrows(axes: Axes, flow: Tensor, colour: str) -> None:
    """Draw a flow field `(2, h, w)` in cells as arrows on the frame."""
    y, x = (CELL * torch.arange(size) + (CELL - 1) / 2 for size in flow.shape[1:])
    look = {"color": colour, "width": 0.0035, "headwidth": 3.5, "minlength": 0.3}
    height, width = (CELL * size for size in flow.shape[1:])
    axes.quiver(x.numpy(), y.numpy(), *(CELL * flow).numpy(), angles="xy", scale_units="xy", scale=1, **look)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


class LossCurve:
    """Picture of a falling loss, shown at once and redrawn during training.

    Args:
        iterations: number of losses to come.
        guessing: the loss of uniform guessing, a dashed line.
        every: losses between two drawings.
    """

    def __init__(self, iterations: int, guessing: float, every: int = 5) -> None:
        self.iterations, self.guessing, self.every = iterations, guessing, every
        self.losses: list[float] = []
        self.handle = display(self.draw(), display_id=True)

    def add(self, loss: float) -> None:
        """Add the next iteration's loss."""
        self.losses.append(loss)
        if self.handle and (len(self.losses) % self.every == 0 or len(self.losses) == self.iterations):
            self.handle.update(self.draw())

    @styled
    def draw(self) -> Picture:
        """Draw the losses so far, and the mean of the last ten at each."""
        figure = Figure(figsize=(6.4, 2.7), layout="constrained")
        axes = figure.subplots()
        axes.axhline(self.guessing, linestyle="--", color=DARK_GREY, linewidth=1)
        axes.annotate("guessing", (self.iterations, self.guessing), (0, 3), textcoords="offset points", ha="right")
        count = len(self.losses)
        axes.plot(range(1, count + 1), self.losses, "-", color=GREY, linewidth=1, label="each batch")
        axes.plot(range(1, count + 1), self.smooth(), "-", color=BLUE, label="mean of the last ten")
        axes.set(xlim=(0, self.iterations), ylim=(0, 1.15 * max([self.guessing, *self.losses])))
        axes.set(xlabel="iteration", ylabel="cross-entropy")
        axes.legend(loc="lower left")
        now = f"; the mean of the last ten is {self.smooth()[-1]:.1f}" if count else ""
        return Picture.of(
            figure,
            f"""The loss over {count} of {self.iterations} iterations. A dashed line at {self.guessing:.1f} is
            guessing{now}.""",
        )

    def smooth(self) -> list[float]:
        """Return for each loss the mean of this loss and up to nine before it."""
        windows = (self.losses[max(0, n - 9) : n + 1] for n in range(len(self.losses)))
        return [sum(window) / len(window) for window in windows]
