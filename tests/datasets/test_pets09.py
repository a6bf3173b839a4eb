"""pets09.py: its splits, and people who are in their boxes."""

import numpy as np
import pytest
import torch
from mot_tree import told

from dffkit.datasets import mot
from dffkit.datasets.snippets import SkippedRecords

# What is left out is looked at where a test asks for it.
pytestmark = pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")


def test_another_split_is_named(tmp_path):
    with pytest.raises(ValueError, match="split: expected one of train, val, test, got 'all'"):
        mot.pets09_snippets(tmp_path, "all")


def test_real_pets09(real_data):
    splits = {split: mot.pets09_snippets(real_data("pets09"), split)[0] for split in mot.PETS09_SPLITS}
    found = {
        split: [sum(len(target[part]) for target in snippet.targets.values()) for part in ("boxes", "ignore")]
        for split, snippet in splits.items()
    }
    assert told(lambda: mot.pets09_snippets(real_data("pets09"), "val")) == []
    with pytest.warns(SkippedRecords, match=r"vtest\.avi: 174 boxes are regions to be ignored \([^;]*$"):
        mot.pets09_snippets(real_data("pets09"), "train")
    assert found == {"train": [2222, 174], "val": [316, 0], "test": [583, 0]}
    assert [len(snippet.targets) for snippet in splits.values()] == [400, 100, 100]
    assert all(snippet.fps == 10 and snippet.frames[0].shape == (3, 360, 480) for snippet in splits.values())
    boxes = torch.cat([target["boxes"] for target in splits["train"].targets.values()])
    assert 10 < (boxes[:, 2] - boxes[:, 0]).median() < 25
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([480, 360, 480, 360])).all()


def test_real_people_are_in_their_boxes(real_data):
    """What differs from the empty scene lies in boxes, and less so if they were those of frames before or after."""
    (snippet,) = mot.pets09_snippets(real_data("pets09"), "train")
    grey = torch.stack([snippet.frames[i].float().mean(0) for i in range(0, 400, 10)])
    people = (grey - grey.median(0).values).abs() > 25

    def share(shift):
        inside = []
        for row, i in zip(people[1:-1], range(10, 390, 10), strict=True):
            for x1, y1, x2, y2 in snippet.targets[i + shift]["boxes"].round().int().tolist():
                inside.append(float(row[y1:y2, x1:x2].float().mean()))
        return np.mean(inside)

    assert share(0) > 0.5
    assert share(0) > max(share(-2), share(2)) + 0.02
