"""Targets in the form that training and scores need, and a look at those of a data set before hours are spent on it."""

import random
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dffkit.datasets.snippets import Snippet
from dffkit.networks.segmentation import IGNORE
from dffkit.support.errors import DataError
from dffkit.support.machine import is_first_process

LOOKED_AT, SECONDS = 100, 10.0  # targets that are looked at before a data set is used, and the longest time for that
PATIENCE = 2.0  # seconds after which a bar shows it
FEW = 10  # boxes, of which all may be in one quarter of the frame by chance
MASKS = "masks of 0 and 255? 255 is ignored here, so the objects are gone: labels[labels == 255] = 1, for two classes"
OTHER_SIZE = "were they drawn in frames of another size, or are x and y swapped?"


class SuspiciousTargets(UserWarning):
    """Targets are possible but look wrong. Silence it by `warnings.simplefilter("ignore", SuspiciousTargets)`."""


def checked_target(snippet: Snippet, index: int, size: Sequence[int] | None = None, classes: int | None = None) -> Any:
    """Return the target of an annotated frame in the form that `Snippet` describes; convert arrays, lists and numbers.

    The target must fit to the frame's `size` (H, W) and to the number of `classes`, where these are given.

    Raises:
        DataError: if the target can't be of that form.
    """
    target = snippet.targets[index]
    try:
        if isinstance(target, Mapping):
            return _checked_boxes(target, size, classes)
        if isinstance(target, Tensor | np.ndarray):
            return _checked_label_map(_tensor("a label map", target), size, classes or IGNORE)
        if isinstance(target, tuple):  # of several heads, which only the kit's own data have
            return target
        got = f"got {type(target).__name__}; leave frames without a target out of `targets`"
        raise ValueError(f"expected a label map as a tensor or an array, or a dict of boxes and labels, {got}")
    except ValueError as error:
        raise DataError(f"{_place(snippet, index)}: target: {error}") from error


def _place(snippet: Snippet, index: int) -> str:
    paths = getattr(snippet.frames, "paths", None)
    return f"{snippet.name}, frame {index}" + (f" ({paths[index]})" if paths else "")


def _checked_label_map(labels: Tensor, size: Sequence[int] | None, classes: int) -> Tensor:
    if labels.ndim != 2 or labels.is_floating_point() or (size and labels.shape != tuple(size)):
        expected = f"{tuple(size) if size else '(H, W)'} like its frame, of whole numbers (uint8)"
        raise ValueError(f"expected a label map {expected}, got {tuple(labels.shape)} of {labels.dtype}")
    values = labels if labels.dtype == torch.uint8 else labels.long()
    wrong = values[((values < 0) | (values >= classes)) & (values != IGNORE)].unique().tolist()
    if wrong:
        remedy = "declare a class for each id (`names`, --classes), or make the others 255"
        if wrong == [classes] and (values != 0).all():
            remedy = "do its ids count from 1? Subtract 1"
        elif len(wrong) > 20 and IGNORE in values:
            remedy = "is it a mask with soft edges? Make it ids: (mask > 127).to(torch.uint8)"
        got = f"{', '.join(map(str, wrong[:5]))}{' ...' if len(wrong) > 5 else ''}"
        raise ValueError(f"expected ids 0..{classes - 1}, or 255 for pixels to ignore, got {got}; {remedy}")
    return values.to(torch.uint8)


def _checked_boxes(target: Mapping[str, Any], size: Sequence[int] | None, classes: int | None) -> dict[str, Any]:
    if not {"boxes", "labels"} <= target.keys():
        raise ValueError(f'expected a dict with "boxes" and "labels", got {list(target)}')
    found = {name: _tensor(name, target[name]) for name in ("boxes", "ignore", "labels") if name in target}
    labels = found.pop("labels")
    for name, boxes in found.items():
        found[name] = boxes = (boxes if boxes.numel() else boxes.reshape(0, 4)).float()
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not boxes.isfinite().all():
            raise ValueError(f"expected {name} (N, 4) of finite numbers, got {tuple(boxes.shape)}: {boxes.tolist()}")
        wrong = boxes[(boxes[:, 2:] <= boxes[:, :2]).any(1)].tolist()
        if wrong:
            remedy = "are they x, y, width, height? Use torchvision.ops.box_convert; leave out boxes without an area"
            if boxes.max() <= 1:
                remedy = "are they shares of the frame? Multiply them by its width and height"
            raise ValueError(f"expected {name} x1, y1, x2, y2 with x1 < x2 and y1 < y2, got {wrong[0]}; {remedy}")
    if size:
        boxes, (height, width) = found["boxes"], size
        outside = boxes[(boxes[:, :2] >= torch.tensor([width, height])).any(1) | (boxes[:, 2:] <= 0).any(1)].tolist()
        if outside:
            raise ValueError(f"expected boxes in the frame of {width} x {height}, got {outside[0]}; {OTHER_SIZE}")
    if labels.numel() != len(found["boxes"]) or (labels != labels.long()).any():
        raise ValueError(f"expected {len(found['boxes'])} whole numbers as labels of its boxes, got {labels.tolist()}")
    wrong = labels[(labels < 1) | (labels > (classes or np.inf))].tolist()
    if wrong:
        remedy = "the first class is 1: add 1" if 0 in wrong else "declare more classes (`names`, --classes)"
        raise ValueError(f"expected labels 1..{classes or 'C'}, got {wrong}; {remedy}")
    return {**target, **found, "labels": labels.long().reshape(-1)}


