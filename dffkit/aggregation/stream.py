"""FGFA on a video, frame after frame: a buffer of 2K + 1 frames, and results K frames late."""

from collections import deque
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from dffkit.aggregation.model import Aggregation, FrameValues
from dffkit.networks.precision import in_lower_precision
from dffkit.video import Recognition, check_frame


def aggregate(
    model: Aggregation, frames: Iterable[Tensor], reach: int = 10, *, autocast: torch.dtype | None = None
) -> Iterator[Recognition]:
    """Recognize a stream of frames, each by the features of the 2K + 1 frames around it: one result a frame, in order.

    N_feat runs once a frame, F 2K times. The result of frame i comes when frame i + K has been read. At both ends of
    the video the first and the last frame stand in for the frames that are missing. Only the values of 2K + 1 frames
    are held, so a video may be endless.

    Args:
        model: an `Aggregation` in eval mode.
        frames: any iterable of `(3, H, W)` uint8 tensors, all of one size.
        reach: K; 0 is per-frame recognition.
        autocast: as in `recognize`.

    Yields:
        A `Recognition` for each frame; each is a key frame, as N_feat ran on it.

    Raises:
        ValueError: as `recognize` does. The results of all frames before a bad frame come first, as if the video ended
            there, also if reading the frame raises an error of its own.
    """
    if model.training:
        raise ValueError("model: expected a model in eval mode, got one in training mode; call model.eval()")
    if not isinstance(reach, int) or isinstance(reach, bool) or reach < 0:
        raise ValueError(f"reach: expected a whole number of frames, at least 0, got {reach!r}")
    return _stream(in_lower_precision(model, autocast), frames, reach, autocast)


def around(index: int, reach: int, length: int) -> list[int]:
    """Return the 2K + 1 frames that frame `index` of a video of `length` frames is recognized by, cut at both ends."""
    return [min(max(other, 0), length - 1) for other in range(index - reach, index + reach + 1)]


def _stream(
    model: Aggregation, frames: Iterable[Tensor], reach: int, autocast: torch.dtype | None
) -> Iterator[Recognition]:
    device = next(model.parameters()).device
    window: deque[FrameValues] = deque(maxlen=2 * reach + 1)
    size, index, done = None, -1, 0

    def end() -> Iterator[Recognition]:
        number = done
        for _ in range(reach if window else 0):
            window.append(window[-1])
            if len(window) == window.maxlen:
                yield Recognition(number, True, _centre(model, window, size, autocast))
                number += 1

    try:
        for index, frame in enumerate(frames):
            check_frame(frame, index, size)
            size = tuple(frame.shape)
            values = _extract(model, frame[None].to(device), autocast)
            window.extend([values] * (1 if window else reach + 1))
            if len(window) == window.maxlen:
                yield Recognition(done, True, _centre(model, window, size, autocast))
                done += 1
    except Exception:
        yield from end()
        raise
    yield from end()
    if index < 0:
        raise ValueError("frames: expected at least one frame, got an empty video")


@torch.no_grad()
def _extract(model: Aggregation, frame: Tensor, autocast: torch.dtype | None) -> FrameValues:
    with torch.autocast(frame.device.type, dtype=autocast, enabled=autocast is not None):
        return model.extract(frame)


@torch.no_grad()
def _centre(model: Aggregation, window: deque[FrameValues], size: tuple, autocast: torch.dtype | None) -> object:
    """Return the result of the frame in the middle of the window."""
    current = window[len(window) // 2]
    own = torch.tensor([values is current for values in window])  # also where it stands in for missing frames
    stacked = FrameValues(*(None if part[0] is None else torch.cat(part) for part in zip(*window, strict=True)))
    with torch.autocast(current.features.device.type, dtype=autocast, enabled=autocast is not None):
        maps = model.task_network(model.combine(*model.carry(current, stacked, own), current.embedding))
    return model.task_network.decode(maps, size[1:])[0]
