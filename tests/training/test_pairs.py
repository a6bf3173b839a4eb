"""Training samples: functions of (seed, n) alone, with the right key frames, mirrored with their targets."""

import dataclasses
from collections import Counter

import pytest
import torch
from hand_made import HEIGHT, SIZE, WIDTH, boxes, label_map, picture, snippets
from hypothesis import given
from hypothesis import strategies as st

from dffkit.support.errors import DataError
from dffkit.training.pairs import MixedPairs, Mixture, Neighbours, Pairs, flip_target, move


def samples(pairs, count=2000):
    """Return the first samples."""
    return [pairs.sample(number) for number in range(count)]


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_sample_is_a_function_of_seed_and_number(seed, number):
    data = snippets()
    one, other = Pairs(data, seed), Pairs(data, seed)
    other.batch([7, 3])
    assert one.sample(number) == other.sample(number)


def test_seeds_and_numbers_give_different_samples():
    data = snippets()
    assert samples(Pairs(data, 0)) != samples(Pairs(data, 1))
    assert samples(Pairs(data, 1), 20) != samples(Pairs(data, 12), 20)  # 1 and 12, 12 and 1 must not read the same
    assert len(set(samples(Pairs(data, 0)))) > 300


def test_slices_of_a_batch_are_the_batch():
    pairs = Pairs(snippets(), 0)
    whole, parts = pairs.batch(range(8, 14)), [pairs.batch(range(8, 11)), pairs.batch(range(11, 14))]
    for name in ("frames", "key_frames", "same", "targets"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))


def test_annotated_frames_offsets_and_flips_are_uniform():
    data = [*snippets(count=1, length=30, annotated=(9, 19)), *snippets(count=1, length=30, annotated=(29,))]
    drawn = samples(Pairs(data, 0), 6000)
    frames = Counter((sample.snippet, sample.frame) for sample in drawn)
    assert set(frames) == {(0, 9), (0, 19), (1, 29)}
    assert min(frames.values()) > 1850  # of 2000 +- 37
    offsets = Counter(sample.frame - sample.key for sample in drawn)
    assert set(offsets) == set(range(10))
    assert min(offsets.values()) > 500  # of 600 +- 23
    assert 2850 < sum(sample.flip for sample in drawn) < 3150


def test_before_the_first_frame_the_key_is_the_first():
    drawn = samples(Pairs(snippets(annotated=(2,)), 0))
    assert {sample.key for sample in drawn} == {0, 1, 2}
    assert Counter(sample.key for sample in drawn)[0] > 1400  # offsets 2 to 9, of 10


def test_only_every_nth_annotated_frame_has_a_label():
    drawn = samples(Pairs(snippets(annotated=(1, 3, 5, 7, 9)), 0, label_interval=2))
    assert {sample.frame for sample in drawn} == {1, 5, 9}


def test_options_do_not_change_which_frames_are_drawn():
    data = snippets()
    every = [samples(Pairs(data, 0, **o), 50) for o in ({}, {"max_offset": None}, {"flip": False}, {"max_offset": 3})]
    assert all([(s.snippet, s.frame) for s in drawn] == [(s.snippet, s.frame) for s in every[0]] for drawn in every)
    assert [s.flip for s in every[1]] == [s.flip for s in every[0]]
    assert not any(s.flip for s in every[2])
    assert all(s.key == s.frame for s in every[1])


@pytest.mark.parametrize("task", ["segmentation", "detection", "both"])
def test_a_batch_holds_its_samples(task):
    data = snippets(task)
    pairs = Pairs(data, 0)
    numbers = range(20)
    batch = pairs.batch(numbers)
    assert batch.frames.shape == batch.key_frames.shape == (20, 3, *SIZE)
    assert batch.frames.dtype == torch.uint8
    for i, drawn in enumerate(pairs.sample(number) for number in numbers):
        name = data[drawn.snippet].name
        for frames, index in ((batch.frames, drawn.frame), (batch.key_frames, drawn.key)):
            expected = picture(name, index)
            assert torch.equal(frames[i], expected.flip(2) if drawn.flip else expected)
        assert batch.same[i] == (drawn.frame == drawn.key)
        maps, regions = batch.targets if task == "both" else (batch.targets, batch.targets)
        if task != "detection":
            expected = label_map(drawn.frame)
            assert torch.equal(maps[i], expected.flip(1) if drawn.flip else expected)
        if task != "segmentation":
            square = regions[i]["boxes"][0]
            x1, y1, x2, y2 = square.int().tolist()
            assert batch.frames[i, :, y1:y2, x1:x2].min() >= 150  # the box is where the square is, mirrored or not
            assert torch.equal(regions[i]["labels"], boxes(drawn.frame)["labels"])
    assert 0 < batch.same.sum() < 20


