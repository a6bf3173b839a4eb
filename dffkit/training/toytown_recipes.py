"""The recipes on Toytown, by name: pre-training, Frame and DFF, and every row of the tables and curves."""

import dataclasses
from typing import Any

from dffkit.baselines import EXACT_FLOW, HAND_CRAFTED, NO_FLOW
from dffkit.complexity import DEPTHS
from dffkit.training.recipe import FLOW_WIDTHS, TASKS, Recipe, options

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
# N_feat is pre-trained with fewer anchors, as that head is thrown away.
DETECTION_IN_PRETRAINING = (
    "detection",
    options(num_classes=4, bins=3, anchor_scales=(1, 2, 4, 8), anchor_ratios=(0.5, 1, 2), proposals=100, pre_nms=1000),
)
HEADS = dict((SEGMENTATION, DETECTION))
# Shallow Feature Flow (Sec. 5.2): the name of its row for each flow.
SFF = {"DIS": "sff-dis", "SIFT Flow, fast": "sff-fast", "SIFT Flow, slow": "sff-slow"}
# The ending of a recipe's name for each network; the default networks have none.
DEPTH_NAMES = {101: "", 50: "50", 26: "26", 14: "14"}
FLOW_NAMES = {"FlowNet": "", "FlowNet Half": "half", "FlowNet Inception": "inception"}
FIRST_STAGES = ("feature_network.conv1", "feature_network.layer1")  # the authors don't train them
ITERATIONS = 3000  # T of every row of Tables 3, 4 and 5 and of every curve
# Factor on F's learning rate in joint training. For segmentation 3 gains at every l and 10 diverges; for detection 3
# costs at every l, and 0.3 is no better than 1.
FLOW_RATES = {"segmentation": 3.0}
SMALL = {"batch": 8, "optimiser": "adamw", "schedule": "cosine", "precision": "bfloat16"}  # all small trainings


def flow_recipe(flow: str) -> Recipe:
    """Return the recipe that pre-trains a flow network on sprites."""
    fields = {"flow": flow, "flow_width": FLOW_WIDTHS[flow], "iterations": 30000, "mirrors": 4}
    fields |= {"lr": 1e-3, "warm_up": 200, "clip": 1.0}
    return Recipe(_named("toytown/flow", FLOW_NAMES[flow]), "flow", **fields, **SMALL)


def _stills_recipe(depth: int) -> Recipe:
    fields = {"depth": depth, "norm": "trained", "flow": NO_FLOW, "flow_width": 0, "iterations": 8000}
    fields |= {"data_split": "stills", "streets": 1000, "lr": 1.5e-3, "warm_up": 200, "clip": 10.0}
    name = _named("toytown/stills", DEPTH_NAMES[depth])
    return Recipe(name, "stills", (SEGMENTATION, DETECTION_IN_PRETRAINING), **fields, **SMALL)


def _recognition(name: str, task: str, stills: Recipe, flow: Recipe | None, **changes: Any) -> Recipe:
    """Return Frame (without `flow`) or DFF: with the same start, the same T and the same settings."""
    fields = {"job": "pairs" if flow else "frames", "heads": ((task, HEADS[task]),), "depth": stills.depth}
    fields |= {"start": (("feature_network", stills), *((("flow_network", flow),) if flow else ()))}
    fields |= {"flow": flow.flow if flow else NO_FLOW, "flow_width": flow.flow_width if flow else 0}
    # Three frames each of many streets, as Cityscapes labels one in a snippet: objects vary more than frames do.
    fields |= {"iterations": ITERATIONS, "streets": 600, "length": 12, "first_label": 9, "freeze": FIRST_STAGES}
    fields |= {"lr": 5e-4, "warm_up": 100, "clip": 10.0}
    if flow and task in FLOW_RATES:
        fields |= {"lr_factors": (("flow_network", FLOW_RATES[task]),)}
    return Recipe(f"toytown/{task}/{name}", **(SMALL | fields | changes))


