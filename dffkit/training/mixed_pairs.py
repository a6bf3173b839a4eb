"""Training samples from several data sets in a fixed ratio, as the paper's two of ImageNet VID to one of DET."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from dffkit.datasets.snippets import Snippet
from dffkit.training.pairs import Pairs, Sample


class Mixture(list[Snippet]):
    """The snippets of several data sets from which training draws in a ratio: `parts` as `MixedPairs` has them."""

    def __init__(self, parts: Sequence[tuple[Sequence[Snippet], int]]) -> None:
        super().__init__(snippet for data, _ in parts for snippet in data)
        self.parts = parts


class MixedPairs(Pairs):
    """`Pairs` that takes its samples from several data sets in turns: sample number n is still a function of (seed, n).

    With the shares 2 and 1, every batch of three has two of the first and one of the second (Sec. 5: VID and DET are
    2:1 in a mini-batch). The authors' code shuffles both lists together instead, which is about 1:1:
    https://github.com/msracver/Deep-Feature-Flow, 57,834 frames of VID and 53,639 images of DET.

    Args:
        parts: (data set, its share); in each, every annotated frame is equally likely.
        seed: which sequence.
        options: of `Pairs`.

    Raises:
        ValueError: for a wrong option, a share below 1, or a data set in which no frame is annotated.
    """

    def __init__(self, parts: Sequence[tuple[Sequence[Snippet], int]], seed: int, **options: Any) -> None:
        if not parts or any(share < 1 for _, share in parts):
            raise ValueError(f"parts: expected shares of at least 1, got {[share for _, share in parts]}")
        super().__init__([snippet for data, _ in parts for snippet in data], seed, **options)
        self.parts = [Pairs(data, seed, **options) for data, _ in parts]
        self.starts = list(accumulate((len(data) for data, _ in parts), initial=0))
        self.turns = [part for part, (_, share) in enumerate(parts) for _ in range(share)]

    def sample(self, number: int) -> Sample:
        """Sample `number`, of 0, 1, 2, ..."""
        part = self.turns[number % len(self.turns)]
        drawn = self.parts[part].sample(number)
        return drawn._replace(snippet=self.starts[part] + drawn.snippet)
