"""The authors' checkpoint in this kit: R-FCN with ResNet-101 and FlowNet, trained in MXNet on ImageNet VID (Sec. 5).

The names are those of dff_rfcn/symbols/resnet_v1_101_flownet_rfcn.py in github.com/msracver/Deep-Feature-Flow. Layouts
are PyTorch's: kernels are (out, in, height, width), those of deconvolutions (in, out, height, width). The RPN's score
channels are the background of all anchors and then the foreground; its box channels are four for each anchor. Channel
(c * 7 + i) * 7 + j of the head votes for class or coordinate c in bin (i, j), background first. The frame's mean pixel,
the division by 255 and the factor of 2.5 on the flow are in neither side's weights. So all arrays are copied unchanged
except those of one layer, the head's boxes: see `_in_training_units`.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from dffkit.dff import DeepFeatureFlow
from dffkit.networks.detection import HEAD_STD, RFCN
from dffkit.networks.features import BLOCKS, FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.support.errors import DataError
from dffkit.weights.authors import params
from dffkit.weights.authors.conventions import AUTHORS

CLASSES = 30  # ImageNet VID
BOXES = ("arg:rfcn_bbox_weight_test", "arg:rfcn_bbox_bias_test")
# The same layer in the units of the authors' training. They store both (dff_rfcn/core/callback.py, do_checkpoint) and
# test with "_test" (lib/utils/load_model.py, load_param). Their training saves no other array beyond the network's.
NOT_NEEDED = ("arg:rfcn_bbox_weight", "arg:rfcn_bbox_bias")
REMEDY = "give one that the authors' training saved, as rfcn_dff_flownet_vid-0000.params of their repository"

CONVOLUTION = {"weight": "arg:{}_weight", "bias": "arg:{}_bias"}
NORM = {
    "weight": "arg:{}_gamma",
    "bias": "arg:{}_beta",
    "running_mean": "aux:{}_moving_mean",
    "running_var": "aux:{}_moving_var",
}


def authors_model(*, width: float = 1.0) -> DeepFeatureFlow:
    """Make the authors' detection network with random weights, in training mode; other widths than 1 are for tests.

    It has ResNet-101 with its strides on the first 1x1, FlowNet with the pooled head and a scale bias that stays 1, and
    R-FCN for 30 classes with the authors' `conventions` for boxes.

    Raises:
        ValueError: for a width that is not above 0 and at most 4.
    """
    features = FeatureNetwork(101, width=width, layout="msra")
    flow = flownet(width=width, scale_channels=features.channels, head="pooled", freeze_scale_bias=True)
    return DeepFeatureFlow(features, flow, RFCN(in_channels=features.channels, num_classes=CLASSES, **AUTHORS))


def load_mxnet(path: Path, *, width: float = 1.0) -> DeepFeatureFlow:
    """Load the authors' trained network, ready to recognize: `authors_model` with a checkpoint's weights, in eval mode.

    It was trained on frames whose shorter side is 600 pixels, or less where the longer side would exceed 1000. Label c
    of a detection is the c-th class of ImageNet VID in the order of their names, from 1, airplane, to 30, zebra. A line
    on stderr names the arrays of the file that are not needed.

    Args:
        path: a `.params` file of the authors, or of a training with their code.
        width: as in `authors_model`.

    Raises:
        DataError: if the file is missing or damaged; if it lacks an array of the network or has another one; or if an
            array has another shape than the network's, or does not hold floating-point numbers.
        ValueError: for a width that is not above 0 and at most 4.
    """
    arrays = params.read(path)
    model = authors_model(width=width)
    own = model.state_dict()
    wanted = checkpoint_names(model)
    if trouble := _misfit({name: own[key] for key, name in wanted.items()}, arrays):
        raise DataError(f"{path}: is not a checkpoint of this network: {trouble}; {REMEDY}")
    if spare := [name for name in NOT_NEEDED if name in arrays]:
        why = "for the head's boxes come from the arrays that end in _test"
        print(f"{path}: not needed, {why}: {', '.join(spare)}", file=sys.stderr)
    for key, name in wanted.items():
        own[key].copy_(_in_training_units(arrays[name]) if name in BOXES else arrays[name])
    return model.eval()


def checkpoint_names(model: DeepFeatureFlow) -> dict[str, str]:
    """Map each entry of the state of an `authors_model` to the name of its array in the checkpoint.

    Only `num_batches_tracked` is left out: there PyTorch counts the batches of a trained batch norm, and the authors'
    is frozen.
    """
    layers, names = _layers(), {}
    for key in model.state_dict():
        layer, _, kind = key.rpartition(".")
        if kind != "num_batches_tracked":
            name = layers[layer]
            stored = (NORM if name.startswith("bn") else CONVOLUTION)[kind].format(name)
            names[key] = f"{stored}_test" if name == "rfcn_bbox" else stored
    return names


def _layers() -> dict[str, str]:
    """Map the kit's layers to the authors' names for them."""
    layers = {"conv1": "conv1", "bn1": "bn_conv1", "reduce": "feat_conv_3x3"}
    for stage, blocks in enumerate(BLOCKS[101], start=2):
        for i in range(blocks):
            layers |= _bottleneck(f"layer{stage - 1}.{i}", f"{stage}{_letter(i, blocks)}", projected=i == 0)
    layers = {f"feature_network.{ours}": theirs for ours, theirs in layers.items()}
    stages = (("flow_conv1", "conv2"), *((f"conv{level}", f"conv{level}_1") for level in (3, 4, 5, 6)))
    for i, pair in enumerate(stages):
        layers |= {f"flow_network.encoder.stages.{i}.{j}.0": name for j, name in enumerate(pair)}
    for i in range(4):  # from stride 64 up
        layers[f"flow_network.flows.{i}"] = f"Convolution{i + 1}"
        layers[f"flow_network.deconvs.{i}"] = f"deconv{5 - i}"
        layers[f"flow_network.upflows.{i}"] = f"upsample_flow{6 - i}to{5 - i}"
    layers |= {"flow_network.flow": "Convolution5", "flow_network.scale": "Convolution5_scale"}
    heads = {"rpn_score": "rpn_cls_score", "rpn_box": "rpn_bbox_pred", "score": "rfcn_cls", "box": "rfcn_bbox"}
    return layers | {f"task_network.{ours}": theirs for ours, theirs in heads.items()}


def _letter(i: int, blocks: int) -> str:
    """Return the authors' name of block i of a stage: a, b, c; in stages of more than 3 blocks a, b1, b2, ..."""
    return "abc"[i] if blocks == 3 else f"b{i}" if i else "a"


