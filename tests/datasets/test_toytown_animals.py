"""The subjects of films by hand: animals and vehicles with boxes, and a street without them as it was."""

import math
import zlib

import numpy as np
import pytest

from dffkit.datasets.toytown import LABELS, WORLDS, Film
from dffkit.datasets.toytown.animals import BUILDS, GAIT, leg_limbs, pace
from dffkit.datasets.toytown.model import LABEL, SUBJECTS, Builder, Way
from dffkit.datasets.toytown.parts import Parts
from dffkit.datasets.toytown.subjects import subject
from dffkit.datasets.toytown.view import Scene

PLACE = (0.0, 10.0)


def scene(kind: str, seed: int = 0, way: Way | None = None, **others) -> tuple[Scene, int, Builder]:
    """Return a street with nothing but a floor and one subject, its number and the builder; the camera stands at 0."""
    builder = Builder()
    grey = builder.atlas.add(np.full((8, 8, 3), 90.0))
    builder.quad((-50, 0, 0.5), (100, 0, 0), (0, 0, 99), grey, "road")
    builder.quad((-99, -50, 99), (199, 0, 0), (0, 60, 0), grey, "sky")
    builder.limb((0, -1, -9), (0, 0, -9), 0.1, grey, "pole")
    me = subject(builder, np.random.default_rng((7, seed)), way or Way(PLACE, heading=math.pi / 2), kind, **others)
    length, _, height = builder.extent[me]
    focal = 10 * min(110 / height, 280 / length)  # pixels: the subject is large
    parts = Parts(builder, lambda time: 0.0)
    street = Scene(parts, (192, 384), focal / 384, np.random.default_rng(0))
    street.haze_density, street.sun, street.centre = 0.0, 1.0, (191.5, 95.5)
    street.camera = lambda time: (np.eye(3), np.array([0.0, -height / 2, 0.0]))
    return street, me, builder


@pytest.mark.parametrize(
    ("task", "split", "number", "parts", "crc"),
    [
        ("segmentation", "train", 0, 1837, 887818247),
        ("segmentation", "val", 3, 1966, 3083328688),
        ("detection", "train", 0, 1712, 1280959327),
        ("detection", "val", 3, 1850, 788806251),
    ],
)
def test_the_streets_of_the_drive_are_built_as_ever(task, split, number, parts, crc):
    built = Film(split, number, 30.0, WORLDS[task])._scene.parts
    columns = [np.ascontiguousarray(a, np.int64) for a in (built.label, built.owner, built.texture, built.boxed)]
    assert len(built.label) == parts
    assert zlib.crc32(b"".join(column.tobytes() for column in columns)) == crc


def test_labels_of_pixels_keep_their_numbers_and_every_subject_has_its_own():
    assert [LABEL[name] for name in LABELS] == list(range(len(LABELS)))
    assert len({LABEL[kind] for kind in SUBJECTS}) == len(SUBJECTS) == 10
    assert all(LABEL[kind] >= len(LABELS) for kind in SUBJECTS if kind not in LABELS)
    assert max(LABEL.values()) < 255, "labels are stored as bytes"


@pytest.mark.parametrize("kind", SUBJECTS)
def test_a_subject_has_a_box_and_an_extent_that_fits_it(kind):
    for seed in range(3):
        street, me, builder = scene(kind, seed, rider=False)
        numbers, boxes, visible = street.boxes(street.look(0.0))
        assert list(numbers) == [me]
        assert visible[0] > 0.98
        x0, y0, x1, y1 = (boxes[0] - np.array([191.5, 95.5] * 2)) * 10 / street.focal  # in metres at its middle
        length, width, height = builder.extent[me]
        nearer = 10 / (10 - width)  # its near half looks larger; its legs swing out of the length that it stands on
        assert length * 0.9 - 0.1 < x1 - x0 < length * nearer * 1.1 + 0.1
        assert height * 0.9 < height / 2 - y0 < height * nearer * 1.05
        assert height * 0.47 < y1 < height * nearer * 0.6, "it stands on the ground"


