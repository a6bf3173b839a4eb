"""`dffkit toytown`: the report on the rendered world."""

import pytest
import torch

from dffkit.commands import cli
from dffkit.commands import toytown as report
from dffkit.datasets import toytown
from dffkit.datasets.toytown import World
from dffkit.training.toytown_recipes import HEADS


def test_anchor_recall_by_hand():
    met = torch.tensor([[16.0, 16, 32, 32]])  # the anchor of scale 1 and ratio 1 between two cells
    missed = torch.tensor([[0.0, 0, 384, 6]])
    assert report.anchor_recall([met], HEADS["detection"]) == 1
    assert report.anchor_recall([met, missed, torch.zeros(0, 4)], HEADS["detection"]) == 0.5


def test_the_ceilings_of_coarse_and_of_fine_labels():
    coarse = torch.zeros(1, 64, 64, dtype=torch.uint8)
    coarse[:, :, 32:] = 1
    assert report.averaged_ceiling(coarse) > 0.97
    fine = coarse.clone()
    fine[:, 10:40, 20:26] = 2  # a pole, 6 pixels wide
    averaged, fitted = report.averaged_ceiling(fine), report.fitted_ceiling(fine)
    assert averaged < 0.7, "its share of a cell is never the largest"
    assert averaged + 0.05 < fitted < 1, "fitted scores can still draw a thin line, not exactly"


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_the_report_has_every_line(task):
    world = World(size=(96, 192), min_side=12)
    records = [toytown.record("val", number, toytown.FPS[task], toytown.LENGTH, world) for number in range(2)]
    lines = report.report(task, records)
    starts = ["motion classes", "box widths", "box heights"]
    starts += ["boxes with an anchor"] if task == "detection" else ["pixels", "mIoU of labels", "mIoU of score maps"]
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=True)] == [True] * len(starts)


def test_the_command_reports(capsys, monkeypatch):
    monkeypatch.setattr(report, "report", lambda task, records: [f"{len(records)} streets for {task}"])
    monkeypatch.setattr(report.toytown, "record", lambda *words: {})
    monkeypatch.setattr(report.torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(report.time, "process_time", iter(range(10)).__next__)
    assert cli.main(["toytown", "--streets", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 streets for segmentation" in out
    assert "2 streets for detection" in out
    assert "and core: 60" in out
