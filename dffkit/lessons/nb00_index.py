"""Notebook 00: a check of the reader's computer, and a glossary."""

import sys
from importlib.util import find_spec

import pandas
import torch
import torchvision

from dffkit.warp import warp

# The paper's Table 1, with the code's word for each symbol.
GLOSSARY = (
    ("k", "key frame", "key_frame", "a frame whose features are computed by the feature network"),
    ("i", "current frame", "current", "any other frame; its features are propagated from key frame k"),
    ("l", "key frame duration", "duration", "every l-th frame is a key frame"),
    ("N_feat", "feature network", "FeatureNetwork", "the expensive part: frame to feature maps, stride 16"),
    ("N_task", "task network", "ScoreMaps, RFCN", "the cheap part on top: feature maps to result"),
    ("F", "flow network", "FlowNetwork", "two frames to a flow field"),
    ("M(i→k)", "flow field", "flow", "for each cell of frame i, where to look in frame k"),
    ("S(i→k)", "scale field", "scale", "for each feature of frame i, a factor; second output of F"),
    ("W", "feature propagation", "propagate", "warps the features of k along M, times S (Eq. 3)"),
    ("r", "per-frame cost ratio", "cost_ratio", "cost of a propagated frame over that of a key frame (Eq. 5)"),
    ("s", "speedup", "speedup", "over computing every frame's features (Eq. 7)"),
)

# Words that the notebooks use without explanation.
WORDS = (
    ("", "Frame", "recipe frame", "the yardstick: the feature network runs on every frame, no flow"),
    ("", "R-FCN", "RFCN", "the detector: N_task proposes boxes, and has a map for each part of a box of each class"),
    ("", "split point", "split", "how many of the last layers run after the propagation (Table 5)"),
    ("", "mIoU", "mIoU", "pixels of a class that result and truth share, over those of either; mean over classes"),
    ("", "mAP@0.5", "mAP", "average precision, a box being right from an IoU of 0.5 on; mean over classes"),
    ("", "EPE", "endpoint_error", "endpoint error: mean length of the difference between a flow and the exact one"),
)


def setup_check() -> None:
    """Print each requirement of the notebooks with "yes", or with "NO" and a remedy."""
    identity = torch.randn(1, 2, 5, 7)
    checks = {
        "Python 3.11 or newer": (sys.version_info >= (3, 11), "make the environment with a newer Python"),
        "torch and torchvision are a matching pair": (_matching(), "reinstall both from requirements.lock"),
        "packages for the notebooks": (
            all(find_spec(name) for name in ("ipywidgets", "matplotlib", "pandas", "tqdm")),
            'pip install -e ".[notebooks]"',
        ),
        "zero flow leaves features as they are, bit by bit": (
            torch.equal(warp(identity, torch.zeros(1, 2, 5, 7)), identity),
            "report it: the warp is broken here",
        ),
    }
    for name, (passed, remedy) in checks.items():
        print(f"{'yes' if passed else 'NO '}  {name}{'' if passed else f': {remedy}'}")


def glossary() -> pandas.DataFrame:
    """Return the paper's Table 1 and a few more words: symbol, name, the code's word, meaning."""
    return pandas.DataFrame(GLOSSARY + WORDS, columns=["symbol", "name", "in the code", "what it is"])


def _matching() -> bool:
    """Return True if torchvision's compiled operators load, which they do not beside a torch of another build."""
    try:
        return torchvision.ops.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5).tolist() == [0]
    except RuntimeError:
        return False
