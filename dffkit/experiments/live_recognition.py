"""A trained network on a live stream: one frame in, its result in the frame's own pixels out, and the time it took."""

import functools
import itertools
import time
from pathlib import Path

import torch
from torch import Tensor

from dffkit import weights
from dffkit.datasets.resized import resized_frame, resized_target, short_side
from dffkit.experiments.runs import load_trained
from dffkit.experiments.scoring import TABLE_4
from dffkit.experiments.sources import names, scored_side
from dffkit.networks.precision import PRECISIONS, in_lower_precision
from dffkit.schedules import FixedInterval
from dffkit.training.pairs import move
from dffkit.training.recipe import Recipe
from dffkit.video import Recognition, recognize


class LiveRecognition:
    """A trained network that takes one frame after another.

    Args:
        name: name of shipped weights, or the folder of a finished run.
        duration: key frame duration l; None for that of the paper's Table 4.
        device: where the network runs.
        short_side: frames are scaled so that their shorter side has this many pixels; None for the size that the
            network was scored at, 0 for no scaling.
        precision: "float32", in which the shipped weights were scored, or "bfloat16" for mixed precision.

    Attributes:
        recipe: the recipe that the network was trained by.
        duration, precision: those in use.
        names: names of the classes.
        milliseconds: time of each frame, without reading, scaling and drawing.

    Raises:
        DataError: if the weights are missing or damaged.
        ValueError: for a wrong duration, or weights of pre-training.
    """

    def __init__(
        self,
        name: str,
        duration: int | None = None,
        device: str = "cpu",
        short_side: int | None = None,
        precision: str = "float32",
    ) -> None:
        if Path(name).is_dir():
            run, model, self.names = load_trained(Path(name))
            self.recipe = run.recipe
        else:
            self.recipe, model = Recipe(**weights.entry(name)["recipe"]), weights.load(name)
            self.names = names(self.recipe)
        if self.recipe.job not in ("frames", "pairs"):
            raise ValueError(f"name: expected a network that recognizes frames, got {name!r}, which is pre-training")
        self.duration = TABLE_4[self.recipe.task] if duration is None else duration
        self.milliseconds: list[float] = []
        self.short_side = scored_side(self.recipe) if short_side is None else short_side
        self._device, self._waiting, self.precision = device, [], precision
        dtype = PRECISIONS[precision]
        self._recognize = functools.partial(recognize, in_lower_precision(model.to(device), dtype), autocast=dtype)
        stream = (self._waiting.pop() for _ in itertools.count())
        self._results = self._recognize(stream, FixedInterval(self.duration))

    def step(self, frame: Tensor) -> Recognition:
        """Return the result for the next frame `(3, H, W)` uint8: a label map `(H, W)`, or boxes in its pixels.

        Raises:
            ValueError: if its size differs from that of the first frame.
        """
        fit = short_side(self.short_side) if self.short_side else None
        seen = (resized_frame(frame, fit(tuple(frame.shape[1:]))) if fit else frame).to(self._device)
        if not self.milliseconds:  # the first calls of a network are slow and not representative
            list(self._recognize([seen, seen], FixedInterval(2)))
        start = time.perf_counter()
        self._waiting.append(seen)
        found = next(self._results)
        if torch.device(self._device).type == "cuda":
            torch.cuda.synchronize(self._device)
        self.milliseconds.append(1000 * (time.perf_counter() - start))
        sizes = (tuple(picture.shape[1:]) for picture in (seen, frame))
        return found._replace(output=resized_target(move(found.output, Tensor.cpu), *sizes))

    @property
    def fps(self) -> float:
        """Mean frames per second so far."""
        return 1000 * len(self.milliseconds) / max(sum(self.milliseconds), 1e-9)
