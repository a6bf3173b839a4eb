"""map_similarity.py: how alike maps are over a gap, by hand and on a small model."""

import itertools
import sys

import pandas
import pytest
import torch
from hand_made import small_model

from dffkit.datasets.snippets import Snippet
from dffkit.datasets.toytown import Film
from dffkit.experiments import map_similarity, results
from dffkit.experiments.runs import Run, Workspace
from dffkit.paper import feature_maps
from dffkit.training.recipes import find


@pytest.fixture(scope="module")
def street() -> feature_maps.PropagatedStreet:
    return feature_maps.propagate_street(small_model(), Film("test", 0), key=3, length=4)


def test_the_layers_are_the_network_s():
    network, frame = small_model().feature_network, torch.randint(256, (3, 96, 128), dtype=torch.uint8)
    found = map_similarity.layers(network, frame)
    assert list(found) == ["pixels", *[name for name in found if name != "pixels"]]
    assert set(found) == set(map_similarity.LAYERS)
    shapes = {name: tuple(maps.shape[2:]) for name, maps in found.items()}
    assert shapes == {"pixels": (96, 128), "conv1": (48, 64), "conv3": (12, 16), "conv5": (6, 8), "features": (6, 8)}
    assert torch.equal(found["features"], network(frame[None]))
    assert torch.equal(found["conv3"], network(frame[None], stop=2))
    assert torch.equal(found["conv5"], network(frame[None], stop=4))
    assert torch.equal(network.layer1(network.maxpool(found["conv1"])), network(frame[None], stop=1))
    assert (map_similarity.layers(network.float(), frame)["conv1"] >= 0).all()
    assert not any(module._forward_hooks for module in network.modules()), "hooks are left behind"


def test_both_ways_to_a_grid():
    maps = torch.arange(32.0).view(1, 1, 4, 8)
    assert map_similarity.at_points(maps, (2, 4))[0, 0].tolist() == [[9, 11, 13, 15], [25, 27, 29, 31]]
    averaged = map_similarity.GRIDS["averaged over each cell"](maps, (2, 4))
    assert averaged[0, 0].tolist() == [[4.5, 6.5, 8.5, 10.5], [20.5, 22.5, 24.5, 26.5]]
    for reduce in map_similarity.GRIDS.values():
        assert torch.equal(reduce(maps, (4, 8)), maps)


def test_standardized_channels_have_mean_0_and_variance_1_and_constant_ones_are_0():
    maps = 4 * torch.rand(5, 2, 3, 4, 6) + 7
    maps[:, :, 1] = 2.5
    z = map_similarity.standardized(maps)
    deviation, mean = torch.std_mean(z, (0, 1, 3, 4), correction=0)
    assert mean.tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert deviation.tolist() == pytest.approx([1, 0, 1], abs=1e-5)


def test_similarity_is_1_for_equals_and_minus_1_for_opposites():
    maps = torch.randn(3, 4, 5)
    assert map_similarity.similarity(maps, 2 * maps) == pytest.approx(1)
    assert map_similarity.similarity(maps, -maps) == pytest.approx(-1)
    assert map_similarity.similarity(maps, torch.zeros(3, 4, 5)) == 0


def test_maps_that_move_one_cell_a_frame_are_alike_only_at_gap_0():
    pattern = torch.randn(1, 400)
    moving = torch.stack([pattern.roll(t, 1) for t in range(5)]).view(5, 1, 1, 400)
    assert map_similarity.over_gap(moving, 0) == pytest.approx(1)
    assert all(abs(map_similarity.over_gap(moving, gap)) < 0.2 for gap in (1, 2, 4))


