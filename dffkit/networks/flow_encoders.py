"""The encoders of the flow networks (Sec. 4.1): FlowNet's, with half its channels FlowNet Half's, and Inception's."""

import torch
from torch import Tensor, nn

from dffkit.networks.features import widen


class Encoder(nn.Module):
    """Five stages; the map after each has half the size of the one before, from stride 4 to 64 of the input."""

    def __init__(self, stages: list[nn.Module], channels: list[int]) -> None:
        super().__init__()
        self.stages, self.channels = nn.ModuleList(stages), channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """`(B, 6, H, W)` -> five maps `(B, channels[i], ., .)`."""
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def simple_encoder(width: float = 1.0) -> Encoder:
    """FlowNet Simple's ten convolutions, six of them of stride 2."""
    c1, c2, c3, c4, c5, c6 = (widen(c, width) for c in (64, 128, 256, 512, 512, 1024))
    stages = [nn.Sequential(_conv(6, c1, 7, 2), _conv(c1, c2, 5, 2))]
    stages += [nn.Sequential(_conv(c2, c3, 5, 2), _conv(c3, c3, 3))]
    stages += [nn.Sequential(_conv(a, b, 3, 2), _conv(b, b, 3)) for a, b in ((c3, c4), (c4, c5), (c5, c6))]
    return Encoder(stages, [c2, c3, c4, c5, c6])


# The layer table of FlowNet Inception: channels of the strided convolution, then of the Inception block's branches
# (1x1; 1x1, 3x3; 1x1, 3x3, 3x3).
INCEPTION = (
    (32, (16,), (16, 32), (8, 16, 16)),  # a 7x7 convolution and a 3x3 max pooling, both of stride 2
    (96, (36,), (24, 48), (6, 12, 12)),
    (192, (72,), (48, 96), (12, 24, 24)),
    (384, (144,), (96, 192), (24, 48, 48)),
    (512, (192,), (128, 256), (32, 64, 64)),
)


def inception_encoder(width: float = 1.0) -> Encoder:
    """FlowNet Inception: a strided convolution and an Inception block at each level.

    The authors' layer table (arXiv version, Table 8) was not available. This one was designed so that the network costs
    what Table 2 says (1/8 of FlowNet): that its two cells come out is by construction, and is no evidence that it
    resembles the authors' network in anything else.
    """
    stages, channels, inputs = [], [], 6
    for level, (strided, *branches) in enumerate(INCEPTION):
        strided = widen(strided, width)
        down = [_conv(inputs, strided, 3, 2)] if level else [_conv(inputs, strided, 7, 2), nn.MaxPool2d(3, 2, 1)]
        block = InceptionBlock(strided, [[widen(c, width) for c in branch] for branch in branches])
        stages.append(nn.Sequential(*down, block))
        inputs = block.channels
        channels.append(inputs)
    return Encoder(stages, channels)


class InceptionBlock(nn.Module):
    """Branches of convolutions side by side, each a 1x1 and then 3x3s; their outputs are joined."""

    def __init__(self, inputs: int, branches: list[list[int]]) -> None:
        super().__init__()
        self.branches = nn.ModuleList()
        for widths in branches:
            pairs = zip([inputs, *widths], widths, strict=False)
            self.branches.append(nn.Sequential(*(_conv(a, b, 3 if i else 1) for i, (a, b) in enumerate(pairs))))
        self.channels = sum(widths[-1] for widths in branches)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, inputs, h, w)` -> `(B, channels, h, w)`."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2), nn.LeakyReLU(0.1, inplace=True)
    )
