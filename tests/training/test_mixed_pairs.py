"""mixed_pairs.py: samples of several data sets in a fixed ratio."""

import pytest
import torch
from hand_made import snippets

from dffkit.training.pairs import MixedPairs, Pairs


def videos():
    return snippets(count=2, length=12)


def stills():
    return snippets(count=5, length=1)


def test_every_third_sample_is_of_the_second_part():
    pairs = MixedPairs([(videos(), 2), (stills(), 1)], seed=0)
    drawn = [pairs.sample(number).snippet for number in range(3000)]
    assert all((snippet >= 2) == (number % 3 == 2) for number, snippet in enumerate(drawn))
    assert set(drawn) == set(range(7))
    shares = [drawn.count(snippet) / len(drawn) for snippet in range(7)]
    assert shares == pytest.approx([1 / 3] * 2 + [1 / 15] * 5, abs=0.03)


def test_a_sample_is_what_its_part_alone_would_draw():
    pairs, alone = MixedPairs([(videos(), 2), (stills(), 1)], seed=4), Pairs(videos(), 4)
    assert [pairs.sample(number) for number in (0, 1, 3, 300)] == [alone.sample(number) for number in (0, 1, 3, 300)]


def test_a_batch_holds_what_was_drawn_and_stills_are_their_own_key_frames():
    data = [*videos(), *stills()]
    pairs = MixedPairs([(data[:2], 1), (data[2:], 1)], seed=0, flip=False)
    batch = pairs.batch(range(20))
    for i, sample in enumerate(pairs.sample(number) for number in range(20)):
        assert torch.equal(batch.frames[i], data[sample.snippet].frames[sample.frame])
        assert torch.equal(batch.targets[i], data[sample.snippet].targets[sample.frame])
    assert batch.same[1::2].all()
    assert not batch.same.all()


def test_options_reach_the_parts():
    pairs = MixedPairs([(videos(), 1), (stills(), 1)], seed=0, max_offset=None, flip=False, label_interval=3)
    drawn = [pairs.sample(number) for number in range(200)]
    assert not any(sample.flip for sample in drawn)
    assert all(sample.key == sample.frame and sample.frame % 3 == 0 for sample in drawn)
    assert pairs.batch(range(2)).key_frames is None


@pytest.mark.parametrize("shares", [(), (1, 0), (2, -1)])
def test_wrong_shares_are_named(shares):
    with pytest.raises(ValueError, match=r"^parts: expected shares of at least 1, got"):
        MixedPairs([(videos(), share) for share in shares], seed=0)


def test_a_part_without_labels_is_named():
    with pytest.raises(ValueError, match="annotated frame, got none in 3 snippets"):
        MixedPairs([(videos(), 1), (snippets(annotated=()), 1)], seed=0)
