"""The warp: Eq. 1-4, the conventions of flow fields, and equality with the original framework's operator."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from places import GOLDEN

from dffkit.warp import bilinear_kernel, propagate, warp, warp_derivative, warp_loops


def random_pair(batch=2, channels=3, height=5, width=4, spread=2.0, dtype=torch.float64):
    """Features and a flow field that also points outside the map."""
    features = torch.randn(batch, channels, height, width, dtype=dtype, requires_grad=True)
    flow = (torch.randn(batch, 2, height, width, dtype=dtype) * spread).requires_grad_()
    return features, flow


def constant_flow(features, x, y):
    """The same flow vector at every cell."""
    flow = torch.tensor([x, y], dtype=torch.float32).view(1, 2, 1, 1)
    return flow.expand(len(features), 2, *features.shape[2:])


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31))
def test_fast_equals_loops_with_gradients(batch, channels, height, width, seed):
    torch.manual_seed(seed)
    features, flow = random_pair(batch, channels, height, width)
    fast, loops = warp(features, flow), warp_loops(features, flow)
    torch.testing.assert_close(fast, loops, rtol=0, atol=1e-12)
    weights = torch.randn_like(fast)
    for ours, theirs in zip(
        torch.autograd.grad(fast, (features, flow), weights),
        torch.autograd.grad(loops, (features, flow), weights),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**31))
def test_equation_4_equals_autograd(channels, height, width, seed):
    torch.manual_seed(seed)
    features, flow = random_pair(2, channels, height, width)
    weights = torch.randn_like(features)
    by_autograd = torch.autograd.grad(warp(features, flow), flow, weights)[0]
    written_out = (warp_derivative(features, flow) * weights[:, :, None]).sum(dim=1)
    torch.testing.assert_close(written_out, by_autograd, rtol=0, atol=1e-12)


def test_gradients_equal_finite_differences():
    features, flow = random_pair(spread=0.4)
    scale = torch.randn_like(features, requires_grad=True)
    assert torch.autograd.gradcheck(propagate, (features, flow, scale))


@pytest.mark.parametrize("name", ["warp_a", "warp_b"])
def test_equals_the_original_operator(name):
    golden = {key: torch.from_numpy(value) for key, value in np.load(GOLDEN / f"{name}.npz").items()}
    features, flow = golden["features"].requires_grad_(), golden["flow"].requires_grad_()
    output = warp(features, flow)
    gradients = torch.autograd.grad(output, (features, flow), golden["grad_output"])
    torch.testing.assert_close(output, golden["output"], rtol=0, atol=1e-4)
    torch.testing.assert_close(gradients[0], golden["grad_features"], rtol=0, atol=1e-4)
    torch.testing.assert_close(gradients[1], golden["grad_flow"], rtol=0, atol=1e-4)


def test_zero_flow_is_bit_exactly_the_identity():
    whole = torch.randn(1, 2, 130, 130) * 100
    for height in range(1, 131):
        for width in range(1, 131):
            features = whole[..., :height, :width]
            assert torch.equal(warp(features, torch.zeros(1, 2, height, width)), features), (height, width)


@given(st.integers(-6, 6), st.integers(-6, 6), st.integers(1, 6), st.integers(1, 6))
def test_whole_cells_shift_the_map_and_bring_in_zeros(x, y, height, width):
    features = torch.randn(1, 2, height, width)
    expected = torch.zeros_like(features)
    for row in range(height):
        for column in range(width):
            if 0 <= row + y < height and 0 <= column + x < width:
                expected[..., row, column] = features[..., row + y, column + x]
    assert torch.equal(warp(features, constant_flow(features, x, y)), expected)


def test_channel_0_is_x_to_the_right_and_channel_1_is_y_down():
    features = torch.arange(12.0).view(1, 1, 3, 4)  # value = 4 * row + column
    assert warp(features, constant_flow(features, 1, 0))[0, 0, 1, 1] == 4 * 1 + 2
    assert warp(features, constant_flow(features, 0, 1))[0, 0, 1, 1] == 4 * 2 + 1


def test_whole_shifts_compose():
    features = torch.randn(1, 2, 9, 9)
    once = warp(warp(features, constant_flow(features, 1, 2)), constant_flow(features, 2, -1))
    both = warp(features, constant_flow(features, 3, 1))
    assert torch.equal(once[..., 1:7, :6], both[..., 1:7, :6])  # away from the borders that brought in zeros


def test_half_a_cell_outside_is_half_the_border_value():
    features = torch.ones(1, 1, 3, 3)
    warped = warp(features, constant_flow(features, -0.5, 0))
    assert warped[0, 0, 1].tolist() == [0.5, 1.0, 1.0]


def test_far_flow_reads_zero():
    features = torch.ones(1, 1, 3, 3)
    for far in (1e4, -1e4, 1e30, -1e30):
        assert not warp(features, constant_flow(features, far, 0)).any()
        assert not warp(features, constant_flow(features, 0, far)).any()


def test_one_key_frame_serves_many_flow_fields():
    features, flow = random_pair(1, 3, 5, 4)[0], random_pair(4, 3, 5, 4)[1]
    each = torch.cat([warp(features, one[None]) for one in flow])
    torch.testing.assert_close(warp(features, flow), each, rtol=0, atol=0)


def test_batched_equals_single():
    features, flow = random_pair(3, 2, 6, 5)
    each = torch.cat([warp(features[i : i + 1], flow[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(warp(features, flow), each, rtol=0, atol=0)


def test_memory_format_does_not_matter():
    features, flow = random_pair()
    channels_last = features.to(memory_format=torch.channels_last)
    assert torch.equal(warp(features, flow), warp(channels_last, flow))


def test_bfloat16_features_keep_float32_positions_at_width_128():
    ramp = torch.arange(128.0).expand(1, 1, 2, 128).contiguous()
    flow = constant_flow(ramp, 0.5, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        warped = propagate(ramp.bfloat16(), flow, torch.ones_like(ramp))
    halfway = warped[0, 0, 0, :-1].float() - ramp[0, 0, 0, :-1]
    # The weights must be half and half: from 64 to 65 bfloat16 itself can hold 64.5, from 128 on not.
    assert warped.dtype == torch.bfloat16
    assert (halfway[:64] == 0.5).all()
    parity = torch.arange(128.0).remainder(2).expand(1, 1, 2, 128).contiguous()  # 0 1 0 1: half way is always 0.5
    assert (warp(parity.bfloat16(), flow)[..., :-1] == 0.5).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_channels_last_bfloat16_has_no_wild_values(dtype):
    # torch 2.15's CPU grid_sample returns garbage up to 1e38 for bfloat16 channels-last maps.
    features = torch.randn(1, 256, 38, 63).to(memory_format=torch.channels_last)
    flow = torch.randn(1, 2, 38, 63) * 3
    warped = warp(features.to(dtype), flow)
    torch.testing.assert_close(warped.float(), warp(features, flow), rtol=0, atol=0.05)


def test_bfloat16_gradients_are_close_to_float32():
    features, flow = random_pair(1, 8, 6, 7, dtype=torch.float32)
    exact = torch.autograd.grad(warp(features, flow).sum(), (features, flow))
    low = features.detach().bfloat16().requires_grad_()
    rough = torch.autograd.grad(warp(low, flow).float().sum(), (low, flow))
    assert rough[0].dtype == torch.bfloat16
    assert rough[1].dtype == torch.float32
    for a, b in zip(rough, exact, strict=True):
        torch.testing.assert_close(a.float(), b, rtol=0.02, atol=0.06)


def test_propagate_is_warp_times_scale():
    features, flow = random_pair()
    scale = torch.randn_like(features)
    assert torch.equal(propagate(features, flow, scale), warp(features, flow) * scale)
    assert torch.equal(propagate(features, flow), warp(features, flow))


def test_kernel_is_a_tent():
    assert bilinear_kernel(torch.tensor([0.0, 0.5, 1.0, 2.0]), torch.tensor(0.0)).tolist() == [1.0, 0.5, 0.0, 0.0]


MAP, FLOW = torch.zeros(2, 3, 4, 5), torch.zeros(2, 2, 4, 5)
NOT_A_NUMBER, INFINITE = FLOW.clone(), FLOW.clone()
NOT_A_NUMBER[0, 1, 2, 3], INFINITE[1, 0, 0, 0] = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("features", "flow", "message"),
    [
        (MAP[0], FLOW, r"features: expected \(B, C, h, w\), got \(3, 4, 5\)"),
        (MAP.int(), FLOW, "features: expected a floating-point tensor, got torch.int32"),
        (MAP, FLOW[0], r"flow: expected \(B, 2, h, w\), channel 0 = x and 1 = y, got \(2, 4, 5\)"),
        (MAP, MAP, r"flow: expected \(B, 2, h, w\).* got \(2, 3, 4, 5\)"),
        (MAP, FLOW.int(), "flow: expected a floating-point tensor, got torch.int32"),
        (MAP, FLOW[:, :, :3], r"flow: expected the features' height and width, \(4, 5\), got \(3, 5\)"),
        (MAP, FLOW[..., :3], r"flow: expected the features' height and width, \(4, 5\), got \(4, 3\)"),
        (MAP, FLOW[:1], "features: expected a batch of 1 or of the flow's 1, got 2"),
        (MAP, NOT_A_NUMBER, "flow: expected finite values, got NaN or infinity at 1 of 80"),
        (MAP, INFINITE, "flow: expected finite values, got NaN or infinity at 1 of 80"),
    ],
)
@pytest.mark.parametrize("function", [warp, propagate, warp_derivative])
def test_bad_input_is_named(function, features, flow, message):
    with pytest.raises(ValueError, match=message):
        function(features, flow)


def test_the_product_with_the_scale_is_in_the_wider_type():
    features = torch.full((1, 1, 2, 2), 1.2345678)
    flow = torch.zeros(1, 2, 2, 2)
    assert torch.equal(propagate(features, flow, torch.ones(1, 1, 2, 2, dtype=torch.bfloat16)), features)
    precise = features.double() / 3
    assert torch.equal(propagate(precise, flow, torch.ones(1, 1, 2, 2)), precise)
    with pytest.raises(ValueError, match=r"scale: expected a floating-point tensor, got torch.int64"):
        propagate(features, flow, torch.ones(1, 1, 2, 2, dtype=torch.int64))


@pytest.mark.parametrize("tiny", [-1e-9, 1e-9])
def test_equation_4_equals_autograd_next_to_a_kink(tiny):
    row = torch.tensor([0.0, 1, 4, 9, 16]).view(1, 1, 1, 5)
    flow = torch.full((1, 2, 1, 5), tiny, requires_grad=True)
    by_autograd = torch.autograd.grad(warp(row, flow).sum(), flow)[0]
    torch.testing.assert_close(warp_derivative(row, flow.detach()).sum(dim=1), by_autograd)


@pytest.mark.parametrize("wrong", [(MAP.numpy(), FLOW), (MAP, FLOW.numpy())])
def test_other_types_than_tensors_are_named(wrong):
    with pytest.raises(ValueError, match=r"(features|flow): expected a tensor, got ndarray"):
        warp(*wrong)


@pytest.mark.parametrize("wrong", [(MAP[:0], FLOW), (MAP, FLOW[:0])])
def test_empty_tensors_are_named(wrong):
    with pytest.raises(ValueError, match=r"(features|flow): expected at least one value"):
        warp(*wrong)


def test_a_scale_of_another_shape_is_named():
    with pytest.raises(ValueError, match=r"scale: expected .* \(2, 3, 4, 5\), got \(2, 1, 4, 5\)"):
        propagate(MAP, FLOW, MAP[:, :1])


def test_compiled_warp_is_the_same():
    features, flow = random_pair(dtype=torch.float32)
    compiled = torch.compile(propagate, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(features, flow, features), propagate(features, flow, features))
