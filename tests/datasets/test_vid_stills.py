"""imagenet_vid.py: stills of DET, when they are read, and a census of what counts."""

import warnings

import pytest
from vid_tree import (
    AIRPLANE,
    CROQUET_BALL,
    STILL,
    brightness,
    listed,
    thing,
    write_image,
    write_still,
)

from dffkit.datasets.imagenet_vid import stills
from dffkit.datasets.snippets import SkippedRecords
from dffkit.support.errors import DataError
from dffkit.training.pairs import Pairs


def test_a_still_is_its_own_key_frame(tmp_path):
    write_still(tmp_path, STILL, thing(track=None), brightness=200)
    (snippet,) = stills(tmp_path, listed(tmp_path, f"{STILL} 1"))
    assert (snippet.name, len(snippet.frames), list(snippet.targets), dict(snippet.motion)) == (STILL, 1, [0], {})
    assert brightness(snippet.frames[0]) == 20
    assert snippet.targets[0]["labels"].tolist() == [1]
    assert Pairs([snippet], 0).batch(range(6)).same.all()


def test_an_image_that_a_list_repeats_comes_once(tmp_path):
    write_still(tmp_path)
    path = listed(tmp_path, *[f"{STILL} 1"] * 3)
    with pytest.warns(SkippedRecords, match=r"list\.txt: 2 lines repeat others, and count once$") as told:
        assert len(stills(tmp_path, path)) == 1
    assert told[0].filename == __file__


def test_objects_of_other_classes_are_told_of_once(tmp_path):
    names = [f"{STILL}-{i}" for i in range(3)]
    for name, objects in zip(names, ([], [CROQUET_BALL], [CROQUET_BALL, AIRPLANE]), strict=True):
        write_still(tmp_path, name, *(thing(name=each, track=None) for each in objects))
    found = stills(tmp_path, listed(tmp_path, *(f"{name} 1" for name in names)))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        assert [len(snippet.targets[0]["boxes"]) for snippet in found] == [0, 0, 1]
    (warning,) = told
    assert warning.category is SkippedRecords
    where, _, said = str(warning.message).partition(": ")
    assert where == str(tmp_path / "Annotations" / "DET")
    assert said == "objects of other classes than VID's 30 are skipped"


def test_stills_are_read_when_they_are_asked_for(tmp_path):
    write_still(tmp_path)
    path = listed(tmp_path, f"{STILL} 1", "val/ILSVRC2012_val_00000001 1")
    found = stills(tmp_path, path)
    with pytest.raises(DataError, match=r"val_00000001.JPEG: no such file"):
        found[1].frames[0]
    with pytest.raises(DataError, match=r"val_00000001.xml: no such file"):
        found[1].targets[0]
    write_image(tmp_path / "Data" / "DET" / "val" / "ILSVRC2012_val_00000001.JPEG", 0)
    assert brightness(found[1].frames[0]) == 0


@pytest.mark.parametrize("part", ["Data", "Annotations"])
def test_a_missing_folder_of_stills_is_named(tmp_path, part):
    write_still(tmp_path)
    (tmp_path / part / "DET").rename(tmp_path / "away")
    with pytest.raises(DataError, match=rf"{part}.DET: no such folder"):
        stills(tmp_path, listed(tmp_path, f"{STILL} 1"))
