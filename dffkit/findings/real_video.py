"""Real video, CamVid and PETS09: what each method scores at every key frame duration."""

import pandas

from dffkit.experiments import results
from dffkit.experiments.place import default_place
from dffkit.experiments.scoring import METRIC
from dffkit.recipes.real import REAL

DATA = {"camvid": "segmentation", "pets09": "detection"}
METHODS = {"frame": "copy", "dff": "DFF", "separate": "DFF separate", "sff-dis": "SFF-DIS"}


def curves(data: str, split: str = "test", seed: int = 0) -> pandas.DataFrame:
    """Columns `method`, `duration`, `score` (percent), one line for each point that has been scored.

    Frame has duration 1 alone; "copy" is what becomes of it when every `duration`-th frame's features are kept.

    Args:
        data: "camvid" or "pets09".
        split: "test" is CamVid's clip, or frames 501-600 of PETS09.
        seed: of the trainings.
    """
    methods = {REAL[f"{data}/{name}"].hash: method for name, method in METHODS.items()}
    wanted = {"split": split, "seed": str(seed), "metric": METRIC[DATA[data]], "subset": "all"}
    lines = []
    for row in results.read(default_place().results / "evaluation.csv"):
        if row["hash"] in methods and all(row[key] == value for key, value in wanted.items()):
            method, duration = methods[row["hash"]], int(row["duration"])
            single = method == "copy" and duration == 1
            lines.append(("Frame" if single else method, duration, 100 * float(row["value"])))
    return pandas.DataFrame(lines, columns=["method", "duration", "score"])
