"""Seq-NMS by hand: links, the best sequence, new scores, and what is dropped."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dffkit.aggregation.seq_nms import LEAST_SCORE, best_sequence, seq_nms, without_nms
from dffkit.networks.detection import RFCN


def frame(*rows):
    """Detections from rows (x, score) or (x, score, label): boxes of 10 x 10 pixels at x."""
    rows = [(*row, 1)[:3] for row in rows]
    boxes = torch.tensor([[x, 0.0, x + 10, 10] for x, _, _ in rows]).view(-1, 4)
    labels, scores = torch.tensor([row[2] for row in rows], dtype=torch.long), torch.tensor([row[1] for row in rows])
    return {"boxes": boxes, "labels": labels, "scores": scores}


def found(clip, **options):
    """Return (x, score, label) of the results by frame."""
    return [
        [
            (float(box[0]), round(float(score), 4), int(label))
            for box, score, label in zip(each["boxes"], each["scores"], each["labels"], strict=True)
        ]
        for each in seq_nms(clip, **options)
    ]


def test_a_weak_box_gets_the_score_of_its_sequence():
    clip = [frame((0, 0.9)), frame((1, 0.3)), frame((2, 0.6))]
    assert found(clip) == [[(0, 0.6, 1)], [(1, 0.6, 1)], [(2, 0.6, 1)]]
    assert found(clip, rescore="max") == [[(0, 0.9, 1)], [(1, 0.9, 1)], [(2, 0.9, 1)]]


def test_boxes_that_overlap_less_than_half_or_are_of_other_classes_are_not_linked():
    assert found([frame((0, 0.9)), frame((4, 0.3))]) == [[(0, 0.9, 1)], [(4, 0.3, 1)]]  # IoU 6 / 14
    assert found([frame((0, 0.9, 1)), frame((0, 0.3, 2))]) == [[(0, 0.9, 1)], [(0, 0.3, 2)]]
    assert found([frame((0, 0.9)), frame(), frame((0, 0.3))]) == [[(0, 0.9, 1)], [], [(0, 0.3, 1)]]


def test_an_iou_of_one_half_is_a_link():
    wide = {"boxes": torch.tensor([[0.0, 0, 20, 10]]), "labels": torch.tensor([1]), "scores": torch.tensor([0.4])}
    assert found([frame((0, 0.8)), wide])[0] == [(0, 0.6, 1)]


def test_the_highest_sum_wins_over_the_highest_box_and_drops_what_it_overlaps():
    # From 0 the sum is 0.5 + 0.5 + 0.5; the better first box, 3 pixels off, has no successor that is linked to it.
    clip = [frame((0, 0.5), (-3.5, 0.7)), frame((0, 0.5)), frame((0, 0.5))]
    assert found(clip) == [[(0, 0.5, 1)], [(0, 0.5, 1)], [(0, 0.5, 1)]]


def test_a_second_sequence_follows_the_first():
    clip = [frame((0, 0.9), (50, 0.2)), frame((0, 0.7), (51, 0.4))]
    assert found(clip) == [[(0, 0.8, 1), (50, 0.3, 1)], [(0, 0.8, 1), (51, 0.3, 1)]]


def test_without_links_the_scores_stay_and_nms_follows():
    clip = [frame((0, 0.9), (1, 0.8), (50, 0.1))]
    assert found(clip) == [[(0, 0.9, 1), (50, 0.1, 1)]]
    assert found(clip, nms=0.9) == [[(0, 0.9, 1), (1, 0.8, 1), (50, 0.1, 1)]]


def test_sequences_with_hardly_any_score_stay_as_they_are():
    clip = [frame((0, 0.001)), frame((0, 0.003))]
    assert found(clip) == [[(0, 0.001, 1)], [(0, 0.003, 1)]]


def test_frames_without_boxes_and_clips_without_frames():
    assert found([]) == []
    assert found([frame(), frame()]) == [[], []]


def test_the_detections_given_are_left_alone():
    clip = [frame((0, 0.9)), frame((1, 0.3))]
    seq_nms(clip)
    assert [each["scores"].tolist() for each in clip] == [pytest.approx([0.9]), pytest.approx([0.3])]


def test_an_unknown_rescoring_is_refused():
    with pytest.raises(ValueError, match='rescore: expected "mean" or "max", got \'median\''):
        seq_nms([], rescore="median")


@given(st.integers(0, 2**31), st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_the_best_sequence_is_the_best_of_all(seed, counts):
    random = torch.Generator().manual_seed(seed)
    scores = [torch.rand(count, generator=random, dtype=torch.float64) for count in counts]
    links = [torch.rand(a, b, generator=random) < 0.5 for a, b in itertools.pairwise(counts)]
    spans = itertools.combinations(range(len(counts) + 1), 2)
    chains = [(a, chain) for a, b in spans for chain in itertools.product(*map(range, counts[a:b]))]
    every = [
        (sum(float(scores[first + t][box]) for t, box in enumerate(chain)), first, list(chain))
        for first, chain in chains
        if all(links[first + t][pair] for t, pair in enumerate(itertools.pairwise(chain)))
    ]
    if every:
        total, first, chain = best_sequence(scores, links)
        assert (total, first, chain) == (pytest.approx(max(every)[0]), *max(every)[1:])


def test_boxes_before_nms_come_from_the_network_itself():
    torch.manual_seed(0)
    head = RFCN(in_channels=32, num_classes=2, bins=2, anchor_scales=(1, 2), proposals=20)
    maps = head(torch.randn(1, 32, 4, 6))
    (after,) = head.decode(maps, (64, 96))
    with without_nms(head):
        (before,) = head.decode(maps, (64, 96))
    assert len(before["scores"]) > len(after["scores"])
    assert before["scores"].min() > LEAST_SCORE
    assert len(head.decode(maps, (64, 96))[0]["scores"]) == len(after["scores"])
    assert len(seq_nms([before])[0]["scores"]) == len(after["scores"])
