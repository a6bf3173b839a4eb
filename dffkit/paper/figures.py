"""All figures by name: a function for each, which returns a picture and the numbers it shows."""

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas
from matplotlib.figure import Figure

from dffkit.paper import ablation_figures, complexity_figures, figure1, real_video, speed_accuracy, variations
from dffkit.paper.style import STYLE
from dffkit.support import files

FIGURES: dict[str, Callable[[], tuple[Figure, pandas.DataFrame]]] = {
    "figure1": figure1.draw,
    "figure2": complexity_figures.figure2,
    "table2": complexity_figures.table2,
    "equation7": complexity_figures.equation7,
    "table3": ablation_figures.table3,
    "table4": ablation_figures.table4,
    "table5": variations.draw_table5,
    "sparse_labels": variations.draw_sparse_labels,
    "figure3": speed_accuracy.figure3,
    "fix_n": ablation_figures.fix_n,
    "flow_quality": ablation_figures.flow_quality,
    "real_video": real_video.draw,
}


def draw(name: str) -> Figure:
    """Draw one of `FIGURES`, for the notebooks."""
    with plt.style.context(STYLE):
        figure, _ = FIGURES[name]()
    plt.close(figure)  # or Jupyter shows it a second time at the end of the cell
    return figure


def regenerate_all(folder: Path) -> list[Path]:
    """Redraw every figure into `folder` as PNG, SVG and CSV, with the same bytes each time; return the files."""
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
