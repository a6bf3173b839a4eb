"""Scores of predictions: mean IoU of label maps, mean average precision of boxes, both also by motion class.

Scores are kept as counts: the method `merge` joins the scores of frames, snippets or processes, and `values()` turns
them into fractions, 0..1.
"""

from dffkit.scores.detection import DetectionScores, average_precision
from dffkit.scores.evaluation import Evaluation, Scores, SnippetScores, evaluate
from dffkit.scores.segmentation import SegmentationScores

__all__ = [
    "DetectionScores",
    "Evaluation",
    "Scores",
    "SegmentationScores",
    "SnippetScores",
    "average_precision",
    "evaluate",
]
