"""The flow networks: layers, orders of the last step, units, scale field, and the original operators inside."""

import ctypes
import platform

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from places import GOLDEN
from torch import nn

from dffkit.networks.flow import (
    FLOW_NETWORKS,
    PREDICTION_TO_CELLS,
    _crop,
    _halve,
    flownet,
    flownet_half,
    flownet_inception,
)


def frames(height=128, width=192, batch=1):
    """Random frames."""
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8)


def small(**options):
    """A small flow network."""
    return flownet(width=0.0625, **{"scale_channels": 8, **options}).eval()


def run(network, current, key):
    """Predict flow and scale of two frames."""
    return network(network.prepare(current), network.prepare(key))


def test_flownets_layers_are_the_papers():
    with torch.device("meta"):
        network = flownet()
    convolutions = [m for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]
    layers = [(m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0]) for m in convolutions]
    assert layers == [
        (6, 64, 7, 2), (64, 128, 5, 2), (128, 256, 5, 2), (256, 256, 3, 1), (256, 512, 3, 2), (512, 512, 3, 1),
        (512, 512, 3, 2), (512, 512, 3, 1), (512, 1024, 3, 2), (1024, 1024, 3, 1),
    ]  # fmt: skip
    assert [m.in_channels for m in [*network.flows, network.flow]] == [1024, 1026, 770, 386, 194]
    assert [m.out_channels for m in network.deconvs] == [512, 256, 128, 64]
    assert (network.scale.in_channels, network.scale.out_channels, network.scale.kernel_size) == (194, 1024, (1, 1))


