"""FGFA's network: weights within their bounds, the mean by hand, both orders of embedding, and what is left alone."""

import math

import pytest
import torch
from hand_made import SIZE
from hypothesis import given
from hypothesis import strategies as st
from small_aggregation import small, video

from dffkit.aggregation.model import FULL_SIZE, Embedding, fgfa, frame_weights, weight_bounds
from dffkit.baselines.without_flow import NoFlow
from dffkit.networks.flow import flownet
from dffkit.warp import warp

pytestmark = pytest.mark.usefixtures("one_thread")


@given(st.integers(1, 30), st.integers(0, 2**31), st.floats(0.01, 100))
def test_weights_add_up_to_1_and_lie_within_their_bounds(frames, seed, size):
    random = torch.Generator().manual_seed(seed)
    embeddings = size * torch.randn(2, frames, 3, 2, 4, generator=random, dtype=torch.float64)
    weights = frame_weights(embeddings, torch.randn(2, 3, 2, 4, generator=random, dtype=torch.float64))
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 2, 4, dtype=torch.float64))
    low, high = weight_bounds(frames)
    assert low - 1e-12 <= weights.min()
    assert weights.max() <= high + 1e-12


def test_the_bounds_of_21_frames_are_reached():
    query = torch.ones(1, 2, 1, 1)
    signs = torch.ones(21, 1, 1, 1)
    signs[0] = -1
    low, high = weight_bounds(21)
    assert (low, high) == pytest.approx((1 / (1 + 20 * math.e**2), math.e**2 / (math.e**2 + 20)))
    assert frame_weights((signs * query)[None], query).min().item() == pytest.approx(low)
    assert frame_weights((-signs * query)[None], query).max().item() == pytest.approx(high)


def test_weights_by_hand():
    """Cosines 1, 0 and -1 at one place; the length of an embedding does not matter."""
    embeddings = torch.tensor([[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]).view(1, 3, 2, 1, 1)
    parts = [math.exp(cosine) for cosine in (1, 0, -1)]
    expected = torch.tensor(parts) / sum(parts)
    torch.testing.assert_close(frame_weights(embeddings, torch.tensor([5.0, 0.0]).view(1, 2, 1, 1)).flatten(), expected)


def frames_of(count):
    return torch.stack(video(count, *SIZE))


@pytest.mark.parametrize("embed_first", [False, True])
@torch.no_grad()
def test_the_mean_is_the_equation_written_out(embed_first):
    model, frames = small(embed_first=embed_first), frames_of(4)
    values = model.extract(frames)
    current = model.extract(frames[1:2])
    own = torch.tensor([False, True, False, False])
    total, normaliser = 0, 0
    for j in range(4):
        features, embedding = values.features[j : j + 1], values.embedding[j : j + 1]
        if j != 1:
            flow, _ = model.flow_network(current.flow_input, values.flow_input[j : j + 1])
            features = warp(features, flow)
            embedding = warp(embedding, flow) if embed_first else model.embedding(features)
        cosine = (embedding * current.embedding).sum(1) / embedding.norm(dim=1) / current.embedding.norm(dim=1)
        total, normaliser = total + cosine.exp() * features, normaliser + cosine.exp()
    found = model.combine(*model.carry(current, values, own), current.embedding)
    torch.testing.assert_close(found, total / normaliser, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_two_orders_differ_but_where_nothing_moves():
    model, frames = small(), frames_of(3)
    current, own = model.extract(frames[:1]), torch.tensor([True, False, False])
    for flow_network, same in ((model.flow_network, False), (NoFlow(), True)):
        model.flow_network, found = flow_network, []
        values, current = model.extract(frames), model.extract(frames[:1])
        for model.embed_first in (False, True):
            found.append(model.combine(*model.carry(current, values, own), current.embedding))
        assert torch.allclose(*found, atol=1e-6) == same


@torch.no_grad()
def test_training_takes_the_mean_over_the_neighbours_only():
    model, frames = small(), frames_of(6).view(2, 3, 3, *SIZE)
    found = model(frames[:, 0], frames[:, 1:], torch.zeros(2, 2, dtype=torch.bool))
    for b in range(2):
        current, around = model.extract(frames[b, :1]), model.extract(frames[b, 1:])
        features = model.combine(*model.carry(current, around, torch.tensor([False, False])), current.embedding)
        torch.testing.assert_close(found[b : b + 1], model.task_network(features), rtol=1e-4, atol=1e-5)


def test_a_still_trains_neither_flow_nor_embedding_and_is_per_frame_recognition():
    model, frames = small(), frames_of(2)
    neighbours = frames[:, None].expand(2, 2, 3, *SIZE)
    maps = model(frames, neighbours, torch.ones(2, 2, dtype=torch.bool))
    torch.testing.assert_close(maps, model.task_network(model.feature_network(frames)), rtol=1e-4, atol=1e-6)
    maps.square().sum().backward()
    assert all(parameter.grad is None for parameter in model.flow_network.parameters())
    assert max(parameter.grad.abs().max() for parameter in model.embedding.parameters()) < 1e-5
    assert model.feature_network.reduce.weight.grad.abs().max() > 0


def test_equal_weights_and_no_flow_are_a_plain_mean():
    model, frames = small(flow_network=NoFlow(), embedding=None), frames_of(3)
    current, values = model.extract(frames[:1]), model.extract(frames)
    found = model.combine(*model.carry(current, values, torch.tensor([True, False, False])), current.embedding)
    torch.testing.assert_close(found, values.features.mean(0, keepdim=True))


def test_every_part_is_trained_on_moving_frames():
    model, frames = small(), frames_of(3)
    model(frames[:1], frames[None, 1:], torch.zeros(1, 2, dtype=torch.bool)).square().sum().backward()
    for part in (model.feature_network.reduce, model.flow_network.flow, model.embedding[0], model.task_network.score):
        assert part.weight.grad.abs().max() > 0


def test_wrong_parts_and_inputs_are_refused():
    with pytest.raises(ValueError, match="scale_channels=64"):
        small(flow_network=flownet(width=1 / 16, scale_channels=64))
    model, frames = small(), frames_of(2)
    with pytest.raises(ValueError, match=r"neighbours: expected \(B, n, 3, H, W\)"):
        model(frames, frames, torch.ones(2, 1, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"neighbours: expected \(B, n, 3, H, W\)"):
        model(frames, frames[:1, None], torch.ones(1, 1, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"own: expected \(2, 1\) bool"):
        model(frames, frames[:, None], torch.ones(2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"own: expected \(2, 1\) bool"):
        model(frames, frames[:, None], torch.ones(2, 1))
    with pytest.raises(ValueError, match="in_channels=64"):
        small(channels=32)


def test_the_full_size_has_the_authors_layers():
    with torch.device("meta"):
        model = fgfa(50)
    layers = [layer for layer in model.embedding if isinstance(layer, torch.nn.Conv2d)]
    assert [(layer.out_channels, layer.kernel_size) for layer in layers] == [
        (512, (1, 1)),
        (512, (3, 3)),
        (2048, (1, 1)),
    ]
    assert FULL_SIZE["paper"][0] == 10
    assert [layer.out_channels for layer in Embedding(160) if isinstance(layer, torch.nn.Conv2d)] == [80, 80, 320]
