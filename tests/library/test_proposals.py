"""Anchors and the proposal layer: equal to the official ones, sorted, apart and inside."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from places import GOLDEN
from torchvision.ops import box_iou
from torchvision.ops import nms as non_maximum_suppression

from dffkit.networks.proposals import RPN_STD, first_kept, make_anchors, propose
from dffkit.networks.psroi import CONVENTIONS

EXPECTED = GOLDEN / "proposal.npz"
EXCLUSIVE = torch.tensor([0, 0, 1, 1])  # inclusive corners + EXCLUSIVE = exclusive corners


# Anchors


def test_rfcn_anchors_of_a_cell():
    """The well-known nine boxes of the official code, in its inclusive corners."""
    expected = [
        (-84, -40, 99, 55), (-176, -88, 191, 103), (-360, -184, 375, 199),
        (-56, -56, 71, 71), (-120, -120, 135, 135), (-248, -248, 263, 263),
        (-36, -80, 51, 95), (-80, -168, 95, 183), (-168, -344, 183, 359),
    ]  # fmt: skip
    anchors = make_anchors(1, 1, convention="rfcn")
    torch.testing.assert_close(anchors - EXCLUSIVE, torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize(("convention", "middle"), [("torchvision", 0), ("rfcn", 8)])
def test_anchors_lie_cell_after_cell(convention, middle):
    anchors = make_anchors(3, 5, scales=(1, 2), ratios=(1,), convention=convention).view(3, 5, 2, 4)
    centers = (anchors[..., :2] + anchors[..., 2:]) / 2
    y, x = torch.meshgrid(torch.arange(3), torch.arange(5), indexing="ij")
    expected = torch.stack([x, y], -1)[:, :, None].expand(-1, -1, 2, -1) * 16.0 + middle
    torch.testing.assert_close(centers, expected)
    torch.testing.assert_close(anchors[2, 3, :, 2] - anchors[2, 3, :, 0], torch.tensor([16.0, 32.0]))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_ratio_is_height_over_width(convention):
    anchors = make_anchors(1, 1, scales=(8,), ratios=(0.25, 4), convention=convention)
    sides = anchors[:, 2:] - anchors[:, :2]
    torch.testing.assert_close(sides, torch.tensor([[256.0, 64.0], [64.0, 256.0]]))


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_scales_are_in_units_of_the_stride(convention):
    anchors = make_anchors(1, 2, stride=8, scales=(3,), ratios=(1,), convention=convention)
    torch.testing.assert_close(anchors[:, 2] - anchors[:, 0], torch.tensor([24.0, 24.0]))
    assert anchors[1, 0] - anchors[0, 0] == 8


def test_anchors_unknown_convention():
    with pytest.raises(ValueError, match="convention: expected"):
        make_anchors(1, 1, convention="caffe")


def test_anchors_at_several_positions_are_those_of_a_finer_map():
    """Two positions along each axis of a cell of 16 pixels are the cells of a map of stride 8."""
    shapes = {"ratios": (0.5, 2), "convention": "torchvision"}
    coarse = make_anchors(3, 5, stride=16, scales=(1, 2), positions=2, **shapes)
    fine = make_anchors(6, 10, stride=8, scales=(2, 4), **shapes)
    assert coarse.shape == fine.shape
    assert {tuple(box) for box in coarse.tolist()} == {tuple(box) for box in fine.tolist()}
    first_cell = coarse[: 4 * 4]
    assert first_cell.min(0).values.tolist() == make_anchors(1, 1, scales=(1, 2), **shapes).min(0).values.tolist()


# Proposals


def test_rfcn_equals_the_official_layer():
    with np.load(EXPECTED, allow_pickle=False) as golden:
        scores, deltas, rois, roi_scores = (
            torch.from_numpy(golden[name]) for name in ("scores", "deltas", "rois", "roi_scores")
        )
        height, width = (int(side) for side in golden["im_info"][0, :2])
    scores = scores[0, 9:].permute(1, 2, 0).flatten()  # the second 9 channels are foreground
    deltas = deltas[0].unflatten(0, (9, 4)).permute(2, 3, 0, 1).reshape(-1, 4)
    deltas = deltas / torch.tensor(RPN_STD)  # the official layer is given its deltas without this division
    found, found_scores = propose(
        scores, deltas, make_anchors(12, 20, convention="rfcn"), (height, width), convention="rfcn"
    )
    assert len(found) == 213 == len(rois.unique(dim=0))  # the official layer repeats boxes to give 300
    assert (found - EXCLUSIVE - rois[:213, 1:]).abs().max() < 1e-3
    assert (found_scores - roi_scores[:213, 0]).abs().max() < 1e-6


@pytest.fixture
def candidates():
    """Anchors of a 6 x 8 map with random scores and deltas."""
    generator = torch.Generator().manual_seed(0)
    anchors = make_anchors(6, 8, scales=(1, 2, 4))
    return torch.rand(len(anchors), generator=generator), torch.randn(len(anchors), 4, generator=generator), anchors


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_proposals_are_sorted_apart_and_inside(candidates, convention):
    found, scores = propose(*candidates, (91, 123), convention=convention)
    assert 10 < len(found) <= 300
    assert (scores[:-1] >= scores[1:]).all()
    assert (found[:, :2] >= 0).all()
    assert (found <= torch.tensor([123.0, 91, 123, 91])).all()
    assert (found[:, 2:] > found[:, :2]).all()
    iou = box_iou(found, found).fill_diagonal_(0)
    assert iou.max() <= 0.7
    assert iou.max() > 0.5  # so the threshold did something


def test_proposals_limits(candidates):
    everything, _ = propose(*candidates, (91, 123))
    first, _ = propose(*candidates, (91, 123), post_nms=7)
    torch.testing.assert_close(first, everything[:7])
    _, best = propose(*candidates, (91, 123), pre_nms=5, nms=1.0)
    torch.testing.assert_close(best, candidates[0].topk(5).values)
    apart, _ = propose(*candidates, (91, 123), nms=0.1)
    assert len(apart) < len(everything)


def test_proposals_drop_what_lies_outside():
    anchors = torch.tensor([[0.0, 0, 10, 10], [100, 100, 120, 120]])
    found, scores = propose(torch.tensor([0.1, 0.9]), torch.zeros(2, 4), anchors, (50, 50))
    torch.testing.assert_close(found, anchors[:1])
    torch.testing.assert_close(scores, torch.tensor([0.1]))


@given(
    number=st.integers(0, 300),
    count=st.integers(1, 40),
    threshold=st.floats(0.1, 0.9),
    ties=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_the_first_kept_boxes_are_those_of_all_boxes(number, count, threshold, ties, seed):
    generator = torch.Generator().manual_seed(seed)
    corner, size = torch.rand(2, number, 2, generator=generator)
    found = torch.cat([40 * corner, 40 * corner + 30 * size + 1], 1)
    scores = torch.rand(number, generator=generator)
    scores = ((scores * 5).round() if ties else scores).sort(descending=True).values
    assert torch.equal(
        first_kept(found, scores, threshold, count), non_maximum_suppression(found, scores, threshold)[:count]
    )


def test_more_boxes_are_considered_where_the_best_are_alike():
    alike, apart = (
        torch.tensor([[0.0, 0, 10, 10]]).repeat(50, 1),
        torch.arange(5.0)[:, None] * 20 + torch.tensor([20.0, 0, 30, 10]),
    )
    boxes = torch.cat([alike, apart])
    kept = first_kept(boxes, torch.linspace(1, 0, 55), 0.5, 4)
    assert kept.tolist() == [0, 50, 51, 52]
