"""The recipes of flow-guided aggregation on the handheld world: the rows of the talk's ablation.

All rows but the last start as `handheld/dff` does, or with the N of `handheld/frame`, and train for as many iterations.
"""

import dataclasses

from dffkit.baselines import NO_FLOW
from dffkit.training.handheld_recipes import DATA, HANDHELD
from dffkit.training.recipe import Recipe

REACH = 9  # neighbours in training, as in the authors' code; there are as many frames after the labelled one


def _all() -> dict[str, Recipe]:
    """Return all recipes in the order in which they are run."""
    dff, frame = HANDHELD[f"{DATA}/dff"], HANDHELD[f"{DATA}/frame"]
    changes = {"job": "aggregate", "scale": False, "max_offset": REACH, "first_label": REACH, "length": 2 * REACH + 1}
    fgfa = dataclasses.replace(dff, name=f"{DATA}/fgfa", **changes)
    parts = ("feature_network", "flow_network", "task_network")
    frozen = {"freeze": parts, "start": (("feature_network", frame), *dff.start[1:], ("task_network", frame))}
    without_flow = {"start": dff.start[:1], "flow": NO_FLOW, "flow_width": 0.0}
    recipes = [
        fgfa,  # (d)
        dataclasses.replace(fgfa, name=f"{DATA}/fgfa-plain-mean", weighting="equal", **without_flow),  # (b)
        dataclasses.replace(fgfa, name=f"{DATA}/fgfa-without-flow", **without_flow),  # (c)
        dataclasses.replace(fgfa, name=f"{DATA}/fgfa-embedding-only", **frozen),  # (e)
        dataclasses.replace(fgfa, name=f"{DATA}/fgfa-5-frames", neighbours=5),
        # Frame and the pre-trained F, put together untrained: with one frame in testing it is (a), Frame.
        dataclasses.replace(
            fgfa, name=f"{DATA}/fgfa-untrained", iterations=0, weighting="equal", start=frozen["start"]
        ),
    ]
    return {recipe.name: recipe for recipe in recipes}


AGGREGATION = _all()
