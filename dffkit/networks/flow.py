"""The flow network *F* and the scale field *S*: FlowNet, FlowNet Half and FlowNet Inception (Sec. 4.1).

Each is an encoder of five strides (4 to 64 of its half-size input) and a decoder that climbs back to stride 4 and
predicts flow at every level. All widths take a multiplier; at 1 they are the paper's to the last channel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dffkit.networks.features import CAFFE_MEAN, check_frames, widen

# FlowNet is trained on flow in pixels of its input divided by 20. Its input is half the frame and a feature-map cell is
# 16 pixels of the frame, so a prediction of 1 means 20 * 2 / 16 = 2.5 cells.
PREDICTION_TO_CELLS = 20 * 2 / 16


class FlowNetwork(nn.Module):
    """*F* with the sibling output *S*: two frames -> flow field and scale field at stride 16 of the frames.

    Args:
        encoder: returns five maps, strides 4, 8, 16, 32, 64 of its input; its `channels` are their channel counts.
        decoder_channels: channels of the four deconvolutions, from stride 32 back to stride 4.
        scale_channels: channels of *S*, those of the propagated features; None for no scale field (S = 1).
        head: "pooled" averages the last features 2x2 and predicts at stride 16, as the authors' code does; only this
            order gives the FLOPs of Table 2. "paper" predicts at stride 8 and halves both fields bilinearly (Sec. 4.1).
        freeze_scale_bias: keep the scale field's bias at exactly 1, as the authors' code does (learning rate 0);
            the paper trains it.

    Raises:
        ValueError: for another head, or scale channels below 1.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder_channels: list[int],
        *,
        scale_channels: int | None = 1024,
        head: str = "pooled",
        freeze_scale_bias: bool = False,
    ) -> None:
        super().__init__()
        if head not in ("pooled", "paper"):
            raise ValueError(f'head: expected "pooled" or "paper", got {head!r}')
        if scale_channels is not None and (not isinstance(scale_channels, int) or scale_channels < 1):
            raise ValueError(f"scale_channels: expected a whole number of at least 1, or None, got {scale_channels!r}")
        self.head, self.scale_channels = head, scale_channels
        self.encoder = encoder
        *skips, inputs = encoder.channels
        self.deconvs, self.flows, self.upflows = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for skip, outputs in zip(reversed(skips), decoder_channels, strict=True):
            self.deconvs.append(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))
            self.flows.append(nn.Conv2d(inputs, 2, 3, padding=1))
            self.upflows.append(nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1))
            inputs = skip + outputs + 2
        self.flow = nn.Conv2d(inputs, 2, 3, padding=1)
        self.scale = None if scale_channels is None else nn.Conv2d(inputs, scale_channels, 1)
        self.register_buffer("mean", torch.tensor(CAFFE_MEAN).view(1, 3, 1, 1), persistent=False)
        self._initialize(freeze_scale_bias)
        self.to(memory_format=torch.channels_last)

    def prepare(self, frames: Tensor) -> Tensor:
        """Return this network's input for frames `(B, 3, H, W)` uint8: halved, less the mean pixel, divided by 255.

        A key frame is prepared once, for many current frames.
        """
        check_frames(frames)
        # The authors' code averages 2x2 here. Halving bilinearly is the same, and on CPUs several times as fast as
        # avg_pool2d. Subtraction and division follow, on a quarter of the pixels.
        small = _halve(frames.contiguous().to(self.mean.dtype))
        return ((small - self.mean) / 255).contiguous(memory_format=torch.channels_last)

    def forward(self, current: Tensor, key: Tensor) -> tuple[Tensor, Tensor | None]:
        """Predict flow and scale from the current to the key frame.

        Args:
            current: frames from `prepare`, `(B, 3, H/2, W/2)`.
            key: the same, or one key frame `(1, 3, H/2, W/2)` for all.

        Returns:
            The flow field `(B, 2, h, w)` in feature-map cells, and the scale field `(B, scale_channels, h, w)` or
            None. Both stay float32 under autocast.
        """
        return self._predict(self._decode(current, key)[1])

    def pyramid(self, current: Tensor, key: Tensor) -> list[Tensor]:
        """Predict flow for pre-training at five levels, coarse to fine: strides 64, 32, 16, 8, 4 of the input.

        Each is `(B, 2, ., .)` and estimates the flow in pixels of the half-size input, divided by 20. The last is
        predicted before the pooling, as FlowNet was trained; `forward` uses the same weights after the pooling.
        """
        return self.pyramid_and_flow(current, key)[0]

    def pyramid_and_flow(self, current: Tensor, key: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the result of `pyramid` and the flow field of `forward`, in one pass."""
        predictions, maps = self._decode(current, key)
        return [*predictions, self.flow(torch.cat(maps, dim=1))], self._predict(maps)[0]

    def _predict(self, maps: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Predict the flow field in cells and the scale field, from the maps at stride 4 of the input."""
        if self.head == "pooled":  # pool before joining: a quarter of the values to copy
            maps = [F.avg_pool2d(x, 2, ceil_mode=True) for x in maps]
        features = torch.cat(maps, dim=1)
        device = features.device.type
        if device != "meta" and torch.is_autocast_enabled(device):
            flow, scale = self._predict_under_autocast(features)
        else:
            flow, scale = self.flow(features), None if self.scale is None else self.scale(features)
        flow = flow * PREDICTION_TO_CELLS
        if self.head == "paper":
            # Sec. 4.1: downsized by half, by a layer without parameters
            flow, scale = _halve(flow), None if scale is None else _halve(scale)
        return flow, scale

    def _predict_under_autocast(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        scale = None
        if self.scale is not None:
            # An eighth of FlowNet Inception's products are here, so they are in low precision like the others. But S is
            # near 1, where bfloat16 has steps of 1/128, so the bias of 1 is added in float32.
            scale = F.conv2d(features, self.scale.weight).float() + self.scale.bias.view(1, -1, 1, 1)
        with torch.autocast(features.device.type, enabled=False):
            return self.flow(features.float()), scale

    def _decode(self, current: Tensor, key: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the flow predictions at strides 64 to 8 of the input, and the maps to join at stride 4."""
        # The current frame comes first: the flow is defined on it and points into the key frame.
        *skips, x = self.encoder(torch.cat([current, key.expand_as(current)], dim=1))
        predictions, maps = [], [x]
        for skip, deconv, flow, upflow in zip(reversed(skips), self.deconvs, self.flows, self.upflows, strict=True):
            x = torch.cat(maps, dim=1)
            predictions.append(flow(x))
            size = skip.shape[2:]
            up = F.leaky_relu(_crop(deconv(x), size), 0.1)
            maps = [skip, up, _crop(upflow(predictions[-1]), size)]
        return predictions, maps

    def _initialize(self, freeze_scale_bias: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, a=0.1)
                nn.init.zeros_(module.bias)
        if self.scale is not None:  # S starts as all ones: an untrained scale field changes nothing
            nn.init.zeros_(self.scale.weight)
            nn.init.ones_(self.scale.bias)
            self.scale.bias.requires_grad_(not freeze_scale_bias)


class Encoder(nn.Module):
    """Five stages, each of which halves the map of the stage before: strides 4 to 64 of the input."""

    def __init__(self, stages: list[nn.Module], channels: list[int]) -> None:
        super().__init__()
        self.stages, self.channels = nn.ModuleList(stages), channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute five maps `(B, channels[i], ., .)` of two joined frames `(B, 6, H, W)`."""
        maps = []
        for stage in self.stages:
            # Where a map is narrower than the stride, PyTorch 2.15 (oneDNN 3.13.3) on CPUs with AMX computes the
            # weights' gradient in bfloat16 from uninitialized memory. A second column of zeros is like the padding.
            x = stage(F.pad(x, (0, 1)) if x.shape[3] == 1 else x)
            maps.append(x)
        return maps


def simple_encoder(width: float = 1.0) -> Encoder:
    """Make the encoder of FlowNet Simple: ten convolutions, six of them of stride 2."""
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


LEAST = 8  # channels of a small stem, and of what goes into each block after it


def inception_encoder(width: float = 1.0, *, small_stem: bool = False) -> Encoder:
    """Make the encoder of FlowNet Inception: a strided convolution and an Inception block at each level.

    The authors' layer table (arXiv version, Table 8) was not available. This one was designed so that the network costs
    what Table 2 says (1/8 of FlowNet): its two cells match by construction, which is no evidence that it resembles the
    authors' network in anything else.

    A small network with the same cost ratio has room for 3 channels after the first convolution, as 7x7 on the largest
    map is most of the cost. With a `small_stem` that convolution is 3x3, and it and all blocks get 8 channels or more.
    """
    stages, channels, inputs = [], [], 6
    for level, (strided, *branches) in enumerate(INCEPTION):
        strided = max(widen(strided, width), LEAST if small_stem else 1)
        first = 3 if small_stem else 7
        down = [_conv(inputs, strided, 3, 2)] if level else [_conv(inputs, strided, first, 2), nn.MaxPool2d(3, 2, 1)]
        block = InceptionBlock(strided, [[widen(c, width) for c in branch] for branch in branches])
        stages.append(nn.Sequential(*down, block))
        inputs = block.channels
        channels.append(inputs)
    return Encoder(stages, channels)


class InceptionBlock(nn.Module):
    """Parallel branches, each a 1x1 convolution and then 3x3 convolutions; their outputs are joined."""

    def __init__(self, inputs: int, branches: list[list[int]]) -> None:
        super().__init__()
        self.branches = nn.ModuleList()
        for widths in branches:
            pairs = zip([inputs, *widths], widths, strict=False)
            self.branches.append(nn.Sequential(*(_conv(a, b, 3 if i else 1) for i, (a, b) in enumerate(pairs))))
        self.channels = sum(widths[-1] for widths in branches)

    def forward(self, x: Tensor) -> Tensor:
        """Compute `(B, channels, h, w)` of `(B, inputs, h, w)`."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2), nn.LeakyReLU(0.1, inplace=True)
    )


def flownet(*, width: float = 1.0, **options) -> FlowNetwork:
    """Make FlowNet (Simple), as in the paper; `options` are those of `FlowNetwork`."""
    return FlowNetwork(simple_encoder(width), [widen(c, width) for c in (512, 256, 128, 64)], **options)


def flownet_half(*, width: float = 1.0, **options) -> FlowNetwork:
    """Make FlowNet Half: FlowNet with half the channels in every layer but the predictions and the scale field."""
    return flownet(width=width / 2, **options)


def flownet_inception(*, width: float = 1.0, small_stem: bool = False, **options) -> FlowNetwork:
    """Make FlowNet Inception, about 1/8 of FlowNet's cost; see `inception_encoder` for its layers and `small_stem`."""
    return FlowNetwork(
        inception_encoder(width, small_stem=small_stem), [widen(c, width) for c in (192, 96, 48, 24)], **options
    )


FLOW_NETWORKS = {"FlowNet": flownet, "FlowNet Half": flownet_half, "FlowNet Inception": flownet_inception}


def _crop(x: Tensor, size: torch.Size) -> Tensor:
    """Cut a map of doubled size back to `size`: an odd size was rounded up on the way down."""
    return x[:, :, : size[0], : size[1]]


def _halve(x: Tensor) -> Tensor:
    """Halve a map bilinearly, which is the mean of 2x2. Odd sizes round up, as the feature map's do: a window that the
    border cuts averages the values inside, as if the last row or column were there twice.
    """
    height, width = x.shape[2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    return F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
