"""Shared options: a wrong device or number ends a command with one line, before any work."""

import pytest
import torch
from torch import distributed

from dffkit.commands import cli
from dffkit.support.errors import CommandError
from dffkit.support.machine import join_processes, use_threads

RECIPE = "toytown/segmentation/dff"
WITH_DEVICE = [("train", RECIPE), ("evaluate", RECIPE), ("experiments",), ("speed",), ("benchmark",), ("run",)]
NUMBERS = [
    *((command, option, 1) for command in ("train", "evaluate") for option in ("--iterations", "--classes")),
    *((command, "--seed", 0) for command in ("train", "evaluate")),
    *((command, "--workers", 0) for command in ("train", "evaluate", "experiments")),
    *((command, "--threads", 1) for command in ("train", "evaluate", "experiments", "speed", "run")),
    *((command, "--repeats", 1) for command in ("speed", "benchmark")),
    ("evaluate", "--durations", 1), ("experiments", "--seeds", 0), ("toytown", "--streets", 1),
    ("benchmark", "--size 33", 1), ("benchmark", "--look-ahead", 1), ("benchmark", "--stream", 1),
    ("benchmark", "-l", 2), ("run", "--frames", 1), ("run", "--short-side", 0), ("run", "-l", 1),
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
