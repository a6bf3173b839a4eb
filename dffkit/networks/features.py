"""The feature network *N_feat*: a ResNet at stride 16 whose features are propagated (Sec. 4.1).

ResNet-50 and ResNet-101 are made of torchvision's blocks, with its parameter names and the paper's three changes: conv5
keeps the stride of conv4 and is dilated by 2 instead; a 3x3 convolution with dilation 6 reduces 2048 channels to 1024;
the classifier is gone.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.resnet import Bottleneck

# Number of blocks in conv2..conv5. Depths 14 and 26 are not in the ResNet paper: they are small networks for laptops.
BLOCKS = {14: (1, 1, 1, 1), 26: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}

CAFFE_MEAN = (123.15, 115.90, 103.06)  # R, G, B: the mean pixel of the authors' code, which does not divide by a std
IMAGENET_MEAN = (123.675, 116.28, 103.53)  # torchvision's, in grey levels
IMAGENET_STD = (58.395, 57.12, 57.375)


class Block(NamedTuple):
    """A part of the network that no split point of Table 5 divides."""

    module: nn.Module
    convolutions: int
    channels: int  # of the output
    stride: int  # of the output, in pixels of the frame


class Norm(nn.BatchNorm2d):
    """Batch norm with a cheap backward pass at fixed statistics: PyTorch's takes five times as long."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute the same as `nn.BatchNorm2d`."""
        if self.training or not x.requires_grad:
            return super().forward(x)
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        scale, shift = (values.to(x.dtype).view(1, -1, 1, 1) for values in (scale, shift))
        return torch.addcmul(shift, x, scale)


