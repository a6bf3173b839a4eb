"""A trained network on a live stream: one frame in, a result in the frame's own pixels out, and the time it took."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from dffkit import weights
from dffkit.aggregation.stream import aggregate
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
        reach: K of a network for aggregation, which needs it; None for the others.

    Attributes:
        recipe: the recipe that the network was trained by.
        duration, precision, reach: those in use.
        names: names of the classes.
        milliseconds: time of each result, without reading, scaling and drawing; with aggregation, that of the first
            has N_feat on K + 1 frames.

    Raises:
        DataError: if the weights are missing or damaged.
        ValueError: for a wrong duration, weights of pre-training, a network for aggregation without `reach`, or another
            with it.
    """

    def __init__(
        self,
        name: str,
        duration: int | None = None,
        device: str = "cpu",
        short_side: int | None = None,
        precision: str = "float32",
        reach: int | None = None,
    ) -> None:
        if Path(name).is_dir():
            run, model, self.names = load_trained(Path(name))
            self.recipe = run.recipe
        else:
            self.recipe, model = Recipe(**weights.entry(name)["recipe"]), weights.load(name)
            self.names = names(self.recipe)
        if self.recipe.job not in ("frames", "pairs", "aggregate"):
            raise ValueError(f"name: expected a network that recognizes frames, got {name!r}, which is pre-training")
        aggregates = self.recipe.job == "aggregate"
        if aggregates and reach is None:
            raise ValueError(f"reach: expected K, as {name!r} is trained for aggregation; run has it as --aggregate K")
        if reach is not None and not aggregates:
            raise ValueError(f"name: expected a network trained for aggregation, as handheld/fgfa is, got {name!r}")
        self.duration = TABLE_4[self.recipe.task] if duration is None else duration
        self.milliseconds: list[float] = []
        self.short_side = scored_side(self.recipe) if short_side is None else short_side
        self._device, self.precision, self.reach = device, precision, reach
        dtype = PRECISIONS[precision]
        model = in_lower_precision(model.to(device), dtype)
        self._recognize = (
            (lambda frames: recognize(model, frames, FixedInterval(self.duration), autocast=dtype))
            if reach is None
            else (lambda frames: aggregate(model, frames, reach, autocast=dtype))
        )
        self._waiting: deque[Tensor] = deque()  # frames that the network has not seen yet
        self._sizes: deque[tuple[tuple[int, int], tuple[int, int]]] = deque()  # of frames without a result, and as seen
        self._results = self._recognize(self._arrived())

    def _arrived(self) -> Iterator[Tensor]:
        while self._waiting:
            yield self._waiting.popleft()

    def step(self, frame: Tensor) -> Recognition | None:
        """Return the result for the next frame `(3, H, W)` uint8: a label map `(H, W)`, or boxes in its pixels.

        With aggregation it is that of the frame K before, and None for the first K frames.

        Raises:
            ValueError: if its size differs from that of the first frame.
        """
        fit = short_side(self.short_side) if self.short_side else None
        seen = (resized_frame(frame, fit(tuple(frame.shape[1:]))) if fit else frame).to(self._device)
        if not (self.milliseconds or self._sizes):  # the first calls of a network are slow and not representative
            list(self._recognize([seen, seen]))
        self._waiting.append(seen)
        self._sizes.append(tuple(tuple(picture.shape[1:]) for picture in (seen, frame)))
        return self._next() if len(self._sizes) > (self.reach or 0) else None

    def rest(self) -> Iterator[Recognition]:
        """Yield the results that are due when the video has ended: with aggregation those of the last K frames."""
        while self._sizes:
            yield self._next()

    def _next(self) -> Recognition:
        start = time.perf_counter()
        found = next(self._results)
        if torch.device(self._device).type == "cuda":
            torch.cuda.synchronize(self._device)
        self.milliseconds.append(1000 * (time.perf_counter() - start))
        return found._replace(output=resized_target(move(found.output, Tensor.cpu), *self._sizes.popleft()))

    @property
    def fps(self) -> float:
        """Mean frames per second so far."""
        return 1000 * len(self.milliseconds) / max(sum(self.milliseconds), 1e-9)
