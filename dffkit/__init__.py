"""dffkit: Deep Feature Flow for Video Recognition (CVPR 2017), to read, to run and to check."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dffkit.datasets.snippets import Snippet
    from dffkit.dff import DeepFeatureFlow, KeyFrame, split_points
    from dffkit.networks.detection import RFCN
    from dffkit.networks.features import FeatureNetwork
    from dffkit.networks.flow import FlowNetwork, flownet, flownet_half, flownet_inception
    from dffkit.networks.segmentation import ScoreMaps
    from dffkit.schedules import FixedInterval, FrameDifference
    from dffkit.support.errors import DataError, DffkitError
    from dffkit.video import Recognition, recognize
    from dffkit.warp import propagate
    from dffkit.weights import load

__version__ = "0.2.0"

__all__ = [
    "RFCN",
    "DataError",
    "DeepFeatureFlow",
    "DffkitError",
    "FeatureNetwork",
    "FixedInterval",
    "FlowNetwork",
    "FrameDifference",
    "KeyFrame",
    "Recognition",
    "ScoreMaps",
    "Snippet",
    "flownet",
    "flownet_half",
    "flownet_inception",
    "load",
    "propagate",
    "recognize",
    "split_points",
]

# In this order, so that a name of the library is found before a room is imported.
_MODULES = ("support.errors", "warp", "networks.features", "networks.flow", "networks.segmentation")
_MODULES += ("networks.detection", "dff", "schedules", "video", "datasets.snippets", "weights")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: torch takes seconds to load, and `--help` does not need it."""
    if name in __all__:
        for module in (importlib.import_module(f"dffkit.{path}") for path in _MODULES):
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module 'dffkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
