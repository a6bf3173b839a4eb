"""`dffkit toytown`: statistics of the rendered worlds beside those of ImageNet VID."""

import torch

from dffkit.commands import cli
from dffkit.commands import toytown as report
from dffkit.datasets.toytown import statistics
from dffkit.training.toytown_recipes import HEADS


def test_anchor_recall_by_hand():
    met = torch.tensor([[16.0, 16, 32, 32]])  # the anchor of scale 1 and ratio 1 between two cells
    missed = torch.tensor([[0.0, 0, 384, 6]])
    assert report.anchor_recall(met, HEADS["detection"]) == 1
    assert report.anchor_recall(torch.cat([met, missed]), HEADS["detection"]) == 0.5


def test_the_command_prints_every_statistic(capsys):
    assert cli.main(["toytown"]) == 0
    out = capsys.readouterr().out
    assert all(entry["name"] in out for entry in statistics.targets())
    recalls = dict(line.split(", boxes with an anchor of IoU 0.5: ") for line in out.splitlines()[-2:])
    assert recalls.keys() == {"handheld", "drive"}
    assert all(float(share.removesuffix("%")) > 90 for share in recalls.values())
