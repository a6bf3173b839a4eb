"""Exercises of notebook 04: a layer's cost, Eq. 7, the duration for a speedup, and the speedup of a new pair."""

import functools
import math
from collections.abc import Callable

import torch
from torch import nn

from dffkit import complexity
from dffkit.lessons.check import Example, Exercise, Mistake
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS
from dffkit.networks.segmentation import ScoreMaps

# Exercise 1: what a layer costs


def _layer(
    outputs: Callable[[int, int], int] = lambda side, stride: math.ceil(side / stride),
    window: Callable[[int], int] = lambda kernel: kernel**2,
) -> Callable[..., int]:
    """Return the solution, or one that counts other outputs on a side or another window."""
    return lambda channels_in, channels_out, kernel, stride, height, width: (
        channels_in * channels_out * window(kernel) * outputs(height, stride) * outputs(width, stride)
    )


def _with_one_side(*layer: int) -> float:
    return _layer()(*layer) * math.ceil(layer[5] / layer[3]) ** -1 * layer[5]


multiply_adds = Exercise(
    "Exercise 1",
    _layer(),
    [
        Example("2 to 3 channels, kernel 3, stride 1, 4 x 4 cells", (2, 3, 3, 1, 4, 4)),
        Example("2 to 3 channels, kernel 3, stride 2, 4 x 4 cells", (2, 3, 3, 2, 4, 4)),
        Example("2 to 3 channels, kernel 3, stride 2, 5 x 7 cells", (2, 3, 3, 2, 5, 7)),
        Example("4 to 2 channels, kernel 1, stride 1, 3 x 5 cells", (4, 2, 1, 1, 3, 5)),
        Example("1 to 5 channels, kernel 5, stride 4, 16 x 8 cells", (1, 5, 5, 4, 16, 8)),
    ],
    [
        Mistake("You count at the input's resolution: with a stride of 2, a quarter of the outputs is left.",
                _layer(outputs=lambda side, stride: side)),
        Mistake("With a stride, both sides of the map become shorter: you shorten one.", _with_one_side),
        Mistake("A side of 5 with stride 2 gives 3 outputs: round up.", _layer(outputs=lambda side, s: side // s)),
        Mistake("The number of cells is a whole number: round up.", _layer(outputs=lambda side, s: side / s)),
        Mistake("A window has k * k cells, not k.", _layer(window=lambda kernel: kernel)),
        Mistake("You count FLOPs: a multiply-add is two of them, and one of what is asked for.",
                lambda *layer: 2 * _layer()(*layer)),
        Mistake("Each output is a sum over all input channels: multiply by them, too.",
                lambda *layer: _layer()(*layer) / layer[0]),
        Mistake("Each output channel has its own sum: multiply by their number, too.",
                lambda *layer: _layer()(*layer) / layer[1]),
    ],
)  # fmt: skip

# Exercise 2: Eq. 7

speedup = Exercise(
    "Exercise 2",
    lambda duration, ratio: duration / (1 + (duration - 1) * ratio),
    [
        Example("l = 1, r = 0.1: every frame is a key frame", (1, 0.1)),
        Example("l = 10, r = 0.1", (10, 0.1)),
        Example("l = 10, r = 0: propagated frames are free", (10, 0.0)),
        Example("l = 5, r = 1: propagated frames cost as much as key frames", (5, 1.0)),
        Example("l = 20, r = 0.0787", (20, 0.0787)),
    ],
    [
        Mistake("You propagate all l frames: one of them is the key frame, so l - 1 are left.",
                lambda duration, ratio: duration / (1 + duration * ratio)),
        Mistake("You leave out the key frame's own cost of 1.",
                lambda duration, ratio: duration / ((duration - 1) * ratio) if duration > 1 and ratio else math.inf),
        Mistake("That is the cost of the l frames; the speedup is l divided by it.",
                lambda duration, ratio: 1 + (duration - 1) * ratio),
        Mistake("It is upside down: divide the old cost l by the new cost, so that faster is more than 1.",
                lambda duration, ratio: (1 + (duration - 1) * ratio) / duration),
        Mistake("That is 1 / r, the limit for endless l; one key frame in l must be paid for too.",
                lambda duration, ratio: 1 / ratio if ratio else math.inf),
        Mistake("You give r to the key frame and 1 to the others: the key frame costs 1.",
                lambda duration, ratio: duration / (ratio + duration - 1) if duration > 1 or ratio else math.inf),
    ],
)  # fmt: skip


# Exercise 3: the duration for a speedup


def _rounded(rounding: Callable[[float], float]) -> Callable[[float, float], float | None]:
    """Return an answer that solves Eq. 7 for l and then applies `rounding`."""

    def function(target: float, ratio: float) -> float | None:
        if target <= 1:
            return 1
        return None if target * ratio >= 1 else rounding(target * (1 - ratio) / (1 - target * ratio))

    return function


_duration = _rounded(lambda solved: math.ceil(solved - 1e-9))  # a whole number stays whole in spite of rounding errors


def _without_limit(target: float, ratio: float) -> int:
    if target <= 1:
        return 1
    return math.ceil(target * (1 - ratio) / (1 - target * ratio) - 1e-9) if target * ratio != 1 else 0


duration_for = Exercise(
    "Exercise 3",
    _duration,
    [
        Example("s = 5, r = 0: propagated frames are free", (5.0, 0.0)),
        Example("s = 2, r = 0.25", (2.0, 0.25)),
        Example("s = 2, r = 0.2", (2.0, 0.2)),
        Example("s = 10, r = 0.0787", (10.0, 0.0787)),
        Example("s = 10, r = 0.0105", (10.0, 0.0105)),
        Example("s = 10, r = 0.1087: beyond the limit 1/r = 9.2", (10.0, 0.1087)),
        Example("s = 4, r = 0.25: exactly the limit, which is never reached", (4.0, 0.25)),
        Example("s = 1, r = 0.5: no speedup needed", (1.0, 0.5)),
    ],
    [
        Mistake("A duration is a whole number of frames: round up, since rounding down falls short of the target.",
                _rounded(lambda solved: solved)),
        Mistake("You round down, which falls short of the target: round up.",
                _rounded(lambda solved: math.floor(solved + 1e-9))),
        Mistake("You always go one frame further: a duration that meets the target exactly is enough.",
                _rounded(lambda solved: math.floor(solved + 1e-9) + 1)),
        Mistake("You take r for 0: the propagated frames cost something too, so l is more than s.",
                lambda target, ratio: math.ceil(target)),
        Mistake("If the target is at or beyond the limit 1/r, no duration reaches it: return None.", _without_limit),
        Mistake("No duration reaches a target of exactly 1/r either: return None.",
                lambda target, ratio: math.inf if target * ratio == 1 else _duration(target, ratio)),
    ],
)  # fmt: skip


# Exercise 4: a pair of networks that the paper does not have


@functools.cache
def _costs(
    feature_network: nn.Module, flow_network: nn.Module, task_network: nn.Module, whole: bool = False
) -> complexity.Costs:
    """Count the parts; `whole` makes the mistake of counting the flow network on frames that are not halved."""
    features = feature_network(_FRAME)
    seen = torch.zeros(_FRAME.shape, device="meta") if whole else flow_network.prepare(_FRAME)
    return complexity.Costs(
        features=complexity.count_flops(feature_network, _FRAME),
        flow=complexity.count_flops(flow_network, seen, seen),
        warp=complexity.warp_flops(*features.shape[1:]),
        task=complexity.count_flops(task_network, features),
    )


def _predict(
    ratio: Callable[[complexity.Costs], float] = complexity.cost_ratio, whole: bool = False
) -> Callable[..., float]:
    """Return the solution, or one with another ratio of the costs, or other costs."""
    return lambda feature_network, flow_network, task_network, frame, duration: complexity.speedup(
        duration, ratio(_costs(feature_network, flow_network, task_network, whole))
    )


_FRAME = torch.zeros(1, 3, 192, 320, dtype=torch.uint8, device="meta")  # only shapes are computed


def _pair_example(depth: int, flow: str, width: float, task: str, duration: int) -> Example:
    with torch.device("meta"):
        features = FeatureNetwork(depth, width=1 / 4)
        head, classes = {"segmentation": (ScoreMaps, 19), "detection": (RFCN, 30)}[task]
        task_network = head(in_channels=features.channels, num_classes=classes)
        networks = features, FLOW_NETWORKS[flow](width=width, scale_channels=features.channels), task_network
    description = f"ResNet-{depth} with {flow}, {width:g} of its channels, for {task}, l = {duration}"
    return Example(description, (*(network.requires_grad_(False) for network in networks), _FRAME, duration))


speedup_of_pair = Exercise(
    "Exercise 4",
    _predict(),
    [
        _pair_example(26, "FlowNet Half", 0.5, "segmentation", 10),
        _pair_example(14, "FlowNet Inception", 0.25, "segmentation", 5),
        _pair_example(14, "FlowNet", 0.25, "detection", 20),
    ],
    [
        Mistake("That is Eq. 6: it leaves out the task network and the warp, which run on every propagated frame.",
                _predict(complexity.cost_ratio_approximate)),
        Mistake("You leave out the task network: it runs on every frame, propagated or not.",
                _predict(lambda costs: complexity.cost_ratio(costs._replace(task=0)))),
        Mistake("You leave out the warp of the features: complexity.warp_flops counts it.",
                _predict(lambda costs: complexity.cost_ratio(costs._replace(warp=0)))),
        Mistake("A key frame runs the task network, too: Eq. 5 has it below as well.",
                _predict(lambda costs: complexity.cost_ratio(costs) * (costs.features + costs.task) / costs.features)),
        Mistake("A propagated frame runs the task network, too: Eq. 5 has it above as well.",
                _predict(lambda costs: (costs.flow + costs.warp) / (costs.features + costs.task))),
        Mistake("The flow network sees frames of half the size: count it on what `prepare` gives.",
                _predict(whole=True)),
        Mistake("A key frame needs no flow: Eq. 5 has F above only.",
                _predict(lambda costs: (costs.flow + costs.warp + costs.task) / sum(costs))),
    ],
)  # fmt: skip
