"""The authors' checkpoint: each array is where their graph, written a second time from their symbol file, has it."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from authors_network import BLOCKS, ENCODER, load, official_stds
from places import GOLDEN

from dffkit.networks.detection import RFCN
from dffkit.networks.proposals import RPN_STD
from dffkit.weights.authors import checkpoint as mxnet_names
from dffkit.weights.authors.conventions import AUTHORS

EXPECTED = GOLDEN / "proposal.npz"


def conv(arrays, x, name, **options):
    return F.conv2d(x, arrays[f"arg:{name}_weight"], arrays.get(f"arg:{name}_bias"), **options)


def norm(arrays, x, name):
    statistics = (arrays[f"aux:{name}_moving_{kind}"] for kind in ("mean", "var"))
    return F.batch_norm(x, *statistics, arrays[f"arg:{name}_gamma"], arrays[f"arg:{name}_beta"], eps=1e-5)


def official_features(arrays, image):
    """get_resnet_v1 of the symbol file, for frames less the mean pixel."""
    x = norm(arrays, conv(arrays, image, "conv1", stride=2, padding=3), "bn_conv1").relu()
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for stage, blocks in BLOCKS.items():
        dilation = 2 if stage == 5 else 1
        for block in blocks.split():

            def branch(x, name, block=f"{stage}{block}_branch", **options):
                return norm(arrays, conv(arrays, x, f"res{block}{name}", **options), f"bn{block}{name}")

            stride = 2 if block == "a" and stage in (3, 4) else 1
            y = branch(x, "2a", stride=stride).relu()
            y = branch(branch(y, "2b", padding=dilation, dilation=dilation).relu(), "2c")
            x = ((branch(x, "1", stride=stride) if block == "a" else x) + y).relu()
    return conv(arrays, x, "feat_conv_3x3", padding=6, dilation=6).relu()


def official_flow(arrays, current, key):
    """get_flownet of the symbol file, for frames less the mean pixel: the flow in cells, and the scale map."""

    def up(x, name, like):
        x = F.conv_transpose2d(x, arrays[f"arg:{name}_weight"], arrays[f"arg:{name}_bias"], stride=2)
        return x[:, :, 1 : 1 + like.shape[2], 1 : 1 + like.shape[3]]  # Crop at offset (1, 1)

    x = F.avg_pool2d(torch.cat([current / 255, key / 255], dim=1), 2, ceil_mode=True)
    skips = {}
    for name, _, kernel, stride in ENCODER:
        x = skips[name] = F.leaky_relu(conv(arrays, x, name, stride=stride, padding=kernel // 2), 0.1)
    for i, skip in enumerate(("conv5_1", "conv4_1", "conv3_1", "conv2")):
        skip = skips[skip]
        flow = conv(arrays, x, f"Convolution{i + 1}", padding=1)
        deconv = F.leaky_relu(up(x, f"deconv{5 - i}", skip), 0.1)
        x = torch.cat([skip, deconv, up(flow, f"upsample_flow{6 - i}to{5 - i}", skip)], dim=1)
    x = F.avg_pool2d(x, 2, ceil_mode=True)
    return conv(arrays, x, "Convolution5", padding=1) * 2.5, conv(arrays, x, "Convolution5_scale")


def images(count):
    """Frames of odd sizes, and the same as the authors' loader gives them: less the mean pixel, as R, G, B."""
    frames = torch.randint(0, 256, (count, 3, 75, 109), dtype=torch.uint8)
    return frames, frames - torch.tensor([123.15, 115.90, 103.06]).view(1, 3, 1, 1)


def assert_near(ours, expected):
    assert ours.shape == expected.shape
    assert expected.std() > 0.01  # there is something to compare
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


@torch.no_grad()
def test_the_features_are_the_official_graphs(tmp_path, checkpoint):
    frames, image = images(2)
    assert_near(load(tmp_path, checkpoint).feature_network(frames), official_features(checkpoint, image))


