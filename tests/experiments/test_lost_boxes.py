"""lost_boxes.py: what becomes of each box between the frame itself and a key frame nine frames earlier."""

import dataclasses

import pytest
import torch

from dffkit.datasets import toytown
from dffkit.datasets.toytown import HANDHELD, Film
from dffkit.experiments.lost_boxes import Fate, fates, lost, lost_boxes


class Told:
    """A detector that is told what to find on the frame itself, and from a key frame."""

    def __init__(self, itself, from_key):
        self.answers, self.task_network = {"itself": itself, "from key": from_key}, self

    def parameters(self):
        return iter([torch.zeros(1)])

    def on_key_frame(self, frame):
        return "itself", None

    def key_frame(self, frame):
        return frame

    def on_current_frame(self, frame, key):
        assert not torch.equal(frame, key)
        return "from key"

    def decode(self, maps, size):
        assert size == (192, 384)
        return [self.answers[maps]]


@pytest.fixture(scope="module")
def snippet():
    (found,) = toytown.snippets("train", "detection", [5], annotated=(9,), length=10, fps=30.0, world=HANDHELD)
    return found


def answer(target, score=0.9, shift=0.0, label=0):
    count = len(target["boxes"])
    return {"boxes": target["boxes"] + shift, "labels": target["labels"] + label, "scores": torch.full((count,), score)}


def test_a_box_is_kept_if_it_is_found_from_the_key_frame_too(snippet):
    target, film = snippet.targets[9], Film("train", 5, 30.0, HANDHELD)
    right = answer(target)
    width = float((target["boxes"][:, 2] - target["boxes"][:, 0]).min())
    for wrong in (answer(target, score=0.2), answer(target, shift=width), answer(target, label=1)):
        assert all(fate.found and not fate.kept for fate in fates(Told(right, wrong), snippet, film))
        assert not any(fate.found or fate.kept for fate in fates(Told(wrong, right), snippet, film))
        assert lost_boxes(Told(right, wrong), [snippet], [film])["all"] == (1.0, len(target["boxes"]))
    near = answer(target, shift=0.1 * width)
    assert all(fate.found and fate.kept for fate in fates(Told(right, near), snippet, film))


def test_what_the_key_frame_showed_is_told_by_the_film(snippet):
    target = snippet.targets[9]
    (fate, *_) = fates(Told(answer(target), answer(target)), snippet, Film("train", 5, 30.0, HANDHELD))
    assert fate.before in ("shown", "hidden")
    other = Film("train", 5, 30.0, dataclasses.replace(HANDHELD, min_visible=2.0))  # a film without boxes
    assert {fate.before for fate in fates(Told(answer(target), answer(target)), snippet, other)} == {"new"}


def test_shares_are_of_the_boxes_that_were_found():
    boxes = [
        Fate("large", "slow", "shown", True, True),
        Fate("large", "fast", "shown", True, False),
        Fate("small", "fast", "new", True, False),
        Fate("small", "fast", "new", False, False),
    ]
    assert lost(boxes) == {
        "all": (pytest.approx(2 / 3), 3), "large": (0.5, 2), "small": (1.0, 1), "slow": (0.0, 1), "fast": (1.0, 2),
        "large slow": (0.0, 1), "large fast": (1.0, 1), "small fast": (1.0, 1), "shown": (0.5, 2), "new": (1.0, 1),
    }  # fmt: skip
