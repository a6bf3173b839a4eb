"""How an exercise is checked: your function's answers are compared with the solution's and with typical mistakes'."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

NOT_ATTEMPTED = "not attempted yet"
WIDTH = 100  # of what is printed
TOLERANCE = 1e-3  # answers are of order 1 to 40; float32 is enough, a wrong formula is not


class Example(NamedTuple):
    """Arguments for the function, and words for them that fit after "Example:"."""

    words: str
    arguments: tuple[Any, ...]


class Mistake(NamedTuple):
    """A typical wrong way: what to tell those who took it, and the way itself."""

    reason: str
    function: Callable[..., Any]


class Exercise:
    """One exercise's check. Call it with your function; it prints its verdict.

    Args:
        name: the exercise as the notebook calls it.
        solution: a right answer; gives a tensor, a number, or None.
        examples: from simple to hard.
        mistakes: the first whose answers equal yours on every example is the reason given.
        places: puts an index of the answer into words, for example "row 1, column 2"; not for single numbers.
        on_index_error: what to say when your function reads outside a list or tensor.
    """

    def __init__(
        self,
        name: str,
        solution: Callable[..., Any],
        examples: Sequence[Example],
        mistakes: Sequence[Mistake],
        *,
        places: Callable[..., str] | None = None,
        on_index_error: str = "",
    ) -> None:
        self.name, self.solution, self.examples, self.mistakes = name, solution, examples, mistakes
        self.places, self.on_index_error = places, on_index_error
        self.expected = [answer_of(solution, example) for example in examples]

    def __call__(self, attempt: Callable[..., Any]) -> None:
        first, *evidence = f"{self.name}: {self.verdict(attempt)}".splitlines()
        print(*textwrap.wrap(first, WIDTH, subsequent_indent="  "), *evidence, sep="\n")

    def verdict(self, attempt: Callable[..., Any]) -> str:
        """What there is to say about `attempt`, beginning with "not attempted yet", "correct" or "not yet"."""
        answers: list[Tensor | None] = []
        for example in self.examples:
            try:
                answers.append(answer_of(attempt, example))
            except NotImplementedError:
                return NOT_ATTEMPTED
            except NotComparable as error:
                return f"not yet. {error}\n  Example: {example.words}."
            except Exception as error:  # whatever a learner's function can raise is reported, not raised
                more = self.on_index_error if isinstance(error, IndexError) else ""
                what = f"{type(error).__name__}: {error}. {more}".rstrip()
                return f"not yet. Your function raised {what}\n  Example: {example.words}."
        if all(answer is None for answer in answers):
            return f"{NOT_ATTEMPTED} (the function returns nothing)."
        wrong = [not same(answer, right) for answer, right in zip(answers, self.expected, strict=True)]
        if not any(wrong):
            return f"correct, on {len(answers)} examples."
        return f"not yet. {self._reason(answers, wrong)}\n{self._evidence(answers, wrong.index(True))}"

    def _reason(self, answers: list[Tensor | None], wrong: list[bool]) -> str:
        for mistake in self.mistakes:
            theirs = (answer_of(mistake.function, example) for example in self.examples)
            if all(same(answer, wrong_one) for answer, wrong_one in zip(answers, theirs, strict=True)):
                return mistake.reason
        right = len(wrong) - sum(wrong)
        return f"{right} of {len(wrong)} examples are right; the first that is not:"

    def _evidence(self, answers: list[Tensor | None], index: int) -> str:
        answer, right = answers[index], self.expected[index]
        lines = [f"Example: {self.examples[index].words}."]
        if answer is None or right is None or answer.shape != right.shape:
            lines.append(f"Expected {_in_words(right)}, got {_in_words(answer)}.")
        else:
            differs = ~torch.isclose(answer, right, rtol=0, atol=TOLERANCE)
            place = tuple(differs.nonzero()[0].tolist())
            if place and self.places:
                lines.append(f"Looking at {self.places(*place)}.")
            lines.append(f"Expected {right[place]:.4g}, got {answer[place]:.4g}.")
        return "\n".join(f"  {line}" for line in lines)


class NotComparable(Exception):
    """A function gave something that is neither numbers nor None."""


def answer_of(function: Callable[..., Any], example: Example) -> Tensor | None:
    """Call a function with copies of the example's arguments, so that it may change them; None stays None."""
    arguments = [value.clone() if isinstance(value, Tensor) else value for value in example.arguments]
    answer = function(*arguments)
    if answer is None or answer is ...:
        return None
    try:
        return _to_tensor(answer)
    except (TypeError, ValueError, RuntimeError):
        raise NotComparable(f"Expected numbers or a tensor of them, got {type(answer).__name__}.") from None


def same(answer: Tensor | None, other: Tensor | None) -> bool:
    """Equal shapes and values; NaN equals NaN, as a mistake may give it, and None equals None."""
    if answer is None or other is None:
        return answer is other
    return answer.shape == other.shape and torch.allclose(answer, other, rtol=0, atol=TOLERANCE, equal_nan=True)


def _to_tensor(answer: Any) -> Tensor:
    if isinstance(answer, list | tuple):
        return torch.stack([_to_tensor(value) for value in answer])
    return torch.as_tensor(answer).detach().to("cpu", torch.float64)


def _in_words(answer: Tensor | None) -> str:
    if answer is None:
        return "None"
    return f"the shape {tuple(answer.shape)}" if answer.ndim else f"{answer:.4g}"
