"""How wide the small flow networks are: as wide as the paper's cost ratios ask for, by the FLOP counter.

One width for all networks would change r: an eighth of the channels does not cost an eighth of the FLOPs where the
inputs have three channels and the flow two. So each flow network has a width of its own, chosen so that at `SIZE` the
pairs with ResNet-50 and with ResNet-101, both of width `FEATURE_WIDTH`, keep Table 2's ratio within 10%.
"""

import torch

from dffkit.complexity import count_flops
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS

SIZE = (192, 384)  # height and width of Toytown's frames
FEATURE_WIDTH = 5 / 32  # 160 channels at stride 16

FLOW_WIDTHS = {"FlowNet": 0.135, "FlowNet Half": 0.114, "FlowNet Inception": 0.08}


def flow_width(flow: str) -> float:
    """The width of a small flow network, by its name in Table 2.

    Raises:
        ValueError: for another name.
    """
    if flow not in FLOW_WIDTHS:
        raise ValueError(f"flow: expected one of {list(FLOW_WIDTHS)}, got {flow!r}")
    return FLOW_WIDTHS[flow]


def inverse_ratio(depth: int, flow: str, width: float | None = None) -> float:
    """1/r of a small pair by Eq. 6, split 1, counted at `SIZE`; `width` is the flow network's, None for the chosen."""
    width = flow_width(flow) if width is None else width
    frame = torch.zeros(1, 3, *SIZE, dtype=torch.uint8, device="meta")
    with torch.device("meta"):
        features = FeatureNetwork(depth, width=FEATURE_WIDTH)
        network = FLOW_NETWORKS[flow](width=width, scale_channels=features.channels)
        prepared = network.prepare(frame)
    return count_flops(features, frame) / count_flops(network, prepared, prepared)
