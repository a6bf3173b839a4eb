"""The handheld world: its statistics are ImageNet VID's, boxes are around what is seen, frames are exposed."""

import dataclasses
import math
import tomllib

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dffkit.datasets import toytown
from dffkit.datasets.toytown import HANDHELD, SUBJECTS, Film, statistics
from dffkit.datasets.toytown.view import waver
from dffkit.networks.proposals import make_anchors, overlaps
from dffkit.support.files import root
from dffkit.training.handheld_recipes import DETECTOR, FILMS

NUMBERS = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def films():
    return [Film("train", number, 30.0, HANDHELD) for number in NUMBERS]


@pytest.fixture(scope="module")
def seen():
    return statistics.stored()


@pytest.mark.parametrize("entry", statistics.targets(), ids=lambda entry: entry["name"])
def test_every_statistic_is_within_its_target(seen, entry):
    value = statistics.statistics(seen)[entry["name"]]
    low, high = entry.get("target", (-math.inf, math.inf))
    assert low <= value <= high
    assert entry["sure"]


def test_the_drive_has_many_small_things_where_vid_has_few():
    table = statistics.beside_vid().set_index("statistic")
    assert list(table.columns) == ["ImageNet VID", "aim", "handheld", "drive"]
    for name in ("boxes per frame", "boxes with a shorter side below 2.5 cells"):
        high = float(table.aim[name].split()[-1])
        assert table.handheld[name] <= high < table.drive[name] / 2


def test_the_camera_does_what_the_targets_say():
    camera = tomllib.loads((root() / "data" / statistics.TARGETS).read_text("utf-8"))["camera"]
    assert HANDHELD.shutter == camera["shutter_angle"] / 360
    assert HANDHELD.focus_error == camera["focus_error"]


@pytest.mark.parametrize(("world", "step"), [("handheld", 50), ("drive", 200)])
def test_the_stored_boxes_are_those_of_the_films(world, step):
    seen = statistics.stored(world)
    assert seen.films >= 1000
    for number in range(7, 1000, step):
        things, smaller = statistics.observe(number, world)
        stored = [thing for thing in seen.things if thing.film == number]
        assert [thing[:6] for thing in things] == [thing[:6] for thing in stored]
        assert np.allclose([thing[6:] for thing in things], [thing[6:] for thing in stored], atol=2e-4)
        assert smaller == (number in seen.with_smaller)


def test_three_scales_of_anchors_cover_the_boxes(seen):
    shapes = {name.removeprefix("anchor_"): value for name, value in DETECTOR if name.startswith("anchor_")}
    assert len(shapes["scales"]) == len(shapes["ratios"]) == 3
    assert "positions" not in shapes
    boxes = torch.tensor([thing[2:6] for thing in seen.things]).float()
    best = overlaps(make_anchors(12, 24, **shapes), boxes)[:, :-1].amax(0)
    assert (best >= 0.5).float().mean() >= 0.95
    assert seen.films <= FILMS


def test_boxes_are_around_what_is_seen(films):
    for film in films:
        owners, found = film.owners(9), film.boxes(9)
        assert len(found["boxes"])
        for track, box in zip(found["tracks"].tolist(), found["boxes"].long().tolist(), strict=True):
            y, x = torch.nonzero(owners == track, as_tuple=True)
            assert [x.min(), y.min(), x.max() + 1, y.max() + 1] == box
        assert ((found["visible"] >= 0.2) & (found["visible"] <= 1)).all()
        assert ((found["labels"] >= 1) & (found["labels"] <= len(SUBJECTS))).all()


def test_label_maps_show_subjects_and_nothing_else(films):
    for film in films:
        labels, owners, found = film.labels(9), film.owners(9), film.boxes(9, min_side=0)
        for track, label in zip(found["tracks"].tolist(), found["labels"].tolist(), strict=True):
            assert (labels[owners == track] == label).all()
        assert (labels[owners == -1] == 0).all()


def test_the_flow_takes_the_key_frame_to_the_current_frame(films):
    for film in films:
        flow, hidden = film.flow(9, 4)
        now, then = (film.frame(i, clear=True).float() for i in (9, 4))
        y, x = torch.meshgrid(torch.arange(192), torch.arange(384), indexing="ij")
        grid = torch.stack([(x + flow[0]) * 2 / 383 - 1, (y + flow[1]) * 2 / 191 - 1], -1)[None]
        found = F.grid_sample(then[None], grid, align_corners=True, padding_mode="border")[0]
        assert (found - now).abs().mean(0)[~hidden].median() < 3


def test_exposures_blur_what_moves_and_nothing_else():
    moved = []
    for number in range(8):
        film = Film("train", number, 30.0, dataclasses.replace(HANDHELD, focus_error=0.0))
        flow, hidden = film.flow(9, 8)
        sharpness = (_sharpness(film.frame(9, clear)) for clear in (False, True))
        moved.append((float(flow.norm(dim=0)[~hidden].median()), *sharpness))
    moved.sort()
    (_, still, clear), (_, fast, clear_fast) = moved[0], moved[-1]
    assert still > 0.9 * clear
    assert fast < 0.8 * clear_fast


def _sharpness(frame):
    return float(frame.float().diff(dim=-1).abs().mean())


def test_training_takes_motion_from_the_boxes_after_the_labelled_frame_too():
    short, long = (toytown.record("train", 1, 30.0, length, HANDHELD) for length in (10, 20))
    assert torch.equal(short["boxes"][9, : short["counts"][9]], long["boxes"][9, : long["counts"][9]])
    assert set(short) == {"frames", "boxes", "counts"}


def test_a_still_is_one_frame_with_both_targets():
    (still,) = toytown.snippets("stills", "both", [5], annotated=(0,), length=1, fps=30.0, world=HANDHELD)
    labels, found = still.targets[0]
    assert len(still.frames) == 1
    assert set(labels.unique().tolist()) >= {0, *found["labels"].tolist()}


def test_an_operator_wavers_by_the_sum_of_sines():
    sines = (2.0, 3.0, 0.0), (0.5, 0.0, math.pi / 2)
    assert waver(sines, 0.0) == pytest.approx(0.5)
    assert waver(sines, math.pi / 6) == pytest.approx(2.5)
