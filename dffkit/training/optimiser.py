"""What is trained, and by which steps: the recipe's optimiser and its learning rate over time."""

import math
from collections.abc import Mapping

import torch
from torch import nn

from dffkit.training.recipe import Recipe


def rate_factor(recipe: Recipe, iteration: int) -> float:
    """What the learning rate is multiplied by at an iteration, 0 .. iterations - 1."""
    warm = min(1.0, (iteration + 1) / (recipe.warm_up + 1))
    if recipe.schedule == "cosine":
        return warm * (1 + math.cos(math.pi * iteration / recipe.iterations)) / 2
    return warm * (0.1 if iteration >= recipe.iterations * recipe.step_at else 1.0)


def make_optimiser(parameters: Mapping[str, nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser: a group for each learning rate, with and without weight decay."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        factor = next((factor for start, factor in recipe.lr_factors if name.startswith(start)), 1.0)
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((factor, decay), []).append(parameter)
    settings = [
        {"params": members, "lr": factor * recipe.lr, "factor": factor, "weight_decay": decay}
        for (factor, decay), members in groups.items()
    ]
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(settings, momentum=0.9)
    return torch.optim.AdamW(settings, fused=True)  # one kernel instead of hundreds of small ones


def trainable(module: nn.Module, recipe: Recipe) -> dict[str, nn.Parameter]:
    """The parameters to train, by name; those that the recipe freezes get no gradient from now on."""
    for name, parameter in module.named_parameters():
        if name.startswith(recipe.freeze):
            parameter.requires_grad_(False)
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
