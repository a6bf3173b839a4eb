"""Cityscapes: snippets from a small copy of the official layout, and errors for incomplete data."""

import numpy as np
import pytest
import torch
from city_tree import SIZE, frame_path, label_path, write, write_snippet

from dffkit.datasets.cityscapes import CLASS_OF_LABEL_ID, CLASSES, snippets
from dffkit.support.errors import DataError
from dffkit.training.pairs import Pairs


def test_snippet_has_thirty_frames_and_the_twentieth_is_labelled(tmp_path):
    (snippet,) = snippets(write_snippet(tmp_path), "train")
    assert (snippet.name, snippet.fps, len(snippet.frames)) == ("ulm_000000_000019", 17.0, 30)
    assert [int(frame[0, 0, 0]) for frame in snippet.frames] == list(range(30))
    assert snippet.frames[7].shape == (3, *SIZE)
    assert list(snippet.targets) == [19]
    assert torch.equal(snippet.targets[19], torch.full(SIZE, 3, dtype=torch.uint8))


def test_frame_ten_comes_after_frame_nine_even_without_leading_zeros(tmp_path):
    write_snippet(tmp_path)
    for number in range(30):
        path = frame_path(tmp_path, number)
        path.rename(path.with_name(f"ulm_000000_{number}_leftImg8bit.png"))
    (snippet,) = snippets(tmp_path, "train")
    assert [int(frame[0, 0, 0]) for frame in snippet.frames] == list(range(30))


def test_labels_separate_snippets_of_one_sequence_number(tmp_path):
    for labelled in (42, 72, 200):  # the first two without a gap: 23..52 and 53..82
        write_snippet(tmp_path, labelled, city="hamburg", labels=list(CLASS_OF_LABEL_ID)[labelled % 19])
    found = snippets(tmp_path, "train")
    assert [snippet.name[-6:] for snippet in found] == ["000042", "000072", "000200"]
    assert [int(snippet.frames[0][0, 0, 0]) for snippet in found] == [23, 53, 181]
    assert [int(snippet.targets[19][0, 0]) for snippet in found] == [4, 15, 10]


def test_cities_and_sequences_come_in_order_and_splits_apart(tmp_path):
    write_snippet(tmp_path, city="ulm", sequence=10)
    write_snippet(tmp_path, city="ulm", sequence=9)
    write_snippet(tmp_path, city="aachen")
    write_snippet(tmp_path, city="lindau", split="val")
    found = [snippet.name for snippet in snippets(tmp_path, "train")]
    assert found == ["aachen_000000_000019", "ulm_000009_000019", "ulm_000010_000019"]
    assert [snippet.name for snippet in snippets(str(tmp_path), "val")] == ["lindau_000000_000019"]


def test_label_ids_become_train_ids(tmp_path):
    ids = np.arange(34).reshape(2, 17)
    (snippet,) = snippets(write_snippet(tmp_path, labels=[[0]]), "train")
    write(label_path(tmp_path, 19), ids)
    write(frame_path(tmp_path, 19), np.zeros((*ids.shape, 3)))
    made = snippet.targets[19].flatten().tolist()
    assert [CLASSES[i] for i in made if i != 255] == list(CLASS_OF_LABEL_ID.values())
    assert {label: CLASSES[i] for label, i in enumerate(made) if i != 255} == CLASS_OF_LABEL_ID
    assert made.count(255) == 34 - 19
    assert (made[7], made[24], made[33]) == (0, 11, 18)  # road, person, bicycle


@pytest.mark.parametrize("label", [34, 255])
def test_label_of_no_class_is_refused_on_access(tmp_path, label):
    (snippet,) = snippets(write_snippet(tmp_path, labels=label), "train")
    said = rf"19_gtFine_labelIds.png: expected label ids 0\.\.33, got {label}; unpack gtFine_trainvaltest.zip again"
    with pytest.raises(DataError, match=said):
        snippet.targets[19]


