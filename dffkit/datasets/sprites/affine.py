"""Affine maps of the plane as 3 x 3 matrices; pixel centres are integers."""

import math
from collections.abc import Sequence

import numpy as np


def rotation(angle: float) -> np.ndarray:
    """2x2: turn by an angle in radians."""
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def shift(x: float, y: float) -> np.ndarray:
    """3x3: move by x, y."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def similarity(
    zoom: float, angle: float, centre: Sequence[float] = (0, 0), move: Sequence[float] = (0, 0)
) -> np.ndarray:
    """3x3: zoom and turn about `centre`, then `move`."""
    result = np.eye(3)
    result[:2, :2] = zoom * rotation(angle)
    result[:2, 2] = np.add(centre, move) - result[:2, :2] @ centre
    return result


def apply(motion: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where a map takes points `(n, 2)`."""
    return points @ motion[:2, :2].T + motion[:2, 2]
