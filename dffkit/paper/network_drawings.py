"""Drawings of N_feat, R-FCN and the flow network: shapes, strides and layers are read off the networks as built."""

import math
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any

import pandas
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn
from torchvision.models import resnet101

from dffkit.complexity import SIZE
from dffkit.dff import split_points
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import PREDICTION_TO_CELLS, flownet
from dffkit.paper.boxes import CARRIED, CHEAP, EXPENSIVE, INK, Box, draw_arrow, draw_box, sheet

SPLITS = (21, 12, 5, 1, 0)  # of Table 5
TORCHVISION = "torchvision's ResNet-101"


def record(run: Callable[[], Any], modules: dict[str, nn.Module]) -> pandas.DataFrame:
    """Run a network, and return a line for each of some modules in the order of use: its `part`, `into` and `out`.

    `into` and `out` are the shapes of its first input and of its output, without the batch.
    """
    lines: list[dict[str, Any]] = []

    def note(name: str, _module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        lines.append({"part": name, "into": tuple(inputs[0].shape[1:]), "out": tuple(output.shape[1:])})

    hooks = [module.register_forward_hook(partial(note, name)) for name, module in modules.items()]
    run()
    for hook in hooks:
        hook.remove()
    return pandas.DataFrame(lines)


# N_feat


def n_feat_parts() -> pandas.DataFrame:
    """Shapes in torchvision's ResNet-101 and in N_feat, by stage, and in the first block of conv3.

    Returns:
        Columns: `network`, `part`, `into` and `out` (shapes; `into` of a stage is that of its last block), `stride` of
        the output in pixels of the frame (0 for the classifier), `dilation` of 3x3 convolutions.
    """
    with torch.device("meta"):
        networks = {TORCHVISION: resnet101(), "N_feat": FeatureNetwork(101)}
        frame = torch.zeros(1, 3, *SIZE, dtype=torch.uint8)
    found = []
    for name, network in networks.items():
        blocks = {f"conv{i + 2}": getattr(network, f"layer{i + 1}")[-1] for i in range(4)}
        layers = {f"conv3, {kind}": getattr(network.layer2[0], f"conv{i + 1}") for i, kind in enumerate("abc")}
        last = {"reduction": network.reduce} if name == "N_feat" else {"classifier": network.fc}
        parts = {"conv1": network.maxpool} | blocks | layers | last
        lines = record(partial(network, frame if name == "N_feat" else frame.float()), parts)
        dilated = {part: block.conv2.dilation[0] for part, block in blocks.items()}
        dilated |= {"reduction": last["reduction"].dilation[0]} if "reduction" in last else {}
        stride, dilation = map(_stride, lines.out), (dilated.get(part, 1) for part in lines.part)
        found.append(lines.assign(network=name, stride=list(stride), dilation=list(dilation)))
    return pandas.concat(found, ignore_index=True)[["network", "part", "into", "out", "stride", "dilation"]]


def n_feat() -> tuple[Figure, pandas.DataFrame]:
    """N_feat beside torchvision's ResNet-101, and the split points of Table 5."""
    numbers = n_feat_parts()
    figure, axes = sheet(6.1)
    _title(axes, 5.95, f"The stages, for a frame of {_shape(SIZE)} pixels. Orange: different from {TORCHVISION}")
    for (name, lines), y in zip(numbers.groupby("network", sort=False), (5.05, 3.9), strict=True):
        axes.text(0.1, y + 0.5, name, fontsize=9, style="italic")
        stages = lines[~lines.part.str.contains(",")]
        boxes = [Box(0.7 + 1.32 * i, y, 1.22, 0.78) for i in range(len(stages))]
        for box, line in zip(boxes, stages.itertuples(), strict=True):
            changed = name == "N_feat" and (line.part == "reduction" or line.dilation > 1)
            stride = f"stride {line.stride}" if len(line.out) > 1 else "behind a pooling"
            dilation = f"dilation {line.dilation}\n" if line.dilation > 1 else ""
            draw_box(axes, box, f"{line.part}\n{stride}\n{dilation}{_shape(line.out)}", EXPENSIVE if changed else CHEAP)
        _chain(axes, boxes)
    _title(axes, 3.2, "The first block of conv3 (that of conv4 alike): where the map is halved")
    for (name, lines), y in zip(numbers.groupby("network", sort=False), (2.75, 2.1), strict=True):
        axes.text(0.1, y, name.replace(" ", "\n"), fontsize=9, style="italic", va="center")
        layers = lines[lines.part.str.contains(",")]
        boxes = [Box(2.4 + 2.25 * i, y, 1.9, 0.5) for i in range(len(layers))]
        for box, line, kernel in zip(boxes, layers.itertuples(), ("1 × 1", "3 × 3", "1 × 1"), strict=True):
            halved = line.into[1:] != line.out[1:]
            text = f"{kernel}{', stride 2' if halved else ''}\n{_shape(line.out)}"
            draw_box(axes, box, text, EXPENSIVE if halved and name == "N_feat" else CHEAP)
        _chain(axes, boxes)
    _title(axes, 1.55, "Table 5: the features are carried at a dashed line; the number counts the layers to its right")
    _split_strip(axes)
    return figure, numbers


def _split_strip(axes: Axes) -> None:
    """Draw the last blocks with their numbers of layers, and the cuts of Table 5 between them."""
    with torch.device("meta"):
        network = FeatureNetwork(101)
    points, blocks = split_points(network), network.blocks()
    first = points[max(SPLITS)][0]
    stages = [f"conv{i + 2}" for i in range(4) for _ in getattr(network, f"layer{i + 1}")] + ["reduction"]
    texts = [f"{stage}\n{_layers(block.convolutions)}" for stage, block in zip(stages, blocks, strict=True)][first:]
    texts = [f"{first} blocks\nbefore", *texts, f"N_task\n{_layers(1)}"]
    boxes = [Box(0.47 + 0.87 * i, 0.55, 0.76, 0.5) for i in range(len(texts))]
    for box, text in zip(boxes, texts, strict=True):
        draw_box(axes, box, text, CHEAP)
    ends = {split: len(blocks) if points[split][0] is None else points[split][0] for split in SPLITS}
    for split, end in ends.items():
        x = boxes[end - first + (split == 0)].x + 0.435  # right of the last box before the cut
        axes.plot([x, x], [0.12, 1.05], color=INK, linestyle=(0, (3, 2)), linewidth=1.2)
        axes.text(x, 1.13, str(split), ha="center", fontsize=10, weight="bold")


# R-FCN


def r_fcn_parts() -> pandas.DataFrame:
    """The four convolutions of R-FCN for the 30 classes of ImageNet VID.

    Returns:
        Columns: `part`, `into` and `out` (shapes), `times`: anchors in a cell, or bins of a box.
    """
    with torch.device("meta"):
        network = RFCN(num_classes=30)
        features = torch.zeros(1, network.in_channels, *(-(-side // network.stride) for side in SIZE))
    parts = {"anchor scores": network.rpn_score, "anchor boxes": network.rpn_box}
    parts |= {"class scores": network.score, "boxes": network.box}
    anchors, bins = network.rpn_score.out_channels // 2, network.bins**2  # an anchor is a thing or background
    return record(partial(network, features), parts).assign(times=[anchors, anchors, bins, bins])


def r_fcn() -> tuple[Figure, pandas.DataFrame]:
    """R-FCN from the features to the boxes: its two halves, its maps, and up to where features may be carried."""
    numbers = r_fcn_parts()
    figure, axes = sheet(4.4)
    _title(axes, 4.25, f"R-FCN, frames of {_shape(SIZE)} pixels, 30 classes. Blue: maps, which a flow can carry")
    half = numbers["into"][0]
    features, halves = Box(0.75, 2.35, 1.35, 0.6), [Box(2.45, y, 1.35, 0.75) for y in (3.25, 1.45)]
    draw_box(axes, features, f"features\n{_shape((2 * half[0], *half[1:]))}", CARRIED)
    for box, text in zip(halves, ("first half,\nfor the RPN", "second half,\nfor the head"), strict=True):
        draw_box(axes, box, f"{text}\n{_shape(half)}", CARRIED)
        draw_arrow(axes, features, box)
    maps = [Box(4.4, y, 1.6, 0.75) for y in (3.7, 2.8, 1.9, 1.0)]
    for i, line in enumerate(numbers.itertuples()):
        side = math.isqrt(line.times)
        of = f"{line.out[0] // line.times} × " + (f"{line.times} anchors" if i < 2 else f"{side} × {side} bins")
        draw_box(axes, maps[i], f"{line.part}\n{of}\n= {line.out[0]} maps", CARRIED)
        draw_arrow(axes, halves[i // 2], maps[i])
    lists = [Box(6.95, y, 1.6, 0.75) for y in (3.25, 2.05, 0.95)]
    scores, deltas = (numbers.out[i][0] // numbers.times[i] for i in (2, 3))
    texts = (
        "pooling: each bin of\na proposal is the mean\nof its own map",
        "vote: mean of the bins,\n{} + {} numbers\nfor each proposal",
    )
    for box, text in zip(lists, ("proposals:\nthe best anchors,\nmoved", *texts), strict=True):
        draw_box(axes, box, text.format(scores, deltas))
    for start, end in ((0, 0), (1, 0), (2, 1), (3, 1)):
        draw_arrow(axes, maps[start], lists[end])
    _chain(axes, lists)
    total = sum(shape[0] for shape in numbers.out)
    for x, text in ((1.6, "carried here:\n1 layer behind"), (5.6, f"or here: 0 layers,\n{total} maps")):
        axes.plot([x, x], [0.5, 4.05], color=INK, linestyle=(0, (3, 2)), linewidth=1.2)
        axes.text(x, 0.28, text, ha="center", va="center", fontsize=9, weight="bold")
    axes.text(7.0, 0.28, "no further:\nlists of boxes", ha="center", va="center", fontsize=9, style="italic")
    return figure, numbers


# F


def flow_parts() -> pandas.DataFrame:
    """Maps of FlowNet, level by level from the finest to the coarsest and back, and the two fields that it gives.

    Returns:
        Columns: `part`, `into` and `out` (shapes; the decoder's `out` is its flow), `stride` in pixels of the frame.
    """
    with torch.device("meta"):
        network = flownet()
        frame = network.prepare(torch.zeros(1, 3, *SIZE, dtype=torch.uint8))
    parts = {f"encoder {level}": stage for level, stage in enumerate(network.encoder.stages)}
    parts |= {f"decoder {4 - i}": flow for i, flow in enumerate(network.flows)}
    parts |= {"decoder 0": network.flow, "scale field": network.scale}
    numbers = record(partial(network.pyramid_and_flow, frame, frame), parts)
    numbers.loc[numbers.part.duplicated(), "part"] = "flow field"  # the last prediction once more, after the pooling
    return numbers.assign(stride=[_stride(shape) for shape in numbers.out])


def flow_resolutions() -> tuple[Figure, pandas.DataFrame]:
    """The resolutions of F: down to stride 64 of its input, back to stride 4, pooled, and the units of the flow."""
    numbers = flow_parts()
    part = numbers.set_index("part")
    figure, axes = sheet(5.2)
    seen = _shape(part["into"]["encoder 0"])
    _title(axes, 5.05, f"FlowNet, for two frames of {_shape(SIZE)} pixels, which it sees halved and joined: {seen}")
    for x, text in ((0.62, "stride: of its input,\nof the frame"), (2.0, "encoder"), (3.85, "decoder, and its flow")):
        axes.text(x, 4.65, text, ha="center", va="center", fontsize=9, style="italic")
    encoder, decoder = ([Box(x, 4.05 - 0.85 * i, 1.5, 0.6) for i in range(5)] for x in (2.0, 3.85))
    for level, (left, right) in enumerate(zip(encoder, decoder, strict=True)):
        down, up = part.loc[f"encoder {level}"], part.loc[f"decoder {level}"]
        axes.text(0.62, left.y, f"{up.stride // 2},  {up.stride}", ha="center", va="center", fontsize=10)
        draw_box(axes, left, _shape(down.out), CHEAP)
        draw_box(axes, right, f"{_shape(up['into'])}\nflow: {_shape(up.out)}", CHEAP)
        draw_arrow(axes, left, right)
    _chain(axes, encoder)
    _chain(axes, decoder[::-1])
    pooled, flow, scale = Box(6.5, 3.2, 2.3, 0.6), Box(5.88, 2.1, 1.15, 0.8), Box(7.2, 2.1, 1.25, 0.8)
    field = part.loc["flow field"]
    draw_box(axes, pooled, f"pooled 2 × 2: {field.stride // 2},  {field.stride}\n{_shape(field['into'])}", CHEAP)
    draw_box(axes, flow, f"flow field:\n× {PREDICTION_TO_CELLS}, in cells\n{_shape(field.out)}", CARRIED)
    draw_box(axes, scale, f"scale field\n{_shape(part.out['scale field'])}", CARRIED)
    for start, end in ((decoder[0], pooled), (pooled, flow), (pooled, scale)):
        draw_arrow(axes, start, end)
    pixels = PREDICTION_TO_CELLS * field.stride
    text = f"One motion in four units:\n{pixels:g} pixels of the frame,\n{pixels / 2:g} pixels of FlowNet's input,\n"
    text += f"1 in a prediction,\n{PREDICTION_TO_CELLS} cells of the feature map"
    axes.text(5.35, 0.95, text, va="center", fontsize=9)
    return figure, numbers


def _title(axes: Axes, y: float, text: str) -> None:
    axes.text(0.05, y, text, fontsize=10, weight="bold", va="center")


def _chain(axes: Axes, boxes: Iterable[Box]) -> None:
    """Draw an arrow from each box to the next."""
    for start, end in pairwise(boxes):
        draw_arrow(axes, start, end)


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _stride(shape: tuple[int, ...]) -> int:
    """Return the stride of a map of a frame of `SIZE`: a power of 2, as each halving rounds up; 0 for a vector."""
    return 2 ** round(math.log2(SIZE[0] / shape[1])) if len(shape) > 1 else 0


def _layers(count: int) -> str:
    return f"{count} layer" + ("s" if count > 1 else "")
