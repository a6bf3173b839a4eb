"""Mixed precision: its types, and networks whose convolutions hold their weights in one of them."""

import copy

import torch
from torch import nn

from dffkit.networks.flow import FlowNetwork

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}  # name -> the type of autocast


def in_lower_precision(model: nn.Module, dtype: torch.dtype = torch.bfloat16) -> nn.Module:
    """Return a copy of a network for inference under autocast, whose convolutions hold their weights in `dtype`.

    Autocast alone converts every weight again for every frame, which costs the cheap path as much as it saves. The
    layers that predict flow and scale stay in float32. A network that is converted already is returned itself: convert
    before you compile, since a copy is not compiled.
    """
    if all(layer.weight.dtype == dtype for layer in _convertible(model)):
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
