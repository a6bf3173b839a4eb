"""Costs and savings of Deep Feature Flow: Eq. 5-7 and Table 2, counted on the networks that the kit builds.

**The counting rule is inferred.** The authors never stated theirs. Of the conventions tried, one gives all four printed
cells of FlowNet and FlowNet Half: a 600x1000 frame; N_feat with the stride on the first 1x1 convolutions and with the
3x3 reduction; F with its decoder and all predictions, pooled to stride 16 before the last, and with the scale field's
1x1 convolution; two FLOPs for a multiply-add and one for a bias; transposed convolutions at their input's resolution;
W and N_task left out (Eq. 6); r rounded to four decimals before it is inverted. The structure is well determined: every
other one is at least 1% off in some cell (notebook 04 shows them). The last digit is not: without biases one cell is
0.01 and one 0.2 off, and a multiply-add for each scaled feature fits as well as the biases do. The two cells of FlowNet
Inception match by construction: its layers were chosen for that.
"""

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from dffkit.dff import DeepFeatureFlow
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS

if TYPE_CHECKING:
    import pandas

SIZE = (600, 1000)  # height and width of the frames behind Table 2
DEPTHS = (50, 101)


class Costs(NamedTuple):
    """FLOPs of one frame in each part of the network."""

    features: int  # N_feat before the split
    flow: int  # F and S
    warp: int  # W
    task: int  # N_feat after the split, and N_task's maps; their decoding is left out


def count_flops(function: Callable[..., Any], *inputs: Any, biases: bool = True) -> int:
    """Count the FLOPs of one call: two for each multiply-add, and one for each bias that a convolution adds.

    This is torch's own counter plus the biases, which it leaves out. Normalization, activations and pooling count as
    nothing in both. Modules and inputs may be on the meta device, where nothing is computed.
    """

    def convolution(x, w, bias, _stride, _padding, _dilation, transposed, *_args, out_shape=None, **_kwargs) -> int:
        return conv_flop_count(x, w, out_shape, transposed=transposed) + (
            math.prod(out_shape) if biases and bias is not None else 0
        )

    mapping = {torch.ops.aten.convolution: convolution}
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        function(*inputs)
    return counter.get_total_flops()


def warp_flops(channels: int, height: int, width: int) -> int:
    """Return the FLOPs of Eq. 3: four multiply-adds for each warped value (Eq. 1), and its product with the scale."""
    return (2 * 4 + 1) * channels * height * width


def count_costs(model: DeepFeatureFlow, size: tuple[int, int] = SIZE) -> Costs:
    """Count each part of `model` on one frame of `size` (H, W); its weights and device stay untouched."""
    model = copy.deepcopy(model).to("meta")
    frame = torch.zeros(1, 3, *size, dtype=torch.uint8, device="meta")
    flow_input = model.flow_network.prepare(frame)
    key = model.key_frame(frame)
    features = count_flops(model.key_frame, frame)
    return Costs(
        features=features,
        flow=count_flops(model.flow_network, flow_input, flow_input),
        warp=warp_flops(*key.features.shape[1:]),
        task=count_flops(model.on_key_frame, frame) - features,
    )


def cost_ratio(costs: Costs) -> float:
    """Compute Eq. 5, a propagated frame's cost over a key frame's: r = (F + W + N_task) / (N_feat + N_task)."""
    return (costs.flow + costs.warp + costs.task) / (costs.features + costs.task)


def cost_ratio_approximate(costs: Costs) -> float:
    """Compute Eq. 6, r ~ F / N_feat, which holds if W and N_task are much cheaper than F.

    With score maps they are. R-FCN's head (30 classes, k = 7) costs more than all of FlowNet Inception, so there Eq. 6
    gives a smaller r than Eq. 5. For the default split only: N_feat must be whole.
    """
    return costs.flow / costs.features


def speedup(duration: int, ratio: float) -> float:
    """Compute Eq. 7, s = l / (1 + (l - 1) r), for key frame duration l = `duration` and cost ratio r = `ratio`.

    Raises:
        ValueError: if the duration is below 1 or the ratio negative.
    """
    if not duration >= 1:
        raise ValueError(f"duration: expected at least 1 frame, got {duration!r}")
    if not ratio >= 0:
        raise ValueError(f"ratio: expected r >= 0, got {ratio!r}")
    return duration / (1 + (duration - 1) * ratio)


def table2(
    size: tuple[int, int] = SIZE,
    *,
    biases: bool = True,
    layout: str = "msra",
    reduction: bool = True,
    encoder_only: bool = False,
    **flow_options: Any,
) -> "pandas.DataFrame":
    """Count Table 2: one row for each pair of networks. The defaults are the rule that fits the paper's numbers.

    Args:
        size: (H, W) of the frame.
        biases: count a FLOP for each bias.
        layout: of the feature network, as in `FeatureNetwork`.
        reduction: count the 3x3 reduction with N_feat.
        encoder_only: count only the encoder of F.
        flow_options: options of `FlowNetwork`.

    Returns:
        Columns: `features` and `flow` name the networks; `features_gmac` and `flow_gmac` are FLOPs / 2e9; `ratio` is r
        by Eq. 6, to four decimals; `inverse` is 1/r to two decimals, the number that the paper prints.
    """
    import pandas

    frame = torch.zeros(1, 3, *size, dtype=torch.uint8, device="meta")
    with torch.device("meta"):
        features = {depth: FeatureNetwork(depth, layout=layout) for depth in DEPTHS}
        flows = {name: make(**flow_options) for name, make in FLOW_NETWORKS.items()}
    stop = None if reduction else -1
    n_feat = {depth: count_flops(network, frame, stop, biases=biases) for depth, network in features.items()}
    f = {}
    for name, network in flows.items():
        pair = [network.prepare(frame)] * 2
        counted, inputs = (network.encoder, [torch.cat(pair, dim=1)]) if encoder_only else (network, pair)
        f[name] = count_flops(counted, *inputs, biases=biases)
    rows = []
    for depth in DEPTHS:
        for name in FLOW_NETWORKS:
            ratio = round(f[name] / n_feat[depth], 4)
            costs = {"features_gmac": n_feat[depth] / 2e9, "flow_gmac": f[name] / 2e9}
            rows.append(
                {"features": f"ResNet-{depth}", "flow": name, **costs, "ratio": ratio, "inverse": round(1 / ratio, 2)}
            )
    return pandas.DataFrame(rows)
