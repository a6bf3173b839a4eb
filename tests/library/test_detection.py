"""R-FCN: its maps, its detections, learning, and precision."""

import math

import pytest
import torch
from small_detector import PARTS, SIZE, TARGETS, seeded, small_features, small_network, target, with_all_parts
from torchvision.ops import box_iou

from dffkit.networks.detection import RFCN, ps_roi_pool


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


@with_all_parts
def test_batch_equals_single(parts):
    network = small_network(**parts)
    maps = network(small_features()) * 20
    generator, together = seeded(), network.loss(maps, TARGETS, SIZE, generator=seeded())
    alone = [network.loss(maps[i : i + 1], TARGETS[i : i + 1], SIZE, generator=generator) for i in range(2)]
    for name, loss in together.items():
        torch.testing.assert_close(loss, (alone[0][name] + alone[1][name]) / 2)
    own = network.loss(maps, TARGETS, SIZE, generator=[seeded(), seeded()])
    first = network.loss(maps[1:], TARGETS[1:], SIZE, generator=seeded())
    for name, loss in own.items():  # a generator for each image
        torch.testing.assert_close(loss, (alone[0][name] + first[name]) / 2)
    for i, detections in enumerate(network.decode(maps, SIZE)):
        (single,) = network.decode(maps[i : i + 1], SIZE)
        for name in ("boxes", "labels", "scores"):
            torch.testing.assert_close(detections[name], single[name])


@with_all_parts
def test_overfits_one_image(parts):
    """A few dozen steps on one random feature map: the loss falls, and the box is found."""
    network, features = small_network(**parts, in_channels=128), small_features(1, channels=128)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.9)
    generator, history = seeded(), []
    for _ in range(60):
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


@with_all_parts
def test_the_head_pools_with_its_own_part(parts):
    network = small_network(**parts)
    head, rois = torch.randn(1, 12 * 9, 6, 8), [torch.tensor([[9.0, 9, 70, 60], [21, 3, 39, 27]])]
    (votes,) = network._vote(head, rois)
    torch.testing.assert_close(votes, parts.get("pool", ps_roi_pool)(head, rois, 3, 16).mean((2, 3)))


def test_float64_maps():
    network = small_network()
    maps = network(small_features()).detach()
    single = network.loss(maps, TARGETS, SIZE, generator=seeded())
    double = network.loss(maps.double(), TARGETS, SIZE, generator=seeded())
    for name, loss in double.items():
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, single[name])


@with_all_parts
def test_bfloat16_maps_are_read_in_float32(parts):
    network, features = small_network(**parts), small_features()
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


@pytest.mark.parametrize("wrong", [{"num_classes": 0}, {"num_classes": 2, "bins": 0}])
def test_no_classes_or_no_bins(wrong):
    with pytest.raises(ValueError, match="num_classes, bins: expected at least 1 of each"):
        RFCN(in_channels=32, **wrong)


def test_odd_channels():
    with pytest.raises(ValueError, match="in_channels: expected an even number, got 33"):
        small_network(in_channels=33)


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


# Detections


@with_all_parts
@pytest.mark.parametrize("size", [(95, 125), (1, 1), (17, 250)])
def test_decode_stays_in_the_frame(parts, size):
    network = small_network(**parts)
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


@pytest.mark.parametrize(("parts", "boxes"), [({}, []), (PARTS["authors"], [[124.0, 24, 125, 56]])])
def test_a_box_moved_out_of_the_frame(parts, boxes):
    """The library drops the box; the authors' clipping keeps the frame's last column of pixels."""
    network = small_network(proposals=1, num_classes=1, anchor_scales=(2,), anchor_ratios=(1,), **parts)
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
