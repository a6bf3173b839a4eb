"""The R-FCN task network: maps, losses and detections."""

import math

import pytest
import torch
from torchvision.ops import box_iou

from dffkit.networks.detection import HEAD_STD, RFCN
from dffkit.networks.proposals import encode_boxes, overlaps
from dffkit.networks.psroi import CONVENTIONS, ps_roi_pool

SIZE = (95, 125)  # odd on purpose: 6 x 8 cells


def small_network(seed=0, **changes):
    torch.manual_seed(seed)
    settings = {"in_channels": 32, "num_classes": 3, "bins": 3, "anchor_scales": (1, 2, 4), "proposals": 50}
    return RFCN(**settings | changes)


def small_features(batch=2, seed=1, channels=32):
    return torch.randn(batch, channels, 6, 8, generator=torch.Generator().manual_seed(seed))


def target(*rows):
    """A target from rows (x1, y1, x2, y2, label)."""
    table = torch.tensor(rows, dtype=torch.float32).view(-1, 5)
    return {"boxes": table[:, :4], "labels": table[:, 4].long()}


TARGETS = [target((10, 20, 60, 70, 1), (70, 5, 120, 60, 3)), target((30, 30, 100, 80, 2))]


def seeded():
    return torch.Generator().manual_seed(7)


def test_maps_have_the_papers_size():
    network = RFCN(num_classes=30)
    maps = network(torch.zeros(1, 1024, 2, 3))
    assert maps.shape == (1, 18 + 36 + 49 * 31 + 49 * 8, 2, 3)
    assert network.out_channels == 1965
    assert sum(p.numel() for p in network.parameters()) == 1965 * 513


def test_fresh_weights():
    network = RFCN(num_classes=30)
    for layer in network.children():
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
        assert not layer.bias.any()


def test_each_half_of_the_features_has_its_own_maps():
    network, features = small_network(), small_features()
    changed = features.clone()
    changed[:, :16] += 1  # the RPN's half
    same = (network(features) == network(changed)).all(0).all(1).all(1)
    assert same.tolist() == [False] * (6 * 9) + [True] * (9 * 12)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_gradients_reach_all_maps(convention):
    network, features = small_network(convention=convention), small_features().requires_grad_()
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


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_batch_equals_single(convention):
    network = small_network(convention=convention)
    maps = network(small_features()) * 20
    generator, together = seeded(), network.loss(maps, TARGETS, SIZE, generator=seeded())
    alone = [network.loss(maps[i : i + 1], TARGETS[i : i + 1], SIZE, generator=generator) for i in range(2)]
    for name, loss in together.items():
        torch.testing.assert_close(loss, (alone[0][name] + alone[1][name]) / 2)
    for i, detections in enumerate(network.decode(maps, SIZE)):
        (single,) = network.decode(maps[i : i + 1], SIZE)
        for name in ("boxes", "labels", "scores"):
            torch.testing.assert_close(detections[name], single[name])


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_overfits_one_image(convention):
    """A few dozen steps on one random feature map: the loss falls, and the box is found."""
    network, features = small_network(convention=convention, in_channels=128), small_features(1, channels=128)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9)
    generator, history = seeded(), []
    for _ in range(40):
        loss = sum(network.loss(network(features), TARGETS[:1], SIZE, generator=generator).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < history[0] / 4
    (found,) = network.decode(network(features), SIZE)
    assert (found["scores"][:2] > 0.5).all()
    assert (found["scores"][2:] < 0.5).all()
    for box, label in zip(TARGETS[0]["boxes"], TARGETS[0]["labels"], strict=True):
        best = box_iou(box[None], found["boxes"][:2])[0].argmax()
        assert found["labels"][best] == label
        assert box_iou(box[None], found["boxes"][best][None]) > 0.7


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


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("size", [(95, 125), (1, 1), (17, 250)])
def test_decode_stays_in_the_frame(convention, size):
    network = small_network(convention=convention)
    cells = [math.ceil(side / 16) for side in size]
    maps = network(torch.randn(2, 32, *cells, generator=seeded())) * 20
    found = network.decode(maps, size)
    assert len(found) == 2
    for image in found:
        boxes, labels, scores = image["boxes"], image["labels"], image["scores"]
        assert 0 < len(boxes) == len(labels) == len(scores) <= 300
        assert boxes.dtype == scores.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2] <= size[1]).all()
        assert (boxes[:, 3] <= size[0]).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (scores[:-1] >= scores[1:]).all()
        assert (scores > 1e-4).all()
        assert set(labels.tolist()) <= {1, 2, 3}


