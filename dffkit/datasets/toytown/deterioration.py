"""What spoils frames of real video: motion blur, defocus, noise, and exposure that flickers."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

KINDS = ("motion blur", "defocus", "noise", "flicker")
SHUTTER = 1.0  # motion blur: the shutter is open for this share of the time between two frames
EXPOSURES = 5


def deteriorate(kind: str, rng: Generator, render: Callable[[float], np.ndarray]) -> np.ndarray:
    """A spoilt frame, (3, H, W) uint8. `render(d)` gives the frame d frame intervals later; labels are those of 0."""
    if kind == "motion blur":
        moments = SHUTTER * (np.arange(EXPOSURES) / (EXPOSURES - 1) - 0.5)
        return np.mean([render(d) for d in moments], axis=0).round().astype(np.uint8)
    frame = render(0.0)
    if kind == "defocus":
        sigma = rng.uniform(1.2, 2.4)
        return np.stack([cv2.GaussianBlur(channel, (0, 0), sigma) for channel in frame])
    if kind == "noise":
        spoilt = frame + rng.normal(0, rng.uniform(10, 24), frame.shape)
    else:
        spoilt = frame * rng.choice([rng.uniform(0.45, 0.7), rng.uniform(1.3, 1.7)])
    return spoilt.clip(0, 255).round().astype(np.uint8)
