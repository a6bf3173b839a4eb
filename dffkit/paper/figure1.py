"""Figure 1: maps of single filters on a key frame, on a current frame, and propagated from key to current frame."""

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dffkit import weights
from dffkit.datasets.toytown import Film
from dffkit.paper import ledger
from dffkit.paper.feature_maps import Choice, PropagatedStreet, best_filters, propagate_street, random_filter, survey
from dffkit.paper.style import ORANGE, styled
from dffkit.support.files import root
from dffkit.warp import CELL

# A street of the test split, beyond the streets that the filters are tested on. People cross before cars, and both
# move: the street was chosen for this by its frames and labels, before a network saw it.
STREET, KEY, GAP = 21, 15, 5
MAPS = ("key frame", "current frame", "propagated")


def draw() -> tuple[Figure, pandas.DataFrame]:
    """Draw Figure 1 with the shipped model: filters chosen on val, rated on test, and propagated in one street.

    Raises:
        DataError: if the shipped weights are missing or damaged.
    """
    name = "toytown/segmentation/dff"
    model, entry = weights.load(name).double(), weights.entry(name)  # numbers agree on every machine after rounding
    ledger.note_source(root() / "data/weights/manifest.json", name, entry)
    val, test = survey(model, "val"), survey(model, "test")
    scene = propagate_street(model, Film("test", STREET), KEY, GAP + 1)
    choices, random = best_filters(val, test), random_filter(val, test)
    return paint(scene, GAP, choices, random), numbers(scene, GAP, choices, random)


def numbers(scene: PropagatedStreet, gap: int, choices: list[Choice], random: list[Choice]) -> pandas.DataFrame:
    """Values of the figure: each filter's three maps, cell by cell, as shares of the highest value of the three.

    Columns: `of` (the class that the filter was chosen for, or "random"), `filter`, `panel`, `row`, `column`, `value`.
    """
    rows = [
        (of, filter_, name, row, column, value)
        for of, filter_, maps in _panels(scene, gap, choices, random)
        for name, values in zip(MAPS, maps, strict=True)
        for row, line in enumerate(values)
        for column, value in enumerate(line)
    ]
    return pandas.DataFrame(rows, columns=["of", "filter", "panel", "row", "column", "value"])


@styled
def paint(scene: PropagatedStreet, gap: int, choices: list[Choice], random: list[Choice]) -> Figure:
    """Draw frames and flow above, and below them a row for each chosen filter and one for a random filter.

    Args:
        scene: begins with the key frame.
        gap: index of the current frame in `scene`.
        choices: the result of `best_filters`.
        random: the result of `random_filter`: one filter, rated for each class.
    """
    panels = _panels(scene, gap, choices, random)
    figure = Figure(figsize=(9.4, 1.32 * (len(panels) + 1) + 0.35), layout="constrained")
    grid = figure.subplots(len(panels) + 1, 3)
    titles = ("key frame k", f"current frame i = k + {gap}", "propagated from k to i")
    for axes, frame, title in zip(grid[0], scene.frames[[0, gap, gap]], titles, strict=True):
        axes.imshow(frame.permute(1, 2, 0).numpy())
        axes.set_title(title)
    _arrows(grid[0, 2], scene, gap)
    grid[0, 0].set_ylabel("the frames, and\nthe flow from i to k\n(every other cell)", **_BESIDE)
    total = scene.features.shape[1]
    for line, (of, filter_, maps) in zip(grid[1:], panels, strict=True):
        for axes, values in zip(line, maps, strict=True):
            axes.imshow(values, vmin=0, vmax=1, interpolation="nearest")
        rated = random if of == "random" else [choice for choice in choices if choice.name == of]
        words = [f"{c.name}: correlation {c.test:.2f},\n{_ordinal(c.rank)} of {total} on test" for c in rated]
        origin = "drawn at random" if of == "random" else f"chosen for “{of}”"
        line[0].set_ylabel("\n".join([f"filter {filter_}, {origin}", *words]), **_BESIDE)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


_BESIDE = {"rotation": 0, "ha": "right", "va": "center", "fontsize": 9}


def _panels(
    scene: PropagatedStreet, gap: int, choices: list[Choice], random: list[Choice]
) -> list[tuple[str, int, list]]:
    """For each row: its name, its filter, and its three maps as lists, as shares of their highest value."""
    panels = []
    for of, filter_ in [(choice.name, choice.filter) for choice in choices] + [("random", random[0].filter)]:
        maps = [part[filter_] for part in (scene.features[0], scene.features[gap], scene.propagated[gap])]
        highest = max(float(values.max()) for values in maps) or 1.0
        panels.append((of, filter_, [(values / highest).mul(1000).round().div(1000).tolist() for values in maps]))
    return panels


def _arrows(axes: Axes, scene: PropagatedStreet, gap: int) -> None:
    """Draw the flow network's flow on the current frame: arrows to each cell's content in the key frame."""
    flow = CELL * scene.flow[gap, :, ::2, ::2]
    rows, columns = (range(CELL // 2, CELL * n, 2 * CELL) for n in scene.flow.shape[2:])
    look = {"color": ORANGE, "width": 0.006, "edgecolor": "black", "linewidth": 0.4}
    axes.quiver(columns, rows, *flow.mul(100).round().div(100).numpy(), angles="xy", scale_units="xy", scale=1, **look)
    height, width = scene.frames.shape[2:]
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _ordinal(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else endings.get(number % 10, 'th')}"
