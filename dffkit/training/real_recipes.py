"""Recipes on real video: small ones that two CPU cores train, and the paper's, at full size.

The small ones begin with what Toytown has taught. The paper's were not run at full scale here: they are for those who
have the data sets and the GPUs, `torchrun --nproc-per-node 8 -m dffkit train paper/imagenet-vid/dff`.
"""

import dataclasses
from typing import Any

from dffkit.baselines import NO_FLOW
from dffkit.training.recipe import Recipe, options
from dffkit.training.toytown_recipes import FIRST_STAGES, RECIPES, SFF

CAMVID_HEAD = ("segmentation", options(num_classes=11))
# People only, upright; at twice the video's size they are about 36 x 102 pixels, and twice as large near the camera.
PETS_HEAD = (
    "detection",
    options(
        num_classes=1, bins=3, anchor_scales=(1.5, 2.25, 3.5, 5.25), anchor_ratios=(2, 3), anchor_positions=2,
        proposals=150, pre_nms=2000,
    ),
)  # fmt: skip
ITERATIONS = {"camvid": 4000, "pets09": 2500}  # of Frame; Deep Feature Flow goes on from there for half as many


def _small(data: str, name: str, head: tuple, start: tuple, flow: Recipe | None, **changes: Any) -> Recipe:
    """Frame (without `flow`) or DFF on a real data set."""
    fields = {"job": "pairs" if flow else "frames", "heads": (head,), "data": data, "start": start}
    fields |= {"flow": flow.flow if flow else NO_FLOW, "flow_width": flow.flow_width if flow else 0}
    # Real pictures differ from rendered ones in their statistics: nothing is frozen.
    fields |= {"norm": "trained", "batch": 8, "optimiser": "adamw", "lr": 1e-3, "schedule": "cosine", "warm_up": 100}
    fields |= {"iterations": ITERATIONS[data], "clip": 10.0, "precision": "bfloat16"}
    return Recipe(f"{data}/{name}", **(fields | changes))


def _methods(data: str, head: tuple, **shared: Any) -> list[Recipe]:
    """All methods on a data set.

    There are few labels: from what Toytown has taught, Deep Feature Flow learned to carry features as well as it does
    so, but its N became worse than Frame's. So it begins with Frame's N. "frame-longer" is there to tell what the
    further iterations alone are worth: Frame with as many more.
    """
    stills, flow = RECIPES["toytown/stills"], RECIPES["toytown/flow"]
    frame = _small(data, "frame", head, (("feature_network", stills),), None, **shared)
    frames_n = (("feature_network", frame), ("task_network", frame))
    more = shared | {"iterations": ITERATIONS[data] // 2, "lr": 5e-4}
    longer = _small(data, "frame-longer", head, frames_n, None, **more)
    more["lr_factors"] = (("flow_network", 2.0),)  # it has seen no real picture yet
    dff = _small(data, "dff", head, (*frames_n, ("flow_network", flow)), flow, **more)
    untrained = {"scale": False, "iterations": 0, "lr_factors": ()}
    separate = dataclasses.replace(dff, name=f"{data}/separate", **untrained)
    dis = {"name": f"{data}/{SFF['DIS']}", "start": frames_n, "flow": "DIS", "flow_width": 0, **untrained}
    return [frame, longer, dff, separate, dataclasses.replace(dff, **dis)]


def _small_recipes() -> list[Recipe]:
    camvid = _methods("camvid", CAMVID_HEAD, size=(240, 320), length=10)
    pets09 = _methods("pets09", PETS_HEAD, size=(256, 320), data_options=options(scale=2.0, windows=100))
    return [*camvid, *pets09]


def with_imagenet(recipe: Recipe) -> Recipe:
    """The recipe with N_feat at full width, from torchvision's ImageNet weights instead of what Toytown has taught.

    If it begins with another recipe's N, that is trained so first.
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
    """The recipe on another data set, "module:function", and with another number of classes; None for no change.

    If it begins with another recipe's N, that is trained there first.
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


def _paper() -> list[Recipe]:
    """The paper's networks and schedules (Sec. 4.2 and 5), 8 GPUs with an image each.

    The paper takes FlowNet's own weights; "paper/flow" is for those who train theirs, on the same pairs, and its
    schedule is ours.
    """
    flow = Recipe(
        "paper/flow", "flow", data="flying_chairs", size=(384, 512), flow_width=1.0, iterations=300_000, batch=8,
        optimiser="adamw", lr=1e-4, schedule="step", step_at=0.5, mirrors=4,
    )  # fmt: skip
    networks = {"depth": 101, "width": 1.0, "layout": "torchvision", "weights": "imagenet", "scale_bias": "frozen"}
    training = {"batch": 8, "optimiser": "sgd", "lr": 1e-3, "schedule": "step"}
    training["freeze"] = FIRST_STAGES
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


REAL = {recipe.name: recipe for recipe in (*_small_recipes(), *_paper())}
