"""What a training logs and shows, and what it says when it can't go on."""

import dataclasses
import math

import pytest
import torch
from hand_made import recipe, snippets
from tiny_trainings import log, run
from torch import nn

from dffkit.support.errors import TrainingError
from dffkit.training.checkpoint import FINISHED
from dffkit.training.loop import train

pytestmark = pytest.mark.usefixtures("one_thread")


def test_validation_goes_to_the_log(tmp_path):
    seen = []

    def validate(model):
        seen.append((model.training, torch.is_grad_enabled()))
        return {"mIoU": len(seen) / 10}

    run(recipe(), tmp_path, validate=validate, validate_every=4, log_every=2)
    assert seen == [(False, False)] * 2
    assert [row["mIoU"] for row in log(tmp_path)] == [None, 0.1, 0.2]


def test_the_bar_shows_loss_and_score(tmp_path, capsys):
    run(recipe(), tmp_path, progress=True, validate=lambda model: {"mIoU": 0.25}, validate_every=2)
    shown = capsys.readouterr().err
    assert "segmentation/pairs" in shown
    assert "6/6" in shown
    assert "mIoU=0.250" in shown
    assert "loss=" in shown


def test_rows_are_means(tmp_path):
    run(recipe(iterations=7), tmp_path / "each")
    run(recipe(iterations=7), tmp_path / "means", log_every=3)
    losses = [row["loss"] for row in log(tmp_path / "each")]
    assert [row["iteration"] for row in log(tmp_path / "means")] == [3, 6, 7]
    expected = [sum(losses[:3]) / 3, sum(losses[3:6]) / 3, losses[6]]
    assert [row["loss"] for row in log(tmp_path / "means")] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("task_network.score.weight", "iteration 2: the loss is not finite: loss nan, segmentation nan. Try a lower"),
        ("flow_network.flow.bias", "iteration 2: flow: expected finite values"),
    ],
)
def test_a_network_that_diverges_stops_the_run_and_says_where(tmp_path, part, said):
    def spoil(model):
        nn.init.constant_(model.get_parameter(part), math.nan)
        return {}

    with pytest.raises(TrainingError, match=f"^segmentation/pairs: {said}"):
        run(recipe(), tmp_path, validate=spoil, validate_every=2)
    assert not (tmp_path / FINISHED).exists()


def test_a_gradient_that_is_not_finite_stops_the_run_before_it_is_used(tmp_path):
    def spoil(model):
        model.task_network.score.weight.register_hook(lambda gradient: gradient * math.inf)
        return {}

    with pytest.raises(
        TrainingError, match=r"iteration 4: the gradient is not finite: loss [\d.]+, .*gradient (nan|inf)"
    ):
        run(recipe(), tmp_path, validate=spoil, validate_every=4)


def test_a_batch_that_cannot_be_made_stops_it_with_its_own_error(tmp_path):
    class Broken(list):
        def __getitem__(self, index):
            raise OSError("no such frame")

    data = [dataclasses.replace(snippets()[0], frames=Broken())]
    with pytest.raises(OSError, match="no such frame"):
        train(recipe(), tmp_path, data=data, progress=False)
