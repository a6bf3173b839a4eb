"""What a value that a reader returns must be, whatever the file was."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dffkit.datasets import video_files
from dffkit.datasets.snippets import Snippet


def check_frame(frame: Tensor) -> None:
    assert frame.dtype == torch.uint8
    assert frame.ndim == 3
    assert frame.shape[0] == 3
    assert frame.numel() > 0


def check_timed(frames: Iterable[video_files.TimedFrame]) -> None:
    before = None
    for each in itertools.islice(frames, 100):
        check_frame(each.frame)
        assert isfinite(each.seconds)
        assert each.duration is None or each.duration > 0
        if before is None:
            assert each.seconds >= 0
        else:
            assert each.index > before.index
            assert each.seconds > before.seconds
        before = each


def check_labels(labels: Tensor, values: Iterable[int] = range(256)) -> None:
    assert labels.dtype == torch.uint8
    assert labels.ndim == 2
    assert {*np.unique(labels).tolist()} <= {*values}


def check_boxes(target: dict[str, Tensor], size: tuple[int, int], classes: int) -> None:
    boxes, labels = target["boxes"], target["labels"]
    assert boxes.dtype == torch.float32
    assert boxes.shape == (len(labels), 4)
    assert labels.dtype == torch.int64
    assert ((labels >= 1) & (labels <= classes)).all()
    for part in (boxes, target.get("ignore", boxes)):
        assert part.isfinite().all()
        assert (part[:, 2:] > part[:, :2]).all()
        assert (part >= 0).all()
        assert (part <= torch.tensor([size[1], size[0]] * 2)).all()


def check_snippets(snippets: Sequence[Snippet], check_target: Callable[[Any, tuple[int, int]], None]) -> None:
    for snippet in snippets:
        assert isfinite(snippet.fps)
        assert snippet.fps > 0
        frames = [snippet.frames[i] for i in range(len(snippet.frames))]
        for frame in frames:
            check_frame(frame)
        for i in snippet.targets:
            check_target(snippet.targets[i], tuple(frames[i].shape[1:]))
        for i in snippet.motion:
            motion = snippet.motion[i]
            assert (motion.isnan() | ((motion >= 0) & (motion <= 1))).all()


def check_state(state: dict[str, Tensor]) -> None:
    assert all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items())
