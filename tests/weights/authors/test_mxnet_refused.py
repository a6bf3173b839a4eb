"""The authors' checkpoint: arrays that are missing, extra or of another shape are refused by their names."""

import pytest
import torch
from authors_network import WIDTH, load, write

from dffkit import weights
from dffkit.support.errors import DataError
from dffkit.weights.authors import checkpoint as mxnet_names


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
