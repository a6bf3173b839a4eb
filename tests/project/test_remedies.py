"""Commands in dffkit's messages and docstrings work as printed: each is parsed by what would run it."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from places import REPOSITORY

from dffkit.commands import cli
from dffkit.training.recipes import REAL, RECIPES

# What stands for the hole of an f-string; a hole with another name stands for a recipe.
HOLES = {
    "name": "camvid", "seed": " --seed 1", "path": "data/weights", "place": "build/runs/one", "example": "train",
    "sys.executable": "python", "extra": "training", "own": "'a.png'", "ids": "'b.png'", "convert": "pass",
    "shlex.join(command)": "train camvid/dff --data my_clips:dataset --from camvid/frame", "line": "fetch",
    "done.stdout": "", "done.stderr": "",
}  # fmt: skip


def texts():
    """Yield (place, text) of every string and docstring in dffkit."""
    for path in sorted((REPOSITORY / "dffkit").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            place = f"{path.relative_to(REPOSITORY)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.JoinedStr):
                yield (
                    place,
                    "".join(
                        part.value
                        if isinstance(part, ast.Constant)
                        else HOLES.get(ast.unparse(part.value), "camvid/dff")
                        for part in node.values
                    ),
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
                yield place, node.value


def found(pattern):
    """Return (place, match) for each match of a pattern in a line of text; a match ends before a backtick."""
    return [(place, match[1]) for place, text in texts() for match in re.finditer(pattern, text)]


def accepted(words):
    """Return whether these are words of a command; a recipe must be one of the kit's."""
    try:
        arguments = cli._parse(list(words))
    except SystemExit:
        return False
    recipe = getattr(arguments, "recipe", None) if words[0] in ("train", "evaluate") else None
    return recipe is None or recipe in RECIPES | REAL


@pytest.mark.parametrize(("place", "text"), found(r"-m dffkit +([^`\n;,)]+)"))
def test_commands_of_dffkit(place, text, capsys):
    words = shlex.split(text.split("  ")[0].replace("'", ""))
    if words[0].strip(".") in ("COMMAND", "LINE", "INPUT"):  # a placeholder in help
        return
    words = [word.rstrip(".:") for word in words]
    # A sentence may go on after the command, but not with an option or a recipe.
    length = next((n for n in range(len(words), 0, -1) if accepted(words[:n])), 0)
    assert length, f"{place}: {words}: {capsys.readouterr().err}"
    assert not [word for word in words[length:] if re.search(r"/|^--?[a-z]", word)], f"{place}: {words}"


@pytest.mark.parametrize(("place", "code"), found(r'python -c "([^"\n]+)"'))
def test_python_in_one_line(place, code):
    compile(code, place, "exec")


@pytest.mark.parametrize(("place", "text"), found(r"pip install ([^`\n;,)]+)"))
def test_extras_to_install(place, text):
    (extra,) = re.fullmatch(r'-e "\.\[(\w+)\]"', text.strip()).groups()
    assert extra in cli.EXTRAS


@pytest.mark.parametrize(("place", "path"), found(r"git checkout -- ([^`'\n;,)]+)"))
def test_paths_to_restore(place, path):
    assert Path(REPOSITORY, path).exists()


def test_targets_to_make():
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {target for _, target in found(r"[`'\"]make ([a-z]+)")} <= set(targets)


def test_there_is_something_to_try():
    assert len(found(r"-m dffkit +([^`\n;,)]+)")) > 20
    assert found(r'python -c "([^"\n]+)"')
