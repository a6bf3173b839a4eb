"""All recipes by name: `RECIPES`, `HANDHELD`, `AGGREGATION` on rendered worlds, and `REAL` on real video, defined here.

The small recipes of `REAL` begin with the weights that Toytown has trained, and two CPU cores are enough for them. The
paper's recipes, at full size, were not run at full scale here. They need the data sets and GPUs:
`torchrun --nproc-per-node 8 -m dffkit train paper/imagenet-vid/dff`. With `--rehearse` they need neither.
"""

import dataclasses
import difflib
from typing import Any

from dffkit.baselines import NO_FLOW
from dffkit.training.aggregation_recipes import AGGREGATION
from dffkit.training.handheld_recipes import HANDHELD
from dffkit.training.recipe import Options, Recipe, options
from dffkit.training.toytown_recipes import FIRST_STAGES, RECIPES, SFF, TrainingSetting, recognition

# The networks of Figure 3.
CURVES = {
    name
    for name in RECIPES | HANDHELD
    if name.split("/")[-1].startswith(("frame", "dff"))
    and "-1-in-" not in name
    and not name.endswith(("-2t", "-from-frame"))
}
# Recipes that are scored at all of Figure 3's key frame durations: also fix N, as DFF's lead over it depends on them.
AT_ALL_DURATIONS = CURVES | {name for name in RECIPES | HANDHELD if name.endswith(("/fix-n", "-from-frame"))}

# People only, upright; at twice the video's size they are about 36 x 102 pixels, and twice as large near the camera.
PETS09_HEAD = options(
    num_classes=1, bins=3, anchor_scales=(1.5, 2.25, 3.5, 5.25), anchor_ratios=(2, 3), anchor_positions=2,
    proposals=150, pre_nms=2000,
)  # fmt: skip
ITERATIONS = {"camvid": 4000, "pets09": 2500}  # of Frame; Deep Feature Flow starts from Frame and trains half as long


def find(name: str) -> Recipe:
    """Return the recipe of this name, on Toytown or on real video.

    Raises:
        ValueError: naming the closest names, if there is none.
    """
    known = RECIPES | HANDHELD | AGGREGATION | REAL
    if name not in known:
        close = " or ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.4))
        hint = f"did you mean {close}?" if close else "python -m dffkit train lists them"
        raise ValueError(f"recipe: no {name!r}; {hint}")
    return known[name]


def is_own(recipe: Recipe) -> bool:
    """Return True for a recipe that the kit does not have, such as one of its own with a change."""
    return recipe.hash not in {known.hash for known in (RECIPES | HANDHELD | AGGREGATION | REAL).values()}


