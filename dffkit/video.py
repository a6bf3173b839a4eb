"""Algorithm 1: recognize a video, frame after frame."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dffkit.dff import DeepFeatureFlow, KeyFrame
from dffkit.networks.features import check_frames
from dffkit.networks.precision import in_lower_precision

Schedule = Callable[[int, Tensor], bool]


class Recognition(NamedTuple):
    """The result for one frame."""

    index: int
    is_key_frame: bool
    output: Any  # from the task network's `decode`: a label map, or boxes


def recognize(
    model: DeepFeatureFlow,
    frames: Iterable[Tensor],
    schedule: Schedule,
    *,
    look_ahead: int = 1,
    autocast: torch.dtype | None = None,
) -> Iterator[Recognition]:
    """Run Algorithm 1 on a stream of frames: one result for each frame, in order.

    N_feat runs on key frames only; the features of every other frame are propagated from the last key frame. Only that
    key frame's features and the frames in flight are held, so a video may be endless. A program for Linux CPUs
    should call `dffkit.support.machine.keep_freed_memory()` at its start, which makes the cheap path faster.

    Args:
        model: a `DeepFeatureFlow` in eval mode.
        frames: any iterable of `(3, H, W)` uint8 tensors, all of one size.
        schedule: a schedule of `dffkit.schedules`, e.g. `FixedInterval(10)`.
        look_ahead: largest number of current frames of one key frame that go through the networks together. More than
            1 is faster for recorded video and gives the same results later; for a live stream take 1.
        autocast: torch.bfloat16 for mixed precision, which is slow on a processor without units for it; None for
            float32. The weights are converted once, not once a frame; the flow and scale fields of this kit's networks
            stay float32.

    Yields:
        A `Recognition` for each frame.

    Raises:
        ValueError: if there is no frame, if a frame is not a `(3, H, W)` uint8 tensor or differs in size from the
            first (the message names its index), if the model is in training mode, or for a wrong option. The results
            of all frames before a bad frame come first, also if reading the frame raises an error of its own.
    """
    if model.training:
        raise ValueError("model: expected a model in eval mode, got one in training mode; call model.eval()")
    if not isinstance(look_ahead, int) or look_ahead < 1:
        raise ValueError(f"look_ahead: expected a whole number of frames, at least 1, got {look_ahead!r}")
    if not callable(schedule):
        raise ValueError(f"schedule: expected a schedule such as FixedInterval(10), got {schedule!r}")
    if autocast not in (None, torch.bfloat16, torch.float16):
        raise ValueError(f"autocast: expected torch.bfloat16, torch.float16 or None, got {autocast!r}")
    return _stream(in_lower_precision(model, autocast), frames, schedule, look_ahead, autocast)


def _stream(
    model: DeepFeatureFlow, frames: Iterable[Tensor], schedule: Schedule, look_ahead: int, autocast: torch.dtype | None
) -> Iterator[Recognition]:
    device = next(model.parameters()).device
    key, size, index = None, None, -1
    waiting: dict[int, Tensor] = {}  # current frames of `key`, by index, not yet recognized
    try:
        for index, frame in enumerate(frames):
            check_frame(frame, index, size)
            size = tuple(frame.shape)
            is_key_frame = schedule(index, frame) or key is None
            frame = frame.to(device)
            if is_key_frame:
                yield from _current_frames(model, waiting, key, autocast)
                output, key = _key_frame(model, frame, autocast)
                yield Recognition(index, True, output)
            else:
                waiting[index] = frame
                if len(waiting) == look_ahead:
                    yield from _current_frames(model, waiting, key, autocast)
    except Exception:
        yield from _current_frames(model, waiting, key, autocast)
        raise
    yield from _current_frames(model, waiting, key, autocast)
    if index < 0:
        raise ValueError("frames: expected at least one frame, got an empty video")


def check_frame(frame: Tensor, index: int, size: tuple[int, ...] | None) -> None:
    """Raise ValueError unless `frame` is a `(3, H, W)` uint8 tensor of the `size` of those before it."""
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
def _key_frame(model: DeepFeatureFlow, frame: Tensor, autocast: torch.dtype | None) -> tuple[Any, KeyFrame]:
    with torch.autocast(frame.device.type, dtype=autocast, enabled=autocast is not None):
        maps, key = model.on_key_frame(frame[None])
    return model.task_network.decode(maps, frame.shape[1:])[0], key


@torch.no_grad()
def _current_frames(
    model: DeepFeatureFlow, waiting: dict[int, Tensor], key: KeyFrame | None, autocast: torch.dtype | None
) -> list[Recognition]:
    """Recognize the `waiting` current frames of one key frame together, and empty `waiting`."""
    if not waiting:
        return []
    indices, frames = list(waiting), torch.stack(list(waiting.values()))
    waiting.clear()
    with torch.autocast(frames.device.type, dtype=autocast, enabled=autocast is not None):
        maps = model.on_current_frame(frames, key)
    outputs = model.task_network.decode(maps, frames.shape[2:])
    return [Recognition(index, False, output) for index, output in zip(indices, outputs, strict=True)]
