"""Notebook 02: the widget over all values of its sliders, and the pictures. Checks are in test_nb02_checks.py."""

import io
import re
from itertools import product

import matplotlib.image
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dffkit.lessons import examples, nb02_warping
from dffkit.lessons.explore import Picture
from dffkit.lessons.nb02_warping import bilinear_reading, read
from dffkit.warp import bilinear_kernel, warp

EXTREMES = [-3.0, -2.25, -1.0, -0.5, 0.0, 0.75, 2.0, 2.25, 3.0]  # the slider's ends, the map's borders, between cells


def pixels(picture: Picture) -> np.ndarray:
    """Decode the PNG, which fails if it is none."""
    return matplotlib.image.imread(io.BytesIO(picture.png), format="png")


@given(st.floats(-9, 9), st.floats(-9, 9), st.integers(0, 3), st.integers(0, 3))
def test_the_value_read_is_that_of_the_warp(dx, dy, column, row):
    flow = examples.same_everywhere(dx, dy).double()
    expected = warp(examples.address_map().double(), flow)[0, 0, row, column]
    assert read(dx, dy, (column, row)).result == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize(("dx", "dy"), list(product(EXTREMES, EXTREMES)))
def test_weights_sum_to_one_and_cells_outside_have_no_value(dx, dy):
    reading = read(dx, dy)
    assert sum(weight for *_, weight, _ in reading.neighbours) == pytest.approx(1)
    for column, row, _, value in reading.neighbours:
        assert (value is None) == (not (0 <= column < 4 and 0 <= row < 4))
        assert value is None or value == 10 * row + column
    within = sum(weight for *_, weight, value in reading.neighbours if value is not None)
    x, y = reading.point
    assert (within == pytest.approx(1)) == (0 <= x <= 3 and 0 <= y <= 3)


@pytest.mark.parametrize(("dx", "dy"), [(-3, -3), (3, 3), (-3, 3), (0, 0), (1.25, 0.5), (-1.25, -0.5), (2.75, -1.75)])
def test_the_text_of_the_picture_holds_the_sum(dx, dy):
    picture = bilinear_reading(dx, dy)
    assert f"in all {read(dx, dy).result:g}." in picture.alt
    assert pixels(picture).ndim == 3


def test_every_position_has_its_own_picture_of_the_same_size():
    shown = [pixels(bilinear_reading(dx, dy)) for dx, dy in [(-3, -3), (0, 0), (0.25, 0), (0, 0.25), (3, 3)]]
    assert len({image.shape for image in shown}) == 1  # or the widget would jump under the mouse
    assert len({image.tobytes() for image in shown}) == len(shown)


def test_nothing_is_cut_off_at_the_picture_s_edge():
    for picture in every_picture().values():
        image = pixels(picture)[..., :3]
        rim = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert (rim == 1).all(), picture.alt


def every_picture() -> dict[str, Picture]:
    scene = examples.moving_scene(180, 300, step=(42, 6))
    key, current = examples.simple_features(scene.key_frame, 4), examples.simple_features(scene.current_frame, 4)
    return {
        "bilinear": bilinear_reading(1.25, 0.5),
        "tents": nb02_warping.kernel_tent(2.25),
        "tents at the right": nb02_warping.kernel_tent(3.5),
        "tents outside": nb02_warping.kernel_tent(-0.25),
        "maps": nb02_warping.number_grids(key_frame=examples.address_map(), all_zeros=torch.zeros(2, 3)),
        "throw and fetch": nb02_warping.forward_and_backward(),
        "kinks": nb02_warping.slope_steps([0, 1, 4, 9, 16]),
        "frames": nb02_warping.scene_frames(scene, every=20),
        "carried": nb02_warping.warped_features(key, key, current, scene.uncovered),
    }


def test_every_picture_has_a_text_and_a_size():
    for name, picture in every_picture().items():
        assert len(picture.alt.split()) > 15, name
        assert "\n" not in picture.alt
        assert picture.width
        assert pixels(picture).shape[1] >= picture.width  # as fine as the screen at least


def test_a_picture_is_the_same_on_every_call():
    once, again = every_picture(), every_picture()
    assert once == again


def test_the_text_of_the_tent_holds_the_kernel_s_values():
    heights = re.findall(r"([\d.]+) at cell", nb02_warping.kernel_tent(2.25).alt)
    assert [float(height) for height in heights] == bilinear_kernel(torch.arange(5.0), 2.25).tolist()


def test_maps_are_read_row_by_row():
    picture = nb02_warping.number_grids(a_name=torch.tensor([[1.0, 2], [3, 4.5]]))
    assert picture.alt == "The map 'a name', row by row: 1, 2; 3, 4.5."
