"""The authors' network, its names and shapes, written a second time from their symbol file; its tests share it."""

import math

import numpy as np
import torch
from mxnet_writer import encode

from dffkit.weights.authors import checkpoint as mxnet_names

WIDTH = 1 / 16
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
