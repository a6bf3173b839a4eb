"""Targets of one's own data in every form: they come as meant, or are refused, or something is said."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dffkit.datasets.snippets import Snippet
from dffkit.datasets.targets import SuspiciousTargets, checked_target, take_stock
from dffkit.support.errors import DataError

HEIGHT, WIDTH = 48, 96
NAMES = {"detection": ("fox", "dog"), "segmentation": ("ground", "fox", "dog")}
FRAMES = 8
BOXES = np.array([[4, 20, 30, 44], [60, 2, 92, 40]], np.float32)  # in frame 0; in others 0 to 3 pixels further right
RIGHT, NOT_MEANT = "as meant", "refused or said"


def boxes_of(frame: int) -> np.ndarray:
    return BOXES + np.array([frame % 4, 0, frame % 4, 0], np.float32)


def labels_of(frame: int) -> np.ndarray:
    """Return ids 0 and 255 in the upper rows, and foxes and dogs where the boxes are."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[:2] = 255
    for label, (x1, y1, x2, y2) in enumerate(boxes_of(frame).astype(int), 1):
        labels[y1:y2, x1:x2] = label
    return labels


def both(change: Callable[[np.ndarray], Any], labels: Any = (1, 2)) -> Callable[[int], dict[str, Any]]:
    """Return a function that makes a frame's target of changed boxes."""
    return lambda frame: {"boxes": change(boxes_of(frame)), "labels": labels}


