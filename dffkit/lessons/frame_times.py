"""How long each frame of a stream takes on this very machine: notebook 06, on what an average hides."""

import time
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from dffkit.dff import DeepFeatureFlow
from dffkit.lessons.explore import Picture
from dffkit.paper.style import BLUE, GREY, ORANGE, styled
from dffkit.schedules import FixedInterval
from dffkit.video import recognize


def frame_times(model: DeepFeatureFlow, frames: Sequence[Tensor], duration: int, repeats: int = 5) -> np.ndarray:
    """Milliseconds until each frame's result is there, `(n,)`: medians over some passes, after one to warm up.

    Args:
        model: in eval mode.
        frames: `(3, H, W)` uint8.
        duration: the key frame duration.
        repeats: passes over the frames.
    """
    passes = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        ends = [time.perf_counter() for _ in recognize(model, frames, FixedInterval(duration))]
        passes.append(np.diff(ends, prepend=begin))
    return 1000 * np.median(passes[1:], axis=0)


@styled
def frame_time_bars(times: np.ndarray, duration: int) -> Picture:
    """A bar for each frame's milliseconds, key frames in another colour, and their mean as a line."""
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
