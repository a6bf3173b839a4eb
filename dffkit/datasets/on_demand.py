"""Frames and targets that are made when they are asked for, so that opening a data set reads none of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor


class Frames(Sequence[Tensor]):
    """The frames of a snippet.

    Args:
        make: index -> frame `(3, H, W)` uint8.
        length: how many there are.
    """

    def __init__(self, make: Callable[[int], Tensor], length: int) -> None:
        self._make, self._length = make, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, i: int) -> Tensor:
        if not -self._length <= i < self._length:
            raise IndexError(f"frame: expected 0..{self._length - 1}, got {i}")
        return self._make(i % self._length)


class OnDemand(Mapping[int, Any]):
    """What belongs to the annotated frames.

    Args:
        make: index of an annotated frame -> its target, or its motion.
        annotated: the annotated frames, in order.
    """

    def __init__(self, make: Callable[[int], Any], annotated: Sequence[int]) -> None:
        self._make, self._annotated = make, annotated

    def __len__(self) -> int:
        return len(self._annotated)

    def __iter__(self) -> Iterator[int]:
        return iter(self._annotated)

    def __contains__(self, i: object) -> bool:
        return i in self._annotated  # `Mapping` would make the value to find out

    def __getitem__(self, i: int) -> Any:
        if i not in self._annotated:
            raise KeyError(i)
        return self._make(i)
