"""examples.py: address map, scene, features and forward warping."""

import math

import pytest
import torch

from dffkit.lessons.examples import (
    address_map,
    forward_warp,
    moving_scene,
    same_everywhere,
    simple_features,
)
from dffkit.warp import warp


def test_every_cell_of_the_address_map_holds_its_address():
    assert address_map(3, 5).shape == (1, 1, 3, 5)
    assert address_map(3, 5)[0, 0, 2, 4] == 24


def test_the_same_flow_is_everywhere_and_keeps_its_gradient():
    assert same_everywhere(0.5, -2, 3, 5).dtype == torch.float32
    assert same_everywhere(1, -2).dtype == torch.float32
    vector = torch.tensor([0.5, -2.0], requires_grad=True)
    flow = same_everywhere(*vector, 3, 5)
    assert flow.shape == (1, 2, 3, 5)
    assert (flow[:, 0] == 0.5).all()
    assert (flow[:, 1] == -2).all()
    assert torch.autograd.grad(flow.sum(), vector)[0].tolist() == [15, 15]


def test_where_the_key_frame_shows_the_same_surface_the_flow_is_exact():
    scene = moving_scene(180, 300, step=(42, 6))
    carried = warp(scene.key_frame[None].float(), scene.flow[None])[0]
    error = (carried - scene.current_frame).abs().amax(0)
    # Half a grey level from rounding each frame, a little from reading between pixels; the ball's edge is sharp.
    assert error[~scene.uncovered].quantile(0.97) < 3
    assert error[scene.uncovered].median() > 20


def test_the_scene_is_the_same_on_every_call():
    once, again = moving_scene(60, 100), moving_scene(60, 100)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))
    assert once.key_frame.dtype == once.current_frame.dtype == torch.uint8
    assert once.key_frame.shape == (3, 60, 100)
    assert once.flow.shape == (2, 60, 100)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (16, 16), (17, 31), (90, 130)])
def test_features_have_stride_16(height, width):
    frame = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
    assert simple_features(frame, 5).shape == (1, 5, math.ceil(height / 16), math.ceil(width / 16))


def test_features_move_with_the_picture():
    frame = torch.randint(0, 256, (3, 160, 240), dtype=torch.uint8)
    moved = torch.roll(frame, (16, 32), dims=(1, 2))  # one cell down, two to the right
    features, expected = simple_features(moved, 4)[..., 3:-3, 4:-3], simple_features(frame, 4)[..., 2:-4, 2:-5]
    torch.testing.assert_close(features, expected)


def test_forward_warping_leaves_holes_adds_up_and_drops_values_outside():
    values = torch.tensor([[1.0, 2, 4]])
    assert forward_warp(values, torch.tensor([[[0.0, 1, 0]], [[0, 0, 0]]])).tolist() == [[1, 0, 6]]
    assert forward_warp(values, torch.tensor([[[-1.0, 0, 0]], [[0, 0, 1]]])).tolist() == [[0, 2, 0]]
