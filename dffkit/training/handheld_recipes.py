"""The recipes on the handheld world, whose inputs are ImageNet VID's: the paper's case of detection."""

import dataclasses

from dffkit.training.recipe import Recipe, options
from dffkit.training.toytown_recipes import (
    DEPTH_NAMES,
    FLOW_NAMES,
    TrainingSetting,
    ablation,
    figure3,
    flow_recipe,
    from_frames_n,
    named,
    recognition,
    stills_recipe,
    table5,
    wider_inception,
)  # fmt: skip

DATA = "handheld"
# The paper's 3 scales x 3 ratios at one position; the scales are in cells, chosen on the boxes of the training films.
DETECTOR = options(
    num_classes=10, bins=3, anchor_scales=(3, 6, 12), anchor_ratios=(0.5, 1, 2), proposals=64, pre_nms=800
)  # fmt: skip
HEADS = ("segmentation", options(num_classes=11)), ("detection", DETECTOR)  # of pre-training on stills
ITERATIONS = 3000  # T of every row
FILMS, STILLS = 2000, 6000  # to train on
FIELDS = {"data": DATA, "iterations": ITERATIONS, "streets": FILMS, "length": 10, "first_label": 9}
SETTING = TrainingSetting(DATA, "detection", DETECTOR, FIELDS)


def _flow_recipe(flow: str) -> Recipe:
    """Return the recipe that pre-trains F on the drive's sprites first, then on this world's, which move further."""
    recipe = wider_inception() if flow == "FlowNet Inception" else flow_recipe(flow)
    changes = {"name": named(f"{DATA}/flow", FLOW_NAMES[flow]), "data": DATA, "start": (("flow_network", recipe),)}
    return dataclasses.replace(recipe, lr=5e-4, **changes)


def _stills_recipe(depth: int) -> Recipe:
    changes = {"heads": HEADS, "data": DATA, "streets": STILLS}
    return dataclasses.replace(stills_recipe(depth), name=named(f"{DATA}/stills", DEPTH_NAMES[depth]), **changes)


def _twice(recipe: Recipe) -> Recipe:
    return dataclasses.replace(recipe, name=f"{recipe.name}-2t", iterations=2 * recipe.iterations)


def _all() -> dict[str, Recipe]:
    """Return all recipes in the order in which they are run: those that the tables need most come first."""
    stills, flows = {depth: _stills_recipe(depth) for depth in DEPTH_NAMES}, {f: _flow_recipe(f) for f in FLOW_NAMES}
    frame = recognition("frame", SETTING, stills[101], None)
    dff = recognition("dff", SETTING, stills[101], flows["FlowNet"])
    rows = ablation(SETTING, frame, dff)
    recipes = [flows["FlowNet"], stills[101], frame, dff, from_frames_n(dff, rows[0]), *rows]
    recipes += [*flows.values(), *stills.values(), *figure3(SETTING, stills, flows)]
    recipes += [_twice(each) for each in (frame, dff, rows[0])]
    recipes += table5(SETTING, dff)
    return {recipe.name: recipe for recipe in recipes}


HANDHELD = _all()
