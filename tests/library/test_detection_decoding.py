"""The R-FCN task network's detections: where boxes are, of which class, and which of them are kept."""

import math

import pytest
import torch
from small_detector import PARTS, SIZE, seeded, small_features, small_network, with_all_parts
from torchvision.ops import box_iou


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
