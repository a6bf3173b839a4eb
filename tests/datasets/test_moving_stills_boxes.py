"""moving_stills.py: boxes stay around what they label, and become regions to ignore where it is hardly seen."""

import numpy as np
import pytest
import torch
from made_up_stills import BOXES, STILL, boxed, moving, still

from dffkit.datasets.moving_stills import VISIBLE
from dffkit.datasets.still_camera import moved_boxes


@pytest.mark.parametrize("label", [1, 2, 3, 4])
def test_boxes_stay_around_what_they_label(label):
    x1, y1, x2, y2 = BOXES["boxes"][label - 1].int().tolist()
    picture = torch.zeros(3, *STILL, dtype=torch.uint8)
    picture[:, y1:y2, x1:x2] = 255
    compared = 0
    for snippet in moving(still(picture, BOXES), size=(90, 120)):
        target = snippet.targets[9]
        assert len(target["boxes"]) == len(target["labels"])
        assert target["boxes"].dtype == target["ignore"].dtype == torch.float32
        bright = (snippet.frames[9][0] > 127).nonzero()
        for box in target["boxes"][target["labels"] == label]:
            ends = torch.cat([bright.min(0).values.flip(0), bright.max(0).values.flip(0) + 1])
            # Half of an edge's pixel may be bright; and a box that is turned by up to 5 degrees has corners.
            slack = 0.6 + torch.tensor([box[3] - box[1], box[2] - box[0]] * 2) * np.sin(np.radians(5))
            inwards = (ends - box) * torch.tensor([1, 1, -1, -1])
            assert (inwards > -0.7).all()
            assert (inwards < slack).all()
            compared += 1
    assert compared > 10


def test_boxes_are_measured_at_the_edges_of_pixels():
    """Every pixel becomes 2x2: the centre of pixel x lies at 2x + 0.5 then."""
    doubled = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    assert moved_boxes(np.array([[3.0, 4, 5, 8]]), doubled).tolist() == [[6, 8, 10, 16]]
    turned = np.array([[0, -1, 9], [1, 0, 0], [0, 0, 1.0]])  # a quarter turn of a picture of 10 rows
    assert moved_boxes(np.array([[3.0, 4, 5, 8]]), turned).tolist() == [[2, 3, 6, 5]]


def test_boxes_that_are_hardly_seen_become_regions_to_ignore():
    kinds = {"kept": 0, "cut": 0, "gone": 0, "ignored": 0}
    height, width = size = (60, 80)
    for index, snippet in enumerate(data := moving(still(boxed(), BOXES), variants=100, size=size)):
        target, view = snippet.targets[9], data._scene(index).shot.view
        kept = target["labels"].tolist()
        for label, (x1, y1, x2, y2) in enumerate(BOXES["boxes"].tolist(), 1):
            corners = view[:2] @ np.array([[x1, x2, x2, x1], [y1, y1, y2, y2], [1, 1, 1, 1]])
            low, high = corners.min(1), corners.max(1)
            seen = np.clip(np.minimum(high, (width, height)) - np.maximum(low, 0), 0, None)
            share = seen.prod() / (high - low).prod()
            if share > VISIBLE + 0.1:
                assert label in kept
                kinds["kept" if share > 0.99 else "cut"] += 1
            elif share < VISIBLE - 0.1:
                assert label not in kept
                kinds["ignored" if share > 0.1 else "gone"] += 1
                if share > 0.1:
                    rest = torch.tensor([*np.maximum(low, 0), *np.minimum(high, (width, height))])
                    assert (target["ignore"] - rest).abs().amax(1).min() < 1
        assert len(target["ignore"]) <= 1 + len(BOXES["boxes"]) - len(kept)
        for boxes in (target["boxes"], target["ignore"]):
            assert (boxes >= 0).all()
            assert (boxes <= torch.tensor([width, height, width, height])).all()
            assert (boxes[:, 2:] - boxes[:, :2] >= 1).all()
    assert min(kinds.values()) > 0


def test_regions_without_labels_move_as_well():
    regions = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "ignore": BOXES["boxes"][:1]}
    as_boxes = {"boxes": BOXES["boxes"][:1], "labels": torch.tensor([1])}
    # Other targets draw other pieces, but the view is drawn before.
    for region, box in zip(moving(still(boxed(), regions)), moving(still(boxed(), as_boxes)), strict=True):
        target, other = region.targets[9], box.targets[9]
        assert target["boxes"].shape == (0, 4)
        assert torch.equal(target["ignore"], torch.cat([other["boxes"], other["ignore"]]))
