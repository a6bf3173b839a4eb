"""SIFT Flow (Liu et al., PAMI 2011), the hand-crafted flow of the paper's SFF rows (Sec. 5.2), written afresh.

Every pixel gets a SIFT descriptor of its surroundings; the flow matches descriptors by their L1 distance, prefers small
and smooth displacements, and is found coarse to fine by belief propagation, in whole pixels.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from dffkit.baselines.belief_propagation import minimize
from dffkit.support.machine import compiled

BANDS, CELL, GRID = 8, 3, (-1, 0, 1, 2)  # directions; pixels of a cell; positions of the 4 x 4 cells
DERIVATIVE = np.array([1, -8, 0, 8, -1], np.float32) / 12
CELL_FILTER = np.array([0.25, 1, 1, 1, 0.25], np.float32)
OUTSIDE = -1.0  # a match outside the key frame, until its cost is known


@dataclass(frozen=True)
class SiftFlowParameters:
    """Parameters of SIFT Flow. Costs are in the unit of descriptors, which are 0..255.

    Attributes:
        reduction: the flow is found on a grid that is smaller than the frame by this factor, along each axis.
        alpha: cost of each pixel of difference in displacement between neighbours.
        truncation: largest cost of a difference.
        gamma: cost of each pixel of displacement.
        levels: number of levels of the pyramid.
        window, top_window: labels are -window..window around the flow of the level above; at the top around 0.
        iterations, top_iterations: sweeps of belief propagation, on each level and at the top.
    """

    reduction: int = 2
    alpha: float = 2 * 255
    truncation: float = 40 * 255
    gamma: float = 0.005 * 255
    levels: int = 4
    window: int = 2
    top_window: int = 10
    iterations: int = 30
    top_iterations: int = 60


def sift_flow(current: np.ndarray, key: np.ndarray, parameters: SiftFlowParameters) -> np.ndarray:
    """Find the flow field from the current to the key frame.

    Args:
        current, key: `(H, W, 3)` uint8.
        parameters: by default those of the original's demonstration.

    Returns:
        `(2, H, W)` float32 in pixels, x then y, defined on the current frame, pointing into the key frame.

    Raises:
        ValueError: if a frame is not `(H, W, 3)` uint8, or the frames differ in size.
    """
    for name, frame in (("current", current), ("key", key)):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or frame.shape != current.shape:
            raise ValueError(f"{name}: expected (H, W, 3) uint8, both of one size, got {frame.shape} {frame.dtype}")
    height, width = current.shape[:2]
    pyramids = [
        _pyramid(dense_sift(_reduced(frame, parameters.reduction)), parameters.levels) for frame in (current, key)
    ]
    flow = None
    for level in range(len(pyramids[0]) - 1, -1, -1):
        flow = _refine(pyramids[0][level], pyramids[1][level], flow, level, parameters)
    rows, columns = flow.shape[1:]
    field = cv2.resize(flow.transpose(1, 2, 0).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray((field * np.float32([width / columns, height / rows])).transpose(2, 0, 1))


def dense_sift(frame: np.ndarray) -> np.ndarray:
    """Compute a descriptor for every pixel: `(H, W, 3)` float32 in 0..1 -> `(H, W, 128)` uint8.

    The gradients of the colour that changes most are sorted softly into eight directions and summed over 4 x 4 cells.
    """
    x = cv2.sepFilter2D(frame, cv2.CV_32F, DERIVATIVE, np.ones(1, np.float32), borderType=cv2.BORDER_REPLICATE)
    y = cv2.sepFilter2D(frame, cv2.CV_32F, np.ones(1, np.float32), DERIVATIVE, borderType=cv2.BORDER_REPLICATE)
    length = np.hypot(x, y)
    strongest = length.argmax(2)[..., None]
    length, x, y = (np.take_along_axis(values, strongest, 2) for values in (length, x, y))
    unit = np.concatenate([x, y], 2) / np.maximum(length, 1e-6)
    angles = 2 * math.pi / BANDS * np.arange(BANDS)
    along = np.maximum(unit @ np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32), 0)
    energy = cv2.sepFilter2D(length * along**9, cv2.CV_32F, CELL_FILTER, CELL_FILTER, borderType=cv2.BORDER_REPLICATE)
    rows, columns = np.arange(frame.shape[0]), np.arange(frame.shape[1])
    cells = [
        energy[(rows + CELL * i).clip(0, rows[-1])][:, (columns + CELL * j).clip(0, columns[-1])]
        for i in GRID for j in GRID
    ]  # fmt: skip
    values = np.concatenate(cells, 2)
    values /= np.linalg.norm(values, axis=2, keepdims=True) + 0.01
    return (values * 255).clip(0, 255).astype(np.uint8)


def _reduced(frame: np.ndarray, reduction: int) -> np.ndarray:
    """Return the frame smoothed and made smaller, in 0..1."""
    size = [-(-side // reduction) for side in frame.shape[1::-1]]
    smooth = cv2.GaussianBlur(frame.astype(np.float32) / 255, (7, 7), 1)
    return cv2.resize(smooth, size, interpolation=cv2.INTER_AREA)


def _pyramid(descriptors: np.ndarray, levels: int) -> list[np.ndarray]:
    """Return descriptor images, finest first, each half as large as the one before, down to a side of one pixel."""
    pyramid = [descriptors]
    while len(pyramid) < levels and min(pyramid[-1].shape[:2]) > 1:
        smooth = cv2.GaussianBlur(pyramid[-1].astype(np.float32), (5, 5), 0.67)
        height, width = smooth.shape[:2]
        half = cv2.resize(smooth, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_CUBIC)
        pyramid.append(half.round().clip(0, 255).astype(np.uint8))
    return pyramid


def _refine(
    current: np.ndarray, key: np.ndarray, above: np.ndarray | None, level: int, parameters: SiftFlowParameters
) -> np.ndarray:
    """Find the flow `(2, h, w)` int64 on one level, around the flow of the level `above`; level 0 is the finest."""
    height, width = current.shape[:2]
    if above is None:
        centre = np.zeros((2, height, width), np.int64)
        window, iterations = parameters.top_window, parameters.top_iterations
    else:
        doubled = 2 * cv2.resize(above.transpose(1, 2, 0).astype(np.float32), (width, height))
        centre = np.rint(doubled).astype(np.int64).transpose(2, 0, 1)
        window, iterations = parameters.window + level, parameters.iterations
    costs = np.empty((height, width, 2 * window + 1, 2 * window + 1), np.float32)
    matching_costs(current, key, centre, costs)
    outside = costs == OUTSIDE
    costs[outside] = 0 if outside.all() else np.median(costs[~outside])
    return minimize(
        costs, centre, alpha=parameters.alpha, truncation=parameters.truncation,
        gamma=parameters.gamma * 2**level, iterations=iterations,
    )  # fmt: skip


@compiled
def matching_costs(current, key, centre, costs):
    """Write the L1 distances of descriptors (H, W, C) uint8 to `costs` (H, W, x labels, y labels), or OUTSIDE."""
    height, width, labels, _ = costs.shape
    for y in range(height):
        for x in range(width):
            for a in range(labels):
                to_x = x + centre[0, y, x] + a - labels // 2
                for b in range(labels):
                    to_y = y + centre[1, y, x] + b - labels // 2
                    if not (0 <= to_x < width and 0 <= to_y < height):
                        costs[y, x, a, b] = OUTSIDE
                        continue
                    distance = 0
                    for c in range(current.shape[2]):
                        distance += abs(np.int32(current[y, x, c]) - np.int32(key[to_y, to_x, c]))
                    costs[y, x, a, b] = distance
