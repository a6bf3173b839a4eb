"""The settings of tables and figures: the drive with each of its two tasks, and detection on handheld films."""

from typing import NamedTuple

from dffkit.experiments.scoring import TABLE_4
from dffkit.paper.style import METRICS
from dffkit.training import recipes
from dffkit.training.recipe import Recipe


class Setting(NamedTuple):
    """A rendered world with a task.

    Attributes:
        start: beginning of the names of its recipes.
        task: "segmentation" or "detection"; the printed numbers beside ours are the paper's for this task.
        title: title of its panels.
        world, scenes: names of the world and of its test snippets, for legends.
    """

    start: str
    task: str
    title: str
    world: str = "Toytown"
    scenes: str = "streets"

    @property
    def metric(self) -> str:
        """The name of its score."""
        return METRICS[self.task]

    @property
    def duration(self) -> int:
        """The key frame duration of Tables 4 and 5."""
        return TABLE_4[self.task]

    def recipe(self, name: str) -> Recipe:
        """Return a recipe by the last part of its name; raise ValueError if there is none."""
        return recipes.find(self.start + name)


SETTINGS = {task: Setting(f"toytown/{task}/", task, task.capitalize()) for task in METRICS}
DRIVE = tuple(SETTINGS)
SETTINGS["handheld"] = Setting("handheld/", "detection", "Handheld films, detection", "Handheld films", "films")


def find_setting(name: str) -> Setting:
    """Return the setting of this name; raise ValueError if there is none."""
    if name not in SETTINGS:
        raise ValueError(f"setting: expected one of {list(SETTINGS)}, got {name!r}")
    return SETTINGS[name]
