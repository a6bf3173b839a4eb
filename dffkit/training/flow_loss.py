"""How *F* is pre-trained: FlowNet's loss on its pyramid of predictions, and the errors that are reported.

Exact flow comes in pixels of the frame, `(B, 2, H, W)`, current frame -> key frame. The pyramid predicts it in pixels
of the half-size input divided by 20, the propagation uses it in feature-map cells of 16 pixels; both are made here.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dffkit.networks.flow import PREDICTION_TO_CELLS
from dffkit.warp import CELL

FINEST = 8  # pixels of the frame in a cell of the pyramid's last prediction
PIXELS_TO_PREDICTION = 1 / (2 * 20)

# FlowNet's weights, coarse to fine, are 0.32, 0.08, 0.02, 0.01, 0.005, for errors *summed* over a level's cells, as its
# Caffe layer does. A level has four times the cells of the one before, so for *means* they are as 1 : 1 : 1 : 2 : 4.
# Means do not depend on the size of the frame, and with weights that add up to 1 the loss is an endpoint error.
LEVEL_WEIGHTS = (1 / 9, 1 / 9, 1 / 9, 2 / 9, 4 / 9)
FORWARD_WEIGHT = LEVEL_WEIGHTS[-1]


def pyramid_loss(
    predictions: Sequence[Tensor], flow: Tensor, valid: Tensor | None = None, forward_flow: Tensor | None = None
) -> dict[str, Tensor]:
    """FlowNet's multi-scale endpoint error, on the five predictions of `FlowNetwork.pyramid` (Sec. 4.2).

    The pyramid alone does not train what is used later: `FlowNetwork.forward` applies the last predictor to features
    that were averaged 2x2, so its 3x3 kernel spans twice as many pixels as in the pyramid. Joint training mends that,
    but a pre-trained F whose weights stay fixed (Table 3) never gets any. So `forward_flow` may join the loss, with the
    weight of the finest level.

    Args:
        predictions: coarse to fine, `(B, 2, ., .)`, pixels of the half-size input / 20.
        flow: exact flow `(B, 2, H, W)` in pixels of the frame. Occluded pixels count as all others, as in FlowNet.
        valid: `(B, H, W)` bool, pixels whose flow is known; None for all.
        forward_flow: flow of `FlowNetwork.forward`, `(B, 2, h, w)` in cells; None to train the pyramid alone.

    Returns:
        "flow", the loss; and for reading, without gradient, "flow/64" ... "flow/4" and "flow/forward", the mean
        endpoint errors of the levels, by their stride in the half-size input, all in units of the prediction.

    Raises:
        ValueError: if there are not five predictions, or one does not fit the flow's size.
    """
    _check_flow(flow, valid)
    if len(predictions) != len(LEVEL_WEIGHTS):
        raise ValueError(f"predictions: expected {len(LEVEL_WEIGHTS)} levels, coarse to fine, got {len(predictions)}")
    errors, total = {}, 0
    for level, (prediction, weight) in enumerate(zip(predictions, LEVEL_WEIGHTS, strict=True)):
        stride = FINEST << (len(predictions) - 1 - level)
        target, known = _average(flow, valid, stride)
        error = endpoint_error(prediction, target * PIXELS_TO_PREDICTION, known)
        errors[f"flow/{stride // 2}"], total = error.detach(), total + weight * error
    if forward_flow is not None:
        target, known = _average(flow, valid, CELL)
        error = endpoint_error(forward_flow, target / CELL, known) / PREDICTION_TO_CELLS
        errors["flow/forward"], total = error.detach(), total + FORWARD_WEIGHT * error
    return {"flow": total, **errors}


def endpoint_error(flow: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """The mean length of `flow - target`, in their common unit, as a scalar.

    Args:
        flow: `(B, 2, h, w)`, of any unit.
        target: the same shape and unit.
        valid: `(B, h, w)` bool, the cells that count; None for all. Where none counts the error is 0.

    Raises:
        ValueError: if the shapes differ.
    """
    if flow.shape != target.shape:
        raise ValueError(f"flow: expected the target's shape {tuple(target.shape)}, got {tuple(flow.shape)}")
    _check_flow(target, valid)
    # The norm's gradient at 0 is 0 in PyTorch, so a perfect prediction is left alone.
    lengths = torch.linalg.vector_norm(flow.float() - target.float(), dim=1)
    if valid is None:
        return lengths.mean()
    return torch.where(valid, lengths, 0).sum() / valid.sum().clamp(min=1)


def _average(flow: Tensor, valid: Tensor | None, stride: int) -> tuple[Tensor, Tensor | None]:
    """The mean of the valid flow in each window, and the windows that have any."""
    # Exact windows and not adaptive pooling: a cell of the networks is `stride` pixels, also where the frame is no
    # multiple of it. At 192 rows the coarsest level's first cell is 128 rows, and adaptive pooling would take 96.
    if valid is None:
        return F.avg_pool2d(flow, stride, ceil_mode=True), None
    share = F.avg_pool2d(valid.unsqueeze(1).to(flow.dtype), stride, ceil_mode=True)
    # Where and not times: unknown flow may be NaN.
    sums = F.avg_pool2d(torch.where(valid.unsqueeze(1), flow, 0), stride, ceil_mode=True)
    known = share > 0
    return sums / torch.where(known, share, 1), known.squeeze(1)


def _check_flow(flow: Tensor, valid: Tensor | None = None) -> None:
    if flow.ndim != 4 or flow.shape[1] != 2 or not flow.is_floating_point():
        raise ValueError(f"flow: expected (B, 2, H, W) floating point, got {tuple(flow.shape)} {flow.dtype}")
    shape = (flow.shape[0], *flow.shape[2:])
    if valid is not None and (tuple(valid.shape) != shape or valid.dtype != torch.bool):
        raise ValueError(f"valid: expected {shape} torch.bool, got {tuple(valid.shape)} {valid.dtype}")
