"""cli.py: help, the version, shared options, and messages for wrong commands, numbers, devices and missing packages."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import torch
from packaging.requirements import Requirement
from torch import distributed

from dffkit.commands import cli, reproduce
from dffkit.support import files
from dffkit.support.errors import CommandError, DataError
from dffkit.support.machine import join_processes, use_threads


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
    assert not {"jupyterlab", "nbclient", "sphinx", "matplotlib", "pandas", "pytest"} & set(loaded)


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
for name in ("test", "reproduce", "book", "lab", "figures", "notebooks"):
    try: cli.main([name, "--help"])
    except SystemExit as end: assert end.code == 0
"""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=files.root(), capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[0].split() == ["1"] * (len(cli.COMMANDS) + 1)
    assert result.stdout.count("examples:") == 6, "their help needs no packages"
    assert result.stderr.count("-m pip install -e") == len(cli.COMMANDS) + 1


def test_the_packages_of_an_extra_are_those_of_pyproject():
    project = tomllib.loads((files.root() / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    added_to = {"training": [], "notebooks": ["training"], "book": ["training", "notebooks"]}
    for extra, added in (added_to | {"all": [*added_to, "test"]}).items():
        wanted = {Requirement(line).name for each in {extra, *added} for line in extras[each]} - {"dffkit"}
        packages = {name for package in cli.EXTRAS[extra] for name in packages_distributions()[package]}
        assert {name.lower().replace("_", "-") for name in packages} == wanted


def test_an_error_that_a_user_can_mend_is_printed_without_a_traceback(capsys, monkeypatch):
    from dffkit.paper import figures

    def damaged(*_):
        raise DataError("speed.csv: is damaged; get it again")

    monkeypatch.setattr(figures, "redraw", damaged)
    assert run(capsys, "figures") == (1, "", "dffkit: speed.csv: is damaged; get it again\n")


def test_a_package_without_its_repository_says_so(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(files, "__file__", str(tmp_path / "dffkit" / "support" / "files.py"))
    status, _, err = run(capsys, "notebooks")
    assert status == 1
    assert "Clone the repository" in err


RECIPE = "toytown/segmentation/dff"
WITH_DEVICE = [("train", RECIPE), ("evaluate", RECIPE), ("experiments",), ("speed",), ("benchmark",), ("run",)]
NUMBERS = [
    *((command, option, 1) for command in ("train", "evaluate") for option in ("--iterations", "--classes")),
    *((command, "--seed", 0) for command in ("train", "evaluate")),
    *((command, "--workers", 0) for command in ("train", "evaluate", "experiments")),
    *((command, "--threads", 1) for command in ("train", "evaluate", "experiments", "speed", "run")),
    *((command, "--repeats", 1) for command in ("speed", "benchmark")),
    ("evaluate", "--durations", 1), ("experiments", "--seeds", 0),
    ("benchmark", "--size 33", 1), ("benchmark", "--look-ahead", 1), ("benchmark", "--stream", 1),
    ("benchmark", "-l", 2), ("run", "--frames", 1), ("run", "--short-side", 0), ("run", "-l", 1),
    ("benchmark", "--aggregate", 0),
]  # fmt: skip


@pytest.mark.parametrize("words", WITH_DEVICE, ids=" ".join)
@pytest.mark.parametrize("device", ["cuda:99", "meta", "toaster"])
def test_a_device_that_is_not_there_is_named(capsys, words, device):
    assert cli.main([*words, "--device", device]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"dffkit: --device {device}: can't be used here (")
    assert said.endswith("); leave it out, or give cpu\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(("command", "option", "least"), NUMBERS)
def test_a_wrong_number_is_named(capsys, command, option, least):
    for value in (str(least - 1), "-7", "two", "1.5"):
        with pytest.raises(SystemExit) as end:
            cli.main([command, *option.split(), value])
        assert end.value.code == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert option.split()[0] in said
        assert said.endswith(f": expected a whole number from {least} on, got '{value}'")


def test_every_command_with_a_device_or_threads_is_tested_here():
    for option, tested in (
        ("--device", {words[0] for words in WITH_DEVICE}),
        ("--threads", {command for command, named, _ in NUMBERS if named == "--threads"}),
    ):
        assert tested == {name for name in cli.COMMANDS if option in help_of(name)}


def help_of(command):
    parser = cli.build_parser(chosen=command)
    return parser._subparsers._group_actions[0].choices[command].format_help()


def test_each_of_several_processes_looks_at_its_own_gpu_before_it_waits_for_the_others(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "100")
    monkeypatch.setenv("LOCAL_RANK", "99")
    monkeypatch.setattr(distributed, "init_process_group", lambda backend: pytest.fail("it waits"))
    with pytest.raises(CommandError, match=r"--device cuda:99: can't be used here"):
        join_processes("cuda")


def test_threads_are_torchs_own_unless_they_are_given(monkeypatch):
    given = []
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    use_threads(None)
    use_threads(3)
    assert given == [3]
