"""Notebook 04: the cost of a key frame and its propagated frames, and tables of costs and measured speeds."""

import pandas
import torch
from matplotlib.figure import Figure

from dffkit import complexity
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments.benchmark import TASK_NETWORKS
from dffkit.lessons.explore import Explorer, Picture, slider
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS
from dffkit.paper import ledger
from dffkit.paper.style import BLUE, DARK_GREY, GREEN, GREY, ORANGE, styled

LONGEST = 30  # frames on the sliders and axes

TABLE_2 = {  # column -> heading
    "features": "feature network", "flow": "flow network", "features_gmac": "N_feat, billions",
    "flow_gmac": "F, billions", "ratio": "r", "inverse": "1/r", "printed": "1/r, printed",
    "designed": "by construction",
}  # fmt: skip
MEASURED = {
    "task": "task", "features": "feature network", "flow": "flow network", "frame_ms": "Frame [ms]",
    "current_ms": "current [ms]", "speedup": "speedup", "speedup_live": "live", "speedup_decoded": "decoded",
    "eq7": "Eq. 7", "of_eq7": "of Eq. 7", "of_eq7_eq6": "with Eq. 6",
}  # fmt: skip
# Other rules for counting Table 2, as options of `complexity.table2`.
CONVENTIONS = {
    "the rule that fits": {},
    "no biases": {"biases": False},
    "no scale field": {"scale_channels": None},
    "flow and scale predicted at stride 8 (the paper's text)": {"head": "paper"},
    "encoder of F only": {"encoder_only": True},
    "stride on the 3x3 (torchvision's layout)": {"layout": "torchvision"},
    "N_feat without the 3x3 reduction": {"reduction": False},
    "frames of 1024x2048": {"size": (1024, 2048)},
}


@styled
def stretch_cost(duration: int, ratio: float) -> Picture:
    """Draw the cost of l frames, one key frame and l - 1 frames propagated at `ratio` = r, and Eq. 7's speedup."""
    speedup, cost = complexity.speedup(duration, ratio), 1 + (duration - 1) * ratio
    figure = Figure(figsize=(8.6, 3.6), layout="constrained")
    frames, curve = figure.subplots(1, 2, width_ratios=[1.25, 1])
    # A bar for the cost of each frame, inside the outline of its cost as a key frame.
    frames.bar(range(duration), [1] * duration, width=0.8, facecolor="none", edgecolor=GREY, linewidth=0.8)
    colours = [ORANGE] + [GREEN] * (duration - 1)
    frames.bar(range(duration), [1] + [ratio] * (duration - 1), width=0.8, color=colours)
    frames.set(xlabel="frame", ylabel="cost [key frames]", xlim=(-0.8, max(duration, 5) - 0.2), ylim=(0, 1.25))
    frames.set_xticks(sorted({0, duration - 1}), labels=sorted({0, duration - 1}))
    frames.text(-0.4, 1.06, "key", color=DARK_GREY)
    frames.set_title(f"{duration} × 1 = {duration} becomes 1 + {duration - 1} × {ratio:.3g} = {cost:.3g}")
    durations = range(1, LONGEST + 1)
    curve.plot(durations, durations, color=GREY, linestyle=":", linewidth=1)
    curve.plot(durations, [complexity.speedup(n, ratio) for n in durations], color=BLUE, linestyle="-")
    if ratio and 1 / ratio < LONGEST:
        curve.axhline(1 / ratio, color=DARK_GREY, linestyle="--", linewidth=1)
        curve.text(LONGEST, 1 / ratio + 0.5, f"1/r = {1 / ratio:.3g}", ha="right", va="bottom", color=DARK_GREY)
    curve.plot(duration, speedup, "o", color=BLUE, markersize=8)
    curve.set(xlabel="key frame duration l [frames]", ylabel="speedup s", xlim=(0, LONGEST + 1), ylim=(0, LONGEST + 1))
    curve.set_title(f"l = {duration}, r = {ratio:.3g}: s = {speedup:.2f}")
    limit = f"; no duration reaches 1/r = {1 / ratio:.3g}" if ratio else ""
    return Picture.of(
        figure,
        f"A bar for each of {duration} frames: the key frame costs 1, each other frame {ratio:.3g}. Together they cost "
        f"{cost:.3g} instead of {duration}, a speedup of {speedup:.2f}{limit}.",
    )


def speedup_explorer() -> Explorer:
    """Return a widget that shows costs and speedup for a chosen cost ratio and key frame duration."""
    return Explorer(
        stretch_cost,
        duration=slider("key frame duration l", 1, LONGEST, 1, 10),
        ratio=slider("cost ratio r", 0.0, 0.5, 0.005, 0.08),
    )


def cost_table(flow: str) -> pandas.DataFrame:
    """Return Eq. 5's parts in 1e9 multiply-adds and both ratios, for ResNet-101, one flow network and each task."""
    rows = {}
    for name, make in TASK_NETWORKS.items():
        with torch.device("meta"):
            model = DeepFeatureFlow(FeatureNetwork(101), FLOW_NETWORKS[flow](), make())
        costs = complexity.count_costs(model)
        parts = {"N_feat": costs.features, "F and S": costs.flow, "W": costs.warp, "N_task": costs.task}
        ratios = {"r, Eq. 5": complexity.cost_ratio(costs), "r, Eq. 6": complexity.cost_ratio_approximate(costs)}
        rows[name] = {part: flops / 2e9 for part, flops in parts.items()} | ratios
    return pandas.DataFrame(rows).T


def other_conventions() -> pandas.DataFrame:
    """Return Table 2 under other counting rules: rows of `complexity.table2` with a column `convention`."""
    tables = [complexity.table2(**options).assign(convention=name) for name, options in CONVENTIONS.items()]
    return pandas.concat(tables, ignore_index=True)


def benchmark_table() -> pandas.DataFrame:
    """Return the stored benchmark in float32 at l = 10: measured speedup and Eq. 7's, for each pair and task."""
    rows = ledger.benchmark().query("precision == 'float32' and duration == 10")
    columns = ["frame_ms", "current_ms", "speedup_decoded", "speedup_live", "speedup", "eq7", "of_eq7", "of_eq7_eq6"]
    table = rows.set_index(["task", "features", "flow"])[columns].round(2)
    return table.astype({"frame_ms": int, "current_ms": int})


def warp_times() -> pandas.DataFrame:
    """Return the stored milliseconds of the warp, and of a current frame's maps, as they are and by `grid_sample`.

    They are those of ResNet-101 with FlowNet Inception at l = 10, where the warp has its largest share.
    """
    columns = {"warp_ms": "warp", "warp_grid_sample_ms": "warp by grid_sample"}
    columns |= {"current_ms": "current frame", "current_grid_sample_ms": "current frame by grid_sample"}
    return ledger.benchmark("warp.csv")[["task", "precision", *columns]].rename(columns=columns)
