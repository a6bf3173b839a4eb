"""Targets of every form that people have: taken, converted or refused by name; and a look at those of a data set."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dffkit.datasets.images import ImageFrames
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.targets import LOOKED_AT, SuspiciousTargets, checked_target, take_stock
from dffkit.support.errors import DataError

HEIGHT, WIDTH = SIZE = (40, 60)
FRAME = torch.zeros(3, *SIZE, dtype=torch.uint8)
BOX = [10, 5, 30, 25]


def snippet(*targets):
    return Snippet("a", 25.0, [FRAME] * len(targets), dict(enumerate(targets)))


def boxes(*rows, labels=None):
    return {"boxes": torch.tensor(rows).reshape(-1, 4), "labels": labels or [1] * len(rows)}


def label_map(*ids):
    return torch.tensor(np.resize(ids, SIZE), dtype=torch.uint8)


@given(
    st.sampled_from(["uint8", "int8", "uint16", "int32", "uint32", "int64", "bool"]),
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_label_maps_of_any_whole_numbers_are_taken(kind, as_tensor, mirrored, data):
    values = data.draw(arrays(np.dtype(kind), (3, 4), elements=None if kind == "bool" else st.integers(0, 100)))
    given = values[::-1, ::-1] if mirrored else values
    target = torch.from_numpy(given.copy()) if as_tensor else given
    found = checked_target(snippet(target), 0, (3, 4), 101)
    assert found.dtype == torch.uint8
    assert found.tolist() == given.astype(int).tolist()


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, lambda rows: [torch.tensor(row) for row in rows]])
@pytest.mark.parametrize("number", [int, float, np.int16, np.float64])
def test_boxes_of_any_numbers_are_taken(kind, number):
    rows = [[number(side) for side in row] for row in (BOX, [0, 0, 60, 40])]
    labels = [number(1), number(2)]
    given = {"boxes": kind(rows), "labels": np.array(labels), "ignore": kind(rows[:1]), "tracks": "kept"}
    found = checked_target(snippet(given), 0, SIZE, 2)
    assert torch.equal(found["boxes"], torch.tensor([BOX, [0, 0, 60, 40]], dtype=torch.float32))
    assert torch.equal(found["ignore"], torch.tensor([BOX], dtype=torch.float32))
    assert torch.equal(found["labels"], torch.tensor([1, 2]))
    assert found["tracks"] == "kept"


@pytest.mark.parametrize("empty", [[], np.zeros(0), torch.zeros(0, 4), np.zeros((0, 4), np.int64)])
def test_a_frame_without_boxes_is_taken(empty):
    found = checked_target(snippet({"boxes": empty, "labels": []}), 0)
    assert (found["boxes"].shape, found["boxes"].dtype) == ((0, 4), torch.float32)
    assert (found["labels"].shape, found["labels"].dtype) == ((0,), torch.int64)


NAN, HALF = float("nan"), [0.5, 0.5, 0.2, 0.3]
REFUSED = {
    "got NoneType; leave frames without a target out": None,
    "got list; ": [[1, 2], [3, 4]],
    r"expected a label map \(40, 60\) like its frame.*got \(60, 40\)": label_map(1).T,
    r"got \(1, 40, 60\) of torch.uint8": label_map(1)[None],
    r"of whole numbers \(uint8\), got \(40, 60\) of torch.float32": label_map(1).float(),
    r"expected ids 0..2, or 255 for pixels to ignore, got 3; do its ids count from 1\? Subtract 1": label_map(1, 2, 3),
    "got 3, 7; declare a class for each id": label_map(0, 3, 7),
    "got -1; ": label_map(0, 1).long() - 1,
    "got 300; ": label_map(0).int() + 300,
    r"got 3, 4, 5, 6, 7 \.\.\.; is it a mask with soft edges": label_map(*range(256)),
    "expected a dict with .boxes. and .labels., got .'boxes'.": {"boxes": [BOX]},
    r"expected boxes \(N, 4\) of finite numbers, got \(4,\)": {"boxes": BOX, "labels": [1]},
    r"expected boxes \(N, 4\) of finite numbers, got \(1, 4\): \[\[nan": boxes([NAN, 0.0, 1.0, 1.0]),
    "finite": boxes([0.0, 0.0, float("inf"), 1.0]),
    r"got \[30.0, 20.0, 10.0, 15.0\]; are they x, y, width, height\? ": boxes(BOX, [30, 20, 10, 15]),
    r"x1 < x2 and y1 < y2, got \[5.0, 5.0, 5.0, 9.0\]": boxes([5, 5, 5, 9]),
    "are they shares of the frame": boxes(HALF),
    r"expected boxes in the frame of 60 x 40, got \[60.0, 20.0, 80.0, 30.0\]; were they drawn in": boxes(
        BOX, [60, 20, 80, 30]
    ),
    "expected boxes in the frame of 60 x 40": boxes([5, -9, 9, 0]),
    "expected ignore x1, y1": boxes(BOX) | {"ignore": [[9, 9, 3, 3]]},
    r"expected 1 whole numbers as labels of its boxes, got \[1, 2\]": boxes(BOX, labels=[1, 2]),
    r"got \[1.5\]": boxes(BOX, labels=[1.5]),
    r"expected labels 1..3, got \[0\]; the first class is 1: add 1": boxes(BOX, BOX, labels=[0, 2]),
    r"expected labels 1..3, got \[4\]; declare more classes": boxes(BOX, labels=[4]),
    "expected labels as numbers in a tensor, an array or a list: ": boxes(BOX, labels=["car"]),
    "expected boxes as numbers in a tensor, an array or a list: .*inhomogeneous": {
        "boxes": [BOX, [1, 2]],
        "labels": [1, 1],
    },
}


@pytest.mark.parametrize("message", REFUSED)
def test_other_targets_are_refused_with_the_likely_cause(message):
    with pytest.raises(DataError, match=f"^a, frame 1: target: .*{message}"):
        checked_target(snippet(None, REFUSED[message]), 1, SIZE, 3)


def test_errors_name_the_picture(tmp_path):
    frames = ImageFrames([tmp_path / "0001.png", tmp_path / "0002.png"])
    with pytest.raises(DataError, match=r"a, frame 1 \(.*0002\.png\): target"):
        checked_target(Snippet("a", 1.0, frames, {1: None}), 1)


def look(*targets, names=("background", "thing"), **options):
    task = "detection" if isinstance(targets[0], dict) else "segmentation"
    take_stock("mine:data, train", [snippet(*targets)], names, options.pop("task", task), **options)


def test_proper_data_says_nothing():
    look(label_map(0, 1, 255), label_map(0))
    look(label_map(0, 1), label_map(1))
    look(*[boxes(BOX, [40, 30, 60, 40], labels=[1, 2])] * 5, names=("a", "b"))


@pytest.mark.parametrize(
    ("message", "targets"),
    [
        (r"2 of 2 targets have no other ids than 0, 255; masks of 0 and 255\?.*= 1", [label_map(0, 255)] * 2),
        ("no other ids than 255", [label_map(255)]),
        (r"a, frame 1: target: expected ids 0\.\.1,", [label_map(0, 1), label_map(2)]),
        (
            r"a, frame 0: expected a target for detection, got one .*toytown/segmentation",
            [label_map(0, 1)],
        ),
        (r"have only boxes in 0\.\.1; are they shares\? Multiply", [boxes([0.1, 0.2, 0.5, 0.9])]),
    ],
)
def test_data_that_can_not_be_meant_is_refused(message, targets):
    task = {"task": "detection"} if "for detection" in message else {}
    with pytest.raises(DataError, match=message):
        look(*targets, **task)


@pytest.mark.parametrize(
    ("message", "targets"),
    [
        (r"^mine:data, train: 1 of 1 targets never have class 0 \(background\)", [label_map(1)]),
        (r"never have class 2 \(thing\)", [boxes(BOX), boxes([40, 30, 60, 40])]),
        (
            r"have 1 boxes that reach up to 8 pixels out of the frame; were",
            [boxes(BOX, [50, 9, 68, 30], labels=[1, 2])],
        ),
        ("all boxes in the frame's upper left quarter; were", [boxes([1, 2, 9, 8], [1, 2, 25, 18], labels=[1, 2])] * 6),
    ],
)
def test_data_that_looks_wrong_is_told(message, targets):
    with pytest.warns(SuspiciousTargets, match=message):
        look(*targets)


def test_a_large_data_set_is_looked_at_evenly_and_not_for_long():
    seen = []

    class Targets(dict):
        def __getitem__(self, index):
            seen.append(index)
            return label_map(0, 1)

    large = [Snippet(f"{i}", 25.0, [FRAME] * 30, Targets.fromkeys(range(0, 30, 3))) for i in range(37)]
    take_stock("mine", large, ("a", "b"), "segmentation")
    assert len(seen) == LOOKED_AT
    assert set(seen) == set(range(0, 30, 3))
    seen.clear()
    take_stock("mine", large, ("a", "b"), "segmentation", seconds=0)
    assert len(seen) == 1
