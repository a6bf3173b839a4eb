"""Checks of the exercises: `check.NAME(your_function)` prints "not attempted yet", "correct", or the mistake.

Each exercise holds its solution and typical mistakes. It calls your function on small examples; if the answers are
those of a known mistake, it names that mistake. A wrong answer never raises an error.
"""

from dffkit.lessons.check.nb01 import filter_correlation, similarity_over_gap
from dffkit.lessons.check.nb02 import flow_in_cells, four_weights, warp_one_channel
from dffkit.lessons.check.nb03 import draw_pair, flow_target, switch
from dffkit.lessons.check.nb04 import duration_for, speedup
from dffkit.lessons.check.nb05 import paired_interval, split_ratio
from dffkit.lessons.check.nb06 import envelope, fastest_within
from dffkit.lessons.check.nb07 import is_key_frame, longest_duration

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