@pytest.mark.parametrize(("make", "millions"), [(flownet, 38.88), (flownet_half, 9.80), (flownet_inception, 6.46)])
def test_parameter_counts(make, millions):
    with torch.device("meta"):
        assert sum(p.numel() for p in make().parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize("make", FLOW_NETWORKS.values())
@pytest.mark.parametrize("head", ["pooled", "paper"])
def test_full_size_forward_and_backward_on_meta(make, head):
    with torch.device("meta"):
        network = make(head=head)
        images = torch.zeros(1, 3, 600, 1000, dtype=torch.uint8)
    flow, scale = run(network, images, images)
    assert (flow.shape, scale.shape) == ((1, 2, 38, 63), (1, 1024, 38, 63))
    (flow.sum() + scale.sum()).backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("make", FLOW_NETWORKS.values())
def test_full_width_forward_and_backward_with_numbers(make):
    network = make()
    flow, scale = run(network, frames(), frames())
    assert (flow.shape, scale.shape) == ((1, 2, 8, 12), (1, 1024, 8, 12))
    (flow.sum() + (scale * torch.randn_like(scale)).sum()).backward()
    gradients = [p.grad.abs().sum() for p in network.parameters()]
    assert all(g.isfinite() for g in gradients)
    assert all(g > 0 for g in gradients)


@pytest.mark.parametrize("make", FLOW_NETWORKS.values())
@pytest.mark.parametrize("head", ["pooled", "paper"])
@pytest.mark.parametrize(("height", "width"), [(601, 999), (17, 33), (64, 64), (16, 16)])
def test_any_size_fits_the_feature_map(make, head, height, width):
    network = make(width=0.0625, scale_channels=4, head=head).eval()
    images = frames(height, width)
    with torch.no_grad():
        flow, scale = run(network, images, images)
    h, w = -(-height // 16), -(-width // 16)
    assert (flow.shape, scale.shape) == ((1, 2, h, w), (1, 4, h, w))


@pytest.mark.parametrize("make", FLOW_NETWORKS.values())
def test_no_map_is_narrower_than_the_stride(make):
    encoder, widths = make(width=0.0625).encoder, []
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d) and layer.stride[1] == 2:
            layer.register_forward_pre_hook(lambda _, inputs: widths.append(inputs[0].shape[3]))
    x = torch.rand(1, 6, 32, 16)
    maps = encoder(x)
    assert min(widths) == 2
    for stage, found in zip(encoder.stages, maps, strict=True):
        x = stage(x)  # without another column
        torch.testing.assert_close(found, x)


@pytest.fixture
def huge_garbage():
    """Let glibc fill memory with -2e38 before its use; other C libraries leave it as it is."""
    perturb = -6  # M_PERTURB of malloc.h
    change = ctypes.CDLL(None).mallopt if platform.libc_ver()[0] == "glibc" else lambda *_: None
    change(perturb, 1)
    yield
    change(perturb, 0)


@pytest.mark.usefixtures("huge_garbage")
@pytest.mark.parametrize("make", FLOW_NETWORKS.values())
def test_gradients_in_bfloat16_come_from_initialized_memory(make):
    network = make(width=0.0625, scale_channels=8)
    with torch.autocast("cpu", torch.bfloat16):
        flow, _ = run(network, frames(32, 64, batch=2), frames(32, 64, batch=2))
    flow.sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert nn.utils.get_total_norm(gradients) < 1e6


def test_untrained_scale_is_one_and_can_be_left_out():
    images = frames()
    with torch.no_grad():
        assert (run(small(), images, images)[1] == 1).all()
        assert run(small(scale_channels=None), images, images)[1] is None


@pytest.mark.parametrize(("freeze", "trainable"), [(True, False), (False, True)])
def test_scale_bias_trains_unless_frozen(freeze, trainable):
    network = small(freeze_scale_bias=freeze)
    assert network.scale.bias.requires_grad is trainable
    assert network.scale.weight.requires_grad


def test_pooled_head_predicts_on_averaged_features():
    network, images = small(), frames()
    prepared = network.prepare(images)
    with torch.no_grad():
        flow, _ = network(prepared, prepared)
        _, maps = network._decode(prepared, prepared)
        expected = network.flow(F.avg_pool2d(torch.cat(maps, dim=1), 2, ceil_mode=True)) * 2.5
    assert PREDICTION_TO_CELLS == 2.5
    torch.testing.assert_close(flow, expected, rtol=1e-6, atol=1e-6)


def test_papers_head_averages_the_predictions():
    # Halving bilinearly is the average of 2x2 where the size is even.
    network, images = small(head="paper"), frames()
    prepared = network.prepare(images)
    with torch.no_grad():
        flow, scale = network(prepared, prepared)
        at_stride_8 = network.pyramid(prepared, prepared)[-1] * 2.5
    torch.testing.assert_close(flow, F.avg_pool2d(at_stride_8, 2), rtol=1e-5, atol=1e-6)
    assert scale.shape == (1, 8, 8, 12)


def test_pyramid_has_five_levels_that_double():
    network, images = small(), frames()
    prepared = network.prepare(images)
    with torch.no_grad():
        shapes = [tuple(level.shape) for level in network.pyramid(prepared, prepared)]
    assert shapes == [(1, 2, 1, 2), (1, 2, 2, 3), (1, 2, 4, 6), (1, 2, 8, 12), (1, 2, 16, 24)]


def test_input_is_half_the_frame_less_the_mean_over_255():
    network, images = small(), frames(5, 7)
    prepared = network.prepare(images)
    full = (images.float() - torch.tensor([123.15, 115.90, 103.06]).view(3, 1, 1)) / 255  # red, green, blue
    torch.testing.assert_close(prepared, F.avg_pool2d(full, 2, ceil_mode=True), rtol=1e-5, atol=1e-6)
    assert prepared.shape == (1, 3, 3, 4)


def test_the_decoder_joins_skip_up_and_flow_and_its_slope_is_a_tenth():
    # The order and the slope of the authors' code: their weights fit no other.
    network, prepared = small(), small().prepare(frames())
    seen = {}
    for name, module in (("encoder", network.encoder), ("deconv", network.deconvs[3]), ("upflow", network.upflows[3])):
        module.register_forward_hook(lambda _module, _inputs, output, name=name: seen.update({name: output}))
    with torch.no_grad():
        _, (skip, up, upflow) = network._decode(prepared, prepared)
    assert torch.equal(skip, seen["encoder"][0])
    assert torch.equal(up, torch.where(seen["deconv"] > 0, seen["deconv"], 0.1 * seen["deconv"]))
    assert torch.equal(upflow, seen["upflow"])
    assert {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)} == {0.1}


