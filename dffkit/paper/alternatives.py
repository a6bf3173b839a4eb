"""What a user could take instead of Deep Feature Flow: per-frame recognition, by a smaller network or on less."""

import numpy as np
import pandas

from dffkit.baselines import NO_FLOW
from dffkit.experiments.runs import default_workspace
from dffkit.paper import scored
from dffkit.paper.speed_accuracy import best_on_val, compared, curves, draws_of


def per_frame(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """What depth is worth: Frame with each of the ResNets, on whole frames, the deepest first.

    Columns: `features`; `speedup`, counted; `training_loss`, on the last streets it was trained on; `score`; `gain`,
    the points over ResNet-101, with its interval, `low` and `high`.
    """
    points = curves(task, split, seed)
    single = points[(points.flow == NO_FLOW) & (points["shrink"] == 1)].sort_values("speedup")
    losses = scored.training_losses(default_workspace().results, scored.on_toytown(task), seed)
    draws = draws_of(single, task, split, seed)
    (deepest,) = draws[(single.name == "frame").to_numpy()]
    lines = []
    for point, own in zip(single.itertuples(), draws, strict=True):
        line = {"features": point.features, "speedup": point.speedup, "training_loss": losses.get(point.name, np.nan)}
        lines.append(line | {"score": point.score} | compared(own, deepest).points(mean="gain"))
    return pandas.DataFrame(lines)


def at_equal_speed(task: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """What a user could take instead of Deep Feature Flow, per-frame recognition by less: each beside the pair that is
    the most accurate on val of those that are at least as fast, by Eq. 7.

    Columns: `alternative` (its features, and "half size" where the frames are), `speedup`, `score`; `pair`, `duration`,
    `dff`: of that pair; `gain`, `low`, `high`: how many points it is better.
    """
    points = curves(task, split, seed)
    single = points[(points.flow == NO_FLOW) & (points.name != "frame")]
    lines = []
    for other in single.sort_values("speedup").itertuples():
        index = best_on_val(points, task, other.speedup, seed=seed)
        if index is None:
            continue
        best = points.loc[index]
        gain = compared(*draws_of(points.loc[[index, other.Index]], task, split, seed))
        name = other.features + (", half size" if other.shrink > 1 else "")
        line = {"alternative": name, "speedup": other.speedup, "score": other.score}
        line |= {"pair": f"{best.features}, {best.flow}", "duration": best.duration, "dff": best.score}
        lines.append(line | gain.points(mean="gain"))
    return pandas.DataFrame(lines)
