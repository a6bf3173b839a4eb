"""The authors' conventions for boxes: against their operators' outputs, and by hand."""

import numpy as np
import pytest
import torch
from places import GOLDEN

from dffkit.networks.detection import RFCN
from dffkit.networks.detection import ps_roi_pool as library_ps_roi_pool
from dffkit.networks.proposals import RPN_STD, make_anchors
from dffkit.weights.authors.conventions import AUTHORS, cell_anchors, clip_boxes, propose, ps_roi_pool

EXCLUSIVE = torch.tensor([0, 0, 1, 1])  # inclusive corners + EXCLUSIVE = exclusive corners
RAMP = torch.arange(6.0)


def golden(name, *arrays):
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as stored:
        return [torch.from_numpy(np.asarray(stored[array])) for array in arrays]


def frame_box(*corners):
    return torch.tensor([corners], dtype=torch.float32)


def test_anchors_are_the_nine_well_known_boxes():
    expected = [
        (-84, -40, 99, 55), (-176, -88, 191, 103), (-360, -184, 375, 199),
        (-56, -56, 71, 71), (-120, -120, 135, 135), (-248, -248, 263, 263),
        (-36, -80, 51, 95), (-80, -168, 95, 183), (-168, -344, 183, 359),
    ]  # fmt: skip
    anchors = make_anchors(1, 1, cell=cell_anchors)
    torch.testing.assert_close(anchors - EXCLUSIVE, torch.tensor(expected, dtype=torch.float32))


def test_clipping_leaves_the_nearest_pixel():
    wild = torch.tensor([[-5.0, -5, 30, 8], [25, 3, 30, 4], [-9, -9, -3, -4]])
    expected = torch.tensor([[0.0, 0, 20, 8], [19, 3, 20, 4], [0, 0, 1, 1]])
    torch.testing.assert_close(clip_boxes(wild, (10, 20)), expected)


def test_proposals_equal_the_authors_layer():
    scores, deltas, rois, roi_scores, info = golden("proposal", "scores", "deltas", "rois", "roi_scores", "im_info")
    size = tuple(info[0, :2].int().tolist())
    scores = scores[0, 9:].permute(1, 2, 0).flatten()  # the second 9 channels are foreground
    deltas = deltas[0].unflatten(0, (9, 4)).permute(2, 3, 0, 1).reshape(-1, 4)
    deltas = deltas / torch.tensor(RPN_STD)  # the authors' layer takes its deltas without this division
    found, found_scores = propose(scores, deltas, make_anchors(12, 20, cell=cell_anchors), size, clip=clip_boxes)
    assert len(found) == 213 == len(rois.unique(dim=0))  # the authors' layer repeats boxes to give 300
    assert (found - EXCLUSIVE - rois[:213, 1:]).abs().max() < 1e-3
    assert (found_scores - roi_scores[:213, 0]).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("size", "uncut"), [((48, 64), (3, 4)), ((47, 64), (2, 4)), ((48, 50), (3, 3)), ((33, 63), (2, 3))]
)
def test_anchors_of_cells_that_the_frame_cuts_score_below_all_others(size, uncut):
    anchors = make_anchors(3, 4, scales=(1,), ratios=(1,), cell=cell_anchors)  # one anchor a cell, apart from others
    scores = torch.rand(12)
    boxes, found = propose(scores, torch.zeros(12, 4), anchors, size, clip=clip_boxes)
    cells = (boxes[:, :2] / 16).long()  # x, y
    whole = (cells[:, 1] < uncut[0]) & (cells[:, 0] < uncut[1])
    assert len(found) == 12
    assert (found == -1).tolist() == (~whole).tolist()
    assert found[whole].tolist() == sorted(scores.view(3, 4)[: uncut[0], : uncut[1]].flatten().tolist(), reverse=True)
    first, _ = propose(scores, torch.zeros(12, 4), anchors, size, clip=clip_boxes, post_nms=int(whole.sum()))
    assert torch.equal(first, boxes[whole])


def test_the_network_trains_on_such_proposals_too():
    """The best anchor stands in a cell that the frame cuts: the library's head trains on it, the authors' does not."""
    settings = {"in_channels": 2, "num_classes": 1, "bins": 1, "anchor_scales": (1,), "anchor_ratios": (1,)}
    maps = torch.zeros(1, 2 + 4 + 2 + 8, 2, 3)
    maps[0, 1, 1, 2], maps[0, 6, 1, 2] = 9, 30  # foreground of the RPN, background of the head
    target = [{"boxes": torch.tensor([[0.0, 0, 16, 16]]), "labels": torch.tensor([1])}]
    for parts, seen in (({}, True), (AUTHORS, False)):
        network = RFCN(**settings, **parts, proposals=1)
        ((roi,),) = network._propose(maps, (17, 40))[-1]
        assert (roi[0] > 16).item() == seen
        assert (network.loss(maps, target, (17, 40))["score"] < 0.5).item() == seen


def test_pooling_equals_the_authors_operator_and_differs_from_the_library():
    features, rois, expected, bins, scale = golden("psroi", "features", "rois", "output", "group_size", "spatial_scale")
    arguments = features, [rois[:, 1:] + EXCLUSIVE], int(bins), round(1 / float(scale))
    assert (ps_roi_pool(*arguments) - expected).abs().max() < 1e-4
    assert (library_ps_roi_pool(*arguments) - expected).abs().mean() > 0.1


def test_pooling_by_hand():
    """A box of 3 x 2 cells, two bins along each axis, on a ramp along x."""
    pooled = ps_roi_pool(RAMP.expand(1, 4, 5, 6), [frame_box(16, 16, 64, 48)], 2, 16)
    # Columns 1..4, split at 2.5: the left bin covers cells 1 and 2, the right one cells 2 and 3.
    torch.testing.assert_close(pooled, torch.tensor([[[[1.5, 2.5], [1.5, 2.5]]]]))


@pytest.mark.parametrize(
    ("box", "stride", "expected"),
    [
        ((16.5, 0, 34, 17), 17, 1),  # half a pixel rounds up: pixel 17 begins cell 1; pixel 16 would be in cell 0
        ((40, 0, 40, 16), 16, 2),  # a box without width is widened to 0.1 cells and reads the cell that it lies in
    ],
    ids=["half a pixel", "no width"],
)
def test_pooling_rounds_as_in_c(box, stride, expected):
    assert ps_roi_pool(RAMP.expand(1, 1, 1, 6), [frame_box(*box)], 1, stride).item() == expected


def test_a_bin_outside_the_map_is_zero():
    pooled = ps_roi_pool(torch.ones(1, 4, 2, 2), [frame_box(0, 0, 64, 64)], 2, 16)
    torch.testing.assert_close(pooled, torch.tensor([[[[1.0, 0], [0, 0]]]]))
