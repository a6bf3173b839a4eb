"""What the rows of Table 4 see: one frame under the results of several of them (notebook 05)."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dffkit.datasets.toytown import Film
from dffkit.dff import DeepFeatureFlow
from dffkit.lessons.clip_pictures import draw, legend, note, picture_of, recognise, truth, verdict
from dffkit.lessons.explore import Picture
from dffkit.networks.segmentation import ScoreMaps
from dffkit.paper.style import styled


@styled
def one_frame(
    film: Film, models: Mapping[str, DeepFeatureFlow], frame: int, key_frame: int, columns: int = 3
) -> Picture:
    """A frame under the results of several rows, all from the same key frame, and last under the truth.

    Args:
        film: the street.
        models: by row; "Frame" looks at the frame itself.
        frame, key_frame: i and k.
        columns: pictures in a line.
    """
    boxes = not isinstance(next(iter(models.values())).task_network, ScoreMaps)
    target = truth(film, frame, boxes)
    count = len(models) + 1
    lines = -(-count // columns)
    figure = Figure(figsize=(8.8, 1.55 * lines + 0.3), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    words = []
    for axes, (row, model) in zip(grid, models.items(), strict=False):
        source = film.frame(frame if row == "Frame" else key_frame)
        result = recognise(model, film.frame(frame), source, same=row == "Frame")
        _panel(axes, film, frame, result, row, verdict(result, target))
        words.append(f"{row} {verdict(result, target)}")
    _panel(grid[count - 1], film, frame, target, "the truth", "")
    figure.legend(handles=legend(boxes), loc="outside lower center", ncols=10, fontsize=7.5, handlelength=1)
    unit = "objects found" if boxes else "pixels right"
    return picture_of(
        figure,
        f"""Frame {frame} of a street under the results of several rows, which but for Frame have only the features of
        key frame {key_frame}, and under the truth. {unit.capitalize()}: {", ".join(words)}.""",
    )


def _panel(axes: Axes, film: Film, index: int, result: Any, left: str, right: str) -> None:
    axes.axis("on")
    draw(axes, film.frame(index), result)
    note(axes, left, right, framed=False)