class FeatureNetwork(nn.Module):
    """*N_feat*: frames `(B, 3, H, W)` uint8 -> features `(B, 1024 * width, ceil(H/16), ceil(W/16))`, all >= 0.

    Args:
        depth: 101 or 50 as in the paper; 26 or 14 for laptops.
        width: multiplies every channel count; 1 is the paper's network.
        layout: the place of the stride of conv3 and conv4. "msra" puts it on the first 1x1 convolution, as the paper's
            network does (only this gives Table 2); "torchvision" on the 3x3, as torchvision's ImageNet weights need.
            The input follows: "msra" subtracts the mean pixel; "torchvision" also divides by the standard deviation.
        norm: "frozen" keeps batch norm at its stored statistics and weights, as in the paper; "trained" trains it.
        weights: "imagenet" loads torchvision's ImageNet weights (downloaded once into torch's own cache), for depth
            50 and 101, width 1 and layout "torchvision"; None leaves random ones.

    Raises:
        ValueError: for a depth, width, layout, norm or weights other than these.
    """

    def __init__(
        self,
        depth: int = 101,
        *,
        width: float = 1.0,
        layout: str = "msra",
        norm: str = "frozen",
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS:
            raise ValueError(f"depth: expected one of {sorted(BLOCKS)}, got {depth!r}")
        if layout not in ("msra", "torchvision"):
            raise ValueError(f'layout: expected "msra" or "torchvision", got {layout!r}')
        if norm not in ("frozen", "trained"):
            raise ValueError(f'norm: expected "frozen" or "trained", got {norm!r}')
        self.depth, self.layout, self.norm = depth, layout, norm
        stem, *planes = (widen(c, width) for c in (64, 64, 128, 256, 512))
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = Norm(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = [stem, *(p * Bottleneck.expansion for p in planes)]
        strides, dilations = (1, 2, 2, 1), (1, 1, 1, 2)
        for i, blocks in enumerate(BLOCKS[depth]):
            stage = _stage(inputs[i], planes[i], blocks, strides[i], dilations[i], layout)
            self.add_module(f"layer{i + 1}", stage)
        self.channels = widen(1024, width)
        self.reduce = nn.Conv2d(inputs[-1], self.channels, 3, padding=6, dilation=6)
        mean, std = (CAFFE_MEAN, (1.0, 1.0, 1.0)) if layout == "msra" else (IMAGENET_MEAN, IMAGENET_STD)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self._initialize()
        if weights is not None:
            self._load(weights, width)
        self.to(memory_format=torch.channels_last)  # twice as fast on CPUs, and what the warp reads without a copy
        self.train()

    def forward(self, frames: Tensor, stop: int | None = None) -> Tensor:
        """Compute features of `frames` `(B, 3, H, W)` uint8; with `stop`, the output of the first `stop` blocks."""
        check_frames(frames)
        x = frames.to(self.mean.dtype, memory_format=torch.channels_last)
        x = x.sub_(self.mean).div_(self.std)
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for block in self.blocks()[:stop]:
            x = block.module(x)
        return x

    def blocks(self) -> list[Block]:
        """List everything after the first convolution and pooling, block by block, in the order of use."""
        stages = zip((self.layer1, self.layer2, self.layer3, self.layer4), (4, 8, 16, 16), strict=True)
        blocks = [
            Block(module, 3 + (module.downsample is not None), module.conv3.out_channels, stride)
            for stage, stride in stages
            for module in stage
        ]
        return [*blocks, Block(nn.Sequential(self.reduce, self.relu), 1, self.channels, 16)]

    def train(self, mode: bool = True) -> "FeatureNetwork":
        """Set the mode as every module's `train` does, but leave frozen batch norm frozen."""
        super().train(mode)
        if self.norm == "frozen":
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval().requires_grad_(False)
        return self

    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.reduce.weight, std=0.01)  # as the authors' code
        nn.init.zeros_(self.reduce.bias)

    def _load(self, weights: str, width: float) -> None:
        if weights != "imagenet":
            raise ValueError(f'weights: expected "imagenet" or None, got {weights!r}')
        published = {50: models.ResNet50_Weights.IMAGENET1K_V1, 101: models.ResNet101_Weights.IMAGENET1K_V1}
        if self.layout != "torchvision" or self.depth not in published or width != 1:
            raise ValueError(
                'weights: "imagenet" needs depth 50 or 101, width 1 and layout "torchvision", '
                f"got depth {self.depth}, width {width:g} and layout {self.layout!r}"
            )
        state = published[self.depth].get_state_dict(progress=True, check_hash=True)
        state = {name: value for name, value in state.items() if not name.startswith("fc.")}
        self.load_state_dict(state | {f"reduce.{name}": value for name, value in self.reduce.state_dict().items()})


def widen(channels: int, width: float) -> int:
    """Multiply `channels` by the width multiplier; the result is at least 1.

    Raises:
        ValueError: unless the width is above 0 and at most 4.
    """
    if not 0 < width <= 4:
        raise ValueError(f"width: expected a factor above 0 and at most 4, got {width!r}")
    return max(1, round(channels * width))


def check_frames(frames: Tensor) -> None:
    """Raise ValueError, with a remedy, unless `frames` is a `(B, 3, H, W)` uint8 tensor."""
    if not isinstance(frames, Tensor):
        raise ValueError(
            f"expected a uint8 tensor (3, H, W) or (B, 3, H, W), got {type(frames).__name__}; "
            "an RGB image or array (H, W, 3) becomes one by torch.from_numpy(numpy.array(image)).permute(2, 0, 1)"
        )
    shape = tuple(frames.shape)
    if frames.ndim != 4 or shape[1] != 3 or 0 in shape:
        hint = ""
        if frames.ndim == 4 and shape[-1] == 3:
            hint = "; the channels come last: use frames.movedim(-1, -3)"
        elif frames.ndim in (2, 3) or (frames.ndim == 4 and shape[1] == 1):
            hint = "; a grayscale frame (H, W) becomes RGB by frame.expand(3, -1, -1)"
        raise ValueError(f"expected RGB frames (B, 3, H, W), got {shape}{hint}")
    if frames.dtype != torch.uint8:
        hint = "; values in 0..1: (frames * 255).round().to(torch.uint8)" if frames.is_floating_point() else ""
        raise ValueError(f"expected frames of dtype torch.uint8 (0..255), got {frames.dtype}{hint}")


def _stage(in_channels: int, planes: int, blocks: int, stride: int, dilation: int, layout: str) -> nn.Sequential:
    """Make one of conv2..conv5. All of its 3x3 convolutions are dilated, as in the authors' code; torchvision's option
    `replace_stride_with_dilation` leaves out the first.
    """
    out_channels = planes * Bottleneck.expansion
    shortcut = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), Norm(out_channels))
    first = Bottleneck(in_channels, planes, stride, shortcut, dilation=dilation, norm_layer=Norm)
    if layout == "msra":
        first.conv1.stride, first.conv2.stride = first.conv2.stride, first.conv1.stride
    return nn.Sequential(
        first, *(Bottleneck(out_channels, planes, dilation=dilation, norm_layer=Norm) for _ in range(blocks - 1))
    )