@torch.no_grad()
def test_flow_and_scale_are_the_official_graphs(tmp_path, checkpoint):
    frames, image = images(2)
    network = load(tmp_path, checkpoint).flow_network
    current, key = (network.prepare(frame[None]) for frame in frames)
    for ours, expected in zip(network(current, key), official_flow(checkpoint, *image.split(1)), strict=True):
        assert_near(ours, expected)


@torch.no_grad()
def test_scores_and_boxes_are_the_official_graphs(tmp_path, checkpoint):
    features = torch.rand(2, 64, 3, 4)
    rpn, head = features.chunk(2, dim=1)  # SliceChannel
    tested = checkpoint | {name.removesuffix("_test"): checkpoint[name] for name in mxnet_names.BOXES}  # load_param
    maps = load(tmp_path, checkpoint).task_network(features)
    rpn_score, rpn_box, score, box = maps.split([18, 36, 49 * 31, 49 * 8], dim=1)
    assert_near(rpn_score, conv(tested, rpn, "rpn_cls_score"))
    assert_near(rpn_box, conv(tested, rpn, "rpn_bbox_pred"))
    assert_near(score, conv(tested, head, "rfcn_cls"))
    # The official deltas are final. Ours are multiplied by the standard deviations when boxes are decoded.
    assert_near(box * official_stds().view(1, -1, 1, 1), conv(tested, head, "rfcn_bbox"))


def test_the_boxes_are_those_that_the_authors_test_with(tmp_path, checkpoint):
    boxes = load(tmp_path, checkpoint).task_network.box
    torch.testing.assert_close(boxes.weight, checkpoint["arg:rfcn_bbox_weight"])
    torch.testing.assert_close(boxes.bias, checkpoint["arg:rfcn_bbox_bias"])
    for name in mxnet_names.NOT_NEEDED:  # as of a training with other standard deviations
        checkpoint[name] *= 7
    other = load(tmp_path, checkpoint).task_network.box
    assert torch.equal(other.weight, boxes.weight)
    assert torch.equal(other.bias, boxes.bias)


def test_decoded_boxes_are_the_official_ones(tmp_path, checkpoint):
    # All bins of a coordinate vote for the same delta, whatever the features: the four of class 1 are read.
    deltas = torch.tensor([9, 9, 9, 9, 0.1, -0.2, 0.3, -0.1])
    checkpoint["arg:rfcn_bbox_weight_test"].zero_()
    checkpoint["arg:rfcn_bbox_bias_test"].copy_(deltas.repeat_interleave(49))
    task = load(tmp_path, checkpoint).task_network
    features, region = torch.zeros(1, 64, 20, 20), torch.tensor([[64.0, 96, 164, 176]])
    with torch.no_grad():
        *_, head, _ = task._propose(task(features), (320, 320))
        (votes,) = task._vote(head, [region])
        found = task._detect(votes, region, (320, 320))["boxes"][0]
    x, y, width, height = 64 + 100 / 2, 96 + 80 / 2, 100, 80  # bbox_pred of lib/bbox/bbox_transform.py
    x, y, width, height = x + 0.1 * width, y - 0.2 * height, width * math.exp(0.3), height * math.exp(-0.1)
    expected = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_the_channels_of_the_rpn_have_the_official_order():
    with np.load(EXPECTED, allow_pickle=False) as golden:
        scores, deltas, rois = (torch.from_numpy(golden[name]) for name in ("scores", "deltas", "rois"))
        size = tuple(int(side) for side in golden["im_info"][0, :2])
    logits = torch.cat([torch.zeros_like(scores[:, :9]), scores[:, 9:].logit()], dim=1)  # softmax gives the scores
    deltas = deltas / torch.tensor(RPN_STD).repeat(9).view(1, -1, 1, 1)  # what rpn_inv_normalize multiplies
    head = torch.zeros(1, 49 * 39, *scores.shape[2:])
    task = RFCN(in_channels=2, num_classes=30, **AUTHORS)
    *_, (found,) = task._propose(torch.cat([logits, deltas, head], dim=1), size)
    assert (found - torch.tensor([0, 0, 1, 1]) - rois[:213, 1:]).abs().max() < 1e-3
