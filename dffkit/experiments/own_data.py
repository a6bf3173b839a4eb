"""A data set of one's own for runs: `--data my_module:dataset`, where `dataset(split)` returns snippets."""

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dffkit.datasets.snippets import Snippet
from dffkit.experiments.sources import Source
from dffkit.support.errors import DataError
from dffkit.support.files import fingerprint
from dffkit.training.recipe import Recipe

REMEDY = 'give "module:function" with a module in the present folder or installed, e.g. --data my_clips:dataset'
FIRST = {"segmentation": 0, "detection": 1}  # label of the first class


def source(name: str) -> Source:
    """Return the data set that a function makes.

    The function takes "train", "val" or "test" and returns snippets. It may have two attributes: `names`, the names of
    the classes, and `version`, any string. The data version changes with that string, with the names and lengths of the
    snippets, and with the numbers of their annotated frames; other changes can't be seen from outside.

    Args:
        name: "module:function".

    Raises:
        DataError: if there is no such module or function.
    """
    function = _function(name)

    def snippets(recipe: Recipe, split: str, *_: Any) -> Sequence[Snippet]:
        found = function(split)
        if not isinstance(found, Sequence) or (len(found) and not isinstance(found[0], Snippet)):
            raise DataError(f"{name}: expected a list of dffkit.Snippet for {split!r}, got {type(found).__name__}")
        return found

    def data_version(recipe: Recipe, split: str) -> str:
        found = [(each.name, len(each.frames), list(each.targets)) for each in snippets(recipe, split)]
        return fingerprint({"data": name, "version": str(getattr(function, "version", "")), "snippets": found})

    declared = class_names(name)
    names = {task: declared or tuple(map(str, range(first, first + 256))) for task, first in FIRST.items()}
    return Source(snippets, {"val": None, "test": None}, data_version, names=names)


def class_names(name: str) -> tuple[str, ...]:
    """Return the names of the classes that the function "module:function" declares; empty if it declares none."""
    return tuple(getattr(_function(name), "names", ()))


def _function(name: str) -> Callable[[str], Any]:
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:  # `python -m` adds the present folder, other ways to start Python do not
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(f"{name}: can't be imported: {error}; {REMEDY}") from error
    if not callable(found):
        raise DataError(f"{name}: expected a function, got {type(found).__name__}; {REMEDY}")
    return found
