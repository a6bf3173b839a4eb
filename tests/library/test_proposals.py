"""Anchors, box regression and the proposal layer, in the library's convention and in the authors'."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou, clip_boxes_to_image
from torchvision.ops import nms as non_maximum_suppression

from dffkit.networks.proposals import (
    RPN_STD,
    cell_anchors,
    covered,
    decode_boxes,
    encode_boxes,
    first_kept,
    make_anchors,
    overlaps,
    propose,
)
from dffkit.weights.authors import conventions

# Anchors


@pytest.mark.parametrize(("cell", "middle"), [(cell_anchors, 0), (conventions.cell_anchors, 8)])
def test_anchors_lie_cell_after_cell(cell, middle):
    anchors = make_anchors(3, 5, scales=(1, 2), ratios=(1,), cell=cell).view(3, 5, 2, 4)
    centers = (anchors[..., :2] + anchors[..., 2:]) / 2
    y, x = torch.meshgrid(torch.arange(3), torch.arange(5), indexing="ij")
    expected = torch.stack([x, y], -1)[:, :, None].expand(-1, -1, 2, -1) * 16.0 + middle
    torch.testing.assert_close(centers, expected)
    torch.testing.assert_close(anchors[2, 3, :, 2] - anchors[2, 3, :, 0], torch.tensor([16.0, 32.0]))


@pytest.mark.parametrize("cell", [cell_anchors, conventions.cell_anchors])
def test_ratio_is_height_over_width(cell):
    anchors = make_anchors(1, 1, scales=(8,), ratios=(0.25, 4), cell=cell)
    sides = anchors[:, 2:] - anchors[:, :2]
    torch.testing.assert_close(sides, torch.tensor([[256.0, 64.0], [64.0, 256.0]]))


@pytest.mark.parametrize("cell", [cell_anchors, conventions.cell_anchors])
def test_scales_are_in_units_of_the_stride(cell):
    anchors = make_anchors(1, 2, stride=8, scales=(3,), ratios=(1,), cell=cell)
    torch.testing.assert_close(anchors[:, 2] - anchors[:, 0], torch.tensor([24.0, 24.0]))
    assert anchors[1, 0] - anchors[0, 0] == 8


def test_anchors_at_several_positions_are_those_of_a_finer_map():
    """Two positions along each axis of a cell of 16 pixels are the cells of a map of stride 8."""
    shapes = {"ratios": (0.5, 2)}
    coarse = make_anchors(3, 5, stride=16, scales=(1, 2), positions=2, **shapes)
    fine = make_anchors(6, 10, stride=8, scales=(2, 4), **shapes)
    assert coarse.shape == fine.shape
    assert {tuple(box) for box in coarse.tolist()} == {tuple(box) for box in fine.tolist()}
    first_cell = coarse[: 4 * 4]
    assert first_cell.min(0).values.tolist() == make_anchors(1, 1, scales=(1, 2), **shapes).min(0).values.tolist()


# Proposals


@pytest.fixture
def candidates():
    """Anchors of a 6 x 8 map with random scores and deltas."""
    generator = torch.Generator().manual_seed(0)
    anchors = make_anchors(6, 8, scales=(1, 2, 4))
    return torch.rand(len(anchors), generator=generator), torch.randn(len(anchors), 4, generator=generator), anchors


@pytest.mark.parametrize("clip", [clip_boxes_to_image, conventions.clip_boxes])
def test_proposals_are_sorted_apart_and_inside(candidates, clip):
    found, scores = propose(*candidates, (91, 123), clip=clip)
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


def test_proposals_drop_boxes_outside_the_frame():
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


# Boxes

positions = st.floats(-500, 1500, width=32)
lengths = st.floats(1, 1000, width=32)


@st.composite
def boxes(draw, count):
    rows = [(draw(positions), draw(positions), draw(lengths), draw(lengths)) for _ in range(count)]
    x, y, width, height = torch.tensor(rows, dtype=torch.float64).unbind(1)
    return torch.stack([x, y, x + width, y + height], 1)


@settings(max_examples=50, deadline=None)
@given(boxes(3), boxes(3))
def test_decode_inverts_encode(target, anchors):
    decoded = decode_boxes(encode_boxes(target, anchors, RPN_STD), anchors, RPN_STD)
    torch.testing.assert_close(decoded, target, rtol=1e-9, atol=1e-6)


def test_encode_by_hand():
    """From a 10 x 20 anchor: a quarter of its width to the right, half its height up, twice as wide, as high."""
    anchor, target = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[-2.5, -10, 17.5, 10]])
    deltas = encode_boxes(target, anchor, (1, 1, 1, 1))
    torch.testing.assert_close(deltas, torch.tensor([[0.25, -0.5, math.log(2), 0]]))
    scaled = encode_boxes(target, anchor, (0.5, 0.25, 0.1, 2))
    torch.testing.assert_close(scaled, torch.tensor([[0.5, -2, 10 * math.log(2), 0]]))


def test_huge_delta_gives_a_finite_box():
    box = decode_boxes(torch.full((1, 4), 1e4), torch.tensor([[0.0, 0, 16, 16]]), (1, 1, 1, 1))
    assert box.isfinite().all()


def test_overlaps_without_targets():
    iou = overlaps(torch.tensor([[0.0, 0, 10, 10]]), torch.zeros(0, 4))
    torch.testing.assert_close(iou, torch.zeros(1, 1))


def test_covered_is_the_share_of_the_box_in_one_region():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
    regions = torch.tensor([[0.0, 5, 10, 10], [0, 0, 10, 2]])
    assert covered(boxes, regions).tolist() == [True, False, False]
    assert covered(boxes, regions[:0]).tolist() == covered(boxes, None).tolist() == [False] * 3
