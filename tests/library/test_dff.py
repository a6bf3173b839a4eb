"""The joined network: per frame, on pairs, at every split point, with the reader's own parts."""

import pytest
import torch
from torch import nn

from dffkit.dff import DeepFeatureFlow, split_points
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet, flownet_inception
from dffkit.networks.segmentation import ScoreMaps
from dffkit.warp import propagate

CHANNELS = {0: 5, 1: 128, 2: 256, 6: 128}  # propagated at each split point of the small network


def frames(batch=2, height=48, width=64):
    """Random frames."""
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8)


def small(split=1, task=None, **flow_options):
    """A small whole network, with a scale field that is not 1."""
    features = FeatureNetwork(14, width=0.125)
    task = task or ScoreMaps(in_channels=128, num_classes=5)
    channels = task.out_channels if split == 0 else CHANNELS[split]
    flow = flownet(width=0.0625, **{"scale_channels": channels, **flow_options})
    if flow.scale is not None:
        nn.init.normal_(flow.scale.weight, std=0.1)
    return DeepFeatureFlow(features, flow, task, split=split).eval()


@pytest.mark.parametrize("depth", [50, 101])
def test_the_split_points_of_table_5_are_the_papers(depth):
    with torch.device("meta"):
        network = FeatureNetwork(depth)
    points = split_points(network)
    assert {0, 1, 5, 12, 21} <= set(points)
    assert [points[split][1] for split in (1, 5, 12, 21)] == [1024, 2048, 1024, 1024]
    for split in (1, 5, 12, 21):
        before, _ = points[split]
        blocks = network.blocks()[before:] if split > 1 else []
        convolutions = sum(isinstance(m, nn.Conv2d) for block in blocks for m in block.module.modules())
        assert 1 + convolutions == split  # the task network's own 1x1 and those that moved behind the propagation


@pytest.mark.parametrize("split", CHANNELS)
def test_every_split_point_computes_the_same_network(split):
    torch.manual_seed(0)
    model, whole, images = small(split), small(1), frames()
    whole.feature_network.load_state_dict(model.feature_network.state_dict())
    whole.task_network.load_state_dict(model.task_network.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(model(images), whole(images))
        key = model.key_frame(images)
        assert key.features.shape == (2, CHANNELS[split], 3, 4)
        torch.testing.assert_close(model.on_key_frame(images)[0], whole(images))


@pytest.mark.parametrize("split", CHANNELS)
def test_a_pair_is_the_four_parts_in_order(split):
    model, current, key_frames = small(split), frames(), frames()
    with torch.no_grad():
        key = model.key_frame(key_frames)
        flow, scale = model.flow_network(model.flow_network.prepare(current), model.flow_network.prepare(key_frames))
        features = propagate(key.features, flow, scale)
        expected = model._finish(features)
        assert torch.equal(model(current, key_frames), expected)
        assert torch.equal(model.on_current_frame(current, key), expected)


def test_score_maps_themselves_can_be_propagated_in_detection():
    task = RFCN(in_channels=128, num_classes=2, bins=3)
    model = small(0, task)
    with torch.no_grad():
        assert model(frames(), frames()).shape == (2, task.out_channels, 3, 4)


def test_where_i_equals_k_features_pass_through_untouched():
    model, current, key_frames = small(), frames(3), frames(3)
    same = torch.tensor([True, False, True])
    with torch.no_grad():
        maps = model(current, key_frames, same)
        assert torch.equal(maps[same], model(key_frames)[same])
        assert torch.equal(maps[~same], model(current, key_frames)[~same])
        assert not torch.equal(maps[~same], model(key_frames)[~same])


def test_where_i_equals_k_no_gradient_reaches_f_or_s():
    model, images = small(), frames()
    model(images, images, torch.tensor([True, True])).square().sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in model.flow_network.parameters())
    assert model.feature_network.conv1.weight.grad.any()


def test_a_pair_trains_all_parts_from_the_current_frames_loss():
    model, size = small().train(), (48, 64)
    maps = model(frames(), frames(), torch.tensor([False, True]))
    model.task_network.loss(maps, torch.randint(0, 5, (2, *size)), size)["segmentation"].backward()
    missing = [name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert missing == []


def test_without_scale_field_features_are_only_warped():
    model, images = small(scale_channels=None), frames()
    with torch.no_grad():
        key = model.key_frame(images)
        flow, scale = model.flow_network(key.flow_input, key.flow_input)
        assert scale is None
        assert torch.equal(model(images, images), model._finish(propagate(key.features, flow)))


def test_backbone_and_flow_can_be_your_own():
    class Backbone(nn.Module):
        channels = 4

        def forward(self, images):
            return nn.functional.avg_pool2d(images.float(), 16).repeat(1, 2, 1, 1)[:, :4]

    class NoFlow(nn.Module):
        scale_channels = None

        def prepare(self, images):
            return images.float()

        def forward(self, current, key):
            return current.new_zeros(len(current), 2, current.shape[2] // 16, current.shape[3] // 16), None

    model = DeepFeatureFlow(Backbone(), NoFlow(), ScoreMaps(in_channels=4, num_classes=3))
    current, key_frames = frames(), frames()
    assert torch.equal(model(current, key_frames), model(key_frames))  # without flow it is a copy
    assert list(split_points(Backbone())) == [0, 1]


@pytest.mark.parametrize("split", [3, 5, -1, 1000, 1.5, None])
def test_a_split_inside_a_block_is_named(split):
    with pytest.raises(ValueError, match=r"split: expected .* \[0, 1, 2, 6\], got"):
        DeepFeatureFlow(
            FeatureNetwork(14, width=0.125),
            flownet(width=0.0625, scale_channels=128),
            ScoreMaps(in_channels=128, num_classes=5),
            split=split,
        )


@pytest.mark.parametrize("same", [torch.tensor([1, 0]), torch.tensor([True])])
def test_a_wrong_same_is_named(same):
    with pytest.raises(ValueError, match=r"same: expected \(2,\) torch.bool, with key frames, got"):
        small()(frames(), frames(), same)


def test_same_without_key_frames_is_named():
    with pytest.raises(ValueError, match=r"same: .* got no key frames"):
        small()(frames(), same=torch.tensor([True, False]))


@pytest.mark.parametrize("key_frames", [frames(1), frames(2, 48, 63), frames(2, 32, 64)])
def test_key_frames_of_another_shape_are_named(key_frames):
    with pytest.raises(ValueError, match="key_frames: expected the frames' shape"):
        small()(frames(), key_frames)


def test_a_task_network_of_another_width_is_named():
    with pytest.raises(ValueError, match=r"task_network: expected in_channels=128, the feature network's, got 1024"):
        DeepFeatureFlow(FeatureNetwork(14, width=0.125), flownet(width=0.0625), ScoreMaps(num_classes=5))


def test_a_scale_field_of_other_channels_is_named():
    with pytest.raises(ValueError, match="expected scale_channels=256, the channels propagated at split 2, got 128"):
        small(2, scale_channels=128)


@pytest.mark.parametrize("make", [flownet, flownet_inception])
def test_the_papers_networks_run_at_128x192(make):
    model = DeepFeatureFlow(FeatureNetwork(50), make(), ScoreMaps(num_classes=19)).train()
    images = frames(1, 128, 192)
    maps = model(images, frames(1, 128, 192))
    assert maps.shape == (1, 19, 8, 12)
    maps.square().mean().backward()
    assert model.feature_network.conv1.weight.grad.isfinite().all()
