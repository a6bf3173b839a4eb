"""Flying sprites: their flow, their occlusion, and pairs as functions of (seed, index)."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dffkit.datasets.sprites import SpriteWorld, data_version, mirrored, render_pair, sprite_pair, stacked, texture
from dffkit.datasets.sprites.scene import Layer, shift, similarity
from dffkit.warp import warp

SIZE = (96, 160)
PLAIN = SpriteWorld(
    flicker=0, gain=0, offset=0, noise=0, contrast=(1, 1), textures=14
)  # frames differ by the flow alone
GREY = np.hstack([np.eye(3), np.zeros((3, 1))])


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def grown(mask, by=2):
    return F.max_pool2d(mask[None, None].float(), 2 * by + 1, 1, by)[0, 0] > 0


def misfit(pair, flow):
    """Return the mean error of the warped key frame at visible pixels away from edges."""
    jumps = torch.zeros(pair.occluded.shape, dtype=torch.bool)
    jumps[:, 1:] |= pair.flow.diff(dim=2).abs().amax(dim=0) > 0.7
    jumps[1:] |= pair.flow.diff(dim=1).abs().amax(dim=0) > 0.7
    counts = ~grown(pair.occluded | jumps)
    warped = warp(pair.key[None].float(), flow[None])[0]
    return (warped - pair.current.float()).abs().mean(dim=0)[counts].mean().item()


def test_flow_carries_the_key_frame_onto_the_current_frame():
    pairs = [sprite_pair(0, i, (128, 192), replace(PLAIN, still=0)) for i in range(20)]
    right = np.mean([misfit(pair, pair.flow) for pair in pairs])
    assert right < 3
    for wrong in (lambda f: f.flip(0), lambda f: -f, lambda f: 0 * f, lambda f: 0.9 * f):
        assert np.mean([misfit(pair, wrong(pair.flow)) for pair in pairs]) > 1.8 * right


def test_occluded_pixels_do_not_fit():
    world = replace(PLAIN, still=0, displacement=((1, 8, 30),))
    inside = []
    for i in range(10):
        pair = sprite_pair(1, i, (128, 192), world)
        hidden = pair.occluded & (warp(torch.ones(1, 1, 128, 192), pair.flow[None])[0, 0] == 1)
        errors = (warp(pair.key[None].float(), pair.flow[None])[0] - pair.current.float()).abs().mean(dim=0)
        inside.append(errors[hidden].mean())
        assert pair.occluded.any()
    assert np.mean(inside) > 20


def test_a_pair_is_a_function_of_seed_and_index():
    pairs = [sprite_pair(3, i, SIZE) for i in range(4)]
    texture.cache_clear()  # as in another process
    assert all(same(sprite_pair(3, i, SIZE), pairs[i]) for i in (2, 0, 3, 1))
    for other in (sprite_pair(4, 2, SIZE), sprite_pair(3, 1, SIZE), sprite_pair(4, 1, SIZE)):
        assert not torch.equal(other.current, pairs[2].current)
    batch = stacked([sprite_pair(3, i, SIZE) for i in (2, 0)])
    assert all(same([tensors[j] for tensors in batch], pairs[i]) for j, i in enumerate([2, 0]))


def test_no_global_randomness_is_used():
    np.random.seed(0)  # noqa: NPY002  the global state is what this is about
    before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    sprite_pair(0, 0, SIZE)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_the_share_of_still_pairs():
    pairs = [sprite_pair(5, i, (24, 32)) for i in range(400)]
    still = [pair for pair in pairs if not pair.flow.any()]
    assert 0.06 < len(still) / len(pairs) < 0.14
    assert all(torch.equal(pair.current, pair.key) and not pair.occluded.any() for pair in still)
    assert not sprite_pair(5, 0, SIZE, SpriteWorld(still=1)).flow.any()


def test_displacements_have_their_distribution():
    lengths = torch.cat([sprite_pair(6, i).flow.norm(dim=0)[::6, ::6].flatten() for i in range(150)])
    assert 0.35 < (lengths < 4).float().mean() < 0.6
    assert 0.25 < ((lengths >= 4) & (lengths < 20)).float().mean() < 0.5
    assert 0.1 < (lengths >= 20).float().mean() < 0.25
    assert 45 < lengths.quantile(0.99) < 90


def test_displacements_lie_in_their_mixture():
    world = SpriteWorld(displacement=((1, 5, 7),), zooming=0, own_motion=0, parallax=(1, 1), roll=0, still=0)
    lengths = sprite_pair(0, 0, SIZE, replace(world, deformation=0)).flow.norm(dim=0)
    assert lengths.min() >= 4.999
    assert lengths.max() <= 7.001


def test_a_camera_that_drives_forward_shrinks_the_scene_into_the_key_frame():
    world = SpriteWorld(zooming=1, driving_forward=1, zooming_shift=0, roll=0, sprites=(0, 0), still=0)
    for i in range(5):
        flow = sprite_pair(8, i, SIZE, world).flow
        assert (flow[0].diff(dim=1) < 0).all()
        assert (flow[1].diff(dim=0) < 0).all()


def square(left, top, side, move):
    corners = np.add([(0, 0), (side, 0), (side, side), (0, side)], (left - 0.5, top - 0.5))
    return Layer(0, np.eye(3), GREY, shift(*move), [corners])


def test_occlusion_of_one_square_over_a_moving_background():
    size, box = (40, 60), np.zeros((40, 60), bool)
    box[10:20, 20:30] = True
    background = Layer(1, np.eye(3), GREY, shift(2, 0))
    current, key, flow, occluded = render_pair([background, square(20, 10, 10, (9, -3))], size)
    assert (flow[0] == np.where(box, 9, 2)).all()
    assert (flow[1] == np.where(box, -3, 0)).all()
    expected = np.zeros(size, bool)
    expected[7:17, 27:37] = True  # the square in the key frame, less the background's own motion
    expected &= ~box
    expected[:, 58:] = True  # leaves the frame
    assert (occluded == expected).all()
    assert (key[7:17, 29:39] == current[10:20, 20:30]).all()


def test_the_upper_of_two_squares_hides_the_lower():
    background = Layer(1, np.eye(3), GREY, np.eye(3))
    lower, upper = square(5, 5, 8, (10, 0)), square(25, 5, 8, (-10, 0))  # they meet at 15
    _, _, flow, occluded = render_pair([background, lower, upper], (20, 40))
    assert occluded[5:13, 5:13].all()
    assert not occluded[5:13, 25:33].any()
    assert (flow[0, 5:13, 5:13] == 10).all()
    assert (flow[0, 5:13, 25:33] == -10).all()


@pytest.mark.parametrize("move", [(0.4, 0.7), (-3.3, 1.6), (5.5, -0.5)])
def test_rounding_never_hides_the_top_layer(move):
    background = Layer(1, np.eye(3), GREY, np.eye(3))
    top = replace(square(10, 10, 8, (0, 0)), motion=similarity(0.8, 0.3, (13, 13), move))
    _, _, flow, occluded = render_pair([background, top], (30, 30))
    assert flow[:, 10:18, 10:18].any()
    assert not occluded[10:18, 10:18].any()


def test_edges_are_smooth():
    black, white = np.zeros((3, 4)), np.zeros((3, 4))
    white[:, 3] = 200
    layers = [Layer(0, np.eye(3), black, np.eye(3)), replace(square(4, 4, 8, (0.5, 0)), colours=white)]
    _, key, _, _ = render_pair(layers, (16, 24))
    assert (key[8, 5:12] == 200).all()
    assert ((key[8, [4, 12]] > 40) & (key[8, [4, 12]] < 160)).all()  # half covered
    assert (key[8, [3, 13]] == 0).all()


@given(height=st.integers(1, 70), width=st.integers(1, 90), index=st.integers(0, 1000))
def test_any_size(height, width, index):
    pair = sprite_pair(9, index, (height, width), PLAIN)
    assert pair.current.shape == pair.key.shape == (3, height, width)
    assert pair.current.dtype == pair.key.dtype == torch.uint8
    assert (pair.flow.shape, pair.flow.dtype) == ((2, height, width), torch.float32)
    assert (pair.occluded.shape, pair.occluded.dtype) == ((height, width), torch.bool)
    assert pair.flow.isfinite().all()


def test_light_and_noise_change_frames_but_not_flow():
    plain, changed = (sprite_pair(0, 1, SIZE, world) for world in (PLAIN, replace(PLAIN, offset=40, noise=3)))
    assert torch.equal(plain.flow, changed.flow)
    assert plain.flow.any()
    assert 0 < (plain.current.float() - changed.current.float()).abs().mean() < 4
    assert not torch.equal(plain.key, changed.key)


def test_one_frame_of_a_flickering_pair_is_brighter_or_darker():
    plain, spoilt = (
        [sprite_pair(0, i, SIZE, replace(PLAIN, still=0, flicker=share)) for i in range(12)] for share in (0.0, 1.0)
    )
    ratios = torch.tensor(
        [s[k].float().mean() / p[k].float().mean() for p, s in zip(plain, spoilt, strict=True) for k in (0, 1)]
    )
    changed = ratios.view(-1, 2) != 1
    assert (changed.sum(1) == 1).all()  # one of the two, never both
    assert changed.any(0).all()
    assert 0.45 < ratios.min() < 0.9
    assert 1.1 < ratios.max() < 1.75
    assert all(torch.equal(p.flow, s.flow) for p, s in zip(plain, spoilt, strict=True))


@pytest.mark.parametrize(("left_right", "upside_down"), [(True, False), (False, True), (True, True)])
def test_a_mirrored_pair_fits_as_well_and_only_with_its_own_flow(left_right, upside_down):
    world = replace(PLAIN, still=0, displacement=((1, 4, 20),))
    pairs = [sprite_pair(0, i, (128, 192), world) for i in range(6)]
    mirrors = [mirrored(pair, left_right=left_right, upside_down=upside_down) for pair in pairs]
    axes = [axis for axis, on in ((-1, left_right), (-2, upside_down)) if on]
    assert all(torch.equal(m.current, p.current.flip(axes)) for m, p in zip(mirrors, pairs, strict=True))
    right = np.mean([misfit(pair, pair.flow) for pair in mirrors])
    assert right == pytest.approx(np.mean([misfit(pair, pair.flow) for pair in pairs]), rel=0.02)
    assert np.mean([misfit(m, p.flow.flip(axes)) for m, p in zip(mirrors, pairs, strict=True)]) > 1.8 * right


def test_a_pair_without_a_mirror_is_returned_unchanged():
    pair = sprite_pair(0, 0, SIZE)
    assert same(mirrored(pair), pair)


def test_the_data_version_names_parameters_and_code(monkeypatch):
    assert data_version() == data_version(SpriteWorld())
    assert len(data_version()) == 12
    assert int(data_version(), 16) >= 0
    assert data_version(SpriteWorld(still=0.2)) != data_version()
    stored = SpriteWorld(**json.loads(json.dumps(asdict(SpriteWorld()))))
    assert data_version(stored) == data_version()
    before = data_version()
    monkeypatch.setattr("dffkit.datasets.sprites.scene.VERSION", "another")
    assert data_version() != before


@pytest.mark.parametrize(("seed", "index", "size"), [(-1, 0, SIZE), (0, -1, SIZE), (0, 0, (0, 5)), (0, 0, (5, 0))])
def test_wrong_arguments_are_named(seed, index, size):
    with pytest.raises(ValueError, match="seed, index, size: expected at least 0, 0 and"):
        sprite_pair(seed, index, size)
