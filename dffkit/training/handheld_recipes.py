"""The recipes on the handheld world, the paper's case of detection, by name."""

import dataclasses

from dffkit.training.recipe import Recipe
from dffkit.training.toytown_recipes import FLOW_NAMES, flow_recipe

DATA = "handheld"
# FlowNet Inception at its width for the drive has 3 channels after its first convolution and 5 after the second. With
# a small stem no layer of the encoder has so few, at the same cost ratio.
INCEPTION_WIDTH = 0.14


def _flow_recipe(flow: str) -> Recipe:
    changes = {"flow_width": INCEPTION_WIDTH, "small_stem": True} if flow == "FlowNet Inception" else {}
    recipe = flow_recipe(flow)
    return dataclasses.replace(recipe, name=recipe.name.replace("toytown", DATA), data=DATA, **changes)


def _all() -> dict[str, Recipe]:
    """Return all recipes in the order in which they are run."""
    flows = {flow: _flow_recipe(flow) for flow in FLOW_NAMES}
    return {recipe.name: recipe for recipe in flows.values()}


HANDHELD = _all()