def test_without_offset_there_are_no_key_frames():
    batch = Pairs(snippets(), 0, max_offset=None).batch(range(4))
    assert batch.key_frames is None
    assert batch.same is None


@pytest.mark.parametrize("offset", [9, None])
def test_frames_of_two_sizes_are_named_with_both_sizes(offset):
    data = snippets(count=2, annotated=(11,))
    data[1] = dataclasses.replace(data[1], frames=[frame[:, :16] for frame in data[1].frames])
    names = r"snippet \d, frame 11, is (32|16) x 64 and snippet \d, frame 11, (16|32) x 64: expected frames of one size"
    with pytest.raises(DataError, match=names):
        Pairs(data, 0, max_offset=offset).batch(range(8))


def test_a_key_frame_of_another_size_is_named():
    (one,) = snippets(count=1, annotated=(11,))
    mixed = dataclasses.replace(one, frames=[*(frame[:, :16] for frame in one.frames[:11]), one.frames[11]])
    with pytest.raises(DataError, match=r"snippet 0, frame 11, is 32 x 64 and snippet 0, frame \d+, 16 x 64: expected"):
        Pairs([mixed], 0).batch(range(8))


def test_only_the_current_frame_needs_a_label():
    batch = Pairs(snippets(annotated=(11,)), 0).batch(range(30))
    assert batch.targets.shape == (30, HEIGHT, WIDTH)
    assert not batch.same.all()


def test_flipping_twice_changes_nothing():
    target = (label_map(3), {**boxes(3), "tracks": torch.tensor([4]), "ignore": torch.tensor([[0.0, 1, 10, 5]])})
    once = flip_target(target, WIDTH)
    assert once[1]["ignore"].tolist() == [[WIDTH - 10, 1, WIDTH, 5]]
    assert once[1]["boxes"].tolist() == [[42, 8, 58, 24]]
    assert (once[1]["boxes"][:, 2:] > once[1]["boxes"][:, :2]).all()
    again = flip_target(once, WIDTH)
    assert torch.equal(again[0], target[0])
    assert all(torch.equal(again[1][name], target[1][name]) for name in target[1])


def test_frames_without_objects_flip_too():
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    assert flip_target(nothing, WIDTH)["boxes"].shape == (0, 4)


def test_move_reaches_every_tensor():
    batch = Pairs(snippets("both"), 0).batch(range(2))
    moved = move(batch, lambda tensor: tensor + 1)
    assert torch.equal(moved.targets[1][0]["boxes"], batch.targets[1][0]["boxes"] + 1)
    assert torch.equal(moved.frames, batch.frames + 1)
    assert moved.numbers == (0, 1)
    assert move({"a": None}, lambda tensor: 1 / 0) == {"a": None}


@pytest.mark.parametrize(("wrong", "named"), [({"max_offset": -1}, "max_offset"), ({"label_interval": 0}, "label_int")])
def test_wrong_options_are_named(wrong, named):
    with pytest.raises(ValueError, match=f"^{named}.*expected at least"):
        Pairs(snippets(), 0, **wrong)


def test_data_without_labels_is_named():
    with pytest.raises(ValueError, match="annotated frame, got none in 3 snippets"):
        Pairs(snippets(annotated=()), 0)


# Several data sets


def videos():
    """Two snippets of twelve frames."""
    return snippets(count=2, length=12)


def stills():
    """Five snippets of one frame."""
    return snippets(count=5, length=1)


def test_every_third_sample_is_of_the_second_part():
    pairs = MixedPairs(Mixture([(videos(), 2), (stills(), 1)]), seed=0)
    drawn = [pairs.sample(number).snippet for number in range(3000)]
    assert all((snippet >= 2) == (number % 3 == 2) for number, snippet in enumerate(drawn))
    assert set(drawn) == set(range(7))
    shares = [drawn.count(snippet) / len(drawn) for snippet in range(7)]
    assert shares == pytest.approx([1 / 3] * 2 + [1 / 15] * 5, abs=0.03)


def test_a_sample_equals_the_sample_of_its_part_alone():
    pairs, alone = MixedPairs(Mixture([(videos(), 2), (stills(), 1)]), seed=4), Pairs(videos(), 4)
    assert [pairs.sample(number) for number in (0, 1, 3, 300)] == [alone.sample(number) for number in (0, 1, 3, 300)]


