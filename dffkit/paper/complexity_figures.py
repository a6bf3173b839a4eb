"""Table 2, Eq. 7 and Figure 2: costs and shapes of the paper's networks, counted on the networks as they are built."""

import matplotlib.pyplot as plt
import pandas
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dffkit import complexity
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps
from dffkit.paper import ledger
from dffkit.paper.boxes import CHEAP, EXPENSIVE, Box, draw_arrow, draw_box
from dffkit.paper.style import COLOURS, LINES, MARKERS

GRADIENT = "#CC3311"


def table2_numbers() -> pandas.DataFrame:
    """Return `complexity.table2` with the printed values, and whether a cell matches by construction."""
    numbers = complexity.table2()
    printed = ledger.printed("inverse_ratio")
    numbers["paper"] = [printed[pair] for pair in zip(numbers.features, numbers.flow, strict=True)]
    return numbers.assign(by_construction=numbers.flow == "FlowNet Inception")


def table2() -> tuple[Figure, pandas.DataFrame]:
    """Table 2: 1/r of the six pairs of networks, with the printed values as open markers beside ours."""
    numbers = table2_numbers()
    figure, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    labels = [f"{row.features}, {row.flow}{' *' if row.by_construction else ''}" for row in numbers.itertuples()]
    for y, row in enumerate(numbers.itertuples()):
        axes.plot(row.inverse, y, MARKERS[row.flow], color=COLOURS[row.flow], markersize=7)
        axes.plot(row.paper, y, "o", markersize=14, markerfacecolor="none", markeredgecolor="black")
        axes.text(row.inverse * 1.16, y, f"{row.inverse:.2f}  (paper: {row.paper:.2f})", va="center", fontsize=9)
    axes.plot([], [], "o", markersize=14, markerfacecolor="none", markeredgecolor="black", label="printed in the paper")
    axes.plot([], [], "o", color="grey", markersize=7, label="counted on our networks")
    axes.set(xscale="log", xlim=(7, 400), xlabel="1/r: how many times cheaper a propagated frame is (Eq. 6)")
    axes.set_xticks([10, 20, 50, 100, 200], labels=["10", "20", "50", "100", "200"])
    axes.set_yticks(range(len(labels)), labels=labels)
    axes.invert_yaxis()
    axes.legend(loc="upper right")
    figure.text(0.01, 0.01, "* matches by construction: the layers were chosen so", fontsize=8, color="#444444")
    figure.get_layout_engine().set(rect=(0, 0.06, 1, 0.94))
    return figure, numbers


def equation7() -> tuple[Figure, pandas.DataFrame]:
    """Eq. 7: speedup over key frame duration for the six pairs, with the paper's two measured points."""
    longest, columns = 20, ("features", "flow", "duration", "ratio", "speedup")
    rows = [
        (pair.features, pair.flow, duration, pair.ratio, round(complexity.speedup(duration, pair.ratio), 4))
        for pair in complexity.table2().itertuples()
        for duration in range(1, longest + 1)
    ]
    numbers = pandas.DataFrame(rows, columns=columns)
    figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
    axes.plot([1, longest], [1, longest], color="grey", linewidth=0.8, linestyle=":", label="s = l (r = 0)")
    for (features, flow), curve in numbers.groupby(["features", "flow"], sort=False):
        style = {"color": COLOURS[flow], "linestyle": LINES[features], "marker": MARKERS[flow], "markersize": 3.5}
        axes.plot(curve.duration, curve.speedup, label=f"{features}, {flow}", **style)
    measured = {"marker": "*", "markersize": 13, "markerfacecolor": "none", "markeredgecolor": "black"}
    points = [(of[3], value) for of, value in ledger.printed("measured").items() if of[-1] == "speedup"]
    label = "measured in the paper (Table 4), ResNet-101, FlowNet:\nsegmentation l = 5, detection l = 10"
    axes.plot(*zip(*points, strict=True), linestyle="none", label=label, **measured)
    axes.set(xlabel="key frame duration l [frames]", ylabel="speedup s over per-frame", xlim=(0.5, longest + 0.5))
    axes.set_ylim(0, longest)
    axes.set_xticks([1, *range(5, longest + 1, 5)])
    axes.legend(loc="upper left")
    return figure, numbers


def figure2() -> tuple[Figure, pandas.DataFrame]:
    """Figure 2: the architecture, with the shapes and costs of the networks as they are built."""
    numbers = architecture()
    figure, (inference, training) = plt.subplots(2, 1, figsize=(12, 7.6), layout="constrained")
    part = {row.part: row for row in numbers.itertuples()}
    _panel(inference, "(a) Recognition, Algorithm 1: N_feat runs on the key frame only", part)
    _panel(training, "(b) Training on pairs: only the current frame i needs a label", part, train=True)
    return figure, numbers


