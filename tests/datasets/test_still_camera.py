"""The still camera: exact flow between its frames, and the motion of the camera and of pieces."""

import numpy as np
import pytest
import torch
from made_up_stills import BOXES, SIZE, STILL, boxed, interior, moving, smooth, still
from torch.nn import functional as F

from dffkit.datasets.still_camera import draw_shot


def test_nothing_moves_from_a_frame_to_itself():
    for snippet in moving(variants=10):
        for t in (0, 4, 9):
            flow, hidden = snippet.flow(t, t)
            assert (flow.dtype, hidden.dtype) == (torch.float32, torch.bool)
            assert flow.abs().max() < 1e-4
            assert not hidden.any()


def compared(snippet, current, key):
    """Compare the current frame with the key frame sampled along the flow.

    Returns:
        The difference `(H, W)`; the visible pixels away from rims; and the pixels hidden within the key frame.
    """
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    flow, hidden = snippet.flow(current, key)
    to = torch.stack([(x + flow[0]) * 2 / (SIZE[1] - 1) - 1, (y + flow[1]) * 2 / (SIZE[0] - 1) - 1], 2)
    sampled = F.grid_sample(snippet.frames[key][None].float(), to[None], align_corners=True)[0]
    rims = (flow[:, 1:, 1:] - flow[:, :-1, :-1]).abs().amax(0) > 0.5
    seen = ~hidden & interior(hidden.byte(), 3) & interior(F.pad(rims.byte(), (1, 0, 1, 0)), 3)
    return (sampled - snippet.frames[current].float()).abs().mean(0), seen, hidden & (to.abs() < 1).all(2)


@pytest.mark.parametrize(("current", "key"), [(9, 8), (9, 0), (5, 2), (0, 9)])
def test_the_flow_leads_to_the_same_pixels(current, key):
    worst, without = [], []
    for snippet in moving(variants=30):
        error, seen, _ = compared(snippet, current, key)
        worst.append(float(error[seen].mean()))
        unmoved = (snippet.frames[key].float() - snippet.frames[current].float()).abs().mean(0)
        without.append(float(unmoved[seen].mean()))
    assert max(worst) < 2
    if abs(current - key) > 3:
        assert np.mean(without) > 4 * np.mean(worst)


def test_points_covered_by_a_moving_piece_are_hidden():
    """The flow of a hidden pixel leads to the piece in front of it."""
    hidden, seen = [], []
    for snippet in moving(variants=30):
        error, there, behind = compared(snippet, 9, 0)
        seen.append(error[there])
        hidden.append(error[behind])
    assert sum(len(errors) > 5 for errors in hidden) > 5
    assert torch.cat(hidden).mean() > 4 * torch.cat(seen).mean()


def test_pieces_that_have_not_moved_leave_no_trace():
    """Without motion, pieces and their holes leave the picture unchanged."""
    rng = np.random.default_rng(0)
    picture = smooth().permute(1, 2, 0).contiguous().numpy()
    for _ in range(20):
        shot = draw_shot(rng, STILL, SIZE, BOXES["boxes"].numpy())
        # A frame so near to the current one that every motion is a tiny part of a pixel.
        near = shot.picture(picture, 1e-4, None)
        assert np.abs(near.astype(int) - shot.picture(picture, 0, None)).max() <= 2


def test_motion_is_smooth_and_keeps_its_direction():
    moved = []
    for snippet in moving(variants=30):
        flows = torch.stack([snippet.flow(9, t)[0] for t in range(9, -1, -1)])
        lengths = flows.norm(dim=1).flatten(1)  # (10, pixels)
        steps = (flows[1:] - flows[:-1]).norm(dim=1).flatten(1)
        assert (lengths[1:] >= lengths[:-1] - 0.5).all()  # shift and zoom may cancel at some points
        assert (steps <= 3.5 * steps.mean(0) + 0.1).all()  # no jump
        moved.append(float(lengths[-1].max()))
    assert 20 < max(moved) < 80
    assert min(moved) < 5


def test_people_move_by_themselves():
    """Under a standing camera, some of the objects with boxes move."""
    data = moving(still(boxed(), BOXES), variants=60)
    standing = [snippet for i, snippet in enumerate(data) if data._scene(i).shot.zoom == 0]
    assert len(standing) > 3
    moved = 0
    for snippet in standing:
        flow, _ = snippet.flow(9, 0)
        assert (flow.norm(dim=0) < 1e-4).any()
        for x1, y1, x2, y2 in snippet.targets[9]["boxes"].tolist():
            moved += bool(flow[:, int((y1 + y2) / 2), int((x1 + x2) / 2)].norm() > 0.9)
    assert moved > 0
