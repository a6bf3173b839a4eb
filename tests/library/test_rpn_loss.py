"""The RPN's loss: which anchors are foreground and background, how they are drawn, and losses by hand."""

import math

import torch

from dffkit.networks.proposals import RPN_STD, SAMPLES, encode_boxes, rpn_loss, sample_anchors

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


def test_anchors_in_a_region_to_ignore_are_no_background():
    # The first region covers all of anchor 3; the second a quarter of anchor 4, and half of it in two pieces.
    for ignore, left in (([[58.0, 38, 80, 64]], [4]), ([[0.0, 0, 8, 8]], [3, 4]), ([[0.0, 0, 8, 16]], [3])):
        _, _, background = sample_anchors(ANCHORS, TARGET, SIZE, ignore=torch.tensor(ignore))
        assert sorted(background.tolist()) == left
    foreground, _, _ = sample_anchors(ANCHORS, TARGET, SIZE, ignore=TARGET)
    assert sorted(foreground.tolist()) == [0, 1]  # an anchor on a box is foreground everywhere


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


def test_rpn_loss_tells_foreground_from_background():
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
