"""Frames, label maps and boxes are scaled together."""

import pytest
import torch

from dffkit.datasets.resized import resized, resized_target, short_side
from dffkit.datasets.snippets import Snippet


@pytest.mark.parametrize(
    ("size", "expected"),
    [((720, 1280), (562, 1000)), ((1280, 720), (1000, 562)), ((480, 640), (600, 800)), ((600, 600), (600, 600))],
)
def test_short_side_gives_the_sizes_of_the_authors(size, expected):
    assert short_side(600, 1000)(size) == expected


def test_boxes_and_frames_are_scaled_alike():
    frame = torch.zeros(3, 40, 60, dtype=torch.uint8)
    frame[:, 10:30, 20:50] = 200
    target = {"boxes": torch.tensor([[20.0, 10, 50, 30]]), "labels": torch.tensor([2]), "ignore": torch.zeros(1, 4)}
    snippet = resized(Snippet("s", 30.0, [frame], {0: target}), lambda size: (80, 90))
    assert snippet.frames[0].shape == (3, 80, 90)
    assert snippet.targets[0]["boxes"].tolist() == [[30, 20, 75, 60]]
    assert snippet.targets[0]["labels"].tolist() == [2]
    assert (snippet.frames[0][:, 22:58, 33:72] == 200).all()
    assert (snippet.frames[0][:, :18] == 0).all()


def test_label_maps_keep_their_values():
    labels = torch.zeros(40, 60, dtype=torch.uint8)
    labels[10:30, 20:50] = 255
    scaled = resized_target(labels, (40, 60), (20, 30))
    assert scaled.dtype == torch.uint8
    assert torch.equal(scaled, labels[1::2, 1::2])


def test_snippet_of_the_right_size_is_unchanged_and_targets_are_made_on_access():
    frame = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    snippet = resized(Snippet("s", 30.0, [frame] * 3, {1: torch.zeros(40, 60, dtype=torch.uint8)}), lambda size: size)
    assert snippet.frames[2] is frame
    assert list(snippet.targets) == [1]
    assert snippet.targets[1].shape == (40, 60)
