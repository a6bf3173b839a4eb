"""A data set of one's own for runs: `--data my_module:dataset`, where `dataset(split)` returns snippets."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dffkit.datasets.snippets import Snippet
from dffkit.support.errors import DataError
from dffkit.support.files import fingerprint
from dffkit.training.recipe import Recipe

REMEDY = 'give "module:function" with a module in the present folder or installed, e.g. --data my_clips:dataset'
LONGEST = 10  # key frame duration that is scored
FIRST = {"segmentation": 0, "detection": 1}


class YourSource:
    """A function as the source of a recipe's data.

    The function takes "train", "val" or "test" and returns snippets. If it has an attribute `names`, they are its
    classes; `version`, any string, says that its data has changed in what can't be seen from outside: a run knows the
    names of its snippets, and which of their frames are annotated.

    Args:
        name: "module:function".

    Raises:
        DataError: if there is no such module or function.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        module, _, function = name.partition(":")
        if str(Path.cwd()) not in sys.path:  # as `python -m` has it, but not every other way to start
            sys.path.insert(0, str(Path.cwd()))
        try:
            self._function = getattr(importlib.import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise DataError(f"{name}: can't be imported: {error}; {REMEDY}") from error
        if not callable(self._function):
            raise DataError(f"{name}: expected a function, got {type(self._function).__name__}; {REMEDY}")
        self.declared = names = tuple(getattr(self._function, "names", ()))
        # As the constants of other sources, which are modules.
        self.COUNTS = {"val": None, "test": None}
        # A label map's classes count from 0, those of boxes from 1.
        self.NAMES = {task: names or tuple(map(str, range(first, first + 256))) for task, first in FIRST.items()}

    def longest(self, scored: Sequence[Snippet]) -> int:
        """The longest key frame duration: up to 10, if an annotated frame of these has so many frames up to it."""
        last = max((max(snippet.targets, default=-1) for snippet in scored), default=-1)
        if last < 0:
            names = ", ".join(snippet.name for snippet in scored[:4]) or "no snippets"
            raise DataError(
                f"{self.name}: expected targets in the {len(scored)} snippets that are scored, got none ({names}); "
                "give at least one frame there its target"
            )
        return min(LONGEST, last + 1)

    def snippets(self, recipe: Recipe, split: str, count: Any, folder: Path | None) -> Sequence[Snippet]:
        """What the function returns; a number takes the first ones."""
        found = self._checked(split)
        if count is None or split == recipe.data_split:
            return found
        return [found[i] for i in range(min(count, len(found)))]

    def _checked(self, split: str) -> Sequence[Snippet]:
        found = self._function(split)
        if not isinstance(found, Sequence) or not all(isinstance(found[i], Snippet) for i in range(min(len(found), 1))):
            raise DataError(f"{self.name}: expected a list of dffkit.Snippet for {split!r}, got {type(found).__name__}")
        return found

    def world(self, recipe: Recipe, split: str) -> str:
        """What changes when snippets or annotated frames come or go, or the version changes."""
        found = [(snippet.name, len(snippet.frames), list(snippet.targets)) for snippet in self._checked(split)]
        version = str(getattr(self._function, "version", ""))
        return fingerprint({"data": self.name, "version": version, "snippets": found})
