"""A data set of one's own for runs: `--data my_module:dataset`, where `dataset(split)` returns snippets."""

import dataclasses
import importlib
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from dffkit.baselines import EXACT_FLOW
from dffkit.datasets.snippets import Frames, OnDemand, Snippet
from dffkit.experiments.sources import Source
from dffkit.support.errors import DataError, DffkitError
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
        found = _call(name, repr(split), function, split)
        if not isinstance(found, Iterable) or isinstance(found, str | Mapping):
            raise DataError(f"{name}: expected a list of dffkit.Snippet for {split!r}, got {type(found).__name__}")
        found = _call(name, repr(split), list, found)  # a generator runs only now
        for snippet in found:
            if problem := _problem(snippet, recipe):
                raise DataError(f"{name}: {split!r}: {problem}")
        if split == "train" and not any(snippet.targets for snippet in found):
            raise DataError(f"{name}: {split!r}: expected an annotated frame, got none in {len(found)} snippets")
        if len({snippet.name for snippet in found}) < len(found):
            raise DataError(f"{name}: {split!r}: expected snippets with names that differ, got one name twice")
        return [_checked_on_access(name, snippet) for snippet in found]

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


def _problem(snippet: Any, recipe: Recipe) -> str:
    """Return what is wrong with a snippet before any frame is read; "" if nothing is."""
    if not isinstance(snippet, Snippet):
        return f"expected a list of dffkit.Snippet, got one of {type(snippet).__name__}"
    if not hasattr(snippet.frames, "__getitem__"):
        return f"{snippet.name}: frames: expected a list, got {type(snippet.frames).__name__}"
    if not isinstance(snippet.targets, Mapping):
        return f"{snippet.name}: targets: expected a dict, number of the frame -> target, got {snippet.targets!r:.40}"
    if beyond := [index for index in snippet.targets if index not in range(len(snippet.frames))]:
        return f"{snippet.name}: targets: expected frame numbers in 0..{len(snippet.frames) - 1}, got {beyond[0]!r}"
    if recipe.flow == EXACT_FLOW and snippet.flow is None:
        return f"{snippet.name}: has no exact flow, which {recipe.name} needs; take another recipe"
    return ""


def _checked_on_access(name: str, snippet: Snippet) -> Snippet:
    """Return the snippet with frames and targets that are checked when they are read."""

    def frame(index: int) -> Tensor:
        where = f"{snippet.name}, frame {index}"
        found = _call(name, where, snippet.frames.__getitem__, index)
        if cure := _cure(found):
            got = f"{type(found).__name__} {tuple(getattr(found, 'shape', ()))} {getattr(found, 'dtype', '')}"
            raise DataError(f"{name}: {where}: expected a tensor (3, H, W) of torch.uint8, got {got}; give {cure}")
        return found

    def target(index: int) -> Any:
        return _call(name, f"{snippet.name}, target of frame {index}", snippet.targets.__getitem__, index)

    frames = Frames(frame, len(snippet.frames))
    frames.paths = getattr(snippet.frames, "paths", None)  # for messages
    return dataclasses.replace(snippet, frames=frames, targets=OnDemand(target, list(snippet.targets)))


def _cure(frame: Any) -> str:
    """Return the expression that mends the first fault of what a user gives as a frame; "" if it has none."""
    if not isinstance(frame, Tensor):
        pixels = "frame.convert('RGB')" if hasattr(frame, "convert") else "frame"  # Pillow, or NumPy
        return f"torch.from_numpy(numpy.array({pixels}))"
    if frame.ndim not in (2, 3):
        return "one frame, as frame[0]"
    if frame.ndim == 2 or len(frame) == 1:
        return "frame.expand(3, -1, -1)"
    if len(frame) not in (3, 4):
        return "frame.permute(2, 0, 1)"
    if len(frame) == 4:
        return "frame[:3]"
    if frame.dtype == torch.uint8:
        return ""
    return "(frame * 255).round().byte()" if frame.max() <= 1 else "frame.byte()"


def _call(name: str, what: str, function: Callable, *arguments: Any) -> Any:
    """Call code of the user's. An error in it becomes a `DataError` that names the line in their module."""
    try:
        return function(*arguments)
    except DffkitError:
        raise
    except (Exception, SystemExit) as error:
        places = [(Path(step.filename), step.lineno) for step in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError):
            places.append((Path(error.filename or ""), error.lineno))
        module = name.rpartition(":")[0].rpartition(".")[2]
        path, line = next((place for place in reversed(places) if place[0].stem == module), places[-1])
        raise DataError(f"{name}: {what}: {type(error).__name__}: {error} ({path.name}, line {line})") from error


def _function(name: str) -> Callable[[str], Any]:
    module, _, function = name.rpartition(":")
    if str(Path.cwd()) not in sys.path:  # `python -m` adds the present folder, other ways to start Python do not
        sys.path.insert(0, str(Path.cwd()))

    def load() -> ModuleType:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if not f"{module}.".startswith(f"{error.name}."):
                raise  # a package that the user's module needs
            raise DataError(f"{name}: can't be imported: {error}; {REMEDY}") from error

    found = _call(name, "can't be imported", load)
    if not hasattr(found, function):
        raise DataError(f"{name}: can't be imported: {module} has no attribute {function!r}; {REMEDY}")
    if not callable(found := getattr(found, function)):
        raise DataError(f"{name}: expected a function, got {type(found).__name__}; {REMEDY}")
    return found
