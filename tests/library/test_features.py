"""The feature network: the paper's layers, torchvision's weights, and the frames that it accepts."""

import pytest
import torch
from torch import nn
from torchvision import models

from dffkit.networks.features import BLOCKS, FeatureNetwork, Norm, check_frames


def frames(height=64, width=96, batch=1):
    """Random frames."""
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8)


def small(**options):
    """A small network."""
    return FeatureNetwork(14, width=0.125, **options).eval()


@pytest.mark.parametrize("depth", [50, 101])
def test_the_papers_network_to_the_last_channel(depth):
    with torch.device("meta"):
        network = FeatureNetwork(depth)
    features = network(torch.zeros(1, 3, 600, 1000, dtype=torch.uint8, device="meta"))
    assert features.shape == (1, 1024, 38, 63)
    first = [network.layer2[0], network.layer3[0], network.layer4[0]]
    assert [block.conv1.stride[0] for block in first] == [2, 2, 1]  # on the first 1x1, and conv5 keeps stride 16
    assert [block.conv2.stride[0] for block in first] == [1, 1, 1]
    assert {block.conv2.dilation for block in network.layer4} == {(2, 2)}
    assert {block.conv2.dilation for block in network.layer3} == {(1, 1)}
    reduction = network.reduce
    assert (reduction.in_channels, reduction.out_channels, reduction.kernel_size) == (2048, 1024, (3, 3))
    assert (reduction.dilation, reduction.padding) == ((6, 6), (6, 6))
    assert sum(isinstance(m, torch.nn.Conv2d) for m in network.modules()) == 3 * sum(BLOCKS[depth]) + 4 + 2


