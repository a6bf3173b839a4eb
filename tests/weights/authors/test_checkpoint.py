"""The authors' checkpoint: every array has its parameter, and any other file is refused by the array's name."""

import json

import pytest
import torch
from params_writer import encode
from places import GOLDEN

from dffkit import weights
from dffkit.networks.detection import HEAD_STD
from dffkit.support.errors import DataError
from dffkit.weights.authors import checkpoint as reader
from dffkit.weights.authors import conventions

WIDTH = 1 / 16
NOT_NEEDED = ["arg:rfcn_bbox_weight", "arg:rfcn_bbox_bias"]


@pytest.fixture
def checkpoint():
    """Random arrays of a narrow network by name, as the authors' training saves them."""
    model = reader.authors_model(width=WIDTH)
    state, names = model.state_dict(), reader.checkpoint_names(model)
    arrays = {name: torch.rand(state[key].shape) + 0.5 for key, name in names.items()}
    return arrays | {name: arrays[f"{name}_test"] / stds(arrays[f"{name}_test"]) for name in NOT_NEEDED}


def stds(array):
    """The standard deviations by which the authors' training multiplies what it saves for their test."""
    return torch.tensor(HEAD_STD).repeat(2).repeat_interleave(49).view(-1, *[1] * (array.ndim - 1))


def write(folder, arrays):
    path = folder / "authors-0000.params"
    path.write_bytes(encode(arrays, "legacy"))
    return path


def load(folder, arrays):
    return reader.load_mxnet(write(folder, arrays), width=WIDTH)


def test_at_full_width_every_array_has_its_parameter_and_every_parameter_its_array():
    with torch.device("meta"):
        model = reader.authors_model()
    state, names = model.state_dict(), reader.checkpoint_names(model)
    # The arrays of the authors' own symbols, with the boxes' weights as their test names them.
    official = json.loads((GOLDEN / "dff_parameters.json").read_text())
    assert len(official) == len(names) == 578
    assert {names[key]: list(state[key].shape) for key in names} == {each["stored"]: each["shape"] for each in official}
    assert {key.rpartition(".")[2] for key in state.keys() - names.keys()} == {"num_batches_tracked"}
    assert {key for key, _ in model.named_parameters()} <= names.keys()
    assert list(reader.NOT_NEEDED) == NOT_NEEDED


def test_the_model_is_the_authors():
    with torch.device("meta"):
        model = reader.authors_model()
    features, flow, task = model.feature_network, model.flow_network, model.task_network
    assert (features.depth, features.layout, features.norm, features.channels) == (101, "msra", "frozen", 1024)
    assert (flow.head, flow.scale_channels, flow.scale.bias.requires_grad) == ("pooled", 1024, False)
    assert (task.num_classes, task.bins, task.stride) == (30, 7, 16)
    shapes = {"scales": (8, 16, 32), "ratios": (0.5, 1, 2), "positions": 1}
    assert task.anchors == {"stride": 16, "cell": conventions.cell_anchors, **shapes}
    assert task.proposals == {"pre_nms": 6000, "post_nms": 300, "nms": 0.7, "clip": conventions.clip_boxes}
    assert (task.clip, task.propose) == (conventions.clip_boxes, conventions.propose)
    assert task.pool is conventions.ps_roi_pool
    assert (task.nms, task.score_threshold, task.max_detections) == (0.3, 1e-4, 300)


def test_a_whole_checkpoint_loads_and_names_the_arrays_that_are_not_needed(tmp_path, checkpoint, capsys):
    model = reader.load_mxnet(write(tmp_path, checkpoint), width=WIDTH)
    state, names = model.state_dict(), reader.checkpoint_names(model)
    for key, name in names.items():
        if "rfcn_bbox" not in name:
            assert torch.equal(state[key], checkpoint[name]), key
    assert not model.training
    out, message = capsys.readouterr()
    assert out == ""
    assert message.startswith(f"{tmp_path / 'authors-0000.params'}: not needed")
    assert message.endswith(": arg:rfcn_bbox_weight, arg:rfcn_bbox_bias\n")


def test_without_the_boxes_of_the_training_there_is_no_message(tmp_path, checkpoint, capsys):
    for name in NOT_NEEDED:
        del checkpoint[name]
    reader.load_mxnet(write(tmp_path, checkpoint), width=WIDTH)
    assert capsys.readouterr() == ("", "")


def test_the_boxes_are_those_that_the_authors_test_with(tmp_path, checkpoint):
    boxes = load(tmp_path, checkpoint).task_network.box
    torch.testing.assert_close(boxes.weight, checkpoint["arg:rfcn_bbox_weight"])
    torch.testing.assert_close(boxes.bias, checkpoint["arg:rfcn_bbox_bias"])
    for name in NOT_NEEDED:  # a training with other standard deviations
        checkpoint[name] *= 7
    other = load(tmp_path, checkpoint).task_network.box
    assert torch.equal(other.weight, boxes.weight)
    assert torch.equal(other.bias, boxes.bias)


def test_other_floating_point_types_load(tmp_path, checkpoint):
    stored = {name: array.half() if i % 2 else array.double() for i, (name, array) in enumerate(checkpoint.items())}
    weight = load(tmp_path, stored).feature_network.conv1.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, stored["arg:conv1_weight"].float())


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


def test_the_first_three_of_many_are_named_and_all_are_counted(tmp_path, checkpoint):
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


def test_integers_are_refused(tmp_path, checkpoint):
    checkpoint["arg:conv1_weight"] = checkpoint["arg:conv1_weight"].int()
    refused(tmp_path, checkpoint, r"arg:conv1_weight: expected .*, got \(4, 3, 7, 7\) torch\.int32")


def test_a_narrow_checkpoint_does_not_fit_another_width(tmp_path, checkpoint):
    with pytest.raises(DataError, match=r"arg:conv1_weight: expected \(8, 3, 7, 7\) .* got \(4, 3, 7, 7\)"):
        reader.load_mxnet(write(tmp_path, checkpoint), width=1 / 8)


def test_a_damaged_file_is_refused(tmp_path, checkpoint):
    path = write(tmp_path, checkpoint)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"authors-0000\.params: byte .* of a name"):
        reader.load_mxnet(path, width=WIDTH)


def test_weights_offers_it_too(tmp_path):
    with pytest.raises(DataError, match=r"none\.params: can't be read"):
        weights.load_mxnet(tmp_path / "none.params")
