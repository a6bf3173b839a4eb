"""Faults of one's own labels and boxes, told when the data set is opened: before training and scoring, once."""

import pytest
import torch
from small_runs import small

from dffkit.datasets.snippets import SkippedRecords
from dffkit.datasets.targets import SuspiciousTargets
from dffkit.experiments import queue, scoring
from dffkit.experiments.runs import Run
from dffkit.support.errors import DataError
from dffkit.training.assembly import build

YOURS = """
import numpy as np
import torch
from dffkit import Snippet

FRAMES = [torch.randint(0, 256, (3, 64, 128), dtype=torch.uint8) for _ in range(4)]
mapped = torch.zeros(64, 128, dtype=torch.int64)
mapped[:, 64:] = 1

def made(target, names):
    def dataset(split):
        made.calls.append(split)
        return [Snippet(f"{split}-{number}", 30.0, FRAMES, {3: target(split)}) for number in range(2)]
    dataset.names = names
    return dataset

made.calls = []
masks = made(lambda split: mapped * 255, ("background", "thing"))
late = made(lambda split: mapped * (255 if split == "val" else 1), ("background", "thing"))
rare = made(lambda split: mapped.numpy(), ("background", "thing", "other"))

def early(split):
    return [Snippet(split, 30.0, FRAMES, {0: mapped, 3: mapped})]

early.names = ("background", "thing")
lists = made(lambda split: {"boxes": [[9, 9, 40, 30], [80, 5, 120, 60]], "labels": [1, 2]}, ("a", "b"))
shares = made(lambda split: {"boxes": np.array([[0.1, 0.2, 0.5, 0.9]]), "labels": [1]}, ("a",))
"""


@pytest.fixture
def yours(tmp_path, monkeypatch):
    (tmp_path / "own_targets.py").write_text(YOURS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def recipe(name, classes=2, task="segmentation"):
    data, own = f"own_targets:{name}", f"mine/{name}"
    return small(f"toytown/{task}/dff", data=data, name=own, heads=((task, (("num_classes", classes),)),))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("masks", {}, r"own_targets:masks, train: 2 of 2 targets have no other ids than 0, 255; masks of 0 and 255\?"),
        ("late", {}, "own_targets:late, val: 2 of 2 targets have no other ids than 0, 255"),
        (
            "shares",
            {"task": "detection", "classes": 1},
            r"own_targets:shares, train: .* boxes in 0\.\.1; are they shares",
        ),
        ("lists", {}, "train-., frame 3: expected a target for segmentation, got one for detection; take"),
    ],
)
def test_faults_are_told_before_the_training(bare_workspace, yours, name, options, message, monkeypatch):
    monkeypatch.setattr(queue, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(DataError, match=message):
        queue.train_run(Run(recipe(name, **options)), bare_workspace)


def test_classes_without_a_labelled_pixel_are_told_with_the_scores(bare_workspace, yours):
    network, run = build(recipe("rare", 3)), Run(recipe("rare", 3))
    with pytest.warns(SuspiciousTargets) as told:
        scoring.score(run, network, bare_workspace, split="test")
    scoring.score(run, network, bare_workspace, split="test", quick=True, streets=1)
    assert [str(each.message) for each in told] == [
        "own_targets:rare, test: 2 of 2 targets never have class 2 (other); are `names` right? "
        "Ids count from 0, labels from 1",
        "own_targets:rare, test: class 2 (other) has no labelled pixel or box, and no part in mIoU",
    ]


def test_frames_with_too_few_before_them_are_told(bare_workspace, yours):
    run = Run(recipe("early"))
    with pytest.warns(SkippedRecords, match="early, val: 1 annotated frames do not count, as fewer than 3 frames"):
        (row, *_) = scoring.score(run, build(run.recipe).eval(), bare_workspace, split="val")
    assert row.frames == 1


def test_boxes_in_lists_train_and_are_scored(bare_workspace, yours):
    queue.train_run(Run(recipe("lists", task="detection")), bare_workspace)
    rows = queue.evaluate_run(Run(recipe("lists", task="detection")), bare_workspace, split="test")
    assert all(torch.isfinite(torch.tensor([row.value for row in rows if row.subset == "all"])))
