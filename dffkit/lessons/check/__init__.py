"""Checks of the exercises: `check.NAME(your_function)` prints "not attempted yet", "correct", or the mistake.

Each exercise of notebook NN, in nbNN.py, holds its solution and typical mistakes. It calls your function on small
examples; if the answers are those of a known mistake, it names that mistake. A wrong answer never raises an error.
"""

import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

NOT_ATTEMPTED = "not attempted yet"
RESULTS = {"correct": "passed", NOT_ATTEMPTED: "not attempted"}  # first words of a feedback -> result; else "hint"
WIDTH = 100  # characters in a printed line
TOLERANCE = 1e-3  # answers are of order 1 to 40; float32 is enough, a wrong formula is not
TIME_LIMIT = 5.0  # seconds of computing for one example; a right answer needs milliseconds


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
        time_limit: seconds of computing after which your function is stopped, for each example.
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
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.name, self.solution, self.examples, self.mistakes = name, solution, examples, mistakes
        self.describe_index, self.on_index_error, self.time_limit = describe_index, on_index_error, time_limit
        self.notebook = sys._getframe(1).f_globals["__name__"].rpartition(".")[2]
        self.expected = [answer_of(solution, example) for example in examples]

    def __call__(self, attempt: Callable[..., Any]) -> None:
        feedback = self.feedback(attempt)
        result = next((result for start, result in RESULTS.items() if feedback.startswith(start)), "hint")
        outcomes.append(Outcome(self.notebook, self.name, result, feedback))
        first, *evidence = f"{self.name}: {feedback}".splitlines()
        print(*textwrap.wrap(first, WIDTH, subsequent_indent="  "), *evidence, sep="\n")

    def feedback(self, attempt: Callable[..., Any]) -> str:
        """Return the feedback on `attempt`, which begins with "not attempted yet", "correct" or "not yet"."""
        answers: list[Tensor | None] = []
        for example in self.examples:
            try:
                with stop_after(self.time_limit):
                    answers.append(answer_of(attempt, example))
            except NotImplementedError:
                return NOT_ATTEMPTED
            except NotComparable as error:
                problem = str(error)
            except TimeLimitExceeded:
                problem = (
                    f"Your function did not end within {self.time_limit:g} seconds: does one of its loops never end?"
                )
            except Exception as error:  # any error of a learner's function is reported, not raised
                advice = self.on_index_error if isinstance(error, IndexError) else ""
                problem = f"Your function raised {type(error).__name__}: {error}. {advice}".rstrip()
            else:
                continue
            return f"not yet. {problem}\n  Example: {example.description}."
        if all(answer is None for answer in answers):
            return f"{NOT_ATTEMPTED} (the function returns nothing)."
        wrong = [not answers_equal(answer, right) for answer, right in zip(answers, self.expected, strict=True)]
        if not any(wrong):
            return f"correct, on {len(answers)} examples."
        return f"not yet. {self._reason(answers, wrong)}\n{self._evidence(answers, wrong.index(True))}"

    def _reason(self, answers: list[Tensor | None], wrong: list[bool]) -> str:
        for mistake in self.mistakes:
            known = (answer_of(mistake.function, example) for example in self.examples)
            if all(answers_equal(answer, other) for answer, other in zip(answers, known, strict=True)):
                return mistake.reason
        right = len(wrong) - sum(wrong)
        return f"{right} of {len(wrong)} examples are right; the first wrong one:"

    def _evidence(self, answers: list[Tensor | None], index: int) -> str:
        answer, right = answers[index], self.expected[index]
        lines = [f"Example: {self.examples[index].description}."]
        if answer is None or right is None or answer.shape != right.shape:
            lines.append(f"Expected {_describe(right)}, got {_describe(answer)}.")
        else:
            differs = ~torch.isclose(answer, right, rtol=0, atol=TOLERANCE)
            first = tuple(differs.nonzero()[0].tolist())
            if first and self.describe_index:
                lines.append(f"Looking at {self.describe_index(*first)}.")
            lines.append(f"Expected {right[first]:.4g}, got {answer[first]:.4g}.")
        return "\n".join(f"  {line}" for line in lines)


class NotComparable(Exception):
    """A function returned something that is neither numbers nor None."""


class TimeLimitExceeded(BaseException):
    """A function computed for longer than its limit. Not an `Exception`, so that `except Exception` lets it pass."""


@contextmanager
def stop_after(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitExceeded` in Python code that this thread computes for longer than `seconds`.

    The time of the thread's own computing counts, not the clock's, so that a busy machine stops nobody. Tracing works
    on every system and in every thread, unlike signals.
    """
    end = time.thread_time() + seconds

    def check_time(_frame: Any, _event: str, _argument: Any) -> Callable[..., Any]:
        if time.thread_time() > end:
            raise TimeLimitExceeded
        return check_time

    before = sys.gettrace()
    sys.settrace(check_time)
    try:
        yield
    finally:
        sys.settrace(before)


def answer_of(function: Callable[..., Any], example: Example) -> Tensor | None:
    """Call a function with copies of the example's arguments, so that it may change them; None stays None.

    Raises:
        NotComparable: if the function returns neither numbers nor None.
    """
    arguments = [value.clone() if isinstance(value, Tensor) else value for value in example.arguments]
    answer = function(*arguments)
    if answer is None or answer is ...:
        return None
    try:
        return _to_tensor(answer)
    except (TypeError, ValueError, RuntimeError):
        raise NotComparable(f"Expected numbers or a tensor of numbers, got {type(answer).__name__}.") from None


def answers_equal(answer: Tensor | None, other: Tensor | None) -> bool:
    """Compare shapes and values. NaN equals NaN, since a mistake may return it, and None equals None."""
    if answer is None or other is None:
        return answer is other
    return answer.shape == other.shape and torch.allclose(answer, other, rtol=0, atol=TOLERANCE, equal_nan=True)


def _to_tensor(answer: Any) -> Tensor:
    if isinstance(answer, list | tuple):
        return torch.stack([_to_tensor(value) for value in answer])
    return torch.as_tensor(answer).detach().to("cpu", torch.float64)


def _describe(answer: Tensor | None) -> str:
    if answer is None:
        return "None"
    return f"the shape {tuple(answer.shape)}" if answer.ndim else f"{answer:.4g}"
