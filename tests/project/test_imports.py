"""The order and the size of the house: the library stands alone, a room imports only what is above it."""

import ast
import subprocess
import sys

import pytest
from places import REPOSITORY

PACKAGE = REPOSITORY / "dffkit"
# In reading order, as in the README's map. A module imports from those before it; the library also from support.
LIBRARY = ("warp", "networks", "dff", "schedules", "video", "complexity")
ROOMS = (
    "support", "datasets", "baselines", "aggregation", "training", "weights", "scores", "experiments", "paper",
    "lessons", "commands",
)  # fmt: skip
LIBRARY_LINES, FILE_LINES = 1800, 300
LONGER_FILES = {}  # module -> the reason why it is longer


def files():
    """Yield (module, path) of each file but `dffkit/__init__.py` and `__main__.py`, which lead to rooms."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(("dffkit", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        if module not in ("dffkit", "dffkit.__main__"):
            yield module, path


every_file = pytest.mark.parametrize(("module", "path"), list(files()), ids=[module for module, _ in files()])


def imported(path):
    """Yield the names in dffkit that a file imports, at any depth, without those for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "dffkit")
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            if node.module.split(".")[0] == "dffkit":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_top_of_the_package_is_the_library_and_the_rooms():
    names = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    library = {name if (PACKAGE / name).is_dir() else f"{name}.py" for name in LIBRARY}
    assert names == {"__init__.py", "__main__.py", "py.typed"} | library | set(ROOMS)
    assert len(names) <= 20


@every_file
def test_imports_point_upwards(module, path):
    mine = module.split(".")[1]
    if mine in LIBRARY:
        allowed = {*LIBRARY[: LIBRARY.index(mine) + 1], "support"}
    elif mine == "support":
        allowed = {"support"}
    else:
        allowed = {*LIBRARY, *ROOMS[: ROOMS.index(mine) + 1]}
    used = {name.split(".")[1] for name in imported(path) if "." in name} & {*LIBRARY, *ROOMS}
    assert used <= allowed, f"{module} may import {sorted(allowed)}"


@every_file
def test_a_file_holds_one_idea_and_says_which(module, path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= FILE_LINES or module in LONGER_FILES


def test_the_library_is_small():
    library = [path for module, path in files() if module.split(".")[1] in LIBRARY]
    assert sum(path.read_text(encoding="utf-8").count("\n") for path in library) < LIBRARY_LINES


def test_importing_the_package_loads_torch_and_torchvision_only():
    code = """
import sys, torch, torchvision
before = set(sys.modules)
import dffkit, dffkit.complexity
everything = [getattr(dffkit, name) for name in dffkit.__all__]
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*loaded - {"torch", "torchvision"} - sys.stdlib_module_names)
"""
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == ["dffkit"]
