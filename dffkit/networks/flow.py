"""The flow network *F* and the scale field *S*: FlowNet, FlowNet Half and FlowNet Inception (Sec. 4.1).

Each is an encoder of five strides (4 to 64 of its half-size input) and a decoder that climbs back to stride 4,
predicting flow at every level. All widths take a multiplier; at 1 they are the paper's to the last channel.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dffkit.networks.features import CAFFE_MEAN, check_frames, widen
from dffkit.networks.flow_encoders import inception_encoder, simple_encoder

# FlowNet is trained on flow in pixels of its input divided by 20. Its input is half the frame and a feature-map cell is
# 16 pixels of the frame, so a prediction of 1 means 20 * 2 / 16 = 2.5 cells.
PREDICTION_TO_CELLS = 20 * 2 / 16


class FlowNetwork(nn.Module):
    """*F* with the sibling output *S*: two frames -> flow field and scale field at stride 16 of the frames.

    Args:
        encoder: gives five maps, strides 4, 8, 16, 32, 64 of its input; has `channels`, their channel counts.
        decoder_channels: channels of the four deconvolutions, from stride 32 back to stride 4.
        scale_channels: channels of *S*, those of the features that are propagated; None for no scale field (S = 1).
        head: "pooled" averages the last features 2x2 and predicts at stride 16, as the authors' code does; only so do
            the FLOPs of Table 2 come out. "paper" predicts at stride 8 and halves both fields bilinearly, as Sec. 4.1.
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
        self._initialise(freeze_scale_bias)
        self.to(memory_format=torch.channels_last)

    def prepare(self, frames: Tensor) -> Tensor:
        """Frames `(B, 3, H, W)` uint8 -> this network's input: half the size, mean pixel off, over 255.

        A key frame is prepared once and meets many current frames.
        """
        check_frames(frames)
        # The original averages 2x2 here. Halving bilinearly is the same, and on CPUs several times as fast as
        # avg_pool2d. The linear rest comes after it, on a quarter of the pixels.
        small = _halve(frames.contiguous().to(self.mean.dtype))
        return ((small - self.mean) / 255).contiguous(memory_format=torch.channels_last)

    def forward(self, current: Tensor, key: Tensor) -> tuple[Tensor, Tensor | None]:
        """Flow and scale from the current to the key frame, both as `prepare` gives them.

        Args:
            current: `(B, 3, H/2, W/2)`.
            key: the same, or one key frame `(1, 3, H/2, W/2)` for all.

        Returns:
            The flow field `(B, 2, h, w)` in feature-map cells, and the scale field `(B, scale_channels, h, w)` or
            None. Both stay float32 under autocast.
        """
        return self._predict(self._decode(current, key)[1])

    def pyramid(self, current: Tensor, key: Tensor) -> list[Tensor]:
        """The five predictions for pre-training, coarse to fine: strides 64, 32, 16, 8, 4 of the half-size input.

        Each is `(B, 2, ., .)` and estimates the flow in pixels of the half-size input, divided by 20. The last is
        predicted before the pooling, as FlowNet was trained; `forward` then uses the same weights after it.
        """
        return self.pyramid_and_flow(current, key)[0]

    def pyramid_and_flow(self, current: Tensor, key: Tensor) -> tuple[list[Tensor], Tensor]:
        """`pyramid` and the flow field of `forward`, in one pass."""
        predictions, maps = self._decode(current, key)
        return [*predictions, self.flow(torch.cat(maps, dim=1))], self._predict(maps)[0]

    def _predict(self, maps: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """The flow field in cells and the scale field, from the maps at stride 4 of the input."""
        if self.head == "pooled":  # before they are joined, for that copies a quarter as much
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
            # An eighth of FlowNet Inception's products are here, so they are of low precision like the others; but S is
            # near 1, where bfloat16 has steps of 1/128, so the bias of 1 joins in float32.
            scale = F.conv2d(features, self.scale.weight).float() + self.scale.bias.view(1, -1, 1, 1)
        with torch.autocast(features.device.type, enabled=False):
            return self.flow(features.float()), scale

    def _decode(self, current: Tensor, key: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The flow predictions at strides 64 to 8 of the input, and the maps to be joined at stride 4."""
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

    def _initialise(self, freeze_scale_bias: bool) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, a=0.1)
                nn.init.zeros_(module.bias)
        if self.scale is not None:  # S starts as all ones: an untrained scale field changes nothing
            nn.init.zeros_(self.scale.weight)
            nn.init.ones_(self.scale.bias)
            self.scale.bias.requires_grad_(not freeze_scale_bias)


def flownet(*, width: float = 1.0, **options) -> FlowNetwork:
    """FlowNet (Simple), as in the paper; `options` are those of `FlowNetwork`."""
    return FlowNetwork(simple_encoder(width), [widen(c, width) for c in (512, 256, 128, 64)], **options)


def flownet_half(*, width: float = 1.0, **options) -> FlowNetwork:
    """FlowNet Half: FlowNet with half the channels in every layer but the predictions and the scale field."""
    return flownet(width=width / 2, **options)


def flownet_inception(*, width: float = 1.0, **options) -> FlowNetwork:
    """FlowNet Inception, about 1/8 of FlowNet's cost; see `inception_encoder` for where its layer table comes from."""
    return FlowNetwork(inception_encoder(width), [widen(c, width) for c in (192, 96, 48, 24)], **options)


FLOW_NETWORKS = {"FlowNet": flownet, "FlowNet Half": flownet_half, "FlowNet Inception": flownet_inception}


def _crop(x: Tensor, size: torch.Size) -> Tensor:
    """Cut a map that was doubled in size back to `size`: an odd size was rounded up on the way down."""
    return x[:, :, : size[0], : size[1]]


def _halve(x: Tensor) -> Tensor:
    """Bilinearly to half the size, which is the mean of 2x2. Odd sizes round up, as the feature map's do: a window cut
    by the border averages what it has, as if the last row or column were there twice.
    """
    height, width = x.shape[2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    return F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
