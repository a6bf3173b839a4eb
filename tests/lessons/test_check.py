"""Properties that the checks of all exercises share."""

import importlib
import pkgutil

import pytest
import torch

from dffkit.lessons import check
from dffkit.lessons.check import Exercise

MODULES = [
    importlib.import_module(f"{check.__name__}.{module.name}") for module in pkgutil.iter_modules(check.__path__)
]
EXERCISES = [value for module in MODULES for value in vars(module).values() if isinstance(value, Exercise)]
by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)


def test_there_are_exercises():
    assert len(EXERCISES) == 29


# Every exercise


@by_name
def test_the_solution_is_correct(exercise):
    assert exercise.feedback(exercise.solution) == f"correct, on {len(exercise.examples)} examples."


@by_name
def test_every_known_mistake_is_named(exercise):
    for mistake in exercise.mistakes:
        assert exercise.feedback(mistake.function).startswith(f"not yet. {mistake.reason}\n  Example: "), mistake.reason


def untouched(*_):
    raise NotImplementedError


def only_dots(*_):
    return ...


def no_return(*_):
    pass


@by_name
def test_a_stub_is_not_attempted_yet(exercise, capsys):
    for stub in (untouched, only_dots, no_return):
        exercise(stub)
        assert capsys.readouterr().out.startswith(f"{exercise.name}: not attempted yet")


@by_name
def test_whatever_a_function_does_the_check_does_not_raise(exercise, capsys):
    nothing_sensible = [
        lambda *_: 1 / 0,
        lambda *_: "a string",
        lambda *_: [],
        lambda *_: {"a": 1},
        lambda *_: [[1, 2], [3]],
        lambda *_: object(),
        lambda *_: float("nan"),
        lambda *_: torch.full((2, 2), torch.inf),
        lambda *_: torch.zeros(0),
        lambda: 1,
        lambda *arguments: [argument for argument in arguments if argument.nope],
        lambda *arguments: arguments[999],
    ]
    for function in nothing_sensible:
        exercise(function)
        assert f"{exercise.name}: not yet. " in capsys.readouterr().out


@by_name
def test_an_error_is_reported_with_its_message(exercise):
    assert "Your function raised ZeroDivisionError: division by zero." in exercise.feedback(lambda *_: 1 / 0)


@by_name
def test_an_endless_loop_is_stopped(exercise, monkeypatch):
    def loops_for_ever(*_):
        while True:
            pass

    monkeypatch.setattr(exercise, "time_limit", 0.02)
    assert "did not end within 0.02 seconds" in exercise.feedback(loops_for_ever)


@by_name
def test_a_printed_answer_is_not_returned(exercise, capsys):
    assert "You print the answer" in exercise.feedback(lambda *arguments: print(exercise.solution(*arguments)))
    assert capsys.readouterr().out


@by_name
def test_arguments_are_copies(exercise):
    def spoils(*arguments):
        answer = exercise.solution(*arguments)
        for argument in arguments:
            if isinstance(argument, torch.Tensor):
                argument.fill_(7)
        return answer

    assert exercise.feedback(spoils).startswith("correct")
    assert exercise.feedback(exercise.solution).startswith("correct")


@by_name
def test_printed_lines_are_short_and_do_not_change(exercise, capsys):
    for mistake in exercise.mistakes:
        exercise(mistake.function)
        once = capsys.readouterr().out
        exercise(mistake.function)
        assert capsys.readouterr().out == once
        assert all(len(line) <= 100 for line in once.splitlines())


@by_name
def test_each_call_leaves_its_outcome(exercise):
    exercise(exercise.solution)
    exercise(untouched)
    exercise(exercise.mistakes[0].function)
    last = check.outcomes[-3:]
    assert [outcome.result for outcome in last] == ["passed", "not attempted", "hint"]
    assert exercise.mistakes[0].reason in last[2].text
    (module,) = [module.__name__ for module in MODULES if exercise in vars(module).values()]
    assert {outcome[:2] for outcome in last} == {(module.rpartition(".")[2], exercise.name)}