def test_a_mixed_batch_holds_its_samples_and_stills_are_their_own_key_frames():
    data = [*videos(), *stills()]
    pairs = MixedPairs(Mixture([(data[:2], 1), (data[2:], 1)]), seed=0, flip=False)
    batch = pairs.batch(range(20))
    for i, sample in enumerate(pairs.sample(number) for number in range(20)):
        assert torch.equal(batch.frames[i], data[sample.snippet].frames[sample.frame])
        assert torch.equal(batch.targets[i], data[sample.snippet].targets[sample.frame])
    assert batch.same[1::2].all()
    assert not batch.same.all()


def test_options_reach_the_parts():
    pairs = MixedPairs(Mixture([(videos(), 1), (stills(), 1)]), seed=0, max_offset=None, flip=False, label_interval=3)
    drawn = [pairs.sample(number) for number in range(200)]
    assert not any(sample.flip for sample in drawn)
    assert all(sample.key == sample.frame and sample.frame % 3 == 0 for sample in drawn)
    assert pairs.batch(range(2)).key_frames is None


@pytest.mark.parametrize("shares", [(), (1, 0), (2, -1)])
def test_wrong_shares_are_named(shares):
    with pytest.raises(ValueError, match=r"^parts: expected shares of at least 1, got"):
        MixedPairs(Mixture([(videos(), share) for share in shares]), seed=0)


def test_a_part_without_labels_is_named():
    with pytest.raises(ValueError, match="annotated frame, got none in 3 snippets"):
        MixedPairs(Mixture([(videos(), 1), (snippets(annotated=()), 1)]), seed=0)


# Neighbours, before and after the current frame


def neighbours(data, seed=0, reach=4, count=2, **options):
    """Return the neighbours of samples without key frames."""
    return Neighbours(Pairs(data, seed, max_offset=None, **options), reach, count)


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 9))
def test_neighbours_differ_are_within_reach_and_a_function_of_seed_and_number(seed, number, count):
    data = snippets(length=30, annotated=(10,))
    found = neighbours(data, seed, count=count).frames(number)
    assert found == neighbours(data, seed, count=count).frames(number)
    assert len(set(found)) == count
    assert set(found) <= set(range(6, 15))


def test_neighbours_are_uniform_and_the_frames_are_those_of_per_frame_training():
    data = snippets(length=30, annotated=(10,))
    drawn = [tuple(neighbours(data).frames(number)) for number in range(3600)]
    assert len(set(drawn)) == 9 * 8
    assert min(Counter(drawn).values()) > 20  # of 50 +- 7
    frames, around = Pairs(data, 0, max_offset=None).batch(range(6)), neighbours(data).batch(range(6))
    assert torch.equal(frames.frames, around.frames)
    assert torch.equal(frames.targets, around.targets)


def test_a_batch_holds_the_neighbours_and_marks_the_frame_itself():
    data = snippets(length=12, annotated=(5,))
    drawn = neighbours(data, flip=False)
    batch = drawn.batch(range(40))
    assert batch.key_frames.shape == (40, 2, 3, *SIZE)
    for number in range(40):
        name = data[drawn.pairs.sample(number).snippet].name
        for n, j in enumerate(drawn.frames(number)):
            assert torch.equal(batch.key_frames[number, n], picture(name, j))
            assert batch.same[number, n] == (j == 5)
    assert batch.same.any()


def test_neighbours_are_mirrored_with_their_frame():
    data = snippets(length=12, annotated=(5,))
    plain, flipped = neighbours(data, flip=False).batch(range(20)), neighbours(data).batch(range(20))
    mirrored = [neighbours(data).pairs.sample(number).flip for number in range(20)]
    assert 0 < sum(mirrored) < 20
    for number, flip in enumerate(mirrored):
        expected = plain.key_frames[number].flip(-1) if flip else plain.key_frames[number]
        assert torch.equal(flipped.key_frames[number], expected)


def test_the_ends_of_a_snippet_cut_neighbours_and_a_still_is_its_own():
    late = neighbours(snippets(length=12, annotated=(11,)))
    assert {j for number in range(100) for j in late.frames(number)} == {7, 8, 9, 10, 11}
    batch = neighbours(snippets(length=1, annotated=(0,))).batch(range(3))
    assert batch.same.all()
    assert torch.equal(batch.key_frames[:, 0], batch.frames)


def test_neighbours_of_a_mixture():
    data = Mixture([(snippets(length=12, annotated=(5,)), 2), (snippets(count=2, length=1, annotated=(0,)), 1)])
    batch = Neighbours(MixedPairs(data, 0, max_offset=None), 4, 2).batch(range(9))
    assert batch.same.all(1)[2::3].all()
    assert not batch.same.all(1)[::3].any()