def xywh(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


SHARES = np.array([WIDTH, HEIGHT] * 2, np.float32)
DETECTION: dict[str, tuple[Callable[[int], Any], str]] = {
    "lists": (both(np.ndarray.tolist), RIGHT),
    "tuples": (both(lambda boxes: tuple(map(tuple, boxes.tolist()))), RIGHT),
    "arrays of float32": (both(np.asarray, np.array([1, 2])), RIGHT),
    "arrays of float64": (both(lambda boxes: boxes.astype(float), np.array([1, 2], np.uint8)), RIGHT),
    "arrays of int32": (both(lambda boxes: boxes.astype(np.int32), np.array([1.0, 2.0])), RIGHT),
    "arrays of uint8": (both(lambda boxes: boxes.astype(np.uint8)), RIGHT),
    "arrays in the other order": (both(np.asfortranarray), RIGHT),
    "tensors of float64": (both(lambda boxes: torch.from_numpy(boxes).double(), torch.tensor([1, 2])), RIGHT),
    "tensors of int64": (both(lambda boxes: torch.from_numpy(boxes).long(), torch.tensor([1, 2]).int()), RIGHT),
    "tensors of float16": (both(lambda boxes: torch.from_numpy(boxes).half(), [1, 2]), RIGHT),
    "lists of tensors": (both(lambda boxes: list(torch.from_numpy(boxes)), [1, 2]), RIGHT),
    "x, y, width, height": (both(xywh), NOT_MEANT),
    "centre, width, height": (both(lambda b: np.c_[(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]]), NOT_MEANT),
    "shares of the frame": (both(lambda boxes: boxes / SHARES), NOT_MEANT),
    "shares, as YOLO has them": (both(lambda boxes: xywh(boxes / SHARES)), NOT_MEANT),
    "percent": (both(lambda boxes: 100 * boxes / SHARES), NOT_MEANT),
    "corners swapped": (both(lambda boxes: boxes[:, [2, 3, 0, 1]]), NOT_MEANT),
    "x and y swapped": (both(lambda boxes: boxes[:, [1, 0, 3, 2]]), NOT_MEANT),
    "x1, x2, y1, y2": (both(lambda boxes: boxes[:, [0, 2, 1, 3]]), NOT_MEANT),
    "of a larger frame": (both(lambda boxes: 2 * boxes), NOT_MEANT),
    "of a smaller frame": (both(lambda boxes: boxes / 2.5), NOT_MEANT),
    "not a number": (both(lambda boxes: boxes * np.nan), NOT_MEANT),
    "without end": (both(lambda boxes: boxes + np.array([0, 0, np.inf, 0])), NOT_MEANT),
    "with scores": (both(lambda boxes: np.c_[boxes, [0.5, 0.5]]), NOT_MEANT),
    "one box without brackets": (lambda frame: {"boxes": boxes_of(frame)[0], "labels": 1}, NOT_MEANT),
    "words": (both(lambda boxes: boxes.astype(str).tolist()), NOT_MEANT),
    "ragged": (both(lambda boxes: [boxes[0].tolist(), boxes[1].tolist()[:3]]), NOT_MEANT),
    "labels from 0": (both(np.asarray, [0, 1]), NOT_MEANT),
    "labels beyond": (both(np.asarray, [1, 3]), NOT_MEANT),
    "names as labels": (both(np.asarray, ["fox", "dog"]), NOT_MEANT),
    "a class that never occurs": (both(np.asarray, [1, 1]), NOT_MEANT),
    "a label too few": (both(np.asarray, [1]), NOT_MEANT),
    "halves of labels": (both(np.asarray, [1, 1.5]), NOT_MEANT),
    "no labels": (lambda frame: {"boxes": boxes_of(frame)}, NOT_MEANT),
    "boxes alone": (boxes_of, NOT_MEANT),
    "nothing": (lambda _: None, NOT_MEANT),
    "a label map": (labels_of, NOT_MEANT),
}
SEGMENTATION: dict[str, tuple[Callable[[int], Any], str]] = {
    "array of uint8": (labels_of, RIGHT),
    "array of int64": (lambda frame: labels_of(frame).astype(np.int64), RIGHT),
    "array of int16": (lambda frame: labels_of(frame).astype(np.int16), RIGHT),
    "array of uint16": (lambda frame: labels_of(frame).astype(np.uint16), RIGHT),
    "tensor of int32": (lambda frame: torch.from_numpy(labels_of(frame)).int(), RIGHT),
    "array in another order": (lambda frame: np.asfortranarray(labels_of(frame)), RIGHT),
    "flipped view": (lambda frame: labels_of(frame)[::-1].copy()[::-1], RIGHT),
    "array that can't be written": (lambda frame: np.asarray(Image.fromarray(labels_of(frame))), RIGHT),
    "mask of 0 and 255": (lambda frame: np.where(labels_of(frame) == 1, 255, 0).astype(np.uint8), NOT_MEANT),
    "mask of 0 and 1, of bool": (lambda frame: labels_of(frame) == 1, NOT_MEANT),
    "shares of 255": (lambda frame: labels_of(frame) / np.float32(255), NOT_MEANT),
    "of another size": (lambda frame: labels_of(frame)[:, ::2], NOT_MEANT),
    "transposed": (lambda frame: labels_of(frame).T, NOT_MEANT),
    "with a channel": (lambda frame: labels_of(frame)[None], NOT_MEANT),
    "one of each class": (lambda frame: np.eye(256)[labels_of(frame)], NOT_MEANT),
    "picture of colours": (lambda frame: np.stack([labels_of(frame)] * 3, 2), NOT_MEANT),
    "from 1": (lambda frame: labels_of(frame) + (labels_of(frame) != 255), NOT_MEANT),
    "stretched": (lambda frame: labels_of(frame) * np.uint8(85), NOT_MEANT),
    "below 0": (lambda frame: labels_of(frame).astype(int) - 1, NOT_MEANT),
    "beyond 255": (lambda frame: labels_of(frame).astype(int) + 256, NOT_MEANT),
    "an image": (lambda frame: Image.fromarray(labels_of(frame)), NOT_MEANT),
    "a path": (lambda frame: f"labels/{frame}.png", NOT_MEANT),
    "boxes": (both(np.asarray), NOT_MEANT),
}
CASES = [("detection", form) for form in DETECTION] + [("segmentation", form) for form in SEGMENTATION]


def equal(target: Any, frame: int, task: str) -> bool:
    """Return True if a target is in the form of the kit and has the truth's values."""
    if task == "segmentation":
        return target.dtype == torch.uint8 and np.array_equal(target, labels_of(frame))
    boxes, labels = target["boxes"], target["labels"]
    are_right = np.array_equal(boxes, boxes_of(frame)) and labels.tolist() == [1, 2]
    return boxes.dtype == torch.float32 and labels.dtype == torch.int64 and are_right


@pytest.mark.parametrize(("task", "form"), CASES, ids=lambda value: value.replace(" ", "_"))
def test_own_targets_come_as_meant_or_something_is_said(task, form):
    make, expected = (DETECTION if task == "detection" else SEGMENTATION)[form]
    frames = [torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)] * FRAMES
    snippet = Snippet("own", 25.0, frames, {frame: make(frame) for frame in range(FRAMES)})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            take_stock("mine:data", [snippet], NAMES[task], task)
            targets = [checked_target(snippet, frame) for frame in range(FRAMES)]
        except DataError as error:
            assert expected == NOT_MEANT, str(error)  # noqa: PT017 - it may be raised or not
            return
    assert {each.category for each in said} == (set() if expected == RIGHT else {SuspiciousTargets})
    if expected == RIGHT:
        assert all(equal(target, frame, task) for frame, target in enumerate(targets))


def test_frames_without_boxes_are_right_in_every_form():
    empty = [([], []), (np.zeros((0, 4)), np.zeros(0)), (torch.zeros(0, 4), torch.zeros(0)), (np.zeros(0), ())]
    for boxes, labels in empty:
        frame = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)
        target = checked_target(Snippet("own", 25.0, [frame], {0: {"boxes": boxes, "labels": labels}}), 0)
        assert (target["boxes"].shape, target["boxes"].dtype) == ((0, 4), torch.float32)
        assert (target["labels"].shape, target["labels"].dtype) == ((0,), torch.int64)
