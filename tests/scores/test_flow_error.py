"""The endpoint error, on pairs whose flow is known."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from dffkit.baselines.classical_flow import ClassicalFlow
from dffkit.baselines.without_flow import NoFlow
from dffkit.datasets.toytown import WORLDS, Film
from dffkit.networks.flow import flownet_inception
from dffkit.scores import flow_error
from dffkit.warp import CELL, flow_to_cells


def shifted(step: int, hidden: bool = False):
    """One pair in which everything moves by `step` pixels to the right: a smooth random picture."""
    generator = torch.Generator().manual_seed(step)
    coarse = torch.rand(1, 3, 16, 32, generator=generator) * 255
    wide = torch.nn.functional.interpolate(coarse, size=(96, 224), mode="bicubic").clamp(0, 255)
    current, key = (wide[..., 16 - s : 16 - s + 192].round().to(torch.uint8) for s in (0, step))
    flow = torch.zeros(1, 2, 96, 192)
    flow[:, 0] = step
    occluded = torch.zeros(1, 96, 192, dtype=torch.bool)
    occluded[..., :96] = hidden
    return [(current, key, flow, occluded)]


def test_the_error_of_no_flow_is_the_motion():
    no_flow = flow_error.network_flow(NoFlow())
    assert flow_error.endpoint_errors(no_flow, shifted(7)) == pytest.approx({"all": 7, "visible": 7})


def test_exact_flow_has_no_error_and_half_hidden_cells_count_apart():
    def exact_on_the_right(current, key):
        flow = torch.zeros(1, 2, 6, 12)
        flow[:, 0, :, 6:] = 8 / CELL
        return flow

    errors = flow_error.endpoint_errors(exact_on_the_right, shifted(8, hidden=True))
    assert errors == pytest.approx({"all": 4, "visible": 0})


def test_classical_flow_finds_a_shift_in_our_direction():
    dis = flow_error.network_flow(ClassicalFlow("DIS"))
    assert flow_error.endpoint_errors(dis, shifted(6))["all"] < 1.5


def test_a_networks_flow_is_measured_without_gradient():
    network = flownet_inception(width=1 / 8, scale_channels=None)
    current, key, *_ = shifted(3)[0]
    flow = flow_error.network_flow(network)(current, key)
    assert flow.shape == (1, 2, 6, 12)
    assert not flow.requires_grad


def test_streets_give_pairs_with_their_exact_flow():
    films = [Film("val", number, 17.0) for number in (0, 1)]
    (current, key, flow, occluded), second = (flow_error.film_pairs(film, (1, 4), current=6) for film in films)
    film = Film("val", 0, 17.0)
    assert current.shape == key.shape == (2, 3, 192, 384)
    assert torch.equal(current[1], film.frame(6))
    assert torch.equal(key[1], film.frame(2))
    exact, hidden = film.flow(6, 2)
    assert torch.equal(flow[1], exact)
    assert torch.equal(occluded[1], hidden)
    assert not torch.equal(second[0], current)


def test_regions_are_objects_their_borders_and_the_rest():
    film = Film("val", 0, 30.0, WORLDS["detection"])
    covered = avg_pool2d((film.owners(6) >= 0)[None].float(), CELL)[0]
    told = torch.where(covered > 0.9, 3.0, torch.where(covered < 0.1, 1.0, 2.0))  # how wrong the flow is, in cells

    def wrong(current, key):
        exact = flow_to_cells(film.flow(6, 2)[0][None])
        return exact + torch.stack([told, torch.zeros_like(told)])[None]

    errors = flow_error.errors_by_region(wrong, [film], offsets=[4], current=6)
    expected = {"all": float(told.mean()) * CELL, "objects": 3 * CELL, "borders": 2 * CELL, "background": CELL}
    assert errors == pytest.approx(expected, rel=1e-4)


def test_sprites_come_in_batches_that_cover_them():
    batches = list(flow_error.sprites(5, (64, 96), batch=2))
    assert [len(batch[0]) for batch in batches] == [2, 2, 1]
    assert flow_to_cells(batches[0][2]).shape == (2, 2, 4, 6)
