"""The scores of a model by offset between key frame and current frame, and by key frame duration (Sec. 5.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from dffkit.scores.detection import DetectionScores
from dffkit.scores.segmentation import SegmentationScores

Scores = SegmentationScores | DetectionScores


class SnippetScores(NamedTuple):
    """The scores of one snippet."""

    name: str
    frames: int  # annotated frames that count
    offsets: tuple[Scores, ...]  # scores at offset 0, 1, ..., each over those frames


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model: by snippet and offset, joined when they are asked for.

    Numbers are fractions, 0..1, by (metric, subset) as the `values()` of the scores give them, e.g. ("mIoU", "all").

    Attributes:
        snippets: those that have annotated frames with a full history, in the order of the data set.
    """

    snippets: tuple[SnippetScores, ...]

    @property
    def max_duration(self) -> int:
        """The longest key frame duration there are scores for."""
        return len(self.snippets[0].offsets)

    @property
    def frames(self) -> int:
        """The number of annotated frames that count; each is in one pair for each offset."""
        return sum(snippet.frames for snippet in self.snippets)

    @cached_property
    def offsets(self) -> list[Scores]:
        """The scores at each offset, over all snippets."""
        return [merge(each) for each in zip(*(snippet.offsets for snippet in self.snippets), strict=True)]

    @cached_property
    def values(self) -> list[dict[tuple[str, str], float]]:
        """The numbers at each offset."""
        return [scores.values() for scores in self.offsets]

    def score(self, metric: str, subset: str = "all", *, duration: int) -> float:
        """The paper's score at a key frame duration l: the mean over the offsets 0 .. l - 1.

        Raises:
            ValueError: if there are no scores for this duration.
        """
        self._check(duration)
        return sum(values[metric, subset] for values in self.values[:duration]) / duration

    def pooled(self, duration: int) -> dict[tuple[str, str], float]:
        """The numbers if all pairs of offsets 0 .. l - 1 count as separate images of one data set: not the paper's."""
        self._check(duration)
        return merge(self.offsets[:duration]).values()

    def by_duration(self, *, pooled: bool = False) -> list[dict[str, Any]]:
        """Rows for a table, with the keys duration, metric, subset, value, and pooled (slow) if asked for."""
        rows = []
        for duration in range(1, self.max_duration + 1):
            together = self.pooled(duration) if pooled else {}
            for metric, subset in self.values[0]:
                row = {"duration": duration, "metric": metric, "subset": subset}
                row["value"] = self.score(metric, subset, duration=duration)
                rows.append(row | ({"pooled": together[metric, subset]} if pooled else {}))
        return rows

    def select(self, names: Iterable[str]) -> "Evaluation":
        """The evaluation on these snippets only; a name may come more than once, as in a bootstrap sample."""
        by_name = {snippet.name: snippet for snippet in self.snippets}
        return Evaluation(tuple(by_name[name] for name in names))

    def _check(self, duration: int) -> None:
        if not 1 <= duration <= self.max_duration:
            raise ValueError(f"duration: expected 1..{self.max_duration}, as evaluated, got {duration!r}")


def merge(scores: Sequence[Scores]) -> Scores:
    """At least one, all of one kind, joined."""
    return type(scores[0]).merge(scores)