def architecture() -> pandas.DataFrame:
    """Shape and cost of each part of ResNet-101 with FlowNet and the segmentation head, on the meta device.

    Columns: `part`, `shape` (without the batch), `gmac` (10⁹ multiply-adds, as text; empty where nothing computes).
    """
    with torch.device("meta"):
        model = DeepFeatureFlow(FeatureNetwork(101), flownet(), ScoreMaps(num_classes=19))
        frame = torch.zeros(1, 3, *complexity.SIZE, dtype=torch.uint8)
        maps, key = model.on_key_frame(frame)
        flow, scale = model.flow_network(key.flow_input, key.flow_input)
    costs = complexity.count_costs(model)
    rows = [
        ("frame", frame, None), ("half frame", key.flow_input, None), ("features", key.features, costs.features),
        ("flow field", flow, costs.flow), ("scale field", scale, None), ("propagated", key.features, costs.warp),
        ("score maps", maps, costs.task),
    ]  # fmt: skip
    return pandas.DataFrame(
        [{"part": name, "shape": _shape(x), "gmac": "" if n is None else f"{n / 2e9:.3f}"} for name, x, n in rows]
    )


def _shape(x: torch.Tensor) -> str:
    return " × ".join(str(n) for n in x.shape[1:])


# The drawing of Figure 2


def _panel(axes: Axes, title: str, part: dict, *, train: bool = False) -> None:
    """Draw one panel: key frame above, current frame below, and between them what both frames feed."""
    top, middle, bottom = 5.2, 2.9, 0.9
    key, current = Box(1.3, top), Box(1.3, bottom)
    n_feat, features = Box(4.6, top, 2.6), Box(7.9, top)
    flow_network = Box(4.6, middle, 2.6)
    flow, scale = Box(7.9, middle), Box(7.9, bottom)
    warp, propagated = Box(10.9, middle, 1.6), Box(13.6, middle)
    task, maps = Box(16.4, middle, 1.9), Box(19.1, middle)

    draw_box(axes, key, f"key frame k\n{part['frame'].shape}")
    draw_box(axes, current, f"current frame i\n{part['frame'].shape}")
    draw_box(axes, n_feat, f"N_feat: ResNet-101\n{_cost(part['features'])}", EXPENSIVE)
    draw_box(axes, features, f"features of k\n{part['features'].shape}")
    halves = f"both at {part['half frame'].shape}"
    draw_box(axes, flow_network, f"F and S: FlowNet\n{halves}\n{_cost(part['flow field'])}", CHEAP)
    draw_box(axes, flow, f"flow field M(i→k)\n{part['flow field'].shape}")
    draw_box(axes, scale, f"scale field S(i→k)\n{part['scale field'].shape}")
    draw_box(axes, warp, f"W\n{_cost(part['propagated'])}", CHEAP)
    draw_box(axes, propagated, f"features of i\n{part['propagated'].shape}")
    draw_box(axes, task, f"N_task\n{_cost(part['score maps'])}", CHEAP)
    draw_box(axes, maps, f"score maps of i\n{part['score maps'].shape}")

    learned = [
        (n_feat, features), (features, warp), (flow_network, flow), (flow, warp), (flow_network, scale), (scale, warp),
        (warp, propagated), (propagated, task), (task, maps),
    ]  # fmt: skip
    for start, end in [(key, n_feat), (key, flow_network), (current, flow_network), *learned]:
        draw_arrow(axes, start, end)
    if train:
        loss = Box(19.1, bottom)
        draw_box(axes, loss, "loss with\nthe label of i")
        draw_arrow(axes, maps, loss)
        for start, end in [*learned, (maps, loss)]:
            draw_arrow(axes, end, start, GRADIENT, shift=-0.22, style="--")
        note = "red: the gradient's way back, into N_task,\nthrough W (Eq. 4) into N_feat, F and S"
        x, y, colour = 13.6, top, GRADIENT
    else:
        own = Box(16.4, top, 1.9), Box(19.1, top)
        draw_box(axes, own[0], f"N_task\n{_cost(part['score maps'])}", CHEAP)
        draw_box(axes, own[1], f"score maps of k\n{part['score maps'].shape}")
        draw_arrow(axes, features, own[0])
        draw_arrow(axes, *own)
        note = "orange: expensive, on key frames only\n"
        note += "green: cheap; F and W on all other frames, N_task on every frame"
        note += "\nGMAC: 10⁹ multiply-adds for one frame of 600 × 1000"
        x, y, colour = 14.6, bottom, "#333333"
    axes.text(x, y, note, ha="center", va="center", fontsize=9.5, color=colour)
    axes.set(xlim=(0, 20.4), ylim=(0.2, 5.9), aspect="equal")
    axes.set_title(title, loc="left", fontsize=12)
    axes.axis("off")


def _cost(row: object) -> str:
    return f"{float(row.gmac):.{1 if float(row.gmac) >= 1 else 3}f} GMAC"
