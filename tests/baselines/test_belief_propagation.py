"""Belief propagation: messages against their definition, exact on chains and single pixels, plausible on grids."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dffkit.baselines.belief_propagation import message_to_neighbour, minimize


def energy(costs, centre, flow, alpha, truncation, gamma):
    """Compute the energy as defined in `minimize`."""
    half = costs.shape[2] // 2
    labels = flow - centre + half
    y, x = np.indices(flow.shape[1:])
    total = costs[y, x, labels[0], labels[1]].sum() + gamma * np.abs(flow).sum()
    for axis in (1, 2):
        total += np.minimum(alpha * np.abs(np.diff(flow, axis=axis)), truncation).sum()
    return total


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(-12, 12), st.floats(0, 3), st.floats(0, 8))
def test_a_message_is_the_least_over_the_own_labels(seed, window, shift, alpha, truncation):
    rng = np.random.default_rng(seed)
    labels = 2 * window + 1
    total, received = rng.uniform(0, 10, (2, labels)).astype(np.float32)
    message = np.empty(labels, np.float32)
    message_to_neighbour(total, received, np.float32(alpha), np.float32(truncation), shift, message)
    a, b = np.arange(labels)[:, None], np.arange(labels) + shift  # the neighbour's labels, in the own ones
    expected = ((total - received)[:, None] + np.minimum(alpha * np.abs(a - b), truncation)).min(0)
    np.testing.assert_allclose(message, expected - expected.min(), atol=1e-4)


def test_a_single_pixel_gets_its_best_pair_of_labels():
    costs = np.random.default_rng(0).uniform(0, 9, (1, 1, 5, 5)).astype(np.float32)
    centre = np.array([3, -7]).reshape(2, 1, 1)
    flow = minimize(costs, centre, alpha=1, truncation=5, gamma=0.1, iterations=2)
    pairs = itertools.product(range(1, 6), range(-9, -4))
    best = min(pairs, key=lambda p: energy(costs, centre, np.array(p).reshape(2, 1, 1), 1, 5, 0.1))
    assert tuple(flow.ravel()) == best


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_chains_are_solved_exactly_if_the_two_labels_are_independent(shape):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        one, other = rng.uniform(0, 4, (2, *shape, 3)).astype(np.float32)
        costs = one[..., :, None] + other[..., None, :]
        centre = rng.integers(-3, 4, (2, *shape))
        alpha, truncation, gamma = rng.uniform(0.1, 2), rng.uniform(0.5, 4), rng.uniform(0, 0.5)
        flow = minimize(costs, centre, alpha=alpha, truncation=truncation, gamma=gamma, iterations=8)
        found = energy(costs, centre, flow, alpha, truncation, gamma)
        for layer in range(2):  # the layers are independent: neither can lower the energy alone
            energies = []
            for labels in itertools.product(range(3), repeat=5):
                other_flow = flow.copy()
                other_flow[layer] = np.reshape(labels, shape) + centre[layer] - 1
                energies.append(energy(costs, centre, other_flow, alpha, truncation, gamma))
            assert found == pytest.approx(min(energies), abs=1e-3)


def test_noise_is_smoothed_away_and_an_edge_is_kept():
    rng = np.random.default_rng(1)
    truth = np.zeros((2, 16, 24), np.int64)
    truth[0, :, 12:], truth[1, :, 12:] = 2, -1
    steps = np.arange(-2, 3)
    distance = np.abs(truth[0][..., None, None] - steps[:, None]) + np.abs(truth[1][..., None, None] - steps)
    costs = (np.minimum(distance, 2) + rng.normal(0, 0.9, distance.shape)).astype(np.float32)
    settings = {"alpha": 1.0, "truncation": 2.0, "gamma": 0.01}
    centre = np.zeros_like(truth)
    alone = np.stack(np.unravel_index(costs.reshape(16, 24, -1).argmin(2), (5, 5))) - 2
    flow = minimize(costs, centre, iterations=30, **settings)
    assert (alone != truth).any(0).mean() > 0.3  # the labels of the data terms alone
    assert (flow != truth).any(0).mean() < 0.02
    assert energy(costs, centre, flow, **settings) <= energy(costs, centre, truth, **settings) * 1.02


def test_windows_may_differ_from_pixel_to_pixel():
    truth = np.full((2, 6, 8), 3, np.int64)
    centre = truth + np.random.default_rng(2).integers(-1, 2, truth.shape)
    costs = np.ones((6, 8, 3, 3), np.float32)
    y, x = np.indices((6, 8))
    costs[y, x, (truth - centre + 1)[0], (truth - centre + 1)[1]] = 0
    assert (minimize(costs, centre, alpha=0.5, truncation=2, gamma=0.0, iterations=8) == truth).all()
