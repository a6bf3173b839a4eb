"""SIFT Flow: descriptors of known edges, and flow of known motions."""

import cv2
import numpy as np
import pytest

from dffkit.baselines.sift_flow import SiftFlowParameters, dense_sift, sift_flow


@pytest.fixture(scope="module")
def picture():
    noise = np.random.default_rng(0).uniform(0, 1, (96, 144, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return ((smooth - smooth.min()) / (smooth.max() - smooth.min()) * 255).astype(np.uint8)


def moved(picture, x, y):
    """A current frame, and a key frame in which everything lies (x, y) further."""
    return picture[16:80, 16:112].copy(), picture[16 - y : 80 - y, 16 - x : 112 - x].copy()


@pytest.mark.parametrize(("x", "y"), [(5, 3), (-4, 2), (0, -7)])
def test_a_shift_is_found(picture, x, y):
    flow = sift_flow(*moved(picture, x, y), SiftFlowParameters(reduction=1))
    assert flow.shape == (2, 64, 96)
    assert flow.dtype == np.float32
    inner = flow[:, 10:-10, 10:-10]
    assert (inner == np.array([x, y]).reshape(2, 1, 1)).mean() > 0.98


def test_a_reduced_grid_gives_pixels_of_the_frame(picture):
    flow = sift_flow(*moved(picture, 6, -4), SiftFlowParameters(reduction=2))
    np.testing.assert_allclose(np.median(flow, axis=(1, 2)), [6, -4])


def test_the_same_frame_twice_does_not_move(picture):
    assert not sift_flow(picture, picture.copy(), SiftFlowParameters()).any()


def test_a_thing_moves_in_front_of_a_background(picture):
    current, key = picture[:64, :96].copy(), picture[:64, :96].copy()
    thing = picture[64:88, 96:128]
    current[20:44, 30:62], key[22:46, 36:68] = thing, thing
    flow = sift_flow(current, key, SiftFlowParameters(reduction=1))
    assert (flow[:, 26:38, 36:56] == np.array([6, 2]).reshape(2, 1, 1)).mean() > 0.95
    assert (flow[:, :12] == 0).all()


def test_brightness_and_contrast_hardly_matter(picture):
    frame = picture.astype(np.float32) / 255
    plain, other = (dense_sift(f).astype(int) for f in (frame, 0.6 * frame + 0.1))
    assert np.abs(plain - other).mean() < 3 < np.abs(plain - plain[::-1]).mean()


def test_a_descriptor_shows_the_place_and_direction_of_edges():
    frame = np.zeros((32, 32, 3), np.float32)
    frame[:, 16:] = 1  # brighter to the right: direction 0
    bands = dense_sift(frame)[16, 16].reshape(4, 4, 8).astype(int)
    assert bands[..., 0].sum() > 4 * bands[..., 1:].sum()
    assert not bands[..., [2, 6]].any()  # up and down
    assert bands[:, 1, 0].min() > 50  # the cell that the edge is in ...
    assert not bands[:, 3].any()  # ... and one that it is not in
    assert not dense_sift(np.full((8, 8, 3), 0.5, np.float32)).any()


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (17, 16)])
def test_any_size(size):
    frame = np.random.default_rng(3).integers(0, 256, (*size, 3)).astype(np.uint8)
    assert sift_flow(frame, frame[::-1].copy(), SiftFlowParameters()).shape == (2, *size)


@pytest.mark.parametrize(
    "frames",
    [
        (np.zeros((8, 8), np.uint8),) * 2,
        (np.zeros((8, 8, 3), np.float32),) * 2,
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)),
    ],
)
def test_other_frames_are_refused(frames):
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8"):
        sift_flow(*frames, SiftFlowParameters())
