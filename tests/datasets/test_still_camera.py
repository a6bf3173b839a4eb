"""The still camera: the motion of the camera and of pieces."""

import numpy as np
from made_up_stills import SIZE, STILL, smooth

from dffkit.datasets.sprites.scene import apply
from dffkit.datasets.still_camera import draw_shot


def shots(count):
    rng = np.random.default_rng(0)
    return [draw_shot(rng, STILL, SIZE) for _ in range(count)]


def test_nothing_has_moved_in_the_current_frame():
    for shot in shots(20):
        assert all(np.allclose(motion, np.eye(3)) for motion in shot.motions(0))


def test_pieces_that_have_not_moved_leave_no_trace():
    """Without motion, pieces and their holes leave the picture unchanged."""
    picture = smooth().permute(1, 2, 0).contiguous().numpy()
    for shot in shots(20):
        # A frame so near to the current one that every motion is a tiny part of a pixel.
        near = shot.picture(picture, 1e-4)
        assert np.abs(near.astype(int) - shot.picture(picture, 0)).max() <= 2


def test_motion_is_smooth_and_keeps_its_direction():
    corners, moved = np.array([(0, 0), (SIZE[1], 0), (0, SIZE[0]), SIZE[::-1]], float), []
    for shot in shots(60):
        places = np.stack([[apply(motion, corners) for motion in shot.motions(back)] for back in range(10)])
        lengths = np.linalg.norm(places - places[0], axis=-1)  # (10, background and pieces, corners)
        steps = np.linalg.norm(np.diff(places, axis=0), axis=-1)
        assert (lengths[1:] >= lengths[:-1] - 0.5).all()  # shift and zoom may cancel at some points
        assert (steps <= 3.5 * steps.mean(0) + 0.1).all()  # no jump
        moved.append(lengths[-1].max())
    assert 20 < max(moved) < 100
    assert min(moved) < 5


def test_pieces_move_by_themselves_before_a_standing_camera():
    standing = [shot.motions(9) for shot in shots(60) if shot.zoom == 0]
    assert len(standing) > 3
    assert all(np.allclose(camera, np.eye(3)) for camera, *_ in standing)
    pieces = [piece for _, *motions in standing for piece in motions]
    assert pieces
    assert all(np.hypot(*piece[:2, 2]) > 0.9 for piece in pieces)