def test_labels_of_another_size_than_their_frame_are_reported_on_access(tmp_path):
    (snippet,) = snippets(write_snippet(tmp_path), "train")
    write(label_path(tmp_path, 19), np.zeros((SIZE[0] // 2, SIZE[1] // 2)))
    said = r"labelIds.png: expected the size of .*000019_leftImg8bit.png, 8x4, got 4x2; get both again"
    with pytest.raises(DataError, match=said):
        snippet.targets[19]


def test_images_are_decoded_on_access_only(tmp_path):
    for sequence in range(3):
        write_snippet(tmp_path, sequence=sequence)
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"no image")
    found = snippets(tmp_path, "train")
    assert len(found) == 3
    assert 19 in found[0].targets
    Pairs(found, 0).sample(0)
    with pytest.raises(DataError, match=r"ulm_000000_000004_leftImg8bit.png: is no image"):
        found[0].frames[4]
    with pytest.raises(DataError, match=r"ulm_000002_000019_gtFine_labelIds.png: is no image"):
        found[2].targets[19]


def test_cut_image_is_refused_on_access(tmp_path):
    write_snippet(tmp_path)
    path = frame_path(tmp_path, 12)
    path.write_bytes(path.read_bytes()[:-40])
    (snippet,) = snippets(tmp_path, "train")
    assert int(snippet.frames[11][0, 0, 0]) == 11
    with pytest.raises(DataError, match=r"000012_leftImg8bit.png: (can't be read|is no image).*get the file again"):
        snippet.frames[12]


@pytest.mark.parametrize("frame", [0, 14, 29])
def test_missing_frame_is_reported(tmp_path, frame):
    write_snippet(tmp_path)
    frame_path(tmp_path, frame).unlink()
    said = rf"000019_gtFine_labelIds.png: has no frame {frame} .* 0 to 29 of sequence 000000; unpack leftImg8bit_seq"
    with pytest.raises(DataError, match=said):
        snippets(tmp_path, "train")


def test_missing_label_is_reported(tmp_path):
    write_snippet(tmp_path)
    write_snippet(tmp_path, 49)
    label_path(tmp_path, 49).unlink()  # its colours are still there
    with pytest.raises(DataError, match=r"000030_leftImg8bit.png: belongs to no labelled frame.*unpack gtFine"):
        snippets(tmp_path, "train")


@pytest.mark.parametrize("missing", ["leftImg8bit_sequence", "gtFine"])
def test_missing_folder_is_reported(tmp_path, missing):
    write_snippet(tmp_path)
    for depth, said in (("train/ulm", "no such folder; put the data set there"), ("train", "no such folder; unpack")):
        (tmp_path / missing / depth).rename(tmp_path / f"away-{depth.count('/')}")
        with pytest.raises(DataError, match=rf"{missing}.{depth.replace('/', '.')}: {said}"):
            snippets(tmp_path, "train")


def test_single_frames_are_refused(tmp_path):
    write_snippet(tmp_path)
    (tmp_path / "leftImg8bit_sequence").rename(tmp_path / "leftImg8bit")
    with pytest.raises(DataError, match=r"unpack leftImg8bit_sequence_trainvaltest.zip.*single frames"):
        snippets(tmp_path, "train")


def test_split_without_cities_is_reported(tmp_path):
    for part in ("leftImg8bit_sequence", "gtFine"):
        (tmp_path / part / "val").mkdir(parents=True)
    with pytest.raises(DataError, match=r"val: has no city; unpack"):
        snippets(tmp_path, "val")


@pytest.mark.parametrize("split", ["test", "train_extra"])
def test_splits_without_labels_are_refused(tmp_path, split):
    with pytest.raises(ValueError, match=rf"^split: expected .*got '{split}'; the labels of \"test\" are dummies"):
        snippets(tmp_path, split)


@pytest.mark.parametrize("wrong", ["frame0.png", "bonn_000000_000019_leftImg8bit.png", "ulm_0_x_leftImg8bit.png"])
def test_name_of_another_form_is_refused(tmp_path, wrong):
    write_snippet(tmp_path)
    write(frame_path(tmp_path, 0).with_name(wrong), np.zeros((*SIZE, 3)))
    with pytest.raises(DataError, match=rf"{wrong}: expected a name like ulm_000000_000019_leftImg8bit.png; rename"):
        snippets(tmp_path, "train")