def _methods(data: str, task: str, head: Options, **fields: Any) -> list[Recipe]:
    """Return all methods on a real data set.

    Labels are few. When Deep Feature Flow began with Toytown's N, it learned to propagate features, but its N became
    worse than Frame's. So it begins with Frame's N. "frame-longer" trains Frame for as many further iterations, and
    shows the gain by these iterations alone.
    """
    stills, flow = RECIPES["toytown/stills"], RECIPES["toytown/flow"]
    # Real pictures differ from rendered ones in their statistics: nothing is frozen.
    fields |= {"data": data, "norm": "trained", "freeze": (), "lr": 1e-3, "iterations": ITERATIONS[data]}
    setting = TrainingSetting(data, task, head, fields)
    frame = recognition("frame", setting, stills, None)
    frames_n = (("feature_network", frame), ("task_network", frame))
    more = {"start": frames_n, "iterations": ITERATIONS[data] // 2, "lr": 5e-4}
    longer = recognition("frame-longer", setting, stills, None, **more)
    more |= {"start": (*frames_n, ("flow_network", flow))}
    more |= {"lr_factors": (("flow_network", 2.0),)}  # F has seen no real picture yet
    dff = recognition("dff", setting, stills, flow, **more)
    untrained = {"scale": False, "iterations": 0, "lr_factors": ()}
    separate = dataclasses.replace(dff, name=f"{data}/separate", **untrained)
    dis = {"name": f"{data}/{SFF['DIS']}", "start": frames_n, "flow": "DIS", "flow_width": 0, **untrained}
    return [frame, longer, dff, separate, dataclasses.replace(dff, **dis)]


def with_imagenet(recipe: Recipe) -> Recipe:
    """Return the recipe with N_feat at full width, from torchvision's ImageNet weights instead of Toytown's.

    If the recipe begins with the N of another recipe, that recipe changes in the same way and is trained first.
    """
    start = tuple(
        (part, other if other.pretraining else with_imagenet(other))
        for part, other in recipe.start
        if part != "feature_network" or not other.pretraining
    )
    network = {"layout": "torchvision", "width": 1.0}
    if "feature_network" not in dict(start):
        network["weights"] = "imagenet"
    return dataclasses.replace(recipe, name=f"{recipe.name}-imagenet", start=start, **network)


def on_own_data(recipe: Recipe, data: str | None, classes: int | None) -> Recipe:
    """Return a recipe with one head on another data set, "module:function", or with another number of classes.

    None changes nothing. If the recipe begins with the N of another recipe, that one changes in the same way and is
    trained first.
    """
    start = tuple(
        (part, other if other.pretraining else on_own_data(other, data, classes)) for part, other in recipe.start
    )
    changes = {"start": start}
    if data:
        changes |= {"data": data, "name": f"{data.replace(':', '.')}/{recipe.name.rpartition('/')[2]}"}
    if classes:
        ((task, head),) = recipe.heads
        changes["heads"] = ((task, options(**(dict(head) | {"num_classes": classes}))),)
    return dataclasses.replace(recipe, **changes)


def with_iterations(recipe: Recipe, iterations: int) -> Recipe:
    """Return the recipe with other iterations, and so all that it starts from and that is none of the kit's."""
    start = tuple(
        (part, with_iterations(other, iterations) if is_own(other) else other) for part, other in recipe.start
    )
    return dataclasses.replace(recipe, start=start, iterations=iterations)


def _paper() -> list[Recipe]:
    """Return the paper's networks and schedules (Sec. 4.2 and 5), for 8 GPUs with one image each.

    The paper takes FlowNet's own weights. "paper/flow" trains F on the same pairs, with a schedule of this kit.
    """
    flow = Recipe(
        "paper/flow", "flow", data="flying_chairs", size=(384, 512), flow_width=1.0, iterations=300_000, batch=8,
        optimiser="adamw", lr=1e-4, schedule="step", step_at=0.5, mirrors=4,
    )  # fmt: skip
    networks = {"depth": 101, "width": 1.0, "layout": "torchvision", "weights": "imagenet", "scale_bias": "frozen"}
    training = {"batch": 8, "optimiser": "sgd", "lr": 1e-3, "schedule": "step", "freeze": FIRST_STAGES}
    tasks = {
        "cityscapes": (("segmentation", options(num_classes=19)), {"iterations": 20_000, "step_at": 0.75}),
        "imagenet-vid": (("detection", options(num_classes=30)), {"iterations": 60_000}),
    }
    found = [flow]
    for name, (head, schedule) in tasks.items():
        shared = {"heads": (head,), "data": name.replace("-", "_"), **networks, **training, **schedule}
        found.append(Recipe(f"paper/{name}/frame", "frames", flow=NO_FLOW, flow_width=0, **shared))
        found.append(Recipe(f"paper/{name}/dff", "pairs", flow_width=1.0, start=(("flow_network", flow),), **shared))
    return found


_CAMVID = _methods("camvid", "segmentation", options(num_classes=11), size=(240, 320), length=10)
_SCALED = options(scale=2.0, windows=100)
_PETS09 = _methods("pets09", "detection", PETS09_HEAD, size=(256, 320), data_options=_SCALED)
REAL = {recipe.name: recipe for recipe in (*_CAMVID, *_PETS09, *_paper())}
