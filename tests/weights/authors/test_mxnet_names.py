"""The authors' checkpoint: nothing is left over on either side, and what else a file may hold."""

import torch
from authors_network import WIDTH, load, official_shapes, write

from dffkit.weights.authors import checkpoint as mxnet_names
from dffkit.weights.authors import conventions


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
    assert (task.num_classes, task.bins, task.stride) == (30, 7, 16)
    shapes = {"scales": (8, 16, 32), "ratios": (0.5, 1, 2), "positions": 1}
    assert task.anchors == {"stride": 16, "cell": conventions.cell_anchors, **shapes}
    assert task.proposals == {"pre_nms": 6000, "post_nms": 300, "nms": 0.7, "clip": conventions.clip_boxes}
    assert (task.clip, task.propose) == (conventions.clip_boxes, conventions.propose)
    assert task.pool is conventions.ps_roi_pool
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
