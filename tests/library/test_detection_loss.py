"""R-FCN's losses: by hand, without boxes, with regions to ignore, and for wrong targets."""

import math

import pytest
import torch
from small_detector import SIZE, TARGETS, seeded, small_features, small_network, target, with_all_parts

from dffkit.networks.detection import HEAD_STD
from dffkit.networks.proposals import encode_boxes, overlaps


@with_all_parts
def test_gradients_reach_all_maps(parts):
    network, features = small_network(**parts), small_features().requires_grad_()
    maps = network(features)
    maps.retain_grad()
    losses = network.loss(maps, TARGETS, SIZE)
    assert set(losses) == {"rpn_score", "rpn_box", "score", "box"}
    assert all(loss.shape == () and loss > 0 for loss in losses.values())
    sum(losses.values()).backward()
    for half in features.grad.chunk(2, 1):
        assert half.abs().max() > 0
    touched = maps.grad.abs().sum((0, 2, 3)) > 0
    assert touched[:54].any()
    assert touched[54:90].all()  # 4 classes x 9 bins
    assert not touched[90:126].any()  # boxes of the background, which nothing reads
    assert touched[126:].all()


def test_an_image_without_boxes():
    network, empty = small_network(), target()
    maps = network(small_features())
    losses = network.loss(maps, [empty, empty], SIZE)
    assert losses["rpn_score"] > 0
    assert losses["score"] > 0
    assert losses["rpn_box"] == 0
    assert losses["box"] == 0
    sum(losses.values()).backward()
    assert network.score.weight.grad.abs().max() > 0


def test_an_empty_image_in_a_batch():
    network = small_network()
    maps = network(small_features())
    together = network.loss(maps, [TARGETS[0], target()], SIZE, generator=seeded())
    alone = network.loss(maps[:1], TARGETS[:1], SIZE, generator=seeded())
    torch.testing.assert_close(together["box"], alone["box"] / 2)


def test_a_frame_smaller_than_all_anchors():
    network = small_network(anchor_scales=(8, 16, 32))
    maps = network(torch.randn(1, 32, 1, 1))
    losses = network.loss(maps, [target((2, 2, 9, 9, 1))], (11, 13))
    assert losses["rpn_score"] == 0
    assert losses["score"] > 0
    assert torch.stack(list(losses.values())).isfinite().all()


def test_no_proposal_and_no_target_is_no_loss():
    network = small_network(proposals=0)
    losses = network.loss(network(small_features(1)), [target()], SIZE)
    assert losses["score"] == 0
    assert losses["box"] == 0


def test_head_loss_by_hand():
    """The two regions count whose score and box losses have the highest sum; one of them overlaps the target."""
    network = small_network(ohem=2, num_classes=1)
    box = torch.tensor([[10.0, 10, 50, 50]])
    regions = torch.tensor([[10.0, 10, 50, 50], [12, 10, 50, 50], [60, 60, 90, 90], [10, 10, 50, 29]])
    assert (overlaps(regions, box).amax(1) >= 0.5).tolist() == [True, True, False, False]
    votes = torch.zeros(4, 2 + 8)
    votes[:2, 6:] = encode_boxes(box.expand(2, 4), regions[:2], HEAD_STD)
    votes[0, 1], votes[0, 7] = 1, votes[0, 7] + 3  # score loss log(1 + 1/e) = 0.31, smooth L1 loss |3| - 0.5: sum 2.81
    votes[1, 7] += 1  # log 2 = 0.69 and 1 / 2: 1.19
    votes[2, 0] = 5  # 0.01
    votes[3, 1] = 2  # log(1 + e^2) = 2.13
    score, offset = network._head_loss(votes, regions, box, torch.tensor([1]))
    torch.testing.assert_close(score, torch.tensor((math.log(1 + math.exp(-1)) + math.log(1 + math.exp(2))) / 2))
    torch.testing.assert_close(offset, torch.tensor(2.5 / 2))


def test_regions_to_ignore_are_left_out_of_the_head_loss():
    network = small_network(ohem=3, num_classes=1)
    box = torch.tensor([[10.0, 10, 50, 50]])
    regions = torch.tensor([[10.0, 10, 50, 50], [60, 60, 90, 90], [0, 60, 20, 80]])
    votes = torch.zeros(3, 2 + 8)
    votes[1, 1], votes[2, 1] = 3, 2
    ignore = torch.tensor([[60.0, 60, 90, 80], [10, 10, 50, 50]])  # two thirds of region 1, and all of the object
    score, _ = network._head_loss(votes, regions, box, torch.tensor([1]), ignore)
    torch.testing.assert_close(score, torch.tensor((math.log(2) + math.log(1 + math.exp(2))) / 2))


