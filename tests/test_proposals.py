"""Anchors, box regression, the proposal layer and the RPN's loss."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import box_iou
from torchvision.ops import nms as non_maximum_suppression

from dffkit.networks.proposals import (
    RPN_STD,
    SAMPLES,
    clip_boxes,
    covered,
    decode_boxes,
    encode_boxes,
    first_kept,
    make_anchors,
    overlaps,
    propose,
    rpn_loss,
    sample_anchors,
)
from dffkit.networks.psroi import CONVENTIONS

GOLDEN = Path(__file__).parent / "golden" / "proposal.npz"
EXCLUSIVE = torch.tensor([0, 0, 1, 1])  # inclusive corners + EXCLUSIVE = exclusive corners

positions = st.floats(-500, 1500, width=32)
lengths = st.floats(1, 1000, width=32)


@st.composite
def boxes(draw, count):
    rows = [(draw(positions), draw(positions), draw(lengths), draw(lengths)) for _ in range(count)]
    x, y, width, height = torch.tensor(rows, dtype=torch.float64).unbind(1)
    return torch.stack([x, y, x + width, y + height], 1)


def test_rfcn_equals_the_official_layer():
    with np.load(GOLDEN, allow_pickle=False) as golden:
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


def test_clip():
    wild = torch.tensor([[-5.0, -5, 30, 8], [25, 3, 30, 4], [-9, -9, -3, -4]])
    size = (10, 20)
    expected = torch.tensor([[0.0, 0, 20, 8], [20, 3, 20, 4], [0, 0, 0, 0]])
    torch.testing.assert_close(clip_boxes(wild, size), expected)
    expected = torch.tensor([[0.0, 0, 20, 8], [19, 3, 20, 4], [0, 0, 1, 1]])
    torch.testing.assert_close(clip_boxes(wild, size, "rfcn"), expected)


def test_clip_unknown_convention():
    with pytest.raises(ValueError, match="convention: expected"):
        clip_boxes(torch.zeros(1, 4), (10, 10), "caffe")


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


def test_overlaps_without_targets():
    iou = overlaps(torch.tensor([[0.0, 0, 10, 10]]), torch.zeros(0, 4))
    torch.testing.assert_close(iou, torch.zeros(1, 1))


SIZE = (64, 80)
TARGET = torch.tensor([[16.0, 16, 48, 48]])
ANCHORS = torch.tensor(
    [
        [16.0, 16, 48, 48],  # the target itself
        [16, 16, 48, 44],  # IoU 0.875
        [16, 16, 48, 32],  # IoU 0.5: takes no part
        [60, 40, 80, 64],  # IoU 0
        [0, 0, 16, 16],  # IoU 0
        [-1, 0, 16, 16],  # reach over the border, each at another side
        [0, -1, 16, 16],
        [60, 40, 81, 64],
        [60, 40, 80, 65],
    ]
)


def test_labels():
    foreground, target, background = sample_anchors(ANCHORS, TARGET, SIZE)
    assert sorted(foreground.tolist()) == [0, 1]
    assert target.tolist() == [0, 0]
    assert sorted(background.tolist()) == [3, 4]


def test_labels_without_targets():
    foreground, target, background = sample_anchors(ANCHORS, torch.zeros(0, 4), SIZE)
    assert len(foreground) == len(target) == 0
    assert sorted(background.tolist()) == [0, 1, 2, 3, 4]


def test_what_lies_in_a_region_to_ignore_is_no_background():
    # The first region covers all of anchor 3; the second a quarter of anchor 4, and half of it in two pieces.
    for ignore, left in (([[58.0, 38, 80, 64]], [4]), ([[0.0, 0, 8, 8]], [3, 4]), ([[0.0, 0, 8, 16]], [3])):
        _, _, background = sample_anchors(ANCHORS, TARGET, SIZE, ignore=torch.tensor(ignore))
        assert sorted(background.tolist()) == left
    foreground, _, _ = sample_anchors(ANCHORS, TARGET, SIZE, ignore=TARGET)
    assert sorted(foreground.tolist()) == [0, 1]  # what shows a box is foreground wherever it lies


def test_covered_is_the_share_of_the_box_in_one_region():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
    regions = torch.tensor([[0.0, 5, 10, 10], [0, 0, 10, 2]])
    assert covered(boxes, regions).tolist() == [True, False, False]
    assert covered(boxes, regions[:0]).tolist() == covered(boxes, None).tolist() == [False] * 3


def test_the_best_anchor_of_a_target_is_foreground_whatever_its_iou():
    small = torch.tensor([[62.0, 42, 66, 46], [18, 18, 22, 22]])
    foreground, target, background = sample_anchors(ANCHORS, small, SIZE)
    # IoU 1/30 with anchor 3; with anchors 0, 1, 2 the other target has 1/64, 1/56, 1/32.
    assert dict(zip(foreground.tolist(), target.tolist(), strict=True)) == {3: 0, 2: 1}
    assert sorted(background.tolist()) == [0, 1, 4]


def test_a_target_that_no_anchor_meets_makes_no_foreground():
    foreground, _, background = sample_anchors(ANCHORS, torch.tensor([[50.0, 0, 58, 10]]), SIZE)
    assert len(foreground) == 0
    assert sorted(background.tolist()) == [0, 1, 2, 3, 4]


def test_an_anchor_over_the_border_is_no_foreground_for_its_own_box():
    foreground, _, _ = sample_anchors(ANCHORS, ANCHORS[5:6].clone(), SIZE)
    assert foreground.tolist() == [4]


def test_at_most_half_the_sample_is_foreground():
    anchors = torch.cat([TARGET.expand(400, 4), ANCHORS[3:4].expand(400, 4)])
    foreground, _, background = sample_anchors(anchors, TARGET, SIZE)
    assert len(foreground) == len(foreground.unique()) == SAMPLES // 2
    assert len(background) == len(background.unique()) == SAMPLES // 2
    assert foreground.max() < 400 <= background.min()


def test_background_fills_the_sample():
    anchors = torch.cat([TARGET, ANCHORS[3:4].expand(400, 4)])
    foreground, _, background = sample_anchors(anchors, TARGET, SIZE)
    assert (len(foreground), len(background)) == (1, SAMPLES - 1)


def test_the_generator_draws_the_sample():
    anchors = torch.cat([TARGET, ANCHORS[3:4].expand(400, 4)])
    drawn = [sample_anchors(anchors, TARGET, SIZE, torch.Generator().manual_seed(seed))[2] for seed in (1, 1, 2)]
    assert drawn[0].equal(drawn[1])
    assert not drawn[0].equal(drawn[2])


def test_rpn_loss_by_hand():
    """2 foreground and 2 background anchors, all at even odds; one regression off by 3 in one delta."""
    deltas = encode_boxes(TARGET.expand(9, 4), ANCHORS, RPN_STD)
    deltas[0, 2] += 3
    deltas[3] += 100  # background: not regressed
    score, box = rpn_loss(torch.zeros(9, 2), deltas, ANCHORS, TARGET, SIZE, None)
    torch.testing.assert_close(score, torch.tensor(math.log(2)))
    torch.testing.assert_close(box, torch.tensor(2.5 / 256))  # smooth L1: |3| - 0.5


def test_rpn_loss_knows_foreground_from_background():
    scores = torch.zeros(9, 2)
    scores[:2, 1] = scores[3:5, 0] = 20
    score, _ = rpn_loss(scores, torch.zeros(9, 4), ANCHORS, TARGET, SIZE, None)
    assert score < 1e-6
    score, _ = rpn_loss(-scores, torch.zeros(9, 4), ANCHORS, TARGET, SIZE, None)
    assert score > 19


def test_rpn_loss_without_a_usable_anchor_is_zero():
    scores, deltas = torch.randn(4, 2, requires_grad=True), torch.randn(4, 4, requires_grad=True)
    score, box = rpn_loss(scores, deltas, ANCHORS[5:], TARGET, SIZE, None)
    (score + box).backward()
    assert score == 0
    assert box == 0
    assert not scores.grad.any()


def test_anchors_at_several_positions_are_those_of_a_finer_map():
    """Two positions along each axis of a cell of 16 pixels are the cells of a map of stride 8."""
    shapes = {"ratios": (0.5, 2), "convention": "torchvision"}
    coarse = make_anchors(3, 5, stride=16, scales=(1, 2), positions=2, **shapes)
    fine = make_anchors(6, 10, stride=8, scales=(2, 4), **shapes)
    assert coarse.shape == fine.shape
    assert {tuple(box) for box in coarse.tolist()} == {tuple(box) for box in fine.tolist()}
    first_cell = coarse[: 4 * 4]
    assert first_cell.min(0).values.tolist() == make_anchors(1, 1, scales=(1, 2), **shapes).min(0).values.tolist()


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
