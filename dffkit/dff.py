"""Deep Feature Flow: the four parts joined (Sec. 3, Fig. 2)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from dffkit.warp import propagate


class KeyFrame(NamedTuple):
    """The values of a key frame that later frames need: computed once, used until the next key frame."""

    features: Tensor  # (B, C, h, w): the features to propagate, at split 0 the task network's maps
    flow_input: Tensor  # (B, 3, H/2, W/2): the frame prepared for the flow network


class DeepFeatureFlow(nn.Module):
    """*N_feat*, *F* with *S*, and *N_task* joined: per frame (Fig. 2a), on pairs (Fig. 2b), and along a video (Alg. 1).

    The parts are injected, so any of them can be your own. A feature network maps uint8 frames to `channels` maps of
    stride 16. A flow network has `prepare(frames)` and `scale_channels`, and is called with two prepared frames. A
    task network maps features to `out_channels` maps, and has `loss(maps, targets, size)` and `decode(maps, size)`.

    Args:
        feature_network: *N_feat*, e.g. `FeatureNetwork(101)`.
        flow_network: *F* and *S*, e.g. `flownet()`.
        task_network: *N_task*, e.g. `ScoreMaps(num_classes=19)`.
        split: number of layers that run after the propagation (Table 5), counted as convolutions from the end; 1
            propagates the features, 0 the task network's maps. `split_points(feature_network)` lists all values.

    Raises:
        ValueError: for a split that is no split point, a task network for other features, or a scale field whose
            channels are not those of the propagated features.
    """

    def __init__(
        self, feature_network: nn.Module, flow_network: nn.Module, task_network: nn.Module, *, split: int = 1
    ) -> None:
        super().__init__()
        self.feature_network, self.flow_network, self.task_network = feature_network, flow_network, task_network
        self.split = split
        if getattr(task_network, "in_channels", None) not in (None, feature_network.channels):
            raise ValueError(
                f"task_network: expected in_channels={feature_network.channels}, the feature network's, "
                f"got {task_network.in_channels}"
            )
        points = split_points(feature_network)
        if split not in points:
            raise ValueError(f"split: expected a number of layers that ends at a block, {list(points)}, got {split!r}")
        self.blocks_before, channels = points[split]
        if split == 0:
            channels = task_network.out_channels
        if flow_network.scale_channels not in (None, channels):
            raise ValueError(
                f"flow_network: expected scale_channels={channels}, the channels propagated at split {split}, "
                f"got {flow_network.scale_channels}"
            )

    def forward(self, frames: Tensor, key_frames: Tensor | None = None, same: Tensor | None = None) -> Tensor:
        """Compute the task network's maps of `frames`, from the frames themselves or propagated from `key_frames`.

        Args:
            frames: current frames *i*, `(B, 3, H, W)` uint8.
            key_frames: key frames *k*, the same shape; None for per-frame recognition (Fig. 2a).
            same: `(B,)` bool, true where i == k: there the key frame's features pass through untouched and no
                gradient reaches F or S. None if no pair has i == k.

        Returns:
            `(B, task_network.out_channels, h, w)`.

        Raises:
            ValueError: if the frames are not uint8 RGB frames, `key_frames` has another shape than `frames`, or `same`
                is not `(B,)` bool or comes without key frames.
        """
        if same is not None and (key_frames is None or same.dtype != torch.bool or same.shape != frames.shape[:1]):
            given = "no key frames" if key_frames is None else f"{tuple(same.shape)} {same.dtype}"
            raise ValueError(f"same: expected ({len(frames)},) torch.bool, with key frames, got {given}")
        if key_frames is None:
            return self._finish(self._extract(frames))
        if key_frames.shape != frames.shape:
            raise ValueError(
                f"key_frames: expected the frames' shape {tuple(frames.shape)}, got {tuple(key_frames.shape)}"
            )
        key = self.key_frame(key_frames)
        features = self._propagate(frames, key)
        if same is not None:
            features = torch.where(same.view(-1, 1, 1, 1), key.features, features)
        return self._finish(features)

    def key_frame(self, frames: Tensor) -> KeyFrame:
        """Compute the values to keep of key frames `(B, 3, H, W)` uint8."""
        return KeyFrame(self._extract(frames), self.flow_network.prepare(frames))

    def on_key_frame(self, frames: Tensor) -> tuple[Tensor, KeyFrame]:
        """Return the maps of key frames `(B, 3, H, W)` uint8, and the values to keep for later frames."""
        key = self.key_frame(frames)
        return self._finish(key.features), key

    def on_current_frame(self, frames: Tensor, key: KeyFrame) -> Tensor:
        """Return the maps of frames `(B, 3, H, W)` uint8, propagated from B key frames or from one."""
        return self._finish(self._propagate(frames, key))

    def compile(self, *args, **kwargs) -> None:
        """Compile in place, like every module's `compile`, together with Algorithm 1's two steps."""
        super().compile(*args, **kwargs)
        self.on_key_frame = torch.compile(self.on_key_frame, *args, **kwargs)
        self.on_current_frame = torch.compile(self.on_current_frame, *args, **kwargs)

    def __getstate__(self) -> dict:
        """Return the state for copies and files, without the compiled steps, which are bound to this very model."""
        compiled = ("on_key_frame", "on_current_frame")
        return {name: value for name, value in super().__getstate__().items() if name not in compiled}

    def _extract(self, frames: Tensor) -> Tensor:
        if self.split <= 1:
            features = self.feature_network(frames)
            return self.task_network(features) if self.split == 0 else features
        return self.feature_network(frames, stop=self.blocks_before)

    def _propagate(self, frames: Tensor, key: KeyFrame) -> Tensor:
        flow, scale = self.flow_network(self.flow_network.prepare(frames), key.flow_input)
        return propagate(key.features, flow, scale)

    def _finish(self, features: Tensor) -> Tensor:
        if self.split == 0:
            return features
        if self.split > 1:
            for block in self.feature_network.blocks()[self.blocks_before :]:
                features = block.module(features)
        return self.task_network(features)


def split_points(feature_network: nn.Module) -> dict[int, tuple[int | None, int]]:
    """List the split points: number of layers after the cut -> (blocks of N_feat before it, channels propagated there).

    The task network's 1x1 convolution is the first layer from the end, the 3x3 reduction the second. Then come the
    bottlenecks of 3 layers each, the first of each stage with a 4th, its projection. Table 5's 0, 1, 5, 12 and 21 are
    the task network's maps, the features, and the inputs of the last bottleneck, of conv5, and of conv4's last three.
    Before conv4 the stride is not yet 16. A feature network without `blocks()` can be cut at 0 and 1 only.
    """
    points = {0: (None, 0), 1: (None, feature_network.channels)}
    blocks = feature_network.blocks() if hasattr(feature_network, "blocks") else []
    layers = 1
    for i in range(len(blocks) - 1, 0, -1):
        layers += blocks[i].convolutions
        if blocks[i - 1].stride == 16:
            points[layers] = (i, blocks[i - 1].channels)
    return points
