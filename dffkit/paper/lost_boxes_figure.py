"""The boxes that Deep Feature Flow loses, by size, by speed, and by what the key frame showed of them."""

from collections.abc import Sequence

import numpy as np
import pandas
from matplotlib.figure import Figure

from dffkit.datasets.snippets import MOTION_CLASSES
from dffkit.experiments.lost_boxes import BEFORE, OFFSET, SIZES
from dffkit.experiments.scoring import LOST
from dffkit.paper import ablation, ledger
from dffkit.paper.settings import find_setting
from dffkit.paper.style import BLUE, ORANGE, panels

COLOURS = {"handheld": ORANGE, "detection": BLUE}
GROUPS = {"by size": SIZES, "by speed": MOTION_CLASSES, "by the key frame": BEFORE}


def lost_boxes(settings: Sequence[str] = tuple(COLOURS), row: str = "DFF") -> pandas.DataFrame:
    """Share of the boxes found on the frame itself that a row of Table 4 loses: a line for each setting and group.

    Returns:
        Columns: `task`, the setting; `group`, as `experiments.lost_boxes.lost` names them; `lost` in percent, and
        `boxes`, the number of boxes found on the frame itself, both means over the trainings.

    Raises:
        DataError: if no setting has rows.
    """
    tables = {}
    for setting in settings:
        found = ledger.by_subset({setting: ablation.recipe(setting, row)}, LOST)
        columns = {"task": setting, "group": found.subset, "lost": 100 * found.value, "boxes": found.frames}
        tables[setting] = pandas.DataFrame(columns)
    return ledger.stack(tables.values(), tables)


def lost_boxes_figure() -> tuple[Figure, pandas.DataFrame]:
    """Draw `lost_boxes` for the settings that have rows; a dotted line is the share of all boxes."""
    numbers = lost_boxes()
    figure, (grid,) = panels(1, len(GROUPS), 3.4, 3.6, sharey=True)
    tables = {setting: table.set_index("group").lost for setting, table in numbers.groupby("task", sort=False)}
    width = 0.8 / len(tables)
    for axes, (title, groups) in zip(grid, GROUPS.items(), strict=True):
        for number, (setting, lost) in enumerate(tables.items()):
            look = {"color": COLOURS[setting], "label": find_setting(setting).title.split(",")[0]}
            places = np.arange(len(groups)) + width * (number - (len(tables) - 1) / 2)
            axes.bar(places, lost.reindex(groups), width, **look)
            axes.axhline(lost.get("all", np.nan), color=COLOURS[setting], linestyle=":")
        axes.set_xticks(range(len(groups)), labels=groups)
        axes.set_title(title, loc="left")
    grid[0].set_ylabel(f"boxes lost {OFFSET} frames after the key frame [%]")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    return figure, numbers
