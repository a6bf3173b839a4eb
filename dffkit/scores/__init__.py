"""How good predictions are: mean IoU of label maps, mean average precision of boxes, both also by motion class.

Scores are kept as counts, not as numbers: those of two frames, snippets or processes are joined by `+` (many by
`merge`), and only `values()` turns them into numbers. All numbers are fractions, 0..1.
"""

from dffkit.scores.detection import DetectionScores, average_precision
from dffkit.scores.durations import Evaluation, Scores, SnippetScores, merge
from dffkit.scores.segmentation import SegmentationScores

__all__ = [
    "DetectionScores",
    "Evaluation",
    "Scores",
    "SegmentationScores",
    "SnippetScores",
    "average_precision",
    "merge",
]