def test_a_region_to_ignore_reaches_both_losses():
    network, features = small_network(), small_features(1)
    plain = target((10, 10, 60, 60, 1))
    everywhere = plain | {"ignore": torch.tensor([[0.0, 0, SIZE[1], SIZE[0]]])}
    nowhere = plain | {"ignore": torch.zeros(0, 4)}
    losses = [
        network.loss(network(features), [each], SIZE, torch.Generator().manual_seed(0))
        for each in (plain, nowhere, everywhere)
    ]
    for name in losses[0]:
        torch.testing.assert_close(losses[0][name], losses[1][name], rtol=0, atol=0)
    assert losses[2]["rpn_score"] != losses[0]["rpn_score"]
    assert losses[2]["score"] != losses[0]["score"]


def test_targets_are_regions_too():
    """Without any proposal the head still sees the target's own box, with its label."""
    network = small_network(proposals=0)
    maps = torch.zeros(1, network.out_channels, 6, 8)
    maps[:, 54 + 2 * 9 : 54 + 3 * 9] = 30  # class 2
    assert network.loss(maps, [target((10, 10, 60, 60, 2))], SIZE)["score"] < 1e-6
    assert network.loss(maps, [target((10, 10, 60, 60, 1))], SIZE)["score"] > 29


def test_loss_passes_no_gradient_through_the_proposals():
    network = small_network()
    maps = network(small_features()).detach().requires_grad_()
    losses = network.loss(maps, TARGETS, SIZE)
    (losses["score"] + losses["box"]).backward()
    assert not maps.grad[:, :54].any()


def test_other_target_types_are_converted():
    network = small_network()
    maps = network(small_features(1)).detach()
    other = {"boxes": TARGETS[0]["boxes"].double(), "labels": TARGETS[0]["labels"].to(torch.uint8)}
    losses = network.loss(maps, [other], SIZE, generator=seeded())
    expected = network.loss(maps, TARGETS[:1], SIZE, generator=seeded())
    assert losses == expected


@pytest.mark.parametrize(
    ("boxes", "labels", "message"),
    [
        (torch.zeros(4), torch.ones(4), "boxes .N, 4. and labels .N,., got .4,. and .4,."),
        (torch.tensor([[0.0, 0, 9]]), torch.ones(1), "boxes .N, 4. and labels .N,., got .1, 3."),
        (torch.tensor([[0.0, 0, 9, 9]]), torch.ones(2), "boxes .N, 4. and labels .N,., got .1, 4. and .2,."),
        (torch.tensor([[9.0, 0, 9, 9]]), torch.ones(1), "x1 < x2 and y1 < y2, got"),
        (torch.tensor([[0.0, 9, 9, 9]]), torch.ones(1), "x1 < x2 and y1 < y2, got"),
        (torch.tensor([[0.0, math.nan, 9, 9]]), torch.ones(1), "x1 < x2 and y1 < y2, got"),
        (torch.tensor([[0.0, 0, 9, 9]]), torch.zeros(1), r"labels in 1..3, got \[0"),
        (torch.tensor([[0.0, 0, 9, 9]]), torch.full((1,), 4), r"labels in 1..3, got \[4"),
    ],
    ids=["one box", "corners", "labels", "no width", "no height", "nan", "background", "label"],
)
def test_wrong_targets(boxes, labels, message):
    network = small_network()
    with pytest.raises(ValueError, match=f"targets: expected .*{message}"):
        network.loss(network(small_features(1)), [{"boxes": boxes, "labels": labels.long()}], SIZE)


def test_wrong_regions_to_ignore():
    network = small_network()
    wrong = target((10, 10, 60, 60, 1)) | {"ignore": torch.zeros(4)}
    with pytest.raises(ValueError, match=r"targets: expected ignore \(R, 4\), got \(4,\)"):
        network.loss(network(small_features(1)), [wrong], SIZE)


def test_wrong_number_of_targets():
    network = small_network()
    with pytest.raises(ValueError, match="targets: expected one for each of 2 images, got 1"):
        network.loss(network(small_features()), TARGETS[:1], SIZE)
