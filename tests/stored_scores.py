"""Made-up rows of the result tables; tests of experiments and of the paper's tables share them."""

from dffkit.experiments.results import Score
from dffkit.experiments.runs import Run
from dffkit.experiments.scoring import METRIC
from dffkit.training.recipes import find


def stored(recipe, value, seed=0, split="test", **fields):
    """A row of a recipe, by its name: by default the task's overall score on today's test data."""
    recipe = find(recipe)
    fields = {"metric": METRIC.get(recipe.task), "subset": "all", "provenance": {"recipe": recipe.name}} | fields
    return Score(Run(recipe, seed).measurement(split), value=value, **fields)
