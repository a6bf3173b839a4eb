"""Mistakes that any function can have: off by one or by half, swapped arguments, a wrong sign, cut to integers.

Each is named only if it explains every answer, so a learner is never told of a fault that the answers do not show.
"""

import inspect
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from dffkit.lessons.check.answers import equal, to_tensor

Answers = Sequence[Tensor | None]
STEPS = {1: "off by one?", -1: "off by one?", 0.5: "off by half?", -0.5: "off by half?"}
WHOLE = "Your numbers are whole, the right ones are not: do you divide by //, use int() or an integer tensor?"


def reason(
    answers: Answers, expected: Answers, solution: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]
) -> str:
    """Return what is wrong with all answers alike, or "". Answers that are all the same, or true or false, tell little.

    Args:
        answers: the learner's, one for each example.
        expected: the right ones.
        solution: a right function; it is tried on changed arguments.
        arguments: of each example.
    """
    if _cut(answers, expected):
        return WHOLE
    changed = _changed_answers(answers, expected)
    given = torch.cat([answer.flatten() for answer in answers if answer is not None])
    if (given != given[:1]).any() and not all(map(_true_or_false, expected)):
        changed = itertools.chain(changed, _changed_arguments(solution, arguments))
    return next((words for words, others in changed if all(map(equal, answers, others))), "")


def _cut(answers: Answers, expected: Answers) -> bool:
    """Tell if all answers are whole numbers next to right ones of which some are not."""
    pairs = [(answer, right) for answer, right in zip(answers, expected, strict=True) if right is not None]
    if any(answer is None or answer.shape != right.shape for answer, right in pairs):
        return False
    whole = all(
        bool((answer == answer.round()).all() and (answer - right).abs().lt(1).all()) for answer, right in pairs
    )
    return whole and not all(equal(right, right.round()) for _, right in pairs)


def _true_or_false(right: Tensor | None) -> bool:
    return right is not None and bool(((right == 0) | (right == 1)).all())


def _changed_answers(answers: Answers, expected: Answers) -> Iterator[tuple[str, Answers]]:
    def each(change: Callable[[Tensor], Tensor]) -> Answers:
        return [None if right is None else change(right) for right in expected]

    for step, name in STEPS.items():
        size = "large" if step > 0 else "small"
        yield f"Every number is {abs(step)} too {size}: {name}", each(lambda right, step=step: right + step)
    yield "Every number has the wrong sign.", each(torch.neg)
    yield "It is upside down: every number is 1 over the right one.", each(torch.reciprocal)
    if factor := _factor(answers, expected):
        words = f"Every number is {factor:.4g} times the right one: is a unit or a factor missing, or there twice?"
        yield words, each(lambda right: factor * right)
    yield "Rows and columns are swapped.", each(lambda right: right.mT if right.ndim >= 2 else right)
    yield "The right numbers, in reverse order.", each(lambda right: right.flip(0) if right.ndim else right)


def _factor(answers: Answers, expected: Answers) -> float:
    """Return the quotient of the largest right number's answer and that number, or 0 if they do not compare."""
    pairs = [(right, answer) for right, answer in zip(expected, answers, strict=True)
             if right is not None and answer is not None and right.shape == answer.shape and right.numel()]  # fmt: skip
    if not pairs:
        return 0.0
    right, answer = (torch.cat([pair[i].flatten() for pair in pairs]) for i in (0, 1))
    largest = right.abs().argmax()
    factor = float(answer[largest] / right[largest])
    return factor if torch.isfinite(torch.tensor(factor)) else 0.0


def _changed_arguments(
    solution: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[str, Answers]]:
    for words, change in _changes(list(inspect.signature(solution).parameters), arguments[0]):
        with suppress(Exception):  # the solution need not work on such arguments
            yield words, [to_tensor(solution(*change(list(values)))) for values in arguments]


def _changes(names: list[str], first: tuple[Any, ...]) -> Iterator[tuple[str, Callable[[list[Any]], list[Any]]]]:
    """Yield what was changed, and the change of a list of arguments such as the `first`."""

    def swap(i: int, j: int) -> Callable[[list[Any]], list[Any]]:
        return lambda values: [values[j if n == i else i if n == j else n] for n in range(len(values))]

    def at(place: int, change: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
        return lambda values: [change(value) if n == place else value for n, value in enumerate(values)]

    for i, j in itertools.combinations(range(len(first)), 2):
        yield f"`{names[i]}` and `{names[j]}` are swapped.", swap(i, j)
    for place, name in enumerate(names[: len(first)]):
        if isinstance(first[place], bool):
            continue
        for step, question in STEPS.items():
            changed = f"{name} {'+' if step > 0 else '-'} {abs(step)}"
            words = f"That is right for `{changed}` in place of `{name}`: {question}"
            yield words, at(place, lambda value, step=step: value + step)
        yield f"That is right for `-{name}` in place of `{name}`: a wrong sign?", at(place, operator.neg)