def test_the_curves_are_those_of_the_pairs(street):
    other = feature_maps.propagate_street(small_model(), Film("test", 1), key=0, length=4)
    for grid in map_similarity.GRIDS:
        curves = map_similarity.between_streets([each.layers[grid] for each in (street, other)])
        assert list(curves.columns) == list(map_similarity.LAYERS)
        assert curves.index.tolist() == [0, 1, 2, 3, "another street"]
        assert curves.loc[0].tolist() == pytest.approx([1] * 5)
        both = torch.stack([each.layers[grid]["conv3"] for each in (street, other)])
        z = ((both - both.mean((0, 1, 3, 4), keepdim=True)) / both.std((0, 1, 3, 4), keepdim=True)).nan_to_num()
        products = sum((a * b).sum() for street in z for a, b in itertools.pairwise(street))
        squares = [sum((a * a).sum() for street in z for a in street[part]) for part in (slice(-1), slice(1, None))]
        assert curves["conv3"][1] == pytest.approx(float(products / (squares[0] * squares[1]).sqrt()), abs=1e-6)
        crossed = 2 * (z[0] * z[1]).sum() / z.square().sum()
        assert curves["conv3"]["another street"] == pytest.approx(float(crossed), abs=1e-6)


def test_above_chance_another_street_is_0_and_the_same_frame_1():
    curves = pandas.DataFrame({"pixels": [1.0, 0.7, 0.4], "conv5": [1.0, 0.9, 0.8]}, index=[0, 1, "another street"])
    above = map_similarity.above_chance(curves)
    assert above.index.tolist() == [0, 1]
    assert above.loc[1].tolist() == pytest.approx([0.5, 0.5])


def test_in_a_clip_every_pair_of_a_gap_counts_and_elsewhere_is_the_mean_over_all_pairs():
    generator = torch.Generator().manual_seed(0)
    clip = torch.rand(5, 3, 2, 4, generator=generator, dtype=torch.float64)
    others = torch.rand(3, 3, 2, 4, generator=generator, dtype=torch.float64) + 0.5
    table = map_similarity.in_clip(*(dict.fromkeys(map_similarity.LAYERS, maps) for maps in (clip, others)), longest=2)
    assert list(table["pixels"]) == [0, 1, 2, "another street"]
    both = torch.cat([clip, others])
    z = (both - both.mean((0, 2, 3), keepdim=True)) / both.std((0, 2, 3), correction=0, keepdim=True)
    here, there = z[:5], z[5:]
    products = sum((here[t] * here[t + 2]).sum() for t in range(3))
    expected = products / (here[:3].square().sum() * here[2:].square().sum()).sqrt()
    assert table["conv3"][2] == pytest.approx(float(expected))
    crossed = sum((a * b).sum() for a in here for b in there) / 15
    expected = crossed / (here.square().sum() / 5 * there.square().sum() / 3).sqrt()
    assert table["conv3"]["another street"] == pytest.approx(float(expected))


def test_camvids_maps_become_rows_and_tables_again(tmp_path, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    parts = {
        split: [torch.randint(256, (3, 64, 96), dtype=torch.uint8, generator=generator) for _ in range(count)]
        for split, count in (("test", 12), ("val", 2))
    }
    monkeypatch.setattr(map_similarity, "real_folder", lambda name: tmp_path)
    clips = {split: [Snippet(split, 15.0, frames, {})] for split, frames in parts.items()}
    monkeypatch.setattr(map_similarity.camvid, "snippets", lambda folder, split: clips[split])
    network = small_model().feature_network
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pandas", None)  # the extra "training" has none
        rows = map_similarity.scores(network, Run(find("camvid/dff")).measurement("test"))
    maps = [map_similarity.on_grids(network, parts[split]) for split in ("test", "val")]
    results.add(tmp_path / "evaluation.csv", rows)
    monkeypatch.setattr(map_similarity, "default_workspace", lambda: Workspace(tmp_path, tmp_path, tmp_path))
    for grid, table in map_similarity.in_camvid_clip().items():
        expected = pandas.DataFrame(map_similarity.in_clip(*(part[grid] for part in maps)))
        pandas.testing.assert_frame_equal(table, expected, check_index_type=False)
    assert {row.frames for row in rows} == {12}


@pytest.mark.parametrize(
    ("name", "split", "wanted"),
    [("dff", "test", True), ("dff", "val", False), ("frame", "test", False), ("separate", "test", False)],
)
def test_only_trained_deep_feature_flow_has_such_rows(name, split, wanted):
    assert map_similarity.is_measured(find(f"camvid/{name}"), split) == wanted
    assert not map_similarity.is_measured(find("toytown/segmentation/dff"), split)