def _bottleneck(ours: str, block: str, projected: bool) -> dict[str, str]:
    layers = {}
    for i, branch in enumerate("abc", start=1):
        layers[f"{ours}.conv{i}"] = f"res{block}_branch2{branch}"
        layers[f"{ours}.bn{i}"] = f"bn{block}_branch2{branch}"
    if projected:
        layers |= {f"{ours}.downsample.0": f"res{block}_branch1", f"{ours}.downsample.1": f"bn{block}_branch1"}
    return layers


def _in_training_units(array: Tensor) -> Tensor:
    """Divide the head's box weights or biases `(8 * 49, ...)` by `HEAD_STD`, which gives the units of the training.

    The authors multiply these channels by the standard deviations when they save a checkpoint; this kit multiplies when
    it decodes boxes. The RPN's boxes stay unchanged: both sides multiply them at the output.
    """
    std = torch.tensor(HEAD_STD).repeat(2).repeat_interleave(len(array) // 8)  # channel: coordinate, then bin
    return array / std.view(-1, *[1] * (array.ndim - 1))


def _misfit(wanted: dict[str, Tensor], arrays: dict[str, Tensor]) -> str:
    """Describe the first difference between the `wanted` arrays and those found, or return an empty string."""
    troubles = []
    if missing := [name for name in wanted if name not in arrays]:
        troubles.append(f"it lacks {', '.join(missing[:3])} ({len(missing)} in all)")
    if extra := [name for name in arrays if name not in wanted and name not in NOT_NEEDED]:
        troubles.append(f"the network has no {', '.join(extra[:3])} ({len(extra)} in all)")
    for name in wanted if not troubles else ():
        expected, got = tuple(wanted[name].shape), tuple(arrays[name].shape)
        if expected != got or not arrays[name].is_floating_point():
            return f"{name}: expected {expected} floating-point numbers, got {got} {arrays[name].dtype}"
    return " and ".join(troubles)
