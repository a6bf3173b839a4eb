"""feature_maps.py: correlations, choices of filters and errors by hand, by numpy, and on a small model."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hand_made import small_model
from hypothesis import given
from hypothesis import strategies as st

from dffkit.baselines.without_flow import NoFlow
from dffkit.datasets.toytown import Film
from dffkit.experiments.map_similarity import LAYERS
from dffkit.paper import feature_maps
from dffkit.paper.feature_maps import Survey
from dffkit.warp import warp


@pytest.fixture(scope="module")
def street() -> feature_maps.PropagatedStreet:
    return feature_maps.propagate_street(small_model(), Film("test", 0), key=3, length=4)


# Correlation


@given(st.integers(1, 3), st.integers(1, 4), st.integers(2, 5), st.integers(0, 10**6))
def test_correlation_is_numpys(frames, filters, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randn(frames, filters, 3, columns, generator=generator, dtype=torch.float64)
    share = torch.rand(frames, 3, columns, generator=generator, dtype=torch.float64)
    expected = [np.corrcoef(maps[:, c].flatten(), share.flatten())[0, 1] for c in range(filters)]
    assert feature_maps.correlation(maps, share).numpy() == pytest.approx(expected, abs=1e-9)


def test_correlation_by_hand():
    maps = torch.tensor([[1.0, 3], [5, 7]]).view(1, 1, 2, 2)
    share = torch.tensor([[0.0, 0], [1, 1]]).view(1, 2, 2)
    assert float(feature_maps.correlation(maps, share)) == pytest.approx(4 / 20**0.5)
    assert float(feature_maps.correlation(5 - 2 * maps, 0.1 * share + 3)) == pytest.approx(-4 / 20**0.5)


@pytest.mark.parametrize("value", [0.0, 0.1, 7.3])
def test_a_constant_filter_has_correlation_0(value):
    maps = torch.full((2, 1, 4, 6), value)
    assert float(feature_maps.correlation(maps, torch.rand(2, 4, 6))) == pytest.approx(0, abs=1e-6)
    assert float(feature_maps.correlation(torch.rand(2, 1, 4, 6), torch.zeros(2, 4, 6))) == 0


@pytest.mark.parametrize(
    ("maps", "share"), [((2, 3, 4), (2, 3, 4)), ((2, 3, 4, 5), (1, 4, 5)), ((2, 3, 4, 5), (2, 5, 4))]
)
def test_maps_and_shares_of_other_sizes_are_refused(maps, share):
    with pytest.raises(ValueError, match=r"share: expected .* got"):
        feature_maps.correlation(torch.zeros(maps), torch.zeros(share))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
def test_the_share_of_a_class_is_counted_pixel_by_pixel(height, width, seed):
    labels = torch.randint(3, (1, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    share = feature_maps.class_share(labels, 2)
    assert share.shape == (1, -(-height // 16), -(-width // 16))
    for row, column in itertools.product(*map(range, share.shape[1:])):
        block = labels[0, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
        assert float(share[0, row, column]) == pytest.approx(float((block == 2).double().mean()))


# The choice


def made_survey(best: int, seed: int) -> Survey:
    """Eight filters, of which `best` is nearly the share of both classes, filter 3 its opposite, and filter 5 dead."""
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(4, 3, 5, generator=generator, dtype=torch.float64)
    features = torch.rand(4, 8, 3, 5, generator=generator, dtype=torch.float64)
    features[:, best] = 3 * share + 0.1 * features[:, best]
    features[:, 3] = 5 - 9 * share
    features[:, 5] = 0
    return Survey(features, dict.fromkeys(feature_maps.CLASSES, share), dict.fromkeys(feature_maps.CLASSES, share**2))


def test_the_best_filter_on_val_is_chosen_and_rated_on_test():
    same = feature_maps.best_filters(made_survey(6, seed=0), made_survey(6, seed=1))
    assert [(c.name, c.filter, c.rank) for c in same] == [("car", 6, 1), ("person", 6, 1)]
    assert min(c.val for c in same) > 0.99
    assert min(c.test for c in same) > 0.99
    other = feature_maps.best_filters(made_survey(6, seed=0), made_survey(2, seed=1))[0]
    assert (other.filter, other.val > 0.99, other.test < 0.9) == (6, True, True)
    assert other.rank > 1


def test_the_rank_counts_the_filters_above():
    val, test = made_survey(6, seed=0), made_survey(2, seed=1)
    ranks = sorted((feature_maps.rate_filter("car", number, val, test).rank, number) for number in range(8))
    assert [rank for rank, _ in ranks] == list(range(1, 9))
    assert ranks[0] == (1, 2)
    assert ranks[-1] == (8, 3)


def test_a_random_filter_is_neither_silent_nor_a_best_one_and_depends_on_the_seed_alone():
    val, test = made_survey(6, seed=0), made_survey(6, seed=1)
    drawn = {feature_maps.random_filter(val, test, seed)[0].filter for seed in range(60)}
    assert drawn == {0, 1, 2, 3, 4, 7}
    once, again = (feature_maps.random_filter(val, test, 7) for _ in range(2))
    assert once == again
    assert [choice.name for choice in once] == ["car", "person"]
    assert once[0].filter == once[1].filter


def test_the_correlation_of_the_networks_own_probability_is_numpys():
    test = made_survey(6, seed=1)
    expected = np.corrcoef(test.probabilities["car"].flatten(), test.shares["car"].flatten())[0, 1]
    assert feature_maps.network_correlation(test) == pytest.approx({"car": expected, "person": expected})


def test_a_survey_has_features_shares_and_probabilities_of_each_frame():
    model, film = small_model(), Film("val", 1)
    survey = feature_maps.survey(model, "val", streets=2, moments=(4, 9))
    assert survey.features.shape == (4, 64, 12, 24)
    assert torch.equal(survey.features[2], model.feature_network(film.frame(4)[None])[0])
    for name, label in (("car", 6), ("person", 8)):
        assert float(survey.shares[name][2].mean()) == pytest.approx(float((film.labels(4) == label).double().mean()))
        probability = model(film.frame(4)[None]).softmax(1)[0, label]
        assert torch.allclose(survey.probabilities[name][2], probability)


# Propagated maps


def test_a_street_is_propagated_as_the_model_does(street):
    model, film = small_model(), Film("test", 0)
    frames = torch.stack([film.frame(3 + gap, clear=True) for gap in range(4)])
    assert torch.equal(street.frames, frames)
    assert torch.equal(street.features[2], model.feature_network(frames[2:3])[0])
    key = model.key_frame(frames[:1])
    expected = model.on_current_frame(frames[1:], key)
    assert torch.allclose(model.task_network(street.propagated[1:]), expected)
    assert torch.equal(street.propagated[0], street.features[0])


def test_any_clip_is_propagated_like_a_street(street):
    model = small_model()
    clip = feature_maps.propagate_clip(model, list(street.frames))
    assert torch.equal(clip.frames, street.frames)
    assert torch.allclose(clip.features, street.features)
    assert torch.allclose(clip.propagated, street.propagated)


def test_without_labels_the_filter_is_chosen_by_the_networks_own_probability(street):
    features = torch.rand(2, 3, 4, 5)
    first = 1 - features[:, 1]
    probabilities = torch.stack([first, features[:, 2] ** 2 * (1 - first), (1 - features[:, 2] ** 2) * (1 - first)], 1)
    model = SimpleNamespace(task_network=lambda maps: probabilities.log())
    clip = feature_maps.PropagatedClip(street.frames[:2], features, features, street.flow[:2])
    expected = [feature_maps.correlation(features, probabilities[:, label]).argmax().item() for label in (0, 1)]
    assert expected[1] == 2
    assert [feature_maps.filter_by_probability(model, clip, label) for label in (0, 1)] == expected


def test_a_street_has_the_exact_flow_and_the_features_warped_by_it(street):
    flow, hidden = Film("test", 0).flow(5, 3)
    assert float(street.hidden[2, 4, 0]) == pytest.approx(float(hidden[64:80, :16].double().mean()))
    assert street.hidden.max() > 0.5
    assert street.exact_flow[2, :, 6, 1].tolist() == pytest.approx((flow[:, 96:112, 16:32].mean((1, 2)) / 16).tolist())
    assert torch.allclose(street.warped[0], street.features[0], atol=1e-9)


def test_without_flow_the_errors_are_those_of_a_copy():
    still = feature_maps.propagate_street(small_model(NoFlow()), Film("test", 0), key=3, length=3)
    table = feature_maps.propagation_errors([still, still])
    assert table.index.tolist() == [0, 1, 2]
    assert table.loc[0].tolist() == pytest.approx([0, 0, 0], abs=1e-9)
    # The maps are equal, but their memory layouts and so the order of the sums differ: float64 rounding remains.
    assert torch.equal(still.propagated, still.features[:1].expand_as(still.propagated))
    assert table["copied"].tolist() == pytest.approx(table["carried"].tolist(), rel=1e-12)
    expected = (still.features[2] - still.features[0]).abs().mean() / still.features[2].abs().mean()
    assert table["copied"][2] == pytest.approx(float(expected))


def test_the_gain_of_a_layer_is_its_error_with_the_exact_flow_over_its_error_without(street):
    table = feature_maps.flow_gain_by_layer([street, street])
    assert table.index.tolist() == [1, 2, 3]
    assert list(table.columns) == list(LAYERS)
    moved = (street.exact_flow[3].norm(dim=0) >= 0.5) & (street.hidden[3] < 0.1)
    assert 0 < moved.double().mean() < (street.hidden[3] < 0.1).double().mean() < 1
    off = [(maps - street.features[3]).abs()[:, moved].sum() for maps in (street.warped[3], street.features[0])]
    assert table["features"][3] == pytest.approx(float(off[0] / off[1]))
    small = F.adaptive_avg_pool2d(street.frames.double(), (12, 24))
    warped = warp(small[:1], street.exact_flow[3:])
    off = [(maps - small[3]).abs()[:, moved].sum() for maps in (warped[0], small[0])]
    assert table["pixels"][3] == pytest.approx(float(off[0] / off[1]))
    assert table["pixels"][3] < 1, "the exact flow brings pixels to where they are"