@pytest.mark.parametrize("kind", SUBJECTS)
def test_parts_belong_to_their_subject(kind):
    street, me, _ = scene(kind)
    mine = street.parts.owner == me
    labels = set(street.parts.label[mine].tolist())
    riders = {LABEL["person"]} if kind in ("bicycle", "motorcycle") else set()
    assert labels == {LABEL[kind], LABEL["road"]} | riders, "its parts, its shadow, and its rider"
    assert (street.parts.boxed[mine & (street.parts.label == LABEL[kind])] == me).all()
    assert (street.parts.boxed[mine & (street.parts.label != LABEL[kind])] == -1).all(), "a rider has no box"


@pytest.mark.parametrize("kind", ["bicycle", "motorcycle"])
def test_a_parked_machine_has_no_rider(kind):
    street, _, _ = scene(kind, rider=False)
    assert not (street.parts.label == LABEL["person"]).any()


@pytest.mark.parametrize("kind", BUILDS)
def test_legs_move_with_the_distance_travelled(kind):
    """Among an animal's parts only its legs move in its own coordinates."""
    for speed, moving in ((1.2, 8), (0.0, 0)):
        way = Way((0.0, 10.0), velocity=(speed, 0.0), heading=math.pi / 2)
        street, me, builder = scene(kind, way=way)
        first, later = (
            street.parts.at(time, np.eye(3), np.array([speed * time, 0.0, 0.0]))[street.parts.owner == me]
            for time in (0.0, 0.07)
        )
        assert len(builder.legs) == 4
        assert (np.abs(first - later).max(1) > 1e-3).sum() == moving


def test_a_fast_animal_trots_in_diagonal_pairs_and_one_that_stands_has_straight_legs():
    leg = dict.fromkeys(GAIT, 0.0) | {"y": -0.8, "reach": 0.3}
    rows = np.array([list((leg | {"offset": offset}).values()) for offset in (0, 0.5, 0.25, 0.75)])
    walk, trot, stand = (pace(rows, np.tile([0.0, v], (4, 1)), np.full(4, v > 0)) for v in (1.0, 3.0, 0.0))
    offset, reach = GAIT.index("offset"), GAIT.index("reach")
    assert np.array_equal(walk, rows)
    assert np.allclose(trot[:, offset] % 1, [0, 0.5, 0.5, 0])
    assert (stand[:, reach] == 0).all()


def test_a_foot_stays_on_its_place_while_it_carries():
    gait = dict.fromkeys(GAIT, 0.0) | {"y": -0.8, "bone": 0.42, "bend": 1.0, "steps": 0.8, "reach": 0.375}
    travelled = np.linspace(0, 0.6 / 0.8 - 1e-6, 20)  # the foot stands for 0.6 of a step
    rows = np.tile(list(gait.values()), (20, 1))
    feet = leg_limbs(travelled, rows)[:, 1, 1]
    assert np.allclose(feet[:, 1], 0)
    assert np.allclose(feet[:, 2] + travelled, feet[0, 2])
    lifted = leg_limbs(np.array([0.8 / 0.8]), rows[:1])[0, 1, 1]
    assert lifted[1] < -0.05
    again = leg_limbs(travelled + 1 / 0.8, rows)
    assert np.allclose(again, leg_limbs(travelled, rows))


@pytest.mark.parametrize("kind", SUBJECTS)
def test_the_same_seed_gives_the_same_picture_and_another_seed_another(kind):
    pictures = []
    for seed in (0, 0, 1):
        street, _, _ = scene(kind, seed)
        pictures.append(street.frame(street.look(0.2)))
    assert np.array_equal(pictures[0], pictures[1])
    assert np.abs(pictures[0].astype(int) - pictures[2]).mean() > 0.3


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match=r"kind: expected one of .*'zebra'.*, got 'cat'"):
        scene("cat")
