"""Runs that start from ImageNet's weights take them once, or name the remedy where they can't be reached."""

import dataclasses

import hand_made
import pytest

from dffkit.experiments import queue, scoring
from dffkit.experiments.runs import Run
from dffkit.support.errors import CommandError
from dffkit.training.assembly import build
from dffkit.training.recipes import find


def test_unreachable_imagenet_weights_are_named_with_a_remedy(bare_workspace, monkeypatch):
    asked = []

    def published(recipe, seed):
        asked.append(seed)
        raise OSError("no route to host")

    monkeypatch.setattr(queue, "published", published)
    with pytest.raises(CommandError, match=r"ImageNet weights, which can't be reached: no route to host.\s.*by hand"):
        queue.train_run(Run(dataclasses.replace(find("paper/cityscapes/frame"), start=()), 3), bare_workspace)
    assert asked == [3]


def test_a_fresh_start_takes_the_imagenet_weights_again(bare_workspace, monkeypatch):
    asked = []
    network = {"weights": "imagenet", "layout": "torchvision"}
    recipe = dataclasses.replace(hand_made.recipe(iterations=1), name="mine/frame", **network)
    start = build(recipe).state_dict()
    monkeypatch.setattr(queue, "published", lambda recipe, seed: asked.append(seed) or start)
    monkeypatch.setattr(queue, "data", lambda recipe, bare_workspace, split: hand_made.snippets())
    monkeypatch.setattr(scoring, "validation", lambda recipe, workspace: None)
    for resume in (True, True, False):
        queue.train_run(Run(recipe, 5), bare_workspace, resume=resume)
    assert asked == [5, 5]  # not when the run is finished already
