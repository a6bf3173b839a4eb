"""The loss that pre-trains *F*: FlowNet's, on its pyramid of predictions.

Exact flow comes in pixels of the frame, `(B, 2, H, W)`, current frame -> key frame. The pyramid predicts it in pixels
of the half-size input divided by 20; the propagation uses it in feature-map cells of 16 pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.networks.flow import PREDICTION_TO_CELLS
from dffkit.warp import flow_to_cells

FINEST = 8  # pixels of the frame in a cell of the pyramid's last prediction
PIXELS_TO_PREDICTION = 1 / (2 * 20)

# FlowNet's weights, coarse to fine, are 0.32, 0.08, 0.02, 0.01, 0.005, for errors *summed* over a level's cells, as its
# Caffe layer does. A level has four times the cells of the one before, so for *means* they are as 1 : 1 : 1 : 2 : 4.
# Means do not depend on the size of the frame, and with weights that add up to 1 the loss is an endpoint error.
LEVEL_WEIGHTS = (1 / 9, 1 / 9, 1 / 9, 2 / 9, 4 / 9)
FORWARD_WEIGHT = LEVEL_WEIGHTS[-1]


def pyramid_loss(predictions: Sequence[Tensor], flow: Tensor, forward_flow: Tensor | None = None) -> dict[str, Tensor]:
    """Return FlowNet's multi-scale endpoint error, on the five predictions of `FlowNetwork.pyramid` (Sec. 4.2).

    The pyramid alone does not train the flow that is used later: `FlowNetwork.forward` applies the last predictor to
    features that were averaged 2x2, so its 3x3 kernel spans twice as many pixels as in the pyramid. Joint training
    mends that, but a pre-trained F with fixed weights (Table 3) is never trained jointly. So `forward_flow` can join
    the loss, with the weight of the finest level.

    Args:
        predictions: coarse to fine, `(B, 2, ., .)`, pixels of the half-size input / 20.
        flow: exact flow `(B, 2, H, W)` in pixels of the frame. Occluded pixels count as all others, as in FlowNet.
        forward_flow: flow of `FlowNetwork.forward`, `(B, 2, h, w)` in cells; None to train the pyramid alone.

    Returns:
        "flow", the loss; and without gradient, for the log, "flow/64" ... "flow/4" and "flow/forward", the mean
        endpoint errors of the levels, by their stride in the half-size input, all in units of the prediction.

    Raises:
        ValueError: if the flow has another shape, there are not five predictions, or one does not fit the flow's size.
    """
    cells = flow_to_cells(flow)
    if len(predictions) != len(LEVEL_WEIGHTS):
        raise ValueError(f"predictions: expected {len(LEVEL_WEIGHTS)} levels, coarse to fine, got {len(predictions)}")
    errors, total = {}, 0
    for level, (prediction, weight) in enumerate(zip(predictions, LEVEL_WEIGHTS, strict=True)):
        stride = FINEST << (len(predictions) - 1 - level)
        # Exact windows and not adaptive pooling: a cell of the networks is `stride` pixels, also where the frame is no
        # multiple of it. At 192 rows the coarsest level's first cell is 128 rows, and adaptive pooling would take 96.
        target = F.avg_pool2d(flow, stride, ceil_mode=True) * PIXELS_TO_PREDICTION
        error = endpoint_error(prediction, target)
        errors[f"flow/{stride // 2}"], total = error.detach(), total + weight * error
    if forward_flow is not None:
        error = endpoint_error(forward_flow, cells) / PREDICTION_TO_CELLS
        errors["flow/forward"], total = error.detach(), total + FORWARD_WEIGHT * error
    return {"flow": total, **errors}


def endpoint_error(flow: Tensor, target: Tensor) -> Tensor:
    """Return the mean length of `flow - target`, in their common unit, as a scalar.

    Args:
        flow: `(B, 2, h, w)`, of any unit.
        target: the same shape and unit.

    Raises:
        ValueError: if the shapes differ.
    """
    if flow.shape != target.shape:
        raise ValueError(f"flow: expected the target's shape {tuple(target.shape)}, got {tuple(flow.shape)}")
    # The norm's gradient at 0 is 0 in PyTorch, so a perfect prediction stays as it is.
    return torch.linalg.vector_norm(flow.float() - target.float(), dim=1).mean()
