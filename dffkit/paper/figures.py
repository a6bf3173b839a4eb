"""One function for each figure and table of the paper: a picture, and the numbers it shows."""

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas
import torch
from matplotlib.figure import Figure

from dffkit import complexity
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps
from dffkit.paper import (
    ablation_figures,
    architecture_drawing,
    claims,
    figure1,
    real_video_figure,
    speed_accuracy_figures,
)
from dffkit.paper.style import COLOURS, LINES, MARKERS, STYLE
from dffkit.support import files


def table2() -> tuple[Figure, pandas.DataFrame]:
    """Table 2: 1/r of the six pairs, the printed values as open markers beside ours."""
    numbers = complexity.table2()
    printed = claims.printed("inverse_ratio")
    numbers["paper"] = [printed[pair] for pair in zip(numbers.features, numbers.flow, strict=True)]
    numbers["by_construction"] = numbers.flow == "FlowNet Inception"
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


def equation7(longest: int = 20) -> tuple[Figure, pandas.DataFrame]:
    """Eq. 7: the speedup over the key frame duration for the six pairs, and the paper's two measured points."""
    ratios = complexity.table2()
    rows = [
        {"features": pair.features, "flow": pair.flow, "duration": duration, "ratio": pair.ratio,
         "speedup": round(complexity.speedup(duration, pair.ratio), 4)}
        for pair in ratios.itertuples()
        for duration in range(1, longest + 1)
    ]  # fmt: skip
    numbers = pandas.DataFrame(rows)
    figure, axes = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
    axes.plot([1, longest], [1, longest], color="grey", linewidth=0.8, linestyle=":", label="s = l (r = 0)")
    for (features, flow), curve in numbers.groupby(["features", "flow"], sort=False):
        style = {"color": COLOURS[flow], "linestyle": LINES[features], "marker": MARKERS[flow], "markersize": 3.5}
        axes.plot(curve.duration, curve.speedup, label=f"{features}, {flow}", **style)
    measured = {"marker": "*", "markersize": 13, "markerfacecolor": "none", "markeredgecolor": "black"}
    points = [(of[3], value) for of, value in claims.printed("measured").items() if of[-1] == "speedup"]
    label = "measured in the paper (Table 4), ResNet-101, FlowNet:\nsegmentation l = 5, detection l = 10"
    axes.plot(*zip(*points, strict=True), linestyle="none", label=label, **measured)
    axes.set(xlabel="key frame duration l [frames]", ylabel="speedup s over per-frame", xlim=(0.5, longest + 0.5))
    axes.set_ylim(0, longest)
    axes.set_xticks([1, *range(5, longest + 1, 5)])
    axes.legend(loc="upper left")
    return figure, numbers


def figure2() -> tuple[Figure, pandas.DataFrame]:
    """Figure 2: the architecture, with the shapes and costs of the networks that are really built."""
    numbers = architecture()
    return architecture_drawing.draw(numbers), numbers


def architecture(size: tuple[int, int] = complexity.SIZE) -> pandas.DataFrame:
    """Shape and cost of each part of ResNet-101 with FlowNet and the segmentation head, run on the meta device."""
    with torch.device("meta"):
        model = DeepFeatureFlow(FeatureNetwork(101), flownet(), ScoreMaps(num_classes=19))
        frame = torch.zeros(1, 3, *size, dtype=torch.uint8)
        maps, key = model.on_key_frame(frame)
        flow, scale = model.flow_network(key.flow_input, key.flow_input)
    costs = complexity.count_costs(model, size)
    rows = [
        ("frame", frame, None), ("half frame", key.flow_input, None), ("features", key.features, costs.features),
        ("flow field", flow, costs.flow), ("scale field", scale, None), ("propagated", key.features, costs.warp),
        ("score maps", maps, costs.task),
    ]  # fmt: skip
    return pandas.DataFrame(
        [{"part": name, "shape": _shape(x), "gmac": "" if n is None else f"{n / 2e9:.3f}"} for name, x, n in rows]
    )


FIGURES: dict[str, Callable[[], tuple[Figure, pandas.DataFrame]]] = {
    "figure1": figure1.draw,
    "figure2": figure2,
    "table2": table2,
    "equation7": equation7,
    "table3": ablation_figures.table3,
    "table4": ablation_figures.table4,
    "table5": speed_accuracy_figures.table5,
    "sparse_labels": speed_accuracy_figures.sparse_labels,
    "figure3": speed_accuracy_figures.figure3,
    "fix_n": ablation_figures.fix_n,
    "flow_quality": ablation_figures.flow_quality,
    "real_video": real_video_figure.draw,
}


def draw(name: str) -> Figure:
    """One figure by its name, for the notebooks."""
    with plt.style.context(STYLE):
        figure, _ = FIGURES[name]()
    plt.close(figure)  # shown when it is asked for, not at the end of the cell
    return figure


def regenerate_all(folder: Path) -> list[Path]:
    """Redraw every figure into `folder` as PNG, SVG and CSV, the same bytes each time; returns the files."""
    written = []
    for name, make in FIGURES.items():
        with plt.style.context(STYLE), matplotlib.rc_context({"svg.hashsalt": name}):
            figure, numbers = make()
            for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": "dffkit"})):
                buffer = io.BytesIO()
                figure.savefig(buffer, format=kind, metadata=metadata)
                written.append(files.write(folder / f"{name}.{kind}", buffer.getvalue()))
            plt.close(figure)
        written.append(files.write(folder / f"{name}.csv", numbers.to_csv(index=False, lineterminator="\n")))
    return written


def _shape(x: torch.Tensor) -> str:
    return " × ".join(str(n) for n in x.shape[1:])