@pytest.mark.parametrize(("height", "width"), [(75, 125), (1, 4), (2, 2)])
def test_halving_is_the_mean_of_2x2_at_odd_sizes_too(height, width):
    x = torch.randn(2, 3, height, width)
    torch.testing.assert_close(_halve(x), F.avg_pool2d(x, 2, ceil_mode=True), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", FLOW_NETWORKS.values())
@pytest.mark.parametrize("width", [0, -1, 5])
def test_a_wrong_width_is_named(make, width):
    with pytest.raises(ValueError, match="width: expected a factor above 0"):
        make(width=2 * width)


@pytest.mark.parametrize("channels", [0, -1, "a", 1.5])
def test_wrong_scale_channels_are_named(channels):
    with pytest.raises(ValueError, match="scale_channels: expected a whole number of at least 1, or None"):
        flownet(width=0.0625, scale_channels=channels)


def test_current_frame_comes_first():
    network, a, b = small(), frames(), frames()
    seen = []
    network.encoder.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        run(network, a, b)
    assert torch.equal(seen[0], torch.cat([network.prepare(a), network.prepare(b)], dim=1))


def test_one_key_frame_for_many_current_frames():
    network, current, key = small(), frames(batch=3), frames()
    with torch.no_grad():
        flow, scale = run(network, current, key)
        each = [run(network, current[i : i + 1], key) for i in range(3)]
    torch.testing.assert_close(flow, torch.cat([f for f, _ in each]))
    torch.testing.assert_close(scale, torch.cat([s for _, s in each]))


@pytest.mark.parametrize("head", ["pooled", "paper"])
def test_flow_and_scale_stay_float32_under_autocast(head):
    network, current, key = small(head=head), frames(), frames()
    nn.init.normal_(network.scale.weight, std=0.01)
    with torch.no_grad():
        exact = run(network, current, key)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = run(network, current, key)
    for ours, expected in zip(rough, exact, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, expected, rtol=0.05, atol=0.05 * expected.std().item())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert run(small(scale_channels=None), current, key)[1] is None


def test_another_head_is_named():
    with pytest.raises(ValueError, match='head: expected "pooled" or "paper", got \'code\''):
        flownet(head="code")


def test_average_pooling_is_the_originals():
    golden = {key: torch.from_numpy(value) for key, value in np.load(GOLDEN / "avgpool_full.npz").items()}
    pooled = F.avg_pool2d(golden["input"], 2, ceil_mode=True)
    torch.testing.assert_close(pooled, golden["output"], rtol=0, atol=1e-5)


def test_deconvolution_is_the_originals():
    # The original has no padding and crops at offset (1, 1); ours pads by 1 and crops at (0, 0).
    golden = {key: torch.from_numpy(value) for key, value in np.load(GOLDEN / "deconv_crop.npz").items()}
    deconv = nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)
    deconv.weight.data, deconv.bias.data = golden["weight"], golden["bias"]
    ours = _crop(deconv(golden["input"]), golden["output"].shape[2:])
    torch.testing.assert_close(ours, golden["output"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("width", [0.05, 0.14, 1.0])
def test_a_small_stem_leaves_no_block_with_few_channels(width):
    stages = flownet_inception(width=width, small_stem=True, scale_channels=None).encoder.stages
    assert stages[0][0][0].kernel_size == (3, 3)
    blocks = [stage[-1] for stage in stages]
    assert min(branch[0][0].in_channels for block in blocks for branch in block.branches) >= 8
    assert all(stage[-2][0].stride == (2, 2) for stage in stages[1:])


def test_a_small_stem_costs_less_than_seven_by_seven():
    def first(small_stem):
        encoder = flownet_inception(width=0.14, small_stem=small_stem, scale_channels=None).encoder
        return encoder.stages[0][0][0].weight.numel()

    assert first(True) == 8 * 6 * 9 < first(False)
