"""Real video, CamVid and PETS09: what each method scores at every key frame duration."""

import pandas

from dffkit.experiments.runs import default_workspace
from dffkit.paper import scored
from dffkit.training.real_recipes import REAL

METHODS = {
    "frame": "copy",
    "frame-longer": "Frame, longer",
    "dff": "DFF",
    "separate": "DFF separate",
    "sff-dis": "SFF-DIS",
}


def curves(data: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """Columns `method`, `duration`, `score` (percent), one line for each point that has been scored.

    Frame has duration 1 alone, and so has "Frame, longer", trained for as many iterations as DFF in all. "copy" is what
    becomes of Frame when every `duration`-th frame's features are kept.

    Args:
        data: "camvid" or "pets09".
        split: "test" is CamVid's clip, or frames 501-600 of PETS09.
        seed: of the trainings.
    """
    recipes = {method: REAL[f"{data}/{name}"] for name, method in METHODS.items()}
    scores = scored.overall(default_workspace().results, recipes, split)
    scores = scores[(scores.seed == seed) & ((scores.name != "Frame, longer") | (scores.duration == 1))]
    method = scores.name.mask((scores.name == "copy") & (scores.duration == 1), "Frame")
    return scores.assign(method=method)[["method", "duration", "score"]]
