"""The cost of FGFA beside per-frame recognition: by formula, and counted on the networks.

FGFA is dearer than Frame, where Deep Feature Flow is cheaper:

    r = 1 + (2K F + n E + 2K W) / (N_feat + N_task),

with n = 2K + 1 embedded maps a frame, or 1 if a frame is embedded before the warp. With FlowNet at 1/12.71 of
ResNet-101 (Table 2, with S) and K = 10, F alone makes 1 + 20 / 12.71 = 2.57. The authors' code also computes the flow
from the frame to itself: 1 + 21 / 12.71 = 2.65. `aggregate` computes 2K flows. Counted with all parts and without S, a
frame embedded before the warp has r = 2.55, as the talk's times, 733 and 288 ms, have; one embedded after it has 3.68.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dffkit.aggregation.model import Aggregation, FrameValues
from dffkit.complexity import SIZE, count_flops


class AggregationCosts(NamedTuple):
    """FLOPs of each part for one frame, or for one pair of frames; those of the mean itself are left out.

    Attributes:
        features, task: N_feat and N_task, once a frame.
        flow, warp: F and W, for each pair.
        embedding: E, for each embedded map; 0 for equal weights.
        embed_first: as in `Aggregation`.
    """

    features: int
    task: int
    flow: int
    warp: int
    embedding: int
    embed_first: bool

    def frame(self, reach: int, own_flow: bool = False) -> int:
        """Return the FLOPs of a frame at reach K; `own_flow` adds the flow from the frame to itself."""
        pairs = 2 * reach + own_flow
        embedded = 1 if self.embed_first else 2 * reach + 1
        return self.features + self.task + pairs * (self.flow + self.warp) + embedded * self.embedding

    def ratio(self, reach: int, own_flow: bool = False) -> float:
        """Return r, the cost of a frame over that of per-frame recognition."""
        return self.frame(reach, own_flow) / (self.features + self.task)

    def ratio_approximate(self, reach: int, own_flow: bool = False) -> float:
        """Return r with F and N_feat only, as Eq. 6 has it for Deep Feature Flow."""
        return 1 + (2 * reach + own_flow) * self.flow / self.features


@torch.no_grad()
def count_costs(model: Aggregation, size: tuple[int, int] = SIZE) -> AggregationCosts:
    """Count each part of `model` on frames of `size` (H, W); its weights and device stay untouched."""
    model = copy.deepcopy(model).to("meta")
    frame = torch.zeros(1, 3, *size, dtype=torch.uint8, device="meta")
    flow_input, features = model.flow_network.prepare(frame), model.feature_network(frame)
    _, channels, height, width = features.shape
    if model.embedding is not None and model.embed_first:
        channels += model.embedding(features).shape[1]
    return AggregationCosts(
        features=count_flops(model.feature_network, frame),
        task=count_flops(model.task_network, features),
        flow=count_flops(model.flow_network, flow_input, flow_input),
        warp=2 * 4 * channels * height * width,
        embedding=0 if model.embedding is None else count_flops(model.embedding, features),
        embed_first=model.embed_first,
    )


def steps(model: Aggregation, size: tuple[int, int], reach: int) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """Return functions that compute the maps of a frame per frame, and within `aggregate`, to be counted or timed.

    All frames are of one grey value, and nothing is decoded.
    """
    device = next(model.parameters()).device
    frame = torch.full((1, 3, *size), 128, dtype=torch.uint8, device=device)
    own = torch.arange(2 * reach + 1) == reach

    def aggregated() -> Tensor:
        values = model.extract(frame)  # the newest; all others are in the buffer
        window = FrameValues(*(None if part is None else part.expand(len(own), -1, -1, -1) for part in values))
        return model.task_network(model.combine(*model.carry(values, window, own), values.embedding))

    return lambda: model.task_network(model.feature_network(frame)), aggregated


def count_frame(model: Aggregation, size: tuple[int, int], reach: int) -> int:
    """Count the FLOPs of one frame of `aggregate` in one go, without the warp's, which torch's counter does not know.

    This is the check of `AggregationCosts.frame`: what the networks do, not what the formula says.
    """
    return count_flops(steps(copy.deepcopy(model).to("meta"), size, reach)[1])
