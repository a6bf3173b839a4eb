"""The bank of answers to each exercise: wrong ones get their own hint, right ones pass, and mutants neither wrongly.

A mutant is a right answer with one small change. It is tried on the exercise's examples and on random inputs beside
them. If it passes the examples, it must be right on all; and a hint that it gets must explain all of its answers.
"""

import functools
import importlib
import inspect
import random
import re
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from mutants import mutants

from dffkit import complexity
from dffkit.lessons.check import Example, Exercise, attempts
from dffkit.support.files import root

BANKS = [importlib.import_module(f"bank.{path.stem}") for path in sorted(Path(__file__).parent.glob("bank/nb*.py"))]
RIGHT = {exercise: functions for bank in BANKS for exercise, functions in bank.RIGHT.items()}
RANDOM = {exercise: draw for bank in BANKS for exercise, draw in bank.RANDOM.items()}
NAMES = {exercise: f"{exercise.notebook}.{name}" for bank in BANKS for name, exercise in vars(bank).items()
         if isinstance(exercise, Exercise)}  # fmt: skip
COUNTED = re.compile(r"not attempted|not yet\. (\d+ of \d+ ex|An example is|Your function (raised|did not)|Expected)")

every_exercise = pytest.mark.parametrize("exercise", list(RIGHT), ids=NAMES.get)


class Source(NamedTuple):
    """A right answer as text."""

    text: str
    name: str
    namespace: dict[str, object]


def sources(exercise: Exercise) -> list[Source]:
    """Return the notebook's folded solution and the bank's plain functions and classes, as far as they have a name."""
    (path,) = (root() / "notebooks").glob(f"{exercise.notebook[2:]}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    imports: dict[str, object] = {}
    exec(next(cell.source for cell in cells if cell.cell_type == "code"), imports)
    check = NAMES[exercise].partition(".")[2]
    (stub,) = (n for n, cell in enumerate(cells) if f"check.{check}(" in cell.source and cell.cell_type == "code")
    (name,) = re.findall(rf"check\.{check}\((\w+)\)", cells[stub].source)
    folded = cells[stub + 1].source
    found = [
        Source(re.findall(r"```python\n(.*?)```", folded[folded.index("Solution") :], re.DOTALL)[0], name, imports)
    ]
    for function in RIGHT[exercise]:
        module = inspect.getmodule(function)
        if vars(module).get(function.__name__) is function:
            found.append(Source(inspect.getsource(function), function.__name__, vars(module)))
    return found


@pytest.fixture
def counted_once(monkeypatch):
    """Count a network on inputs of the same shapes once: to count is slow, and mutants do it hundreds of times."""
    count, counts = complexity.count_flops, {}

    def count_once(network, *inputs):
        key = network, *((each.shape, each.dtype) for each in inputs)
        if key not in counts:
            counts[key] = count(network, *inputs)
        return counts[key]

    monkeypatch.setattr(complexity, "count_flops", count_once)


def runs(exercise: Exercise, function, example: Example) -> bool:
    return attempts.run(lambda: exercise.answer_of(function, example), 1).error is None


@functools.cache
def random_examples(exercise: Exercise, for_mistakes: bool) -> list[Example]:
    """Draw examples, or only those on which all known mistakes run without an error."""
    rng = random.Random(0)
    drawn = [Example("random", RANDOM[exercise](rng)) for _ in range(15)]
    functions = [mistake.function for mistake in exercise.mistakes] if for_mistakes else []
    return [example for example in drawn if all(runs(exercise, function, example) for function in functions)]


def with_random_examples(exercise: Exercise, for_mistakes: bool = False, function=None) -> Exercise:
    """Return the exercise with random examples behind its own, those on which `function` runs without an error."""
    drawn = random_examples(exercise, for_mistakes)
    if function is not None:
        drawn = [example for example in drawn if runs(exercise, function, example)]
    return Exercise(
        exercise.name, exercise.solution, [*exercise.examples, *drawn], exercise.mistakes,
        answer_by=exercise.answer_by, time_limit=20,  # of answers that have ended on other inputs
    )  # fmt: skip


def verdict(exercise: Exercise, function) -> str:
    """Return "correct", the hint, or "" if there is none."""
    first = exercise.feedback(function).splitlines()[0]
    if first.startswith("correct"):
        return "correct"
    return "" if COUNTED.match(first) else first


@pytest.mark.parametrize(
    ("exercise", "reason", "function"),
    [pytest.param(*row, id=f"{NAMES[row[0]]}-{row[1]}") for bank in BANKS for row in bank.WRONG],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_wrong_answers_get_their_reason(exercise, reason, function):
    feedback = exercise.feedback(function)
    assert feedback.startswith("not yet. ")
    assert reason in feedback


@every_exercise
def test_right_answers_of_several_kinds_are_accepted(exercise):
    assert len(RIGHT[exercise]) >= 2
    for function in RIGHT[exercise]:
        assert exercise.feedback(function) == f"correct, on {len(exercise.examples)} examples.", function


@every_exercise
def test_right_answers_are_right_on_random_inputs_too(exercise):
    more = with_random_examples(exercise)
    for function in RIGHT[exercise]:
        assert more.feedback(function).startswith("correct"), function


@every_exercise
def test_hints_name_no_fault_that_other_inputs_disprove(exercise):
    more = with_random_examples(exercise, for_mistakes=True)
    assert len(more.examples) >= len(exercise.examples) + 5
    for mistake in exercise.mistakes:
        assert verdict(more, mistake.function) in ("", f"not yet. {mistake.reason}")


@every_exercise
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("counted_once")
def test_no_mutant_passes_or_is_hinted_at_wrongly(exercise, monkeypatch, capsys):
    monkeypatch.setattr(exercise, "time_limit", 3.0)  # a right answer needs milliseconds, on a busy machine more
    all_random = with_random_examples(exercise)
    wrong, tried = [], 0
    for source in sources(exercise):
        for text, function in mutants(*source):
            tried += 1
            found = verdict(exercise, function)
            if found == "correct":
                more = all_random
            elif found:
                more = with_random_examples(exercise, for_mistakes=True, function=function)
            if found and verdict(more, function) != found:
                wrong.append(f"{found}\n{text}")
    assert not wrong, "\n\n".join(wrong)
    assert tried >= 5
