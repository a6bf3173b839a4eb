"""dffkit: Deep Feature Flow for Video Recognition (CVPR 2017), to read, to run and to check."""

from dffkit.dff import DeepFeatureFlow, KeyFrame, split_points
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FlowNetwork, flownet, flownet_half, flownet_inception
from dffkit.networks.segmentation import ScoreMaps
from dffkit.schedules import FixedInterval, FrameDifference
from dffkit.video import Recognition, recognize
from dffkit.warp import propagate, warp

__version__ = "0.1.0"

__all__ = [
    "RFCN",
    "DeepFeatureFlow",
    "FeatureNetwork",
    "FixedInterval",
    "FlowNetwork",
    "FrameDifference",
    "KeyFrame",
    "Recognition",
    "ScoreMaps",
    "flownet",
    "flownet_half",
    "flownet_inception",
    "propagate",
    "recognize",
    "split_points",
    "warp",
]
