"""The kit's recipes, by name."""

import dataclasses
import difflib
from typing import Any

from dffkit.recipe import EXACT_FLOW, HAND_CRAFTED, NO_FLOW, Recipe, options
from dffkit.widths import flow_width

SEGMENTATION = ("segmentation", options(num_classes=10))
# Boxes are mostly 17 to 128 pixels wide. 20 shapes at 2 x 2 positions in a cell have an anchor of IoU 0.5 for 98% of
# them; at one position, as in the paper, it is 83%, as many a box is hardly wider than a cell.
DETECTION = (
    "detection",
    options(
        num_classes=4, bins=3, anchor_scales=(1, 1.5, 2, 4, 8), anchor_ratios=(0.5, 1, 2, 3), anchor_positions=2,
        proposals=150, pre_nms=2000,
    ),
)  # fmt: skip
# While N_feat is pre-trained, a head with fewer anchors is enough: it is thrown away.
DETECTION_IN_PRETRAINING = (
    "detection",
    options(num_classes=4, bins=3, anchor_scales=(1, 2, 4, 8), anchor_ratios=(0.5, 1, 2), proposals=100, pre_nms=1000),
)
HEADS = dict((SEGMENTATION, DETECTION))
# Shallow Feature Flow (Sec. 5.2): the names of its rows, by the flow that they take.
SFF = {"DIS": "sff-dis", "SIFT Flow, fast": "sff-fast", "SIFT Flow, slow": "sff-slow"}
ITERATIONS = 3000  # T of every row
# How many times faster F learns in joint training. For segmentation 3 gains at every l and 10 diverges; for detection 3
# costs at every l, as F then forgets small motion and N learns to bear it, and 0.3 is no better than 1.
FLOW_RATES = {"segmentation": 3.0}


def _flow_recipe(flow: str, **changes: Any) -> Recipe:
    fields = {"flow": flow, "flow_width": flow_width(flow), "iterations": 30000, "batch": 8, "mirrors": 4}
    fields |= {"optimiser": "adamw", "lr": 1e-3, "schedule": "cosine", "warm_up": 200, "clip": 1.0}
    fields |= {"precision": "bfloat16"}
    return Recipe("toytown/flow", "flow", **(fields | changes))


def _stills_recipe(depth: int, **changes: Any) -> Recipe:
    fields = {"depth": depth, "norm": "trained", "flow": NO_FLOW, "flow_width": 0, "iterations": 8000, "batch": 8}
    fields |= {"data_split": "stills", "streets": 1000, "precision": "bfloat16"}
    fields |= {"optimiser": "adamw", "lr": 1.5e-3, "schedule": "cosine", "warm_up": 200, "clip": 10.0}
    return Recipe("toytown/stills", "stills", (SEGMENTATION, DETECTION_IN_PRETRAINING), **(fields | changes))


def _recognition(name: str, task: str, stills: Recipe, flow: Recipe | None, **changes: Any) -> Recipe:
    """Frame (without `flow`) or DFF: the same start, the same T, the same settings."""
    fields = {"job": "pairs" if flow else "frames", "heads": ((task, HEADS[task]),), "depth": stills.depth}
    fields |= {"start": (("feature_network", stills), *((("flow_network", flow),) if flow else ()))}
    fields |= {"flow": flow.flow if flow else NO_FLOW, "flow_width": flow.flow_width if flow else 0}
    # Of many streets three frames each, as Cityscapes labels one in a snippet: objects vary more than frames do.
    fields |= {"iterations": ITERATIONS, "batch": 8, "streets": 600, "length": 12, "first_label": 9}
    fields |= {"freeze": ("feature_network.conv1", "feature_network.layer1")}  # the first two stages, as the authors
    fields |= {"optimiser": "adamw", "lr": 5e-4, "schedule": "cosine", "warm_up": 100, "clip": 10.0}
    if flow and task in FLOW_RATES:
        fields |= {"lr_factors": (("flow_network", FLOW_RATES[task]),)}
    fields |= {"precision": "bfloat16"}
    return Recipe(f"toytown/{task}/{name}", **(fields | changes))


def _ablation(task: str, frame: Recipe, dff: Recipe) -> list[Recipe]:
    """The rows of Tables 3 and 4 beside Frame and DFF: what is not trained, and flow from elsewhere."""
    _, sprites_flow = dff.start
    frames_n = (("feature_network", frame), ("task_network", frame))
    whole = ("feature_network", "task_network")

    def row(name: str, **changes: Any) -> Recipe:
        return dataclasses.replace(dff, name=f"toytown/{task}/{name}", **changes)

    def untrained(name: str, flow: str, width: float = 0) -> Recipe:
        return row(name, start=frames_n, flow=flow, flow_width=width, scale=False, iterations=0)

    return [
        row("fix-n", start=(*frames_n, sprites_flow), freeze=whole),
        row("fix-f", freeze=(*dff.freeze, "flow_network"), scale=False, lr_factors=()),
        row("separate", start=(*frames_n, sprites_flow), scale=False, iterations=0),
        *(untrained(SFF[flow], flow) for flow in HAND_CRAFTED),
        row("without-s", scale=False),
        untrained("exact-flow", EXACT_FLOW),
        row("exact-flow-trained", start=dff.start[:1], flow=EXACT_FLOW, flow_width=0, scale=False, lr_factors=()),
    ]


def _all() -> dict[str, Recipe]:
    flow, stills = _flow_recipe("FlowNet"), _stills_recipe(101)
    recipes = [flow, stills]
    for task in HEADS:
        frame, dff = _recognition("frame", task, stills, None), _recognition("dff", task, stills, flow)
        recipes += [frame, dff, *_ablation(task, frame, dff)]
    return {recipe.name: recipe for recipe in recipes}


RECIPES = _all()


def find(name: str) -> Recipe:
    """The recipe of this name.

    Raises:
        ValueError: naming the closest ones, if there is none.
    """
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, n=3, cutoff=0.4) or list(RECIPES)
        raise ValueError(f"recipe: no {name!r}; did you mean {' or '.join(close)}?")
    return RECIPES[name]
