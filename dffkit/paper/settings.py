"""The settings of tables and figures: the drive with each of its two tasks, and detection on handheld films."""

from typing import NamedTuple

from dffkit.experiments.scoring import TABLE_4
from dffkit.paper.style import METRICS
from dffkit.training import recipes
from dffkit.training.recipe import Recipe


class Setting(NamedTuple):
    """A rendered world with a task."""

    start: str  # beginning of the names of its recipes
    task: str  # "segmentation" or "detection"; the printed numbers beside ours are the paper's for this task
    metric: str  # name of its score
    duration: int  # key frame duration of Tables 4 and 5
    title: str  # of its panels
    world: str = "Toytown"  # its name in legends
    scenes: str = "streets"  # what its test snippets are

    def recipe(self, name: str) -> Recipe:
        """Return a recipe by the last part of its name; raise ValueError if there is none."""
        return recipes.find(self.start + name)


DRIVE = tuple(METRICS)
SETTINGS = {
    task: Setting(f"toytown/{task}/", task, METRICS[task], TABLE_4[task], f"The drive, {task}") for task in DRIVE
}
SETTINGS["handheld"] = SETTINGS["detection"]._replace(
    start="handheld/", title="Handheld films, detection", world="Handheld films", scenes="films"
)

SHOWN = ("handheld", *DRIVE)  # the panels of a figure: the paper's case of detection first


def find_setting(name: str) -> Setting:
    """Return the setting of this name; raise ValueError if there is none."""
    if name not in SETTINGS:
        raise ValueError(f"setting: expected one of {list(SETTINGS)}, got {name!r}")
    return SETTINGS[name]
