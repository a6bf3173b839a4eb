"""The mechanism behind the checks: what any function gets for its answers, its errors, its prints and its loops."""

import inspect
import itertools
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from dffkit.lessons.check import Example, Exercise, Mistake, attempts
from dffkit.lessons.check.answers import equal, to_tensor


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
    assert equal(values, values + 1e-5)
    assert not equal(values, values + 0.1)
    assert not equal(values, values[:1])
    assert not equal(values, None)
    assert equal(None, None)


def test_answers_of_all_kinds_become_tensors():
    for answer in (3, 3.0, True, np.float32(3), np.array([3]), torch.tensor(3), [3, [torch.tensor(3.0)][0]], (3,)):
        assert to_tensor(answer).dtype == torch.float64
    for nothing in (None, ...):
        assert to_tensor(nothing) is None


# Mistakes that any function can have


def area(width, height):
    return width * height / 2 + width**2 + width


def fails_on_wide_ones(width, height):
    return area(width, height) if width < 3 else None


@pytest.mark.parametrize(
    ("reason", "attempt"),
    [
        ("Every number is 1 too large: off by one?", lambda width, height: area(width, height) + 1),
        ("Every number is 1 too small: off by one?", lambda width, height: area(width, height) - 1),
        ("Every number is 0.5 too large: off by half?", lambda width, height: area(width, height) + 0.5),
        ("right for `width + 1` in place of `width`: off by one?", lambda width, height: area(width + 1, height)),
        (
            "right for `height - 0.5` in place of `height`: off by half?",
            lambda width, height: area(width, height - 0.5),
        ),
        ("right for `-height` in place of `height`: a wrong sign?", lambda width, height: area(width, -height)),
        ("Every number has the wrong sign.", lambda width, height: -area(width, height)),
        ("1 over the right one", lambda width, height: 1 / area(width, height)),
        ("Every number is 16 times the right one", lambda width, height: 16 * area(width, height)),
        ("the right ones are not: do you divide by //", lambda width, height: width * height // 2 + width**2 + width),
        ("the right ones are not: do you divide by //", lambda width, height: round(area(width, height))),
        ("For some examples your function returns None", fails_on_wide_ones),
        ("of 4 examples are right; the first wrong one", lambda width, height: width + height),
    ],
)
def test_usual_mistakes_are_named(reason, attempt):
    examples = [Example(f"{width} x {height}", (width, height)) for width, height in ((1, 3), (2, 2), (3, 7), (5, 5))]
    assert reason in Exercise("Area", area, examples, []).feedback(attempt)


@pytest.mark.parametrize(
    ("reason", "attempt"),
    [
        ("`left` and `right` are swapped.", lambda left, right: right - 2 * left),
        ("Rows and columns are swapped.", lambda left, right: (left - 2 * right).T),
        ("in reverse order", lambda left, right: (left - 2 * right).flip(0)),
        ("Expected the shape (2, 2), got the shape (1, 2, 2).", lambda left, right: (left - 2 * right)[None]),
    ],
)
def test_usual_mistakes_with_tensors_are_named(reason, attempt):
    examples = [Example("four numbers", (torch.tensor([[1.0, 2], [4, 8]]), torch.tensor([[7.0, 0], [3, 1]])))]
    exercise = Exercise("Difference", lambda left, right: left - 2 * right, examples, [])
    assert reason in exercise.feedback(attempt)


def test_a_known_mistake_goes_before_a_usual_one():
    assert "You add 2." in doubled([Mistake("You add 2.", lambda n: 2 * n + 1 if n < 3 else None)]).feedback(
        lambda n: 2 * n + 1 if n < 3 else None
    )


# Prints, errors and loops


def test_an_answer_that_is_only_printed_is_no_answer(capsys):
    feedback = doubled().feedback(lambda n: print(2 * n))
    assert (
        feedback == "not yet. You print the answer, and your function returns None: write `return` before it instead."
    )
    assert capsys.readouterr().out == "2\n4\n6\n"


def test_what_is_printed_beside_an_answer_is_shown(capsys):
    assert doubled().feedback(lambda n: print("n =", n) or (2 * n if n < 3 else None)).startswith("correct")
    assert capsys.readouterr().out == "n = 1\nn = 2\nn = 3\n"


def fails(n):
    values = [n]
    return values[n]


def line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return next(first + number for number, line in enumerate(lines) if text in line)


def test_an_error_shows_the_learner_s_line():
    line = line_of(fails, "return")
    assert doubled().feedback(fails) == (
        "not yet. Your function raised IndexError: list index out of range.\n"
        f"  Line {line}: return values[n]\n  Example: n = 1."
    )


def test_an_error_in_a_library_shows_the_learner_s_line_that_called_it():
    def reshapes(n):
        return torch.nn.Flatten()(torch.zeros(2, 3).view(n, 7))

    line = line_of(reshapes, "return")
    feedback = doubled().feedback(reshapes)
    assert f"  Line {line}: return torch.nn.Flatten()" in feedback
    assert "check/" not in feedback


def test_an_error_without_a_line_of_the_learner_s_is_reported_too():
    assert "raised TypeError: " in doubled().feedback(lambda: 1)
    assert "Line" not in doubled().feedback(lambda: 1)


def test_a_library_s_not_implemented_is_an_error_and_no_untouched_stub():
    def resizes(n):
        return torch.nn.functional.interpolate(torch.zeros(n, 2), scale_factor=2)

    assert "Your function raised NotImplementedError: " in doubled().feedback(resizes)


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


def waits_for_ever(n):
    while n:
        time.sleep(0.01)


def prints_for_ever(n):
    while n:
        print(n)


ENDLESS = [
    loops_for_ever, loops_for_ever_and_catches_exceptions, generates_for_ever,
    waits_for_ever, prints_for_ever,
]  # fmt: skip


@pytest.mark.parametrize("attempt", ENDLESS)
def test_an_endless_loop_is_stopped(attempt, capsys):
    limit, line, example = doubled().feedback(attempt).splitlines()
    assert limit == "not yet. Your function did not end within 0.05 seconds: does one of its loops never end?"
    lines, first = inspect.getsourcelines(attempt)
    assert int(line.split()[1].rstrip(":")) in range(first, first + len(lines))
    assert example == "  Example: n = 1."
    assert len(capsys.readouterr().out) <= attempts.PRINTED + 10


def test_an_endless_loop_is_stopped_in_every_thread():
    with ThreadPoolExecutor(1) as pool:
        assert "did not end within" in pool.submit(doubled().feedback, loops_for_ever).result()


def test_what_cannot_be_stopped_gives_control_back_and_says_that_it_goes_on(monkeypatch):
    over = threading.Event()

    def catches_everything(n):
        while not over.is_set():
            try:
                n += sum(range(300))
            except:  # noqa: E722
                continue

    monkeypatch.setattr(attempts, "PATIENCE", 0.0)
    for attempt in (lambda n: time.sleep(0.5), catches_everything):
        assert "never end? It is still running: restart the kernel to be rid of it." in doubled().feedback(attempt)
    over.set()


def test_a_function_that_was_stopped_leaves_nothing_behind():
    assert "did not end" in doubled().feedback(loops_for_ever)
    assert doubled().feedback(lambda n: 2 * n if n < 3 else None).startswith("correct")
