"""Feature propagation *W*: carry the key frame's features to another frame (Sec. 3, Eq. 1-4).

A feature map is `(B, C, h, w)`. A flow field is `(B, 2, h, w)`, in feature-map cells, channel 0 = x (right) and
1 = y (down). It is defined on the current frame and points into the key frame (backward warp): the value at cell
p of the result is read from the key frame at p + flow(p). Cell centres lie on integers; outside the map is 0.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CELL = 16  # pixels of the frame, along each side, in a cell of the feature map


def bilinear_kernel(q: Tensor | float, p: Tensor | float) -> Tensor:
    """Compute Eq. 2 in one dimension, g(q, p) = max(0, 1 - |q - p|); the kernel G is the product over x and y."""
    return (1 - (torch.as_tensor(q) - p).abs()).clamp(min=0)


def warp_loops(features: Tensor, flow: Tensor) -> Tensor:
    """Compute Eq. 1 exactly as it is written, one sum over all cells q for each cell p: for reading and for tests.

    Args:
        features: key frame's features, `(B, C, h, w)`.
        flow: current frame -> key frame, `(B, 2, h, w)`, in cells.

    Returns:
        The warped features, `(B, C, h, w)`.
    """
    batch, _, height, width = features.shape
    warped = torch.zeros_like(features)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                p_x, p_y = x + flow[b, 0, y, x], y + flow[b, 1, y, x]
                for q_y in range(height):
                    for q_x in range(width):
                        weight = bilinear_kernel(q_x, p_x) * bilinear_kernel(q_y, p_y)  # G(q, p + delta p)
                        warped[b, :, y, x] += weight * features[b, :, q_y, q_x]
    return warped


def warp(features: Tensor, flow: Tensor) -> Tensor:
    """Read the key frame's features at p + flow(p) (Eq. 1), bilinearly, 0 outside the map.

    Only the four cells around p + flow(p) have a kernel above 0, so each result is a weighted sum of four rows of the
    channels-last map, which `embedding_bag` computes. No coordinate is ever normalized to -1..1, so zero flow
    is bit-exactly the identity at every size, and a map one cell wide needs no special case.

    Args:
        features: key frame's features, `(B, C, h, w)`; or `(1, C, h, w)`, one key frame for all B flow fields.
        flow: current frame -> key frame, `(B, 2, h, w)`, in cells. Positions are computed in float32 (float64 if
            flow is), under autocast too: from x = 64 on bfloat16 has no half cells.

    Returns:
        The warped features, `(B, C, h, w)`, in the type of `features`, channels-last in memory. Differentiable in
        both arguments.

    Raises:
        ValueError: if the shapes do not fit or the flow holds NaN or infinity.
    """
    _check(features, flow)
    batch, _, height, width = flow.shape
    rows = features.permute(0, 2, 3, 1).flatten(0, 2)  # (B*h*w, C): no copy if the features are channels-last
    cells, weights = _four_neighbours(flow)  # (B, h, w, 4) each
    if len(features) > 1:
        first_row = height * width * torch.arange(batch, device=flow.device, dtype=cells.dtype)
        cells = cells + first_row.view(-1, 1, 1, 1)
    warped = F.embedding_bag(cells.reshape(-1, 4), rows, mode="sum", per_sample_weights=weights.reshape(-1, 4).to(rows))
    return warped.view(batch, height, width, -1).permute(0, 3, 1, 2)


def propagate(features: Tensor, flow: Tensor, scale: Tensor | None = None) -> Tensor:
    """Multiply the warped features element by element with the scale field *S* (Eq. 3).

    Args:
        features: key frame's features, `(B, C, h, w)` or `(1, C, h, w)`.
        flow: current frame -> key frame, `(B, 2, h, w)`, in cells.
        scale: `(B, C, h, w)`; None for all ones (the paper's variant without S).

    Returns:
        The current frame's features, `(B, C, h, w)`, in the type of `features`.

    Raises:
        ValueError: if the shapes do not fit or the flow holds NaN or infinity.
    """
    warped = warp(features, flow)
    if scale is None:
        return warped
    if scale.shape != warped.shape:
        raise ValueError(
            f"scale: expected the shape of the warped features, {tuple(warped.shape)}, got {tuple(scale.shape)}"
        )
    if not scale.is_floating_point():
        raise ValueError(f"scale: expected a floating-point tensor, got {scale.dtype}")
    # The product is in the wider of the two types, under autocast the scale's float32, and rounded once. Both sides are
    # converted first, since a product of mixed types over channels-last maps takes many times as long.
    wider = torch.promote_types(warped.dtype, scale.dtype)
    multiply = torch.mul if torch.is_grad_enabled() else Tensor.mul_  # in place saves the cheap path a map
    return multiply(warped.to(wider), scale.to(wider)).to(features.dtype)


def warp_derivative(features: Tensor, flow: Tensor) -> Tensor:
    """Compute the derivative of the warped features with respect to the flow (Eq. 4), written out.

    The other half of Eq. 4, the derivative with respect to the key frame's features, is the kernel G itself: the four
    bilinear weights. Where p + flow(p) is an integer the kernel has a kink; this is the derivative to its right, the
    same that autograd gives for `warp`.

    Args:
        features: key frame's features, `(B, C, h, w)`.
        flow: current frame -> key frame, `(B, 2, h, w)`, in cells.

    Returns:
        `(B, C, 2, h, w)`: the derivative of each warped value by x (index 0) and by y (index 1) of the flow.

    Raises:
        ValueError: if the shapes do not fit or the flow holds NaN or infinity.
    """
    _check(features, flow)
    position = torch.stack(_positions(flow), dim=1)  # (B, 2, h, w): p + flow
    fraction = position - position.floor()
    right, down = fraction[:, :1], fraction[:, 1:]
    cells = torch.stack(_positions(torch.zeros_like(position)), dim=1)  # p
    whole = position.floor() - cells  # the flow to the upper left of the four cells
    step = torch.eye(2, dtype=whole.dtype, device=whole.device).view(2, 1, 2, 1, 1)  # one cell right, one cell down
    corner = [[warp(features, whole + dx * step[0] + dy * step[1]) for dx in (0, 1)] for dy in (0, 1)]
    by_x = (1 - down) * (corner[0][1] - corner[0][0]) + down * (corner[1][1] - corner[1][0])
    by_y = (1 - right) * (corner[1][0] - corner[0][0]) + right * (corner[1][1] - corner[0][1])
    return torch.stack([by_x, by_y], dim=2)


def flow_to_cells(flow: Tensor) -> Tensor:
    """Average exact flow over 16x16 pixels, and express it in cells, as propagation needs it.

    A window that the border cuts averages the pixels inside.

    Args:
        flow: `(B, 2, H, W)` in pixels of the frame.

    Returns:
        `(B, 2, ceil(H / 16), ceil(W / 16))` in feature-map cells.

    Raises:
        ValueError: if the flow is not `(B, 2, H, W)` floating point.
    """
    if flow.ndim != 4 or flow.shape[1] != 2 or not flow.is_floating_point():
        raise ValueError(f"flow: expected (B, 2, H, W) floating point, got {tuple(flow.shape)} {flow.dtype}")
    return F.avg_pool2d(flow, CELL, ceil_mode=True) / CELL


def _four_neighbours(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Find the four cells around each p + flow(p), row-major, and their bilinear weights (0 outside the map)."""
    _, _, height, width = flow.shape
    x, y = _positions(flow)
    columns, x_weights = _two_neighbours(x, width)
    rows, y_weights = _two_neighbours(y, height)
    cells = rows[..., :, None] * width + columns[..., None, :]  # (B, h, w, 2, 2)
    weights = y_weights[..., :, None] * x_weights[..., None, :]
    return cells.flatten(-2), weights.flatten(-2)


def _positions(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions p + flow(p) that the cells p read, x and y, `(B, h, w)` each, in float32 or float64."""
    _, _, height, width = flow.shape
    flow = flow if flow.dtype == torch.float64 else flow.float()
    x = flow[:, 0] + torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = flow[:, 1] + torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    return x, y


def _two_neighbours(position: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Find the cells left and right of each position on one axis, and the one-dimensional kernel's values there."""
    left = position.floor()
    fraction = position - left
    # The clamp comes before the conversion: a far position would overflow the integer.
    cells = torch.stack([left, left + 1], dim=-1).clamp(-1, size)
    weights = torch.stack([1 - fraction, fraction], dim=-1) * ((cells >= 0) & (cells < size))
    return cells.clamp(0, size - 1).int(), weights


def _check(features: Tensor, flow: Tensor) -> None:
    for name, value in (("features", features), ("flow", flow)):
        if not isinstance(value, Tensor):
            raise ValueError(f"{name}: expected a tensor, got {type(value).__name__}")
        if 0 in value.shape:
            raise ValueError(f"{name}: expected at least one value, got the shape {tuple(value.shape)}")
        if not value.is_floating_point():
            raise ValueError(f"{name}: expected a floating-point tensor, got {value.dtype}")
    if features.ndim != 4:
        raise ValueError(f"features: expected (B, C, h, w), got {tuple(features.shape)}")
    if flow.ndim != 4 or flow.shape[1] != 2:
        raise ValueError(f"flow: expected (B, 2, h, w), channel 0 = x and 1 = y, got {tuple(flow.shape)}")
    if flow.shape[2:] != features.shape[2:]:
        raise ValueError(
            f"flow: expected the features' height and width, {tuple(features.shape[2:])}, got {tuple(flow.shape[2:])}"
        )
    if len(features) not in (1, len(flow)):
        raise ValueError(f"features: expected a batch of 1 or of the flow's {len(flow)}, got {len(features)}")
    # A compiled graph can't raise an error that depends on values: there NaN flow gives NaN features.
    if not torch.compiler.is_compiling() and flow.device.type != "meta" and not flow.isfinite().all():
        bad = int((~flow.isfinite()).sum())
        raise ValueError(f"flow: expected finite values, got NaN or infinity at {bad} of {flow.numel()}")
