"""cli.py: help, the version, and messages for unknown commands, missing packages and unusable files."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement

from dffkit.commands import cli, reproduce
from dffkit.support import files
from dffkit.support.errors import DataError


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """Call the command line in this process; return the exit status, standard output and standard error."""
    try:
        status = cli.main(list(arguments))
    except SystemExit as end:  # argparse ends --help and its own errors this way
        status = end.code
    return status, *capsys.readouterr()


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_has_help_with_an_example(capsys, command):
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    assert f"examples:\n  python -m dffkit {command}" in out


def test_without_a_command_the_help_is_shown(capsys):
    status, out, _ = run(capsys)
    assert status == 0
    assert all(re.search(rf"^    {command}\s", out, re.MULTILINE) for command in cli.COMMANDS)


def test_help_loads_none_of_the_extras():
    code = (
        "import sys, runpy; sys.argv[1:] = ['--help']\n"
        "try: runpy.run_module('dffkit', run_name='__main__')\n"
        "except SystemExit: print('loaded', *sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=files.root(), capture_output=True, text=True, check=True)
    loaded = result.stderr.partition("loaded ")[2].split()
    assert "dffkit.commands.cli" in loaded
    assert not {"jupyterlab", "nbclient", "nbconvert", "matplotlib", "pandas", "pytest"} & set(loaded)


def test_version(capsys):
    status, out, _ = run(capsys, "--version")
    assert status == 0
    assert re.fullmatch(r"dffkit \d+\.\d+\.\d+\n", out)


def test_an_unknown_command_is_refused_with_the_known_ones(capsys):
    status, _, err = run(capsys, "reprodcue")
    assert status == 2
    assert "reprodcue" in err
    assert "reproduce" in err


def test_only_test_takes_further_arguments(capsys, monkeypatch):
    assert run(capsys, "figures", "-k", "warp")[0] == 2
    handed_on = []
    monkeypatch.setattr(reproduce, "test_main", lambda arguments: handed_on.extend(arguments.rest) or 0)
    assert run(capsys, "test", "-k", "warp", "tests/project/test_cli.py", "-x")[0] == 0
    assert handed_on == ["-k", "warp", "tests/project/test_cli.py", "-x"]


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_a_missing_package_is_named_with_the_pip_command_of_its_extra(capsys, monkeypatch, command):
    absent = cli.EXTRAS[cli.COMMANDS[command].extra][0]
    monkeypatch.setattr(files, "find_spec", lambda module: None if module == absent else object())
    status, _, err = run(capsys, command)
    assert status == 1
    assert f"not installed: {absent}.\n" in err
    assert f'-m pip install -e ".[{cli.COMMANDS[command].extra}]"' in err


def test_missing_packages_are_named_whatever_a_commands_module_imports():
    code = """
import sys, torch, torchvision
from dffkit.commands import cli
for name in cli.EXTRAS["all"]:
    sys.modules[name] = None  # as if it was not installed
print(*[cli.main([name]) for name in cli.COMMANDS], cli.main(["toytown", "--help"]))
for name in ("test", "reproduce", "lab", "figures", "notebooks"):
    try: cli.main([name, "--help"])
    except SystemExit as end: assert end.code == 0
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=files.root(), capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[0].split() == ["1"] * (len(cli.COMMANDS) + 1)
    assert result.stdout.count("examples:") == 5, "their help needs no packages"
    assert result.stderr.count("-m pip install -e") == len(cli.COMMANDS) + 1


def test_the_packages_of_an_extra_are_those_of_pyproject():
    project = tomllib.loads((files.root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for extra, added in (("training", []), ("notebooks", ["training"]), ("all", ["training", "notebooks", "test"])):
        wanted = {Requirement(line).name for each in {extra, *added} for line in extras[each]} - {"dffkit"}
        packages = {name for package in cli.EXTRAS[extra] for name in packages_distributions()[package]}
        assert {name.lower().replace("_", "-") for name in packages} == wanted


def test_an_error_that_a_user_can_mend_is_printed_without_a_traceback(capsys, monkeypatch):
    from dffkit.paper import figures

    def damaged(folder):
        raise DataError("speed.csv: is damaged; get it again")

    monkeypatch.setattr(figures, "regenerate_all", damaged)
    assert run(capsys, "figures") == (1, "", "dffkit: speed.csv: is damaged; get it again\n")


def test_a_package_without_its_repository_says_so(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(files, "__file__", str(tmp_path / "dffkit" / "support" / "files.py"))
    status, _, err = run(capsys, "notebooks")
    assert status == 1
    assert "Clone the repository" in err
