"""Build the network and the optimiser that a recipe describes, and load the weights that parts start from."""

import contextlib
import math
import zlib
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from dffkit.aggregation.model import Aggregation, Embedding
from dffkit.baselines import EXACT_FLOW, HAND_CRAFTED, NO_FLOW
from dffkit.baselines.exact_flow import ExactFlow
from dffkit.baselines.without_flow import LowResolution, NoFlow
from dffkit.dff import DeepFeatureFlow, split_points
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS
from dffkit.networks.segmentation import ScoreMaps
from dffkit.training.recipe import Recipe

TASK_NETWORKS = {"segmentation": ScoreMaps, "detection": RFCN}


class Stills(nn.Module):
    """One N_feat with several task networks side by side, for pre-training on single frames."""

    def __init__(self, feature_network: nn.Module, heads: dict[str, nn.Module]) -> None:
        super().__init__()
        self.feature_network, self.heads = feature_network, nn.ModuleDict(heads)

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Return each head's maps of frames `(B, 3, H, W)` uint8."""
        features = self.feature_network(frames)
        return {task: head(features) for task, head in self.heads.items()}


def build(recipe: Recipe, seed: int = 0) -> nn.Module:
    """Return the untrained network on the CPU, in training mode.

    It is a `DeepFeatureFlow`, an `Aggregation`, `Stills`, or a dict with F alone.

    Each part's random weights depend on the seed and on the part's name only: runs with the same seed start from the
    same task network, whatever else differs.
    """
    if recipe.job == "flow":
        # F is pre-trained without S, which is added as ones later, so one F serves features of any width.
        return nn.ModuleDict({"flow_network": _seeded(seed, "flow_network", partial(_flow, recipe, None))})
    features = _seeded(seed, "feature_network", partial(_features, recipe))
    shared = {"in_channels": features.channels, "feature_stride": 16 * recipe.shrink}
    heads = {
        task: _seeded(seed, task, partial(TASK_NETWORKS[task], **shared, **dict(settings)))
        for task, settings in recipe.heads
    }
    if recipe.job == "stills":
        return Stills(features, heads)
    (head,) = heads.values()
    if recipe.job == "aggregate":
        weighs = recipe.weighting == "cosine"
        embedding = _seeded(seed, "embedding", partial(Embedding, features.channels)) if weighs else None
        return Aggregation(features, _seeded(seed, "flow_network", partial(_flow, recipe, None)), head, embedding)
    channels = head.out_channels if recipe.split == 0 else split_points(features).get(recipe.split, (0, 1))[1]
    flow = _seeded(seed, "flow_network", partial(_flow, recipe, channels))
    return DeepFeatureFlow(features, flow, head, split=recipe.split)


def _features(recipe: Recipe, weights: str | None = None) -> FeatureNetwork:
    options = {"width": recipe.width, "norm": recipe.norm, "layout": recipe.layout, "weights": weights}
    if recipe.shrink > 1:
        return LowResolution(recipe.depth, shrink=recipe.shrink, **options)
    return FeatureNetwork(recipe.depth, **options)


def published(recipe: Recipe, seed: int = 0) -> dict[str, Tensor]:
    """Return N_feat's published weights, as `recipe.weights` names them, for `load_part`.

    Layers that torchvision does not have get random weights.

    Raises:
        ValueError: if there are no published weights for this N_feat.
        OSError: if they can't be downloaded.
    """
    network = _seeded(seed, "feature_network", partial(_features, recipe, recipe.weights))
    return {f"feature_network.{name}": value for name, value in network.state_dict().items()}


def _flow(recipe: Recipe, channels: int | None) -> nn.Module:
    if recipe.flow == NO_FLOW:
        return NoFlow(16 * recipe.shrink)
    if recipe.flow == EXACT_FLOW:
        return ExactFlow()
    if recipe.flow in HAND_CRAFTED:
        from dffkit.baselines.classical_flow import ClassicalFlow

        return ClassicalFlow(recipe.flow)
    return FLOW_NETWORKS[recipe.flow](
        width=recipe.flow_width,
        **({"small_stem": True} if recipe.small_stem else {}),
        scale_channels=channels if recipe.scale else None,
        freeze_scale_bias=recipe.scale_bias == "frozen",
    )


def _seeded(seed: int, part: str, make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"{seed}/{part}".encode()))
        return make()


def load_part(module: nn.Module, part: str, state: dict[str, Tensor]) -> None:
    """Load one part of a network from the state of a whole trained network that has a part of this name.

    If the state has no scale field, as F pre-trained alone, then S keeps its ones. If only the state has a scale
    field, it is left out.

    Raises:
        ValueError: if the state's part is of another network.
    """
    target = module.get_submodule(part)
    weights = {name.removeprefix(f"{part}."): w for name, w in state.items() if name.startswith(f"{part}.")}
    scale = {name: w for name, w in target.state_dict().items() if name.startswith("scale.")}
    weights = scale | {name: w for name, w in weights.items() if name in scale or not name.startswith("scale.")}
    try:
        target.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())  # torch names every layer in a line of its own
        raise ValueError(f"start: expected the weights of this {part}, got others: {reason:.300}") from error


def fitting_parts(recipe: Recipe, state: dict[str, Tensor]) -> list[str]:
    """Return the parts of the recipe's network that `load_part` can take from the state of another network."""
    module, found = build(recipe), []
    for part, network in module.named_children():
        with contextlib.suppress(ValueError):
            load_part(module, part, state)
            found += [part] if network.state_dict() else []
    return found


def rate_factor(recipe: Recipe, iteration: int) -> float:
    """Return the factor on the learning rate at an iteration, 0 .. iterations - 1."""
    warm = min(1.0, (iteration + 1) / (recipe.warm_up + 1))
    if recipe.schedule == "cosine":
        return warm * (1 + math.cos(math.pi * iteration / recipe.iterations)) / 2
    return warm * (0.1 if iteration >= recipe.iterations * recipe.step_at else 1.0)


def make_optimiser(parameters: Mapping[str, nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimiser; its groups differ in the learning rate or in the weight decay."""
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
    """Switch off the gradients of the parameters that the recipe freezes, and return all others by name."""
    for name, parameter in module.named_parameters():
        if name.startswith(recipe.freeze):
            parameter.requires_grad_(False)
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
