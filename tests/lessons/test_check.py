"""Properties of every exercise's check, and the mechanism behind the checks."""

import importlib
import itertools
import math
import pkgutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from dffkit.lessons import check
from dffkit.lessons.check import Example, Exercise, Mistake, answer_of, answers_equal

MODULES = [
    importlib.import_module(f"{check.__name__}.{module.name}") for module in pkgutil.iter_modules(check.__path__)
]
EXERCISES = [value for module in MODULES for value in vars(module).values() if isinstance(value, Exercise)]
by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)


def test_there_are_exercises():
    assert len(EXERCISES) == 16


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


# The mechanism


def doubled(exercise_mistakes=()):
    examples = [Example("n = 1", (1,)), Example("n = 2", (2,)), Example("n = 3, too many", (3,))]
    return Exercise("Double", lambda n: 2 * n if n < 3 else None, examples, exercise_mistakes, time_limit=0.05)


def test_an_unknown_mistake_gets_the_first_example_that_is_wrong():
    feedback = doubled().feedback(lambda n: 2 * n if n < 2 else 7)
    assert feedback.startswith("not yet. 1 of 3 examples are right; the first wrong one:\n")
    assert feedback.endswith("\n  Example: n = 2.\n  Expected 4, got 7.")


def test_a_mistake_must_explain_every_answer():
    exercise = doubled([Mistake("You add 2.", lambda n: n + 2)])
    assert "You add 2." in exercise.feedback(lambda n: n + 2)
    assert "You add 2." not in exercise.feedback(lambda n: n + 2 if n < 3 else None)


def test_none_can_be_an_answer():
    assert doubled().feedback(lambda n: 2 * n if n < 3 else None).startswith("correct")
    assert "Expected None, got 6." in doubled().feedback(lambda n: 2 * n)
    assert "Expected 4, got None." in doubled().feedback(lambda n: 2 if n < 2 else None)


def test_answers_are_compared_by_shape_value_nan_and_none():
    values = torch.tensor([1.0, math.nan])
    assert answers_equal(values, values + 1e-5)
    assert not answers_equal(values, values + 0.1)
    assert not answers_equal(values, values[:1])
    assert not answers_equal(values, None)
    assert answers_equal(None, None)


def test_answers_of_all_kinds_become_tensors():
    for answer in (3, 3.0, True, np.float32(3), np.array([3]), torch.tensor(3), [3, [torch.tensor(3.0)][0]], (3,)):
        assert answer_of(lambda answer=answer: answer, Example("", ())).dtype == torch.float64


def loops_for_ever(n):
    while n:
        pass


def loops_for_ever_and_catches_exceptions(n):
    while n:
        try:
            n += 1
        except Exception:
            continue


def generates_for_ever(n):
    return sum(number for number in itertools.count(n))


@pytest.mark.parametrize("attempt", [loops_for_ever, loops_for_ever_and_catches_exceptions, generates_for_ever])
def test_an_endless_loop_is_stopped(attempt):
    before = sys.gettrace()
    assert doubled().feedback(attempt) == (
        "not yet. Your function did not end within 0.05 seconds: does one of its loops never end?\n  Example: n = 1."
    )
    assert sys.gettrace() is before


def test_an_endless_loop_is_stopped_in_every_thread():
    with ThreadPoolExecutor(1) as pool:
        assert "did not end within" in pool.submit(doubled().feedback, loops_for_ever).result()


def test_waiting_is_not_computing():
    def waits(n):
        threading.Event().wait(0.1)
        return 2 * n if n < 3 else None

    assert doubled().feedback(waits).startswith("correct")
