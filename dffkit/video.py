"""Algorithm 1: recognise a video, frame after frame."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dffkit.dff import DeepFeatureFlow, KeyFrame
from dffkit.networks.features import check_frames
from dffkit.networks.precision import in_lower_precision

Schedule = Callable[[int, Tensor], bool]


class Recognition(NamedTuple):
    """What `recognize` says of one frame."""

    index: int
    is_key_frame: bool
    output: Any  # what the task network's `decode` gives for one frame: a label map, or boxes


def recognize(
    model: DeepFeatureFlow,
    frames: Iterable[Tensor],
    schedule: Schedule,
    *,
    look_ahead: int = 1,
    autocast: torch.dtype | None = None,
) -> Iterator[Recognition]:
    """Algorithm 1 as a stream: one result for each frame, in order.

    N_feat runs on key frames only; the features of every other frame are propagated from the last key frame. Nothing
    is held but that key frame's features and the frames in flight, so a video may be endless. A program for Linux CPUs
    should call `dffkit.support.allocator.keep_freed_memory()` at its start: it speeds up the cheap path, most with
    look-ahead.

    Args:
        model: a `DeepFeatureFlow`, in eval mode.
        frames: any iterable of `(3, H, W)` uint8 tensors, all of one size.
        schedule: see `dffkit.schedules`, e.g. `FixedInterval(10)`.
        look_ahead: up to so many current frames of one key frame go through the networks together. More than 1 is
            faster for recorded video and gives the same results later; a live stream wants 1.
        autocast: torch.bfloat16 for mixed precision; None for float32. The weights are converted once, not once a
            frame; the flow and scale fields of this kit's networks stay float32.

    Yields:
        A `Recognition` for each frame.

    Raises:
        ValueError: if there is no frame, if a frame is no (3, H, W) uint8 tensor or differs in size from the first
            (the message names its index; results of the frames before it still come first), if the model is in
            training mode, or for a wrong option.
    """
    if model.training:
        raise ValueError("model: expected a model in eval mode, got one in training mode; call model.eval()")
    if not isinstance(look_ahead, int) or look_ahead < 1:
        raise ValueError(f"look_ahead: expected a whole number of frames, at least 1, got {look_ahead!r}")
    if not callable(schedule):
        raise ValueError(f"schedule: expected a schedule such as FixedInterval(10), got {schedule!r}")
    if autocast not in (None, torch.bfloat16, torch.float16):
        raise ValueError(f"autocast: expected torch.bfloat16, torch.float16 or None, got {autocast!r}")
    if autocast is not None:
        model = in_lower_precision(model, autocast)
    return _stream(model, frames, schedule, look_ahead, autocast)


def _stream(
    model: DeepFeatureFlow, frames: Iterable[Tensor], schedule: Schedule, look_ahead: int, autocast: torch.dtype | None
) -> Iterator[Recognition]:
    device = next(model.parameters()).device
    key, index = None, -1
    waiting: list[Tensor] = []  # current frames of `key` that wait for company
    for index, frame in enumerate(_checked(frames)):
        if isinstance(frame, Exception):
            yield from _current(model, waiting, key, index, autocast)
            raise frame
        is_key_frame = schedule(index, frame) or key is None
        frame = frame.to(device)
        if is_key_frame:
            yield from _current(model, waiting, key, index, autocast)
            output, key = _key(model, frame, autocast)
            yield Recognition(index, True, output)
            waiting = []
        else:
            waiting.append(frame)
            if len(waiting) == look_ahead:
                yield from _current(model, waiting, key, index + 1, autocast)
                waiting = []
    yield from _current(model, waiting, key, index + 1, autocast)


def _checked(frames: Iterable[Tensor]) -> Iterator[Tensor | Exception]:
    """The frames, and last, if one is wrong or could not be read, the error: the results before it come first."""
    index, size = -1, None
    try:
        for index, frame in enumerate(frames):
            _check(frame, index, size)
            size = tuple(frame.shape)
            yield frame
    except Exception as error:
        yield error
    if index < 0:
        yield ValueError("frames: expected at least one frame, got an empty video")


def _check(frame: Tensor, index: int, size: tuple[int, ...] | None) -> None:
    """Raise ValueError unless this is a frame and has the size of those before."""
    hints = {2: "a grayscale frame becomes RGB by frame.expand(3, -1, -1)", 4: "give a batch's frames one by one"}
    if isinstance(frame, Tensor) and frame.ndim != 3:
        hint = f"; {hints[frame.ndim]}" if frame.ndim in hints else ""
        raise ValueError(f"frame {index}: expected a frame (3, H, W), got {tuple(frame.shape)}{hint}")
    try:
        check_frames(frame[None] if isinstance(frame, Tensor) else frame)
    except ValueError as error:
        raise ValueError(f"frame {index}: {error}") from None
    if size is not None and tuple(frame.shape) != size:
        raise ValueError(f"frame {index}: expected the size of the frames before, {size}, got {tuple(frame.shape)}")


@torch.no_grad()
def _key(model: DeepFeatureFlow, frame: Tensor, autocast: torch.dtype | None) -> tuple[Any, KeyFrame]:
    with _precision(frame, autocast):
        maps, key = model.on_key_frame(frame[None])
    return model.task_network.decode(maps, frame.shape[1:])[0], key


@torch.no_grad()
def _current(
    model: DeepFeatureFlow, frames: list[Tensor], key: KeyFrame | None, end: int, autocast: torch.dtype | None
) -> list[Recognition]:
    """The results of current frames of one key frame, none or more, the last of which has index `end` - 1."""
    if not frames:
        return []
    with _precision(frames[0], autocast):
        maps = model.on_current_frame(torch.stack(frames), key)
    outputs = model.task_network.decode(maps, frames[0].shape[1:])
    return [Recognition(end - len(frames) + i, False, output) for i, output in enumerate(outputs)]


def _precision(frame: Tensor, autocast: torch.dtype | None) -> torch.autocast:
    return torch.autocast(frame.device.type, dtype=autocast, enabled=autocast is not None)
