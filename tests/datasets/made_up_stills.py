"""Made-up stills with labels, and views of them; the tests of moving stills share them."""

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from dffkit.datasets.moving_stills import MovingStills
from dffkit.datasets.snippets import Snippet

STILL, SIZE = (96, 128), (80, 112)


def smooth(channels=3):
    """A picture without edges, so that a fraction of a pixel changes it little."""
    noise = np.random.default_rng(0).normal(0, 1, (*STILL, channels)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 6)
    return torch.from_numpy(np.clip(128 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)).permute(2, 0, 1)


def label_map():
    """Quarters of the still, in three classes."""
    labels = torch.zeros(STILL, dtype=torch.uint8)
    labels[48:, :64], labels[48:, 64:] = 1, 2
    return labels


def still(picture, target, name="still"):
    return Snippet(name, 1.0, [picture], {0: target})


def moving(*stills, variants=40, seed=0, size=SIZE, **options):
    return MovingStills(stills or [still(smooth(), label_map())], variants=variants, seed=seed, size=size, **options)


def interior(labels, margin=2):
    """Pixels whose neighbourhood has one label only."""
    padded = F.pad(labels[None, None].float(), (margin,) * 4, mode="replicate")
    window = 2 * margin + 1
    return (F.max_pool2d(padded, window, 1) == -F.max_pool2d(-padded, window, 1))[0, 0]
