"""Mixed precision: its types, the choice of one for a device, and networks whose convolutions hold weights in it.

The precision of a training is written into its checkpoints and rows. It is no part of a recipe's identity: like the
number of threads it is chosen for a processor, and a recipe trained in float32 on one machine and in bfloat16 on
another is the same experiment. `DIFFERENCE` says how much a score depends on it.
"""

import copy
import functools
import sys

import torch
from torch import nn

from dffkit.networks.flow import FlowNetwork
from dffkit.support.machine import device_name, has_bf16_units, is_first_process

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}  # name -> the type of autocast
AUTO = "auto"
# One recipe trained in both precisions with one seed, scored in float32; the rows are in data/results.
DIFFERENCE = (
    "Trained in float32 instead of bfloat16, toytown/segmentation/dff, seed 0, scores 0.03 points of mIoU less on test "
    "at l = 5 (95% interval over streets: 0.13 less to 0.08 more), and 0.16 less at l = 10 (0.04 to 0.27)."
)


def resolve(name: str, device: torch.device | str) -> str:
    """Return the precision that `name` stands for: "auto" is bfloat16 on a device with units for it, else float32.

    A message on stderr says once that bfloat16 is slow if it was asked for by name on a device without units.

    Raises:
        ValueError: if there is no such precision.
    """
    if name not in (AUTO, *PRECISIONS):
        raise ValueError(f"precision: expected one of {[AUTO, *PRECISIONS]}, got {name!r}")
    has_units = has_bf16_units(device)
    if name == "bfloat16" and not has_units and is_first_process():
        _say_slow(device_name(device))
    return name if name != AUTO else "bfloat16" if has_units else "float32"


@functools.cache
def _say_slow(device: str) -> None:
    slow = "a training step and a frame took 2 (AVX-512) to 9 times (AVX2) as long as in float32"
    remedy = "For float32 leave --precision out; a training that began in bfloat16 needs --fresh too."
    print(f"bfloat16 will be slow on {device}: {slow}. {remedy}", file=sys.stderr)


def autocast(precision: str, device: torch.device | str) -> torch.autocast:
    """Return the context in which a network computes in this precision."""
    dtype = PRECISIONS[precision]
    return torch.autocast(torch.device(device).type, dtype=dtype, enabled=dtype is not None)


def in_lower_precision(model: nn.Module, dtype: torch.dtype | None = torch.bfloat16) -> nn.Module:
    """Return a copy of a network for inference under autocast, whose convolutions hold their weights in `dtype`.

    Autocast alone converts every weight again for every frame, which costs the cheap path as much as it saves. The
    layers that predict flow and scale stay in float32. A network that is converted already is returned itself: convert
    before you compile, since a copy is not compiled. For None the network itself is returned.
    """
    if dtype is None or all(layer.weight.dtype == dtype for layer in _convertible(model)):
        return model
    model = copy.deepcopy(model)
    for layer in _convertible(model):
        layer.weight.data = layer.weight.data.to(dtype)
    return model


def _convertible(model: nn.Module) -> list[nn.Module]:
    networks = [module for module in model.modules() if isinstance(module, FlowNetwork)]
    predictions = {layer for network in networks for layer in (network.flow, network.scale)}
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]
    return [layer for layer in convolutions if layer not in predictions]
