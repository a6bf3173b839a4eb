"""The recipes on Toytown, by name: pre-training, Frame and DFF, and every row of the tables and curves."""

import dataclasses
from typing import Any, NamedTuple

from dffkit.baselines import EXACT_FLOW, HAND_CRAFTED, NO_FLOW
from dffkit.complexity import DEPTHS
from dffkit.training.recipe import FLOW_WIDTHS, TASKS, Options, Recipe, options

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
# At its width in `FLOW_WIDTHS`, FlowNet Inception has 3 channels after its first convolution and 5 after the second.
# With a small stem and this width no layer of its encoder has so few, at the same cost ratio.
WIDER_INCEPTION = 0.14
ITERATIONS = 3000  # T of every row of Tables 3, 4 and 5 and of every curve
# Factor on F's learning rate in joint training. For segmentation 3 gains at every l and 10 diverges; for detection 3
# costs at every l, and 0.3 is no better than 1.
FLOW_RATES = {"segmentation": 3.0}
SMALL = {"batch": 8, "optimiser": "adamw", "schedule": "cosine", "precision": "bfloat16"}  # all small trainings


class TrainingSetting(NamedTuple):
    """A data set with a task, on which the rows of the paper's tables and curves are trained."""

    name: str  # beginning of the names of its recipes
    task: str  # "segmentation" or "detection"
    head: Options  # of its network
    fields: dict[str, Any]  # further fields of all its recipes for recognition
    flow_rate: float = 1.0  # factor on F's learning rate in joint training


# Three frames each of many streets, as Cityscapes labels one in a snippet: objects vary more than frames do.
DRIVE_FIELDS = {"iterations": ITERATIONS, "streets": 600, "length": 12, "first_label": 9}
DRIVE = [
    TrainingSetting(f"toytown/{task}", task, HEADS[task], DRIVE_FIELDS, FLOW_RATES.get(task, 1.0)) for task in TASKS
]  # fmt: skip


def flow_recipe(flow: str) -> Recipe:
    """Return the recipe that pre-trains a flow network on sprites."""
    fields = {"flow": flow, "flow_width": FLOW_WIDTHS[flow], "iterations": 30000, "mirrors": 4}
    fields |= {"lr": 1e-3, "warm_up": 200, "clip": 1.0}
    return Recipe(named("toytown/flow", FLOW_NAMES[flow]), "flow", **fields, **SMALL)


def wider_inception() -> Recipe:
    """Return the recipe that pre-trains FlowNet Inception with a small stem, for all but the drive's detection."""
    changes = {"name": "toytown/flow-inception-wider", "flow_width": WIDER_INCEPTION, "small_stem": True}
    return dataclasses.replace(flow_recipe("FlowNet Inception"), **changes)


def stills_recipe(depth: int) -> Recipe:
    """Return the recipe that pre-trains N_feat on single frames."""
    fields = {"depth": depth, "norm": "trained", "flow": NO_FLOW, "flow_width": 0, "iterations": 8000}
    fields |= {"data_split": "stills", "streets": 1000, "lr": 1.5e-3, "warm_up": 200, "clip": 10.0}
    name = named("toytown/stills", DEPTH_NAMES[depth])
    return Recipe(name, "stills", (SEGMENTATION, DETECTION_IN_PRETRAINING), **fields, **SMALL)


def recognition(name: str, setting: TrainingSetting, stills: Recipe, flow: Recipe | None, **changes: Any) -> Recipe:
    """Return Frame (without `flow`) or DFF: with the same start, the same T and the same settings."""
    fields = {"job": "pairs" if flow else "frames", "heads": ((setting.task, setting.head),), "depth": stills.depth}
    fields |= {"start": (("feature_network", stills), *((("flow_network", flow),) if flow else ()))}
    fields |= {"flow": flow.flow if flow else NO_FLOW, "flow_width": flow.flow_width if flow else 0}
    fields |= {"freeze": FIRST_STAGES, "lr": 5e-4, "warm_up": 100, "clip": 10.0, **setting.fields}
    if flow:
        fields |= {"small_stem": flow.small_stem}
    if flow and setting.flow_rate != 1:
        fields |= {"lr_factors": (("flow_network", setting.flow_rate),)}
    return Recipe(f"{setting.name}/{name}", **(SMALL | fields | changes))


def ablation(setting: TrainingSetting, frame: Recipe, dff: Recipe) -> list[Recipe]:
    """Return the rows of Tables 3 and 4 beside Frame and DFF: parts that stay fixed, and flow that is not learned."""
    _, sprites_flow = dff.start
    frames_n = (("feature_network", frame), ("task_network", frame))
    whole = ("feature_network", "task_network")

    def row(name: str, **changes: Any) -> Recipe:
        return dataclasses.replace(dff, name=f"{setting.name}/{name}", **changes)

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


def from_frames_n(dff: Recipe, fix_n: Recipe) -> Recipe:
    """Return DFF with fix N's start and iterations, but nothing fixed: what joint training adds to fix N."""
    return dataclasses.replace(fix_n, name=f"{dff.name}-from-frame", freeze=dff.freeze)


def figure3(setting: TrainingSetting, stills: dict[int, Recipe], flows: dict[str, Recipe]) -> list[Recipe]:
    """Return Figure 3's other pairs of networks, and its alternatives: smaller networks, and smaller frames."""
    recipes = []
    for depth, start in stills.items():
        if depth != 101:
            recipes.append(recognition(named("frame", DEPTH_NAMES[depth]), setting, start, None))
        for flow in flows if depth in DEPTHS else ():
            name = named("dff", DEPTH_NAMES[depth], FLOW_NAMES[flow])
            if name != "dff":
                recipes.append(recognition(name, setting, start, flows[flow]))
    halved = recognition("frame-half-size", setting, stills[101], None, shrink=2)
    if setting.task == "detection":  # anchors are in cells, which are twice as large now
        head = dict(setting.head)
        head["anchor_scales"] = tuple(scale / 2 for scale in head["anchor_scales"])
        halved = dataclasses.replace(halved, heads=((setting.task, options(**head)),))
    return [*recipes, halved]


def table5(setting: TrainingSetting, dff: Recipe) -> list[Recipe]:
    """Return the rows of Table 5: DFF with split points other than 1."""
    return [dataclasses.replace(dff, name=f"{setting.name}/split-{split}", split=split) for split in (0, 5, 12, 21)]


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
    stills, flows = {depth: stills_recipe(depth) for depth in DEPTH_NAMES}, {f: flow_recipe(f) for f in FLOW_NAMES}
    pairs = [
        (each, recognition("frame", each, stills[101], None), recognition("dff", each, stills[101], flows["FlowNet"]))
        for each in DRIVE
    ]
    recipes = [flows["FlowNet"], stills[101]]
    for setting, frame, dff in pairs:
        rows = ablation(setting, frame, dff)
        recipes += [frame, dff, *([from_frames_n(dff, rows[0])] if setting.task == "segmentation" else ()), *rows]
    recipes += [*flows.values(), wider_inception(), *stills.values()]
    wider = {"segmentation": flows | {"FlowNet Inception": wider_inception()}}
    recipes += [row for setting in DRIVE for row in figure3(setting, stills, wider.get(setting.task, flows))]
    recipes += [row for setting, _, dff in pairs for row in table5(setting, dff)]
    recipes += [row for _, *pair in pairs for row in _sparse_labels(*pair)]
    return {recipe.name: recipe for recipe in recipes}


def named(*parts: str) -> str:
    """Return the parts that are not empty, joined by hyphens."""
    return "-".join(part for part in parts if part)


RECIPES = _all()
