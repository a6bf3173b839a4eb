"""What holds for every exercise's check, and the mechanism behind them."""

import math

import numpy as np
import pytest
import torch

from dffkit.lessons import check
from dffkit.lessons.check.exercise import Example, Exercise, Mistake, answer_of, same

EXERCISES = [exercise for exercise in vars(check).values() if isinstance(exercise, Exercise)]
by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)


def test_there_are_exercises():
    assert {check.four_weights, check.warp_one_channel, check.flow_in_cells} <= set(EXERCISES)


# What holds for every exercise


@by_name
def test_the_solution_is_correct(exercise):
    assert exercise.verdict(exercise.solution) == f"correct, on {len(exercise.examples)} examples."


@by_name
def test_every_known_mistake_is_named(exercise):
    for mistake in exercise.mistakes:
        assert exercise.verdict(mistake.function).startswith(f"not yet. {mistake.reason}\n  Example: "), mistake.reason


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
    assert "Your function raised ZeroDivisionError: division by zero." in exercise.verdict(lambda *_: 1 / 0)


@by_name
def test_arguments_are_copies(exercise):
    def spoils(*arguments):
        answer = exercise.solution(*arguments)
        for argument in arguments:
            if isinstance(argument, torch.Tensor):
                argument.fill_(7)
        return answer

    assert exercise.verdict(spoils).startswith("correct")
    assert exercise.verdict(exercise.solution).startswith("correct")


@by_name
def test_what_is_printed_is_narrow_and_the_same_each_time(exercise, capsys):
    for mistake in exercise.mistakes:
        exercise(mistake.function)
        once = capsys.readouterr().out
        exercise(mistake.function)
        assert capsys.readouterr().out == once
        assert all(len(line) <= 100 for line in once.splitlines())


# The mechanism


def doubled(exercise_mistakes=()):
    examples = [Example("n = 1", (1,)), Example("n = 2", (2,)), Example("n = 3, too many", (3,))]
    return Exercise("Double", lambda n: 2 * n if n < 3 else None, examples, exercise_mistakes)


def test_an_unknown_mistake_gets_the_first_example_that_is_wrong():
    verdict = doubled().verdict(lambda n: 2 * n if n < 2 else 7)
    assert verdict.startswith("not yet. 1 of 3 examples are right; the first that is not:\n")
    assert verdict.endswith("\n  Example: n = 2.\n  Expected 4, got 7.")


def test_a_mistake_must_explain_every_answer():
    exercise = doubled([Mistake("You add 2.", lambda n: n + 2)])
    assert "You add 2." in exercise.verdict(lambda n: n + 2)
    assert "You add 2." not in exercise.verdict(lambda n: n + 2 if n < 3 else None)


def test_none_can_be_an_answer():
    assert doubled().verdict(lambda n: 2 * n if n < 3 else None).startswith("correct")
    assert "Expected None, got 6." in doubled().verdict(lambda n: 2 * n)
    assert "Expected 4, got None." in doubled().verdict(lambda n: 2 if n < 2 else None)


def test_same_compares_shapes_values_nan_and_none():
    values = torch.tensor([1.0, math.nan])
    assert same(values, values + 1e-5)
    assert not same(values, values + 0.1)
    assert not same(values, values[:1])
    assert not same(values, None)
    assert same(None, None)


def test_answers_of_all_kinds_become_tensors():
    for answer in (3, 3.0, True, np.float32(3), np.array([3]), torch.tensor(3), [3, [torch.tensor(3.0)][0]], (3,)):
        assert answer_of(lambda answer=answer: answer, Example("", ())).dtype == torch.float64