def _ablation(task: str, frame: Recipe, dff: Recipe) -> list[Recipe]:
    """Return the rows of Tables 3 and 4 beside Frame and DFF: parts that stay fixed, and flow that is not learned."""
    _, sprites_flow = dff.start
    frames_n = (("feature_network", frame), ("task_network", frame))
    whole = ("feature_network", "task_network")

    def row(name: str, **changes: Any) -> Recipe:
        return dataclasses.replace(dff, name=f"toytown/{task}/{name}", **changes)

    def untrained(name: str, flow: str) -> Recipe:
        return row(name, start=frames_n, flow=flow, flow_width=0, scale=False, iterations=0)

    return [
        row("fix-n", start=(*frames_n, sprites_flow), freeze=whole),
        row("fix-f", freeze=(*dff.freeze, "flow_network"), scale=False, lr_factors=()),
        row("separate", start=(*frames_n, sprites_flow), scale=False, iterations=0),
        *(untrained(SFF[flow], flow) for flow in HAND_CRAFTED),
        row("without-s", scale=False),
        untrained("exact-flow", EXACT_FLOW),
        row("exact-flow-trained", start=dff.start[:1], flow=EXACT_FLOW, flow_width=0, scale=False, lr_factors=()),
    ]


def _figure3(task: str, stills: dict[int, Recipe], flows: dict[str, Recipe]) -> list[Recipe]:
    """Return Figure 3's other pairs of networks, and its alternatives: smaller networks, and smaller frames."""
    recipes = []
    for depth, start in stills.items():
        if depth != 101:
            recipes.append(_recognition(_named("frame", DEPTH_NAMES[depth]), task, start, None))
        for flow in flows if depth in DEPTHS else ():
            name = _named("dff", DEPTH_NAMES[depth], FLOW_NAMES[flow])
            if name != "dff":
                recipes.append(_recognition(name, task, start, flows[flow]))
    halved = _recognition("frame-half-size", task, stills[101], None, shrink=2)
    if task == "detection":  # anchors are in cells, which are twice as large now
        head = dict(HEADS[task])
        head["anchor_scales"] = tuple(scale / 2 for scale in head["anchor_scales"])
        halved = dataclasses.replace(halved, heads=((task, options(**head)),))
    return [*recipes, halved]


def _table5(task: str, dff: Recipe) -> list[Recipe]:
    """Return the rows of Table 5: DFF with split points other than 1."""
    return [dataclasses.replace(dff, name=f"toytown/{task}/split-{split}", split=split) for split in (0, 5, 12, 21)]


def _sparse_labels(frame: Recipe, dff: Recipe) -> list[Recipe]:
    """Return Frame and DFF with sparse labels (Sec. 3), on a sixth of the streets.

    In each street 30 frames have nine others before them; one in `interval` of these is labelled.
    """
    fewer = {"streets": 100, "first_label": 9, "length": 39, "iterations": ITERATIONS // 2}
    return [
        dataclasses.replace(recipe, name=f"{recipe.name}-1-in-{interval}", label_interval=interval, **fewer)
        for interval in (1, 5, 10, 30)
        for recipe in (frame, dff)
    ]


def _all() -> dict[str, Recipe]:
    """Return all recipes in the order in which they are run: those that the tables need most come first."""
    stills, flows = {depth: _stills_recipe(depth) for depth in DEPTH_NAMES}, {f: flow_recipe(f) for f in FLOW_NAMES}
    pairs = {
        task: (_recognition("frame", task, stills[101], None), _recognition("dff", task, stills[101], flows["FlowNet"]))
        for task in TASKS
    }
    recipes = [flows["FlowNet"], stills[101]]
    recipes += [row for task, pair in pairs.items() for row in (*pair, *_ablation(task, *pair))]
    recipes += [*flows.values(), *stills.values()]
    recipes += [row for task in TASKS for row in _figure3(task, stills, flows)]
    recipes += [row for task, (_, dff) in pairs.items() for row in _table5(task, dff)]
    recipes += [row for pair in pairs.values() for row in _sparse_labels(*pair)]
    return {recipe.name: recipe for recipe in recipes}


def _named(*parts: str) -> str:
    return "-".join(part for part in parts if part)


RECIPES = _all()
