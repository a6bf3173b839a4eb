"""The house's order, read from the imports: the library needs support only, rooms import what is above them."""

import ast

import pytest
from places import REPOSITORY

PACKAGE = REPOSITORY / "dffkit"
LIBRARY = ("warp", "networks", "dff", "schedules", "video", "complexity")
# In the order of the README's map: a room may import the library and the rooms before it.
ROOMS = (
    "support", "datasets", "baselines", "training", "weights", "scores", "experiments", "paper", "lessons", "commands",
)  # fmt: skip
LINES = 1800  # of the library


def part_of(module):
    """The room of a module of dffkit, or "library"."""
    first = module.split(".")[1] if "." in module else ""
    return first if first in ROOMS else "library"


def imports(path):
    """The modules of dffkit that a file imports, also those within functions, but not those for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "dffkit")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dffkit":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files():
    """The package's files as (module, path), but its front door and `python -m dffkit`."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(("dffkit", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        if module not in ("dffkit", "dffkit.__main__"):
            yield module, path


def test_the_top_of_the_package_is_the_library_and_the_rooms():
    names = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    own = {"__init__.py", "__main__.py", "py.typed", "networks", *(f"{name}.py" for name in LIBRARY)} - {"networks.py"}
    assert names == own | set(ROOMS)


@pytest.mark.parametrize(("module", "path"), list(files()))
def test_imports_point_upwards(module, path):
    mine = part_of(module)
    above = ROOMS[: 1 if mine == "library" else ROOMS.index(mine)]
    allowed = {"library", mine, *above} if mine != "support" else {"support"}
    wrong = [each for each in imports(path) if part_of(each) not in allowed and each.count(".")]
    assert not wrong, f"{module} is in {mine}, which may import {sorted(allowed)}"


def test_the_library_is_small():
    lines = sum(path.read_text().count("\n") for module, path in files() if part_of(module) == "library")
    assert lines < LINES
