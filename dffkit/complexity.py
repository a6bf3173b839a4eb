"""What Deep Feature Flow costs and saves: Eq. 5-7 and Table 2, counted on the networks that are really built.

**The counting rule is inferred.** The authors never stated theirs. Of the conventions tried, one gives all four printed
cells of FlowNet and FlowNet Half: a 600x1000 frame; N_feat with the stride on the first 1x1 convolutions and with the
3x3 reduction; F with its decoder and all predictions, pooled to stride 16 before the last, and with the scale field's
1x1 convolution; two FLOPs for a multiply-add and one for a bias; transposed convolutions at their input's resolution;
W and N_task left out (Eq. 6); r rounded to four decimals before it is inverted. The structure is well determined: every
other one is at least 1% off in some cell (notebook 04 shows them). The last digit is not: without biases one cell is a
hundredth and one two tenths off, and a multiply-add for each scaled feature fits as well as the biases do. The two
cells of FlowNet Inception match by construction, since its layers were chosen so.
"""

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from dffkit.dff import DeepFeatureFlow
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS

if TYPE_CHECKING:
    import pandas

SIZE = (600, 1000)  # height and width of the frames behind Table 2
DEPTHS = (50, 101)


class Costs(NamedTuple):
    """FLOPs of one frame in each part of the network; S counts with F."""

    features: int  # N_feat, as far as it is before the split
    flow: int  # F and S
    warp: int  # W
    task: int  # N_task's maps, without what is made of them, and what of N_feat is after the split


def count_flops(function: Callable[..., Any], *inputs: Any, biases: bool = True) -> int:
    """FLOPs of one call: two for each multiply-add, and one for each bias that a convolution adds.

    torch's own counter, plus those biases, which it leaves out. Normalisation, activations and pooling count as
    nothing, here as there. Modules and inputs may be on the meta device, where nothing is computed.
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
    """FLOPs of Eq. 3: four multiply-adds for each warped value (Eq. 1), and its product with the scale."""
    return (2 * 4 + 1) * channels * height * width


def count_costs(model: DeepFeatureFlow, size: tuple[int, int] = SIZE) -> Costs:
    """Count each part of `model` on one frame of `size` = (H, W); its own weights and device stay untouched."""
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
    """Eq. 5: a propagated frame's cost over a key frame's, r = (F + W + N_task) / (N_feat + N_task)."""
    return (costs.flow + costs.warp + costs.task) / (costs.features + costs.task)


def cost_ratio_approximate(costs: Costs) -> float:
    """Eq. 6: r ~ F / N_feat, for W and N_task much cheaper than F.

    With score maps they are. With R-FCN's head (30 classes, k = 7) N_task costs more than all of FlowNet Inception, so
    there Eq. 6 promises more than Eq. 5 can keep. For the default split only: N_feat must be whole.
    """
    return costs.flow / costs.features


def speedup(duration: int, ratio: float) -> float:
    """Eq. 7: s = l / (1 + (l - 1) r) for key frame duration `duration` = l and cost ratio `ratio` = r.

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
    """Table 2, counted: one row for each pair of networks. The options are other counting rules than the one that fits.

    Columns: `features` and `flow` name the networks; `features_gmac` and `flow_gmac` are FLOPs / 2e9; `ratio` is r by
    Eq. 6, to four decimals; `inverse` is 1/r to two, the number that the paper prints.
    """
    import pandas

    frame = torch.zeros(1, 3, *size, dtype=torch.uint8, device="meta")
    with torch.device("meta"):
        features = {depth: FeatureNetwork(depth, layout=layout) for depth in DEPTHS}
        flows = {name: make(**flow_options) for name, make in FLOW_NETWORKS.items()}
    stop = None if reduction else -1
    n_feat = {depth: count_flops(network, frame, stop, biases=biases) for depth, network in features.items()}
    f = {name: _flow_flops(network, frame, encoder_only, biases) for name, network in flows.items()}
    rows = []
    for depth in DEPTHS:
        for name in FLOW_NETWORKS:
            ratio = round(f[name] / n_feat[depth], 4)
            costs = {"features_gmac": n_feat[depth] / 2e9, "flow_gmac": f[name] / 2e9}
            rows.append(
                {"features": f"ResNet-{depth}", "flow": name, **costs, "ratio": ratio, "inverse": round(1 / ratio, 2)}
            )
    return pandas.DataFrame(rows)


def _flow_flops(network: nn.Module, frame: torch.Tensor, encoder_only: bool, biases: bool) -> int:
    prepared = network.prepare(frame)
    if encoder_only:
        return count_flops(network.encoder, torch.cat([prepared, prepared], dim=1), biases=biases)
    return count_flops(network, prepared, prepared, biases=biases)
