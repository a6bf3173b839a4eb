"""Made-up results of all pairs of networks, for the tests of what Figure 3 says."""

import numpy as np
from stored_scores import stored

from dffkit.experiments import results
from dffkit.experiments.speed import Architecture
from dffkit.paper.settings import find_setting


def two_curves(folder, setting, faster_is_better, splits=("test",), on_val=0.0):
    """Store scores and speeds of all pairs of the two ResNets.

    FlowNet Inception is the fastest and half a point worse. ResNet-50 is two points below ResNet-101 where nothing is
    propagated; with each frame it then loses less than ResNet-101 if `faster_is_better`, else more. On val the score of
    ResNet-50 with FlowNet Half is raised by `on_val`.
    """
    key_gflop = {101: 10.0, 50: 6.0}
    flow_gflop = {"": 1.0, "half": 0.5, "inception": 0.2}
    rows, speeds = [], []
    for depth, number in ((101, ""), (50, "50")):
        for flow in (None, *flow_gflop):
            parts = ["frame" if flow is None else "dff", number, flow or ""]
            recipe = find_setting(setting).recipe("-".join(part for part in parts if part))
            gflop = (key_gflop[depth], 0.0 if flow is None else flow_gflop[flow])
            for duration in [1] if flow is None else range(1, 6):
                slope = 0.01 if depth == 101 else 0.001 if faster_is_better else 0.02
                value = 0.7 - 0.02 * (depth == 50) - 0.005 * (flow == "inception") - slope * (duration - 1)
                noise = 0.001 * np.random.default_rng(0).standard_normal(50)
                for split in splits:
                    better = on_val if split == "val" and (depth, flow) == (50, "half") else 0.0
                    rows.append(stored(
                        recipe.name, value + better, split=split, duration=duration, replicates=value + better + noise
                    ))  # fmt: skip
            times = {"key_ms": 10 * gflop[0], "current_ms": 20 * gflop[1], "decode_ms": 0}
            times |= {"key_gflop": gflop[0], "current_gflop": gflop[1], "ratio": 0.1}
            speeds.append(Architecture.of(recipe)._asdict() | times)
    (folder / "evaluation.csv").unlink(missing_ok=True)
    results.add(folder / "evaluation.csv", rows)
    results.write_rows(folder / "speed.csv", speeds)
