"""Flow-guided feature aggregation (FGFA): each frame's features are a weighted mean over the frames around it.

The talk "Flow-Based Video Recognition" has two halves. Deep Feature Flow carries features along the flow to run N_feat
less often. FGFA runs N_feat on every frame, and carries the features of 2K neighbours to the current frame *i*, where
each place p takes their mean with weights

    w_j(p) = softmax over j of cos(E(f_j carried to i)(p), E(f_i)(p)),

so that a frame that is sharp there can stand in for one that is blurred. There is no scale field, and no temperature:
logits are in -1..1, so no weight can come near 1 (`weight_bounds`).
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.warp import warp

# (reach K, embed_first) of FGFA at full size. The authors' code sets KEY_FRAME_INTERVAL = 9, and in testing it embeds
# each frame once and warps the embedding.
FULL_SIZE = {"paper": (10, False), "authors' code": (9, True)}


class FrameValues(NamedTuple):
    """The values of a frame that its own result and its neighbours' need: computed once a frame."""

    features: Tensor  # (B, C, h, w)
    embedding: Tensor | None  # (B, 2C, h, w), of the frame's own features; None if all weights are equal
    flow_input: Tensor  # (B, 3, H/2, W/2): the frame prepared for the flow network


class Embedding(nn.Sequential):
    """*E*: 1x1 to half the channels, ReLU, 3x3, ReLU, 1x1 to twice the channels: 512, 512, 2048 for 1024 features.

    Args:
        channels: C of the features.
    """

    def __init__(self, channels: int) -> None:
        half = max(1, channels // 2)
        super().__init__(
            nn.Conv2d(channels, half, 1), nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(half, 2 * channels, 1),
        )  # fmt: skip
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        self.to(memory_format=torch.channels_last)


class Aggregation(nn.Module):
    """*N_feat*, *F*, *E* and *N_task* joined as in FGFA; the parts are those of `DeepFeatureFlow`, without S.

    The current frame's own features take part as they are, without flow, by this kit's rule that nothing is propagated
    where i == k. The authors' code estimates the flow from the frame to itself too.

    Args:
        feature_network: *N_feat*, e.g. `FeatureNetwork(101)`.
        flow_network: *F*, with `scale_channels=None`; `NoFlow` leaves all features in their places.
        task_network: *N_task*, e.g. `RFCN(num_classes=30)`.
        embedding: *E*, e.g. `Embedding(1024)`; None for equal weights 1 / n.
        embed_first: warp each frame's embedding, computed once, along with its features, as the authors' code does in
            testing. False embeds the warped features, as the equation has it, and as their code does in training.

    Raises:
        ValueError: for a flow network with a scale field, or a task network for other features.
    """

    def __init__(
        self,
        feature_network: nn.Module,
        flow_network: nn.Module,
        task_network: nn.Module,
        embedding: nn.Module | None,
        *,
        embed_first: bool = False,
    ) -> None:
        super().__init__()
        if flow_network.scale_channels is not None:
            raise ValueError(
                f"flow_network: expected none with a scale field, got scale_channels={flow_network.scale_channels}"
            )
        if task_network.in_channels != feature_network.channels:
            raise ValueError(
                f"task_network: expected in_channels={feature_network.channels}, the feature network's, "
                f"got {task_network.in_channels}"
            )
        self.feature_network, self.flow_network, self.task_network = feature_network, flow_network, task_network
        self.embedding, self.embed_first = embedding, embed_first

    def forward(self, frames: Tensor, neighbours: Tensor, own: Tensor) -> Tensor:
        """Compute the maps that training is on: the mean is over the neighbours only.

        As in the authors' code, the current frame takes part in the mean only where a neighbour is that frame itself;
        else its features do no more than tell the weights what to look for.

        Args:
            frames: current frames *i*, `(B, 3, H, W)` uint8.
            neighbours: n frames *j* around each of them, `(B, n, 3, H, W)` uint8.
            own: `(B, n)` bool, true where j == i: there features pass untouched and no gradient reaches F.

        Returns:
            `(B, task_network.out_channels, h, w)`.

        Raises:
            ValueError: if the shapes or types do not fit.
        """
        expected = (*neighbours.shape[:2], *frames.shape[1:])
        if tuple(neighbours.shape) != expected or len(neighbours) != len(frames):
            raise ValueError(f"neighbours: expected (B, n, 3, H, W) for {tuple(frames.shape)}, got {neighbours.shape}")
        if own.dtype != torch.bool or own.shape != neighbours.shape[:2]:
            raise ValueError(f"own: expected {tuple(neighbours.shape[:2])} bool, got {tuple(own.shape)} {own.dtype}")
        features = self.feature_network(torch.cat([frames, neighbours.flatten(0, 1)]))
        current, around = features.split([len(frames), own.numel()])
        current = self._values(current, self.flow_network.prepare(frames), embed=True)
        around = self._values(around, self.flow_network.prepare(neighbours.flatten(0, 1)), embed=self.embed_first)
        return self.task_network(self.combine(*self.carry(current, around, own.flatten()), current.embedding))

    def extract(self, frames: Tensor) -> FrameValues:
        """Compute the values to keep of frames `(B, 3, H, W)` uint8: N_feat once a frame."""
        return self._values(self.feature_network(frames), self.flow_network.prepare(frames), embed=True)

    def _values(self, features: Tensor, flow_input: Tensor, embed: bool) -> FrameValues:
        embedding = self.embedding(features) if embed and self.embedding is not None else None
        return FrameValues(features, embedding, flow_input)

    def carry(self, current: FrameValues, around: FrameValues, own: Tensor) -> tuple[Tensor, Tensor | None]:
        """Carry the features of n frames to each of B current frames, and compute their embeddings there.

        Args:
            current: values of B frames.
            around: values of B * n frames, those around the first current frame first.
            own: `(B * n,)` bool, true where a frame is the current frame itself, which no flow is computed for.

        Returns:
            The warped features `(B, n, C, h, w)`; and their embeddings `(B, n, 2C, h, w)`, None for equal weights.
        """
        count, channels = len(own) // len(current.features), around.features.shape[1]
        joined = self.embedding is not None and self.embed_first
        carried = torch.cat([around.features, around.embedding], 1) if joined else around.features
        moving = (~own).nonzero()[:, 0].to(carried.device)
        if len(moving):
            flow, _ = self.flow_network(current.flow_input[moving // count], around.flow_input[moving])
            carried = carried.index_copy(0, moving, warp(carried[moving], flow))
        features, embeddings = carried[:, :channels], carried[:, channels:]
        if self.embedding is not None and not self.embed_first:
            embeddings = current.embedding.repeat_interleave(count, 0)
            if len(moving):
                embeddings = embeddings.index_copy(0, moving, self.embedding(features[moving]))
        embeddings = embeddings.unflatten(0, (-1, count)) if self.embedding is not None else None
        return features.unflatten(0, (-1, count)), embeddings

    def combine(self, features: Tensor, embeddings: Tensor | None, query: Tensor | None) -> Tensor:
        """Return the weighted mean `(B, C, h, w)` of carried features.

        Args:
            features: `(B, n, C, h, w)`.
            embeddings: their embeddings `(B, n, 2C, h, w)`, None for equal weights.
            query: the current frames' own embeddings `(B, 2C, h, w)`.
        """
        if embeddings is None:
            return features.mean(1)
        weights = frame_weights(embeddings, query).to(features.dtype)
        return (weights[:, :, None] * features).sum(1)


def frame_weights(embeddings: Tensor, query: Tensor) -> Tensor:
    """Return each frame's weight at each place: the softmax over frames of the cosine, one for all channels.

    Args:
        embeddings: of n frames' features carried to the current frame, `(B, n, E, h, w)`.
        query: the current frame's embedding, `(B, E, h, w)`.

    Returns:
        `(B, n, h, w)` float32, or float64 if the embeddings are; at each place they add up to 1.
    """
    wide = torch.promote_types(embeddings.dtype, torch.float32)
    return F.cosine_similarity(embeddings.to(wide), query[:, None].to(wide), dim=2).softmax(1)


def weight_bounds(frames: int) -> tuple[float, float]:
    """Return the smallest and the largest weight that one of `frames` frames can have, as cosines are in -1..1."""
    ratio = math.exp(2)
    return 1 / (1 + (frames - 1) * ratio), ratio / (ratio + frames - 1)


def fgfa(depth: int = 101, *, num_classes: int = 30, **options: bool) -> Aggregation:
    """Make FGFA at full size, as in the paper; `FULL_SIZE` has its reach and its `options`, those of `Aggregation`."""
    features = FeatureNetwork(depth)
    head = RFCN(in_channels=features.channels, num_classes=num_classes)
    return Aggregation(features, flownet(scale_channels=None), head, Embedding(features.channels), **options)
