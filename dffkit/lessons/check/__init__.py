"""Checks of the exercises: `check.NAME(your_function)` prints "not attempted yet", "correct", or the mistake.

Each exercise of notebook NN, in nbNN.py, holds its solution and typical mistakes. It calls your function on small
examples; if the answers are those of a known mistake, it names that mistake. A wrong answer never raises an error.
"""

import functools
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dffkit.lessons.check import attempts, usual
from dffkit.lessons.check.answers import CLOSE, NotComparable, describe, equal, to_tensor

NOT_ATTEMPTED = "not attempted yet"
RESULTS = {"correct": "passed", NOT_ATTEMPTED: "not attempted"}  # first words of a feedback -> result; else "hint"
WIDTH = 100  # characters in a printed line
TIME_LIMIT = 10.0  # seconds for one example; a right answer needs milliseconds


class Example(NamedTuple):
    """Arguments for the function, and a description of them that fits after "Example:"."""

    description: str
    arguments: tuple[Any, ...]


class Mistake(NamedTuple):
    """A typical wrong function, and the reason that is printed for it."""

    reason: str
    function: Callable[..., Any]


class Outcome(NamedTuple):
    """One call of a check, for whoever collects the answers of many learners."""

    notebook: str  # "nb02"
    exercise: str  # "Exercise 1"
    result: str  # "passed", "hint" or "not attempted"
    text: str  # the feedback


outcomes: list[Outcome] = []  # every call of a check in this process, in order


class Exercise:
    """Check of one exercise. Call it with your function; it prints its feedback.

    Args:
        name: the exercise's name in the notebook.
        solution: a right function; returns a tensor, a number, or None.
        examples: from simple to hard.
        mistakes: the first whose answers equal yours on every example gives the reason.
        describe_index: turns an index of the answer into words, for example "row 1, column 2"; not for single numbers.
        on_index_error: advice for a function that reads outside a list or tensor.
        answer_by: calls what the learner wrote with an example's arguments and returns numbers; None calls a function.
        time_limit: seconds after which your function is stopped, for each example.
    """

    def __init__(
        self,
        name: str,
        solution: Callable[..., Any],
        examples: Sequence[Example],
        mistakes: Sequence[Mistake],
        *,
        describe_index: Callable[..., str] | None = None,
        on_index_error: str = "",
        answer_by: Callable[..., Any] | None = None,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.name, self.solution, self.examples, self.mistakes = name, solution, examples, mistakes
        self.describe_index, self.on_index_error = describe_index, on_index_error
        self.answer_by, self.time_limit = answer_by, time_limit
        self.notebook = sys._getframe(1).f_globals["__name__"].rpartition(".")[2]

    @functools.cached_property
    def expected(self) -> list[Tensor | None]:
        return [self.answer_of(self.solution, example) for example in self.examples]

    def __call__(self, attempt: Callable[..., Any]) -> None:
        feedback = self.feedback(attempt)
        result = next((result for start, result in RESULTS.items() if feedback.startswith(start)), "hint")
        outcomes.append(Outcome(self.notebook, self.name, result, feedback))
        for line in f"{self.name}: {feedback}".splitlines():
            print(textwrap.fill(line, WIDTH, subsequent_indent="    " if line.startswith(" ") else "  "))

    def answer_of(self, attempt: Callable[..., Any], example: Example) -> Tensor | None:
        """Call `attempt` with copies of the example's arguments, so that it may change them; None stays None.

        Raises:
            NotComparable: if the answer is neither numbers nor None.
        """
        arguments = [value.clone() if isinstance(value, Tensor) else value for value in example.arguments]
        return to_tensor(self.answer_by(attempt, *arguments) if self.answer_by else attempt(*arguments))

    def feedback(self, attempt: Callable[..., Any]) -> str:
        """Return the feedback on `attempt`, which begins with "not attempted yet", "correct" or "not yet"."""
        answers: list[Tensor | None] = []
        printed = False
        for example in self.examples:
            ran = attempts.run(lambda example=example: self.answer_of(attempt, example), self.time_limit)
            print(ran.printed, end="")
            printed |= bool(ran.printed.strip())
            if isinstance(ran.error, NotImplementedError) and not ran.error.args and not answers:
                return NOT_ATTEMPTED
            if ran.error:
                return self._stopped(attempt, ran.error, answers)
            answers.append(ran.answer)
        if all(answer is None for answer in answers):
            if printed:
                return (
                    "not yet. You print the answer, but your function returns None: write `return` in place of print."
                )
            return f"{NOT_ATTEMPTED} (the function returns nothing)."
        wrong = [not equal(answer, right) for answer, right in zip(answers, self.expected, strict=True)]
        if not any(wrong):
            return f"correct, on {len(answers)} examples."
        return f"not yet. {self._reason(answers, wrong)}\n{self._evidence(answers, wrong.index(True))}"

    def _stopped(self, attempt: Callable[..., Any], error: BaseException, answers: list[Tensor | None]) -> str:
        """Return the feedback on an example that gave no answer, or on a simpler one whose answer is wrong."""
        for index, (answer, right) in enumerate(zip(answers, self.expected, strict=False)):
            if not equal(answer, right):
                return f"not yet. An example is wrong:\n{self._evidence(answers, index)}"
        line = attempts.own_line(error, attempt)
        evidence = [*([line] if line else []), f"Example: {self.examples[len(answers)].description}."]
        return "\n  ".join([f"not yet. {self._problem(error)}", *evidence])

    def _problem(self, error: BaseException) -> str:
        if isinstance(error, NotComparable):
            return str(error)
        if isinstance(error, attempts.TimeLimitExceeded):
            limit = f"Your function did not end within {self.time_limit:g} seconds: does one of its loops never end?"
            return f"{limit} {error}".rstrip()
        advice = self.on_index_error if isinstance(error, IndexError) else ""
        return f"Your function raised {type(error).__name__}: {' '.join(str(error).split())}. {advice}".rstrip()

    def _reason(self, answers: list[Tensor | None], wrong: list[bool]) -> str:
        for mistake in self.mistakes:
            known = (self.answer_of(mistake.function, example) for example in self.examples)
            if all(equal(answer, other) for answer, other in zip(answers, known, strict=True)):
                return mistake.reason
        if self.answer_by is None:
            arguments = [example.arguments for example in self.examples]
            if reason := usual.reason(answers, self.expected, self.solution, arguments):
                return reason
        if any(answer is None for answer in answers) and all(right is not None for right in self.expected):
            return "For some examples your function returns None: does each way through it end with `return`?"
        right = len(wrong) - sum(wrong)
        return f"{right} of {len(wrong)} examples are right; the first wrong one:"

    def _evidence(self, answers: list[Tensor | None], index: int) -> str:
        answer, right = answers[index], self.expected[index]
        lines = [f"Example: {self.examples[index].description}."]
        if answer is None or right is None or answer.shape != right.shape:
            lines.append(f"Expected {describe(right)}, got {describe(answer)}.")
        else:
            differs = ~torch.isclose(answer, right, **CLOSE)
            first = tuple(differs.nonzero()[0].tolist())
            if first and self.describe_index:
                lines.append(f"Looking at {self.describe_index(*first)}.")
            lines.append(f"Expected {right[first]:.4g}, got {answer[first]:.4g}.")
        return "\n".join(f"  {line}" for line in lines)
