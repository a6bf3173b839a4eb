"""The exercises' checks: `check.NAME(your_function)` says "not attempted yet", "correct", or what is wrong and why.

An exercise knows its solution and the typical mistakes. It calls your function on small examples; where the answers are
not the solution's but those of a known mistake, it names that mistake. It never raises because of a wrong answer.
"""

from dffkit.lessons.check.bilinear_weights import four_weights
from dffkit.lessons.check.complexity import duration_for, speedup
from dffkit.lessons.check.feature_maps import filter_correlation, similarity_over_gap
from dffkit.lessons.check.flow_units import flow_in_cells
from dffkit.lessons.check.paired_interval import paired_interval
from dffkit.lessons.check.pyramid_target import flow_target
from dffkit.lessons.check.speed_accuracy import envelope, fastest_within
from dffkit.lessons.check.split_point import split_ratio
from dffkit.lessons.check.training import draw_pair, switch
from dffkit.lessons.check.warping import warp_one_channel
from dffkit.lessons.check.your_video import is_key_frame, longest_duration

__all__ = [
    "draw_pair",
    "duration_for",
    "envelope",
    "fastest_within",
    "filter_correlation",
    "flow_in_cells",
    "flow_target",
    "four_weights",
    "is_key_frame",
    "longest_duration",
    "paired_interval",
    "similarity_over_gap",
    "speedup",
    "split_ratio",
    "switch",
    "warp_one_channel",
]
