"""The cost ratio r of the six pairs of networks in three ways: by formula, by counted operations, by measured time."""

import pandas
from matplotlib.figure import Figure

from dffkit.paper import ledger
from dffkit.paper.style import BLUE, GREEN, ORANGE, RED, panels, shared_legend

TASK, DURATION = "detection", 10  # of the stored measurements that are compared
LOOKS = {  # column of `cost_ratios` -> label, colour and marker
    "printed": ("printed in the paper", RED, "o"), "formula": ("Eq. 6: F over N, counted", BLUE, "D"),
    "counted": ("Eq. 5: all parts, counted", GREEN, "s"), "float32": ("measured, float32", ORANGE, "^"),
    "bfloat16": ("measured, mixed precision", ORANGE, "v"),
}  # fmt: skip


def cost_ratios() -> pandas.DataFrame:
    """Cost ratio r of each pair at the paper's size, from Table 2 and from the stored benchmark on detection at l = 10.

    The measured r is the time of a propagated frame's maps over that of a key frame's: flow network, warp and task
    network over feature network and task network. Boxes, which both need, are in neither.

    Returns:
        Columns: `features`, `flow`; `printed`, by the paper's Table 2; `formula` (Eq. 6); `counted` (Eq. 5); `float32`
        and `bfloat16`, measured; and `warp`, the share of the warp in a propagated frame's time, float32.
    """
    rows = ledger.benchmark().query("task == @TASK and duration == @DURATION")
    inverse = ledger.printed("inverse_ratio")
    lines = []
    for (features, flow), pair in rows.groupby(["features", "flow"], sort=False):
        times = pair.set_index("precision")
        plain = times.loc["float32"]
        line = {"features": features, "flow": flow, "printed": 1 / inverse[features, flow]}
        line |= {"formula": _ratio(plain.eq7_eq6), "counted": _ratio(plain.eq7)}
        line |= (times.current_ms / (times.features_ms + times.task_ms)).to_dict()
        lines.append(line | {"warp": plain.warp_ms / plain.current_ms})
    return pandas.DataFrame(lines)


def cost_ratio_figure() -> tuple[Figure, pandas.DataFrame]:
    """Draw `cost_ratios`, a line for each pair."""
    numbers = cost_ratios()
    figure, ((axes,),) = panels(1, 1, 7.5, 3.6)
    for column, (label, colour, marker) in LOOKS.items():
        look = {"markersize": 12, "markerfacecolor": "none"} if column == "printed" else {"markersize": 6}
        axes.plot(numbers[column], range(len(numbers)), marker, color=colour, label=label, **look)
    axes.set_xscale("log")
    axes.set_xticks([0.005, 0.01, 0.02, 0.05, 0.1, 0.2], labels=["0.005", "0.01", "0.02", "0.05", "0.1", "0.2"])
    axes.set_yticks(range(len(numbers)), labels=[f"{row.features}, {row.flow}" for row in numbers.itertuples()])
    axes.set_xlabel("r: cost of a propagated frame over that of a key frame")
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.grid(axis="y", linewidth=0.4, linestyle=":")
    shared_legend(figure)
    return figure, numbers


def _ratio(speedup: float) -> float:
    """Return the r with which Eq. 7 gives this speedup at `DURATION`."""
    return (DURATION / speedup - 1) / (DURATION - 1)
