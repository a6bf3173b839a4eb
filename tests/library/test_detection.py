"""The R-FCN task network: its maps, that it learns from them, and every precision that they come in."""

import pytest
import torch
from small_detector import SIZE, TARGETS, seeded, small_features, small_network, target, with_all_parts
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