def test_nms_is_for_each_class():
    network = small_network(score_threshold=0.0)
    (found,) = network.decode(network(small_features(1)) * 20, SIZE)
    iou = box_iou(found["boxes"], found["boxes"]).fill_diagonal_(0)
    same = found["labels"][:, None] == found["labels"]
    assert iou[same].max() <= 0.3
    assert iou[~same].max() > 0.3
    assert set(found["labels"].tolist()) == {1, 2, 3}


def test_threshold_and_limit():
    maps = small_network()(small_features(1)) * 20
    (everything,) = small_network(score_threshold=0.0).decode(maps, SIZE)
    (few,) = small_network(score_threshold=0.0, max_detections=4).decode(maps, SIZE)
    torch.testing.assert_close(few["boxes"], everything["boxes"][:4])
    threshold = everything["scores"][5].item()
    (likely,) = small_network(score_threshold=threshold).decode(maps, SIZE)
    torch.testing.assert_close(likely["scores"], everything["scores"][:5])
    (none,) = small_network(score_threshold=1.0).decode(maps, SIZE)
    assert none["boxes"].shape == (0, 4)
    assert none["labels"].shape == none["scores"].shape == (0,)


def test_decode_reads_the_second_box_and_its_score():
    """Constant maps: one proposal per anchor, all moved alike, class 2 the most likely."""
    network = small_network(proposals=1, anchor_scales=(2,), anchor_ratios=(1,))
    maps = torch.zeros(1, network.out_channels, 6, 8)
    maps[0, 1, 2, 3] = 9  # the RPN's foreground score of row 2, column 3
    class_maps, box_maps = maps[:, 6 : 6 + 36], maps[:, 6 + 36 :]
    class_maps[:, 18:27] = 5
    box_maps[:, 36 : 36 + 9] = 1  # dx, in units of 0.1 box widths
    box_maps[:, :36] = 50  # the background's box
    (found,) = network.decode(maps, SIZE)
    # The anchor has 32 pixels a side and its middle at (48, 32).
    torch.testing.assert_close(found["boxes"][0], torch.tensor([35.2, 16, 67.2, 48]))
    assert found["labels"][0] == 2
    torch.testing.assert_close(found["scores"][0], torch.tensor(math.exp(5) / (math.exp(5) + 3)))


def test_decode_reads_the_rpn_channels_in_the_official_order():
    """Scores: class slowest; deltas: anchor slowest. Two anchors of a cell, the smaller one scored and moved."""
    network = small_network(proposals=1, anchor_scales=(1, 2), anchor_ratios=(1,))
    maps = torch.zeros(1, network.out_channels, 6, 8)
    maps[0, 2, 2, 3] = 9  # 2 background scores, then 2 foreground scores: the first anchor's
    maps[0, 4 + 1] = 1  # the first anchor's dy, in units of 0.1 box heights
    (found,) = network.decode(maps, SIZE)
    torch.testing.assert_close(found["boxes"][0], torch.tensor([40, 25.6, 56, 41.6]))


def test_feature_stride():
    """At 8 pixels to a cell the same maps belong to a frame of half the size, and all boxes are half as large."""
    settings = {"anchor_ratios": (1,), "max_detections": 20}  # sides that need no rounding
    maps = small_network(**settings)(small_features(1)) * 20
    (coarse,) = small_network(**settings).decode(maps, (96, 128))
    (fine,) = small_network(**settings, feature_stride=8).decode(maps, (48, 64))
    torch.testing.assert_close(fine["boxes"], coarse["boxes"] / 2)
    torch.testing.assert_close(fine["scores"], coarse["scores"])


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_the_convention_is_the_poolings_too(convention):
    network = small_network(convention=convention)
    head, rois = torch.randn(1, 12 * 9, 6, 8), [torch.tensor([[9.0, 9, 70, 60], [21, 3, 39, 27]])]
    (votes,) = network._vote(head, rois)
    torch.testing.assert_close(votes, ps_roi_pool(head, rois, 3, 16, convention).mean((2, 3)))