def test_torchvision_layout_computes_what_torchvision_does():
    network = FeatureNetwork(50, layout="torchvision").eval()
    reference = models.resnet50(replace_stride_with_dilation=[False, False, True]).eval()
    reference.layer4[0].conv2.dilation = reference.layer4[0].conv2.padding = (2, 2)  # torchvision leaves this one out
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("reduce.")}
    missing, unexpected = reference.load_state_dict(state, strict=False)
    assert set(missing) == {"fc.weight", "fc.bias"}
    assert not unexpected
    images = frames()
    normalized = models.ResNet50_Weights.IMAGENET1K_V1.transforms(crop_size=(64, 96), resize_size=(64, 96))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (normalized.mean, normalized.std))
    x = (images.float() / 255 - mean) / std
    with torch.no_grad():
        for name, module in reference.named_children():
            if name not in ("avgpool", "fc"):
                x = module(x)
        x = network.relu(network.reduce(x))
        torch.testing.assert_close(network(images), x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("depth", [50, 101])
def test_imagenet_weights_load_completely(depth, monkeypatch):
    # The download itself is torchvision's; here it hands out random weights of its own network.
    donor = {50: models.resnet50, 101: models.resnet101}[depth]().state_dict()
    published = {50: models.ResNet50_Weights, 101: models.ResNet101_Weights}[depth]
    asked = []
    monkeypatch.setattr(published, "get_state_dict", lambda self, **options: asked.append((self, options)) or donor)
    network = FeatureNetwork(depth, layout="torchvision", weights="imagenet")
    assert asked == [(published.IMAGENET1K_V1, {"progress": True, "check_hash": True})]
    for name, value in network.state_dict().items():
        if not name.startswith("reduce."):
            assert torch.equal(value, donor[name]), name


@pytest.mark.parametrize(
    "options",
    [{"layout": "msra", "depth": 50}, {"layout": "torchvision", "depth": 26}, {"layout": "torchvision", "width": 0.5}],
)
def test_imagenet_weights_need_torchvisions_network(options):
    with pytest.raises(ValueError, match='weights: "imagenet" needs depth 50 or 101'):
        FeatureNetwork(**{"depth": 50, "width": 1.0, "weights": "imagenet", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 34}, r"depth: expected one of \[14, 26, 50, 101\], got 34"),
        ({"width": 0}, "width: expected a factor above 0"),
        ({"width": 5}, "width: expected a factor above 0 and at most 4, got 5"),
        ({"layout": "caffe"}, 'layout: expected "msra" or "torchvision", got \'caffe\''),
        ({"norm": "batch"}, 'norm: expected "frozen" or "trained", got \'batch\''),
        ({"weights": "coco"}, "weights: expected \"imagenet\" or None, got 'coco'"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        FeatureNetwork(**{"depth": 14, "width": 0.125, **options})


@pytest.mark.parametrize(("height", "width"), [(600, 1000), (601, 999), (17, 33), (16, 16), (1, 1)])
def test_stride_16_rounded_up(height, width):
    with torch.no_grad():
        assert small()(frames(height, width)).shape == (1, 128, -(-height // 16), -(-width // 16))


def test_frozen_norm_stays_frozen_in_training():
    network = small(norm="frozen").train()
    norm = [name for name in network.state_dict() if "bn" in name or "downsample.1" in name]
    before = {name: network.state_dict()[name].clone() for name in norm}
    network(frames(batch=2)).sum().backward()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert network.bn1.weight.grad is None
    assert network.conv1.weight.grad is not None


def test_frozen_norm_is_batch_norm_in_value_and_gradient():
    torch.manual_seed(0)
    norm, plain = Norm(5).eval(), nn.BatchNorm2d(5).eval()
    for values in (norm.weight.data, norm.running_var, norm.running_mean, norm.bias.data):
        values.uniform_(0.5, 2)
    plain.load_state_dict(norm.state_dict())
    x = torch.randn(2, 5, 4, 3)
    found, expected = ([], [])
    for module, results in ((norm, found), (plain, expected)):
        inputs = x.clone().requires_grad_()
        outputs = module(inputs)
        outputs.square().sum().backward()
        results += [outputs, inputs.grad, module.weight.grad, module.bias.grad]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_trained_norm_trains():
    network = small(norm="trained").train()
    before = network.bn1.running_mean.clone()
    network(frames(batch=2)).sum().backward()
    assert not torch.equal(network.bn1.running_mean, before)
    assert network.bn1.weight.grad is not None


def test_the_remaining_blocks_continue_from_stop():
    network, images = small(), frames()
    with torch.no_grad():
        whole = network(images)
        for stop in range(len(network.blocks()) + 1):
            x = network(images, stop)
            for block in network.blocks()[stop:]:
                x = block.module(x)
            assert torch.equal(x, whole)


def test_blocks_have_the_channels_and_strides_of_their_outputs():
    network, images = small(), frames(64, 64)
    for i, block in enumerate(network.blocks()):
        with torch.no_grad():
            assert network(images, i + 1).shape == (1, block.channels, 64 // block.stride, 64 // block.stride)


def test_frames_are_not_changed_and_the_order_is_rgb():
    network, images = small(), frames()
    copy = images.clone()
    with torch.no_grad():
        assert not torch.equal(network(images), network(images.flip(1)))
    assert torch.equal(images, copy)
    assert network.mean.flatten()[0] == pytest.approx(123.15)  # red first


def test_same_features_in_any_memory_format():
    network, images = small(), frames()
    with torch.no_grad():
        assert torch.equal(network(images), network(images.to(memory_format=torch.channels_last)))


GOOD = frames()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (GOOD.numpy(), "expected a uint8 tensor.*got ndarray; an RGB image or array .* torch.from_numpy"),
        (GOOD.permute(0, 2, 3, 1), r"got \(1, 64, 96, 3\); the channels come last: use frames.movedim"),
        (GOOD[0, 0], r"got \(64, 96\); a grayscale frame"),
        (GOOD[:, :1], r"got \(1, 1, 64, 96\); a grayscale frame"),
        (GOOD[:0], r"got \(0, 3, 64, 96\)"),
        (GOOD[..., :0], r"got \(1, 3, 64, 0\)"),
        (GOOD[:, [0, 1, 2, 0]], r"got \(1, 4, 64, 96\)$"),
        (GOOD / 255, r"torch.uint8 \(0..255\), got torch.float32; values in 0..1"),
        (GOOD.int(), r"torch.uint8 \(0..255\), got torch.int32$"),
    ],
)
def test_frames_of_another_kind_are_named(bad, message):
    with pytest.raises(ValueError, match=message):
        check_frames(bad)
    with pytest.raises(ValueError, match=message):
        small()(bad)
