"""Boxes: regression both ways, and how much they overlap."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dffkit.networks.proposals import RPN_STD, covered, decode_boxes, encode_boxes, overlaps

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
