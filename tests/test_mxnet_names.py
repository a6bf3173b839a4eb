"""The authors' checkpoint: nothing left over on either side, every array in its place, and what is refused.

What the authors' network is, its names, shapes and graph, is written here a second time, from their symbol file.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mxnet_writer import encode

from dffkit import weights
from dffkit.errors import DataError
from dffkit.mxnet import names as mxnet_names
from dffkit.networks.detection import RFCN
from dffkit.networks.proposals import RPN_STD

WIDTH = 1 / 16
GOLDEN = Path(__file__).parent / "golden" / "proposal.npz"
BLOCKS = {2: "a b c", 3: "a b1 b2 b3", 4: " ".join(["a", *(f"b{i}" for i in range(1, 23))]), 5: "a b c"}
PLANES = {2: 64, 3: 128, 4: 256, 5: 512}
ENCODER = (("flow_conv1", 64, 7, 2), ("conv2", 128, 5, 2), ("conv3", 256, 5, 2), ("conv3_1", 256, 3, 1))
ENCODER += (("conv4", 512, 3, 2), ("conv4_1", 512, 3, 1), ("conv5", 512, 3, 2), ("conv5_1", 512, 3, 1))
ENCODER += (("conv6", 1024, 3, 2), ("conv6_1", 1024, 3, 1))


def official_shapes(width):
    """Every array that do_checkpoint saves: name -> shape. A narrow network has narrow layers between the same ends."""
    shapes = {}

    def layer(name, outputs, inputs, kernel, bias=True):
        shapes[f"arg:{name}_weight"] = (outputs, inputs, kernel, kernel)
        if bias:
            shapes[f"arg:{name}_bias"] = (outputs,)

    def layer_and_norm(name, norm, outputs, inputs, kernel):
        layer(name, outputs, inputs, kernel, bias=False)
        kinds = ("arg:{}_gamma", "arg:{}_beta", "aux:{}_moving_mean", "aux:{}_moving_var")
        shapes.update({kind.format(norm): (outputs,) for kind in kinds})

    def wide(channels):
        return round(channels * width)

    layer_and_norm("conv1", "bn_conv1", wide(64), 3, 7)
    inputs = wide(64)
    for stage, blocks in BLOCKS.items():
        planes = wide(PLANES[stage])
        for block in blocks.split():
            branches = [("2a", planes, inputs, 1), ("2b", planes, planes, 3), ("2c", 4 * planes, planes, 1)]
            branches += [("1", 4 * planes, inputs, 1)] if block == "a" else []
            for branch, *sizes in branches:
                layer_and_norm(f"res{stage}{block}_branch{branch}", f"bn{stage}{block}_branch{branch}", *sizes)
            inputs = 4 * planes
    features = wide(1024)
    layer("feat_conv_3x3", features, inputs, 3)
    inputs = 6
    for name, outputs, kernel, _ in ENCODER:
        layer(name, wide(outputs), inputs, kernel)
        inputs = wide(outputs)
    for i, (outputs, skip) in enumerate(((512, 512), (256, 512), (128, 256), (64, 128))):
        layer(f"Convolution{i + 1}", 2, inputs, 3)
        layer(f"upsample_flow{6 - i}to{5 - i}", 2, 2, 4)
        layer(f"deconv{5 - i}", wide(outputs), inputs, 4)
        shapes[f"arg:deconv{5 - i}_weight"] = (inputs, wide(outputs), 4, 4)  # MXNet's deconvolution: inputs first
        inputs = wide(skip) + wide(outputs) + 2
    layer("Convolution5", 2, inputs, 3)
    layer("Convolution5_scale", features, inputs, 1)
    for name, outputs in (("rpn_cls_score", 18), ("rpn_bbox_pred", 36), ("rfcn_cls", 49 * 31), ("rfcn_bbox", 49 * 8)):
        layer(name, outputs, features // 2, 1)
    for kind in ("weight", "bias"):
        shapes[f"arg:rfcn_bbox_{kind}_test"] = shapes[f"arg:rfcn_bbox_{kind}"]
    return shapes


def official_stds():
    """The standard deviation of each of rfcn_bbox's channels, as do_checkpoint repeats them."""
    stds, means_shape = np.tile(np.array([0.1, 0.1, 0.2, 0.2]), 2), 8
    return torch.from_numpy(np.repeat(stds, 392 // means_shape)).float()


def random_checkpoint(width=WIDTH):
    """Random arrays of such sizes that what flows through the network neither dies nor explodes."""
    arrays = {}
    for name, shape in official_shapes(width).items():
        if name.endswith(("_gamma", "_moving_var")):
            arrays[name] = 0.5 + torch.rand(shape)
        else:
            arrays[name] = torch.randn(shape) * (math.prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.1)
    for kind, view in (("weight", (-1, 1, 1, 1)), ("bias", (-1,))):
        arrays[f"arg:rfcn_bbox_{kind}_test"] = arrays[f"arg:rfcn_bbox_{kind}"] * official_stds().view(view)
    return arrays


def write(folder, arrays):
    path = folder / "authors-0000.params"
    path.write_bytes(encode(arrays, "legacy"))
    return path


def load(folder, arrays):
    return mxnet_names.load_mxnet(write(folder, arrays), width=WIDTH, say=lambda text: None)


@pytest.fixture
def checkpoint():
    return random_checkpoint()


# Nothing is left over


def test_at_full_width_every_array_has_its_parameter_and_every_parameter_its_array():
    with torch.device("meta"):
        model = mxnet_names.authors_model()
    state, names = model.state_dict(), mxnet_names.checkpoint_names(model)
    official = official_shapes(1)
    assert len(official) == 580
    assert set(mxnet_names.NOT_NEEDED) == {"arg:rfcn_bbox_weight", "arg:rfcn_bbox_bias"}
    assert set(names.values()) == official.keys() - set(mxnet_names.NOT_NEEDED)
    assert len(set(names.values())) == len(names)  # no array for two parameters
    assert {key.rpartition(".")[2] for key in state.keys() - names.keys()} == {"num_batches_tracked"}
    assert {key for key, _ in model.named_parameters()} <= names.keys()
    assert {name: tuple(state[key].shape) for key, name in names.items()} == {
        name: official[name] for name in names.values()
    }


def test_the_model_is_the_authors():
    with torch.device("meta"):
        model = mxnet_names.authors_model()
    features, flow, task = model.feature_network, model.flow_network, model.task_network
    assert (features.depth, features.layout, features.norm, features.channels) == (101, "msra", "frozen", 1024)
    assert (flow.head, flow.scale_channels, flow.scale.bias.requires_grad) == ("pooled", 1024, False)
    assert (task.convention, task.num_classes, task.bins, task.stride) == ("rfcn", 30, 7, 16)
    assert task.anchors == {"scales": (8, 16, 32), "ratios": (0.5, 1, 2), "positions": 1}
    assert task.proposals == {"pre_nms": 6000, "post_nms": 300, "nms": 0.7}
    assert (task.nms, task.score_threshold, task.max_detections) == (0.3, 1e-4, 300)


def test_a_whole_checkpoint_loads_and_what_is_not_needed_is_said(tmp_path, checkpoint):
    said = []
    model = mxnet_names.load_mxnet(write(tmp_path, checkpoint), width=WIDTH, say=said.append)
    state, names = model.state_dict(), mxnet_names.checkpoint_names(model)
    for key, name in names.items():
        if "rfcn_bbox" not in name:
            assert torch.equal(state[key], checkpoint[name]), key
    assert not model.training
    (message,) = said
    assert message.startswith(f"{tmp_path / 'authors-0000.params'}: not needed")
    assert message.endswith(": arg:rfcn_bbox_weight, arg:rfcn_bbox_bias")


def test_by_default_what_is_not_needed_goes_to_stderr(tmp_path, checkpoint, capsys):
    mxnet_names.load_mxnet(write(tmp_path, checkpoint), width=WIDTH)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "not needed" in captured.err


def test_without_the_training_boxes_nothing_is_said(tmp_path, checkpoint):
    said = []
    for name in mxnet_names.NOT_NEEDED:
        del checkpoint[name]
    mxnet_names.load_mxnet(write(tmp_path, checkpoint), width=WIDTH, say=said.append)
    assert said == []


def test_other_floating_point_types_load(tmp_path, checkpoint):
    stored = {name: array.half() if i % 2 else array.double() for i, (name, array) in enumerate(checkpoint.items())}
    model = load(tmp_path, stored)
    weight = model.feature_network.conv1.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, stored["arg:conv1_weight"].float())


# Each array is where the authors' graph has it


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
    with np.load(GOLDEN, allow_pickle=False) as golden:
        scores, deltas, rois = (torch.from_numpy(golden[name]) for name in ("scores", "deltas", "rois"))
        size = tuple(int(side) for side in golden["im_info"][0, :2])
    logits = torch.cat([torch.zeros_like(scores[:, :9]), scores[:, 9:].logit()], dim=1)  # softmax gives the scores
    deltas = deltas / torch.tensor(RPN_STD).repeat(9).view(1, -1, 1, 1)  # what rpn_inv_normalize multiplies
    head = torch.zeros(1, 49 * 39, *scores.shape[2:])
    task = RFCN(in_channels=2, num_classes=30, convention="rfcn")
    *_, (found,) = task._propose(torch.cat([logits, deltas, head], dim=1), size)
    assert (found - torch.tensor([0, 0, 1, 1]) - rois[:213, 1:]).abs().max() < 1e-3


# What is refused


def refused(folder, arrays, message):
    with pytest.raises(DataError, match=message) as raised:
        load(folder, arrays)
    assert str(raised.value).startswith(f"{folder / 'authors-0000.params'}: is not a checkpoint of this network: ")
    assert str(raised.value).endswith("rfcn_dff_flownet_vid-0000.params of their repository")


@pytest.mark.parametrize(
    "name",
    [
        "arg:conv1_weight",
        "arg:bn4b22_branch2c_beta",
        "aux:bn_conv1_moving_var",
        "arg:deconv2_bias",
        "arg:Convolution5_scale_bias",
        "arg:rfcn_cls_bias",
        "arg:rfcn_bbox_weight_test",
    ],
)
def test_a_missing_array_is_named(tmp_path, checkpoint, name):
    del checkpoint[name]
    refused(tmp_path, checkpoint, rf"it lacks {name} \(1 in all\);")


@pytest.mark.parametrize("name", ["arg:fc1000_weight", "aux:conv1_weight", "conv1_weight", "arg:conv1_weight_test"])
def test_an_extra_array_is_named(tmp_path, checkpoint, name):
    refused(tmp_path, checkpoint | {name: torch.ones(1)}, rf"the network has no {name} \(1 in all\);")


def test_of_many_the_first_three_are_named_and_all_are_counted(tmp_path, checkpoint):
    for level in (5, 4, 3, 2):
        del checkpoint[f"arg:deconv{level}_weight"]
    checkpoint |= {f"arg:extra{i}": torch.ones(1) for i in range(5)}
    message = r"it lacks arg:deconv5_weight, arg:deconv4_weight, arg:deconv3_weight \(4 in all\) and "
    refused(tmp_path, checkpoint, message + r"the network has no arg:extra0, arg:extra1, arg:extra2 \(5 in all\);")


@pytest.mark.parametrize("name", ["arg:conv2_weight", "aux:bn5c_branch2a_moving_mean", "arg:rfcn_bbox_bias_test"])
def test_another_shape_is_named(tmp_path, checkpoint, name):
    shape = tuple(checkpoint[name].shape)
    checkpoint[name] = checkpoint[name][..., None]
    message = rf"{name}: expected {shape} floating-point numbers, got {(*shape, 1)} torch.float32"
    refused(tmp_path, checkpoint, message.replace("(", r"\(").replace(")", r"\)").replace(".", r"\."))


def test_whole_numbers_are_refused(tmp_path, checkpoint):
    checkpoint["arg:conv1_weight"] = checkpoint["arg:conv1_weight"].int()
    refused(tmp_path, checkpoint, r"arg:conv1_weight: expected .*, got \(4, 3, 7, 7\) torch\.int32")


def test_a_narrow_checkpoint_does_not_fit_another_width(tmp_path, checkpoint):
    with pytest.raises(DataError, match=r"arg:conv1_weight: expected \(8, 3, 7, 7\) .* got \(4, 3, 7, 7\)"):
        mxnet_names.load_mxnet(write(tmp_path, checkpoint), width=1 / 8, say=print)


def test_a_damaged_file_is_refused(tmp_path, checkpoint):
    path = write(tmp_path, checkpoint)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"authors-0000\.params: byte .* of a name"):
        mxnet_names.load_mxnet(path, width=WIDTH, say=print)


def test_weights_offers_it_too(tmp_path):
    with pytest.raises(DataError, match=r"none\.params: can't be read"):
        weights.load_mxnet(tmp_path / "none.params")
