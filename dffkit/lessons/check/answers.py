"""Answers in many forms: numbers, lists, arrays and tensors, made comparable and described in words."""

from typing import Any

import torch
from torch import Tensor

CLOSE = {"rtol": 1e-6, "atol": 1e-3}  # answers are of order 1 to 40; float32 is enough, a wrong formula is not


class NotComparable(Exception):
    """A function returned something that is neither numbers nor None."""


def to_tensor(answer: Any) -> Tensor | None:
    """Turn numbers of any kind and nesting into a float64 tensor; None and `...` become None.

    Raises:
        NotComparable: for anything else.
    """
    if answer is None or answer is ...:
        return None
    try:
        return _stacked(answer)
    except (TypeError, ValueError, RuntimeError):
        raise NotComparable(f"Expected numbers or a tensor of numbers, got {type(answer).__name__}.") from None


def equal(answer: Tensor | None, other: Tensor | None) -> bool:
    """Compare shapes and values. NaN equals NaN, since a mistake may return it, and None equals None."""
    if answer is None or other is None:
        return answer is other
    return answer.shape == other.shape and torch.allclose(answer, other, **CLOSE, equal_nan=True)


def describe(answer: Tensor | None) -> str:
    """Describe an answer in a few words, for "Expected ..., got ..."."""
    if answer is None:
        return "None"
    return f"the shape {tuple(answer.shape)}" if answer.ndim else f"{answer:.4g}"


def _stacked(answer: Any) -> Tensor:
    if isinstance(answer, list | tuple):
        return torch.stack([_stacked(value) for value in answer]) if answer else torch.zeros(0).double()
    return torch.as_tensor(answer).detach().to("cpu", torch.float64)
