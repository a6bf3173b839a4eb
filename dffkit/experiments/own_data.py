"""A data set of one's own for runs: `--data my_module:dataset`, where `dataset(split)` returns snippets."""

import contextlib
import dataclasses
import importlib
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from dffkit.baselines import EXACT_FLOW
from dffkit.datasets.snippets import Frames, OnDemand, Snippet
from dffkit.experiments.sources import Source
from dffkit.networks.features import check_frames
from dffkit.support.errors import DataError, DffkitError
from dffkit.support.files import fingerprint
from dffkit.training.recipe import Recipe

REMEDY = 'give "module:function" with a module in the present folder or installed, e.g. --data my_clips:dataset'
FIRST = {"segmentation": 0, "detection": 1}  # label of the first class


def source(name: str) -> Source:
    """Return the data set that the function `name`, "module:function", makes.

    It takes "train", "val" or "test" and returns snippets. It may have two attributes: `names`, the names of
    the classes, and `version`, any string. The data version changes with that string, with the names and lengths of the
    snippets, and with the numbers of their annotated frames; other changes can't be seen from outside.

    Raises:
        DataError: if there is no such module or function.
    """
    function = _function(name)

    def snippets(recipe: Recipe, split: str, *_: Any) -> Sequence[Snippet]:
        where = f"{name}: {split!r}"
        with _errors_named(name, repr(split)):
            made = function(split)
            found = list(made) if isinstance(made, Iterable) else [made]  # a generator runs only now
        if others := [each for each in found if not isinstance(each, Snippet)]:
            got = " of ".join(dict.fromkeys(type(each).__name__ for each in (made, others[0])))
            raise DataError(f"{where}: expected a list of dffkit.Snippet, got {got}")
        if split == "train" and not any(snippet.targets for snippet in found):
            raise DataError(f"{where}: expected an annotated frame, got none in {len(found)} snippets")
        if len({snippet.name for snippet in found}) < len(found):
            raise DataError(f"{where}: expected snippets with names that differ, got one name twice")
        return [_checked(name, snippet, recipe) for snippet in found]

    def data_version(recipe: Recipe, split: str) -> str:
        found = [(each.name, len(each.frames), list(map(int, each.targets))) for each in snippets(recipe, split)]
        return fingerprint({"data": name, "version": str(getattr(function, "version", "")), "snippets": found})

    declared = class_names(name)
    names = {task: declared or tuple(map(str, range(first, first + 256))) for task, first in FIRST.items()}
    return Source(snippets, {"val": None, "test": None}, data_version, names=names)


def class_names(name: str) -> tuple[str, ...]:
    """Return the names of the classes that the function "module:function" declares; empty if it declares none."""
    names = getattr(_function(name), "names", ())
    strings = isinstance(names, list | tuple) and all(isinstance(each, str) for each in names)
    if not strings or len(set(names)) < len(names):
        raise DataError(f'{name}: names: expected a list of strings that differ, as ["road", "car"], got {names!r}')
    return tuple(names)


def _checked(name: str, snippet: Snippet, recipe: Recipe) -> Snippet:
    """Return the snippet, whose frames and targets are then checked when they are read."""
    where, frames, targets = f"{name}: {snippet.name}", snippet.frames, snippet.targets
    if not hasattr(frames, "__getitem__") or not isinstance(targets, Mapping):
        got = f"{type(frames).__name__} and {type(targets).__name__}"
        raise DataError(f"{where}: expected a list of frames, and a dict of frame number -> target, got {got}")
    if beyond := [index for index in targets if index not in range(len(frames))]:
        raise DataError(f"{where}: targets: expected frame numbers in 0..{len(frames) - 1}, got {beyond[0]!r}")
    if recipe.flow == EXACT_FLOW and snippet.flow is None:
        raise DataError(f"{where}: has no exact flow, which {recipe.name} needs; take another recipe")

    def frame(index: int) -> Tensor:
        with _errors_named(name, f"{snippet.name}, frame {index}"):
            found = frames[index]
            check_frames(found[None] if isinstance(found, Tensor) else found)
        return found

    def target(index: int) -> Any:
        with _errors_named(name, f"{snippet.name}, target of frame {index}"):
            return targets[index]

    checked = Frames(frame, len(frames))
    checked.paths = getattr(frames, "paths", None)  # for messages
    return dataclasses.replace(snippet, frames=checked, targets=OnDemand(target, list(targets)))


@contextlib.contextmanager
def _errors_named(name: str, what: str) -> Iterator[None]:
    """Turn an error in the user's code or frames into a `DataError` that names the line in their module, if any."""
    try:
        yield
    except DffkitError:
        raise
    except (Exception, SystemExit) as error:
        steps = [(Path(step.filename), step.lineno) for step in traceback.extract_tb(error.__traceback__)]
        module = name.rpartition(":")[0].rpartition(".")[2]
        places = [f" ({path.name}, line {line})" for path, line in steps if path.stem == module]
        raise DataError(f"{name}: {what}: {type(error).__name__}: {error}{''.join(places[-1:])}") from error


def _function(name: str) -> Callable[[str], Any]:
    module, _, function = name.rpartition(":")
    if str(Path.cwd()) not in sys.path:  # `python -m` adds the present folder, other ways to start Python do not
        sys.path.insert(0, str(Path.cwd()))
    with _errors_named(name, "can't be imported"):
        try:
            found = getattr(importlib.import_module(module), function, None)
        except ModuleNotFoundError as error:
            if not f"{module}.".startswith(f"{error.name}."):
                raise  # a package that the user's module needs
            raise DataError(f"{name}: can't be imported: {error}; {REMEDY}") from error
    if not callable(found):
        raise DataError(f"{name}: can't be imported: {module} has no function {function!r}; {REMEDY}")
    return found