@pytest.mark.parametrize(("convention", "boxes"), [("torchvision", []), ("rfcn", [[124.0, 24, 125, 56]])])
def test_a_box_moved_out_of_the_frame(convention, boxes):
    """One convention drops it, the other leaves the frame's last column of pixels."""
    network = small_network(proposals=1, num_classes=1, anchor_scales=(2,), anchor_ratios=(1,), convention=convention)
    maps = torch.zeros(1, network.out_channels, 6, 8)
    maps[0, 1, 2, 3] = 9
    maps[:, -4 * 9 : -3 * 9] = 90  # dx: 9 box widths
    (found,) = network.decode(maps, SIZE)
    torch.testing.assert_close(found["boxes"], torch.as_tensor(boxes).view(-1, 4))


def test_detections_have_no_gradient():
    network = small_network()
    (found,) = network.decode(network(small_features(1)), SIZE)
    assert not found["scores"].requires_grad
    assert not found["boxes"].requires_grad


def test_float64_maps():
    network = small_network()
    maps = network(small_features()).detach()
    single = network.loss(maps, TARGETS, SIZE, generator=seeded())
    double = network.loss(maps.double(), TARGETS, SIZE, generator=seeded())
    for name, loss in double.items():
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, single[name])


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_bfloat16_maps_are_read_in_float32(convention):
    network, features = small_network(convention=convention), small_features()
    with torch.autocast("cpu", torch.bfloat16):
        maps = network(features)
        assert maps.dtype == torch.bfloat16
        inside = network.loss(maps, TARGETS, SIZE, generator=seeded())
        found = network.decode(maps, SIZE)
    outside = network.loss(maps.float(), TARGETS, SIZE, generator=seeded())
    for name, loss in inside.items():
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, outside[name])
    for image, expected in zip(found, network.decode(maps.float(), SIZE), strict=True):
        torch.testing.assert_close(image["boxes"], expected["boxes"])
    sum(inside.values()).backward()
    assert network.rpn_score.weight.grad.abs().max() > 0


def test_other_target_types_are_converted():
    network = small_network()
    maps = network(small_features(1)).detach()
    other = {"boxes": TARGETS[0]["boxes"].double(), "labels": TARGETS[0]["labels"].to(torch.uint8)}
    losses = network.loss(maps, [other], SIZE, generator=seeded())
    expected = network.loss(maps, TARGETS[:1], SIZE, generator=seeded())
    assert losses == expected


@pytest.mark.parametrize("wrong", [{"num_classes": 0}, {"num_classes": 2, "bins": 0}])
def test_no_classes_or_no_bins(wrong):
    with pytest.raises(ValueError, match="num_classes, bins: expected at least 1 of each"):
        RFCN(in_channels=32, **wrong)


def test_odd_channels():
    with pytest.raises(ValueError, match="in_channels: expected an even number, got 33"):
        small_network(in_channels=33)


def test_unknown_convention():
    with pytest.raises(ValueError, match="convention: expected one of"):
        small_network(convention="caffe")


@pytest.mark.parametrize(
    "shape",
    [(162, 6, 8), (1, 161, 6, 8), (1, 162, 5, 8), (1, 162, 6, 7), (1, 162, 8, 6)],
    ids=["no batch", "channels", "height", "width", "swapped"],
)
def test_wrong_maps(shape):
    network = small_network()
    assert network.out_channels == 162
    with pytest.raises(ValueError, match=r"maps: expected \(B, K, h, w\) = \(B, \(162, 6, 8\)\)"):
        network.decode(torch.zeros(shape), SIZE)
    with pytest.raises(ValueError, match="maps: expected"):
        network.loss(torch.zeros(shape), [target()] * shape[0], SIZE)


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