def _tensor(name: str, values: Any) -> Tensor:
    if isinstance(values, Tensor):
        return values
    try:
        return torch.from_numpy(np.array(values, order="C"))  # a copy: a picture's own array can't be written to
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected {name} as numbers in a tensor, an array or a list: {error}") from error


def take_stock(
    source: str, snippets: Sequence[Snippet], names: Sequence[str], task: str, *, seconds: float = SECONDS
) -> None:
    """Look at up to 100 targets, the same ones each time, for faults that training and scores would not notice.

    A `SuspiciousTargets` warning tells of classes that never occur, and of boxes that seem to be of other frames.

    Args:
        source: name of the data and the split, for messages.
        snippets: the data set.
        names: names of its classes.
        task: "segmentation" or "detection".
        seconds: the longest time; what was looked at until then counts.

    Raises:
        DataError: if a target is wrong or of the other task, if only one class and pixels to ignore occur, or if boxes
            are not in pixels.
    """
    annotated = [(snippet, index) for snippet in snippets for index in snippet.targets]
    chosen = random.Random(0).sample(annotated, min(len(annotated), LOOKED_AT))  # from all parts, also if time ends
    hidden, end, done = not is_first_process(), time.monotonic() + seconds, 0
    seen, boxes, frames = set(), [torch.zeros(0, 4)], [torch.zeros(0, 4)]
    for snippet, index in tqdm(chosen, source, delay=PATIENCE, leave=False, disable=hidden):
        height, width = snippet.frames[index].shape[1:]
        target = checked_target(snippet, index, (height, width), len(names))
        if task != (got := "segmentation" if isinstance(target, Tensor) else "detection"):
            remedy = f"take a recipe for {got}, such as toytown/{got}/dff"
            raise DataError(f"{_place(snippet, index)}: expected a target for {task}, got one for {got}; {remedy}")
        if task == "detection":
            boxes.append(target["boxes"])
            frames.append(torch.tensor([width, height] * 2).expand(len(boxes[-1]), 4))
        seen.update((target["labels"] if task == "detection" else target).unique().tolist())
        done += 1
        if time.monotonic() > end:
            break
    where = f"{source}: {done} of {len(annotated)} targets"
    if task == "segmentation" and IGNORE in seen and len(seen) <= 2:
        raise DataError(f"{where} have no other ids than {', '.join(map(str, sorted(seen)))}; {MASKS}")
    suspicions = [*_judge_boxes(where, torch.cat(boxes), torch.cat(frames))]
    absent = [f"{i} ({name})" for i, name in enumerate(names, int(task == "detection")) if i not in seen]
    if absent and done:
        suspicions.append(f"never have class {', '.join(absent)}; are `names` right? Ids count from 0, labels from 1")
    for suspicion in [] if hidden else suspicions:
        warnings.warn(f"{where} {suspicion}", SuspiciousTargets, stacklevel=3)


def _judge_boxes(where: str, boxes: Tensor, frames: Tensor) -> Iterator[str]:
    """Yield what is suspicious about boxes `(N, 4)` in frames of width, height, width, height `(N, 4)`."""
    if len(boxes) and boxes.max() <= 1:
        raise DataError(f"{where} have only boxes in 0..1; are they shares? Multiply by the frame's width and height")
    beyond = torch.maximum(boxes - frames, -boxes)
    if (beyond > 1).any():
        count = int((beyond > 1).any(1).sum())
        yield f"have {count} boxes that reach up to {beyond.max():g} pixels out of the frame; {OTHER_SIZE}"
    if len(boxes) >= FEW and ((boxes / frames)[:, 2:] < 0.5).all():
        yield f"have all boxes in the frame's upper left quarter; {OTHER_SIZE}"
