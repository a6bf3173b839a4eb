"""Recipes on real video: small ones that two CPU cores train, and the paper's, at full size.

The small ones begin with what Toytown has taught. The paper's were not run at full scale here: they are for those who
have the data sets and the GPUs, `torchrun --nproc-per-node 8 -m dffkit train paper/imagenet-vid/dff`.
"""

import dataclasses
from typing import Any

from dffkit.recipes.recipe import NO_FLOW, Recipe, options
from dffkit.recipes.toytown import FIRST_STAGES, RECIPES, SFF

CAMVID_HEAD = ("segmentation", options(num_classes=11))
# People only, upright; at twice the video's size they are about 36 x 102 pixels.
PETS_HEAD = (
    "detection",
    options(
        num_classes=1, bins=3, anchor_scales=(1.5, 2.25, 3.5), anchor_ratios=(2, 3), anchor_positions=2, proposals=150,
        pre_nms=2000,
    ),
)  # fmt: skip
ITERATIONS = {"camvid": 4000, "pets09": 2500}


def _small(data: str, name: str, head: tuple, flow: Recipe | None, **changes: Any) -> Recipe:
    """Frame (without `flow`) or DFF on a real data set."""
    stills = RECIPES["toytown/stills"]
    fields = {"job": "pairs" if flow else "frames", "heads": (head,), "data": data, "iterations": ITERATIONS[data]}
    fields |= {"start": (("feature_network", stills), *((("flow_network", flow),) if flow else ()))}
    fields |= {"flow": flow.flow if flow else NO_FLOW, "flow_width": flow.flow_width if flow else 0}
    # Real pictures differ from rendered ones in their statistics: nothing is frozen.
    fields |= {"norm": "trained", "batch": 8, "optimiser": "adamw", "lr": 1e-3, "schedule": "cosine", "warm_up": 100}
    fields |= {"clip": 10.0, "precision": "bfloat16"}
    return Recipe(f"{data}/{name}", **(fields | changes))


def _camvid() -> list[Recipe]:
    flow = RECIPES["toytown/flow"]
    shared = {"size": (240, 320), "length": 10}
    frame = _small("camvid", "frame", CAMVID_HEAD, None, **shared)
    dff = _small("camvid", "dff", CAMVID_HEAD, flow, **shared)
    return [frame, dff, *_untrained(frame, dff, flow)]


def _pets09() -> list[Recipe]:
    flow = RECIPES["toytown/flow"]
    shared = {"size": (256, 320), "data_options": options(scale=2.0, windows=100)}
    frame = _small("pets09", "frame", PETS_HEAD, None, **shared)
    dff = _small("pets09", "dff", PETS_HEAD, flow, **shared)
    return [frame, dff, *_untrained(frame, dff, flow)]


def _untrained(frame: Recipe, dff: Recipe, flow: Recipe) -> list[Recipe]:
    """Rows that are only put together: Frame's N with F as sprites left it, and with DIS."""
    parts = (("feature_network", frame), ("task_network", frame))
    data = frame.data
    still = {"scale": False, "iterations": 0}
    return [
        dataclasses.replace(dff, name=f"{data}/separate", start=(*parts, ("flow_network", flow)), **still),
        dataclasses.replace(dff, name=f"{data}/{SFF['DIS']}", start=parts, flow="DIS", flow_width=0, **still),
    ]


def with_imagenet(recipe: Recipe) -> Recipe:
    """The recipe with N_feat at full width, from torchvision's ImageNet weights instead of what Toytown has taught."""
    start = tuple(item for item in recipe.start if item[0] != "feature_network")
    network = {"weights": "imagenet", "layout": "torchvision", "width": 1.0}
    return dataclasses.replace(recipe, name=f"{recipe.name}-imagenet", start=start, **network)


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


REAL = {recipe.name: recipe for recipe in (*_camvid(), *_pets09(), *_paper())}
