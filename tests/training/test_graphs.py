"""graphs.py: which networks of a job are captured, and that the capture leaves them as they were."""

import copy
import dataclasses

import pytest
import torch
from hand_made import DETECTION, FLOW, recipe, snippets

from dffkit.training import graphs
from dffkit.training.assembly import trainable
from dffkit.training.jobs import make_job
from dffkit.training.loop import TrainingRun, move

PAIRS = recipe("pairs", DETECTION)
PARTS = {
    "flow": (FLOW, [graphs._Pyramid]),
    "frames": (recipe("frames", DETECTION), ["feature_network"]),
    "pairs": (PAIRS, ["feature_network", "flow_network"]),
    "fixed N": (dataclasses.replace(PAIRS, freeze=("feature_network", "task_network")), ["flow_network"]),
    "fixed F": (dataclasses.replace(PAIRS, freeze=("flow_network",)), ["feature_network"]),
    "without S": (dataclasses.replace(PAIRS, scale=False), ["feature_network"]),
    "carried earlier": (dataclasses.replace(PAIRS, split=2), ["flow_network"]),
    "trained statistics": (recipe("stills", DETECTION, norm="trained"), ["feature_network"]),
}


@pytest.mark.parametrize("name", PARTS)
def test_trained_networks_are_captured_and_keep_their_statistics(name, monkeypatch):
    captured = []

    def capture(network, inputs, allow_unused_input):
        assert allow_unused_input  # the predictions of the pyramid are not all used by `forward`
        captured.append(network)
        network(*inputs)  # as a capture does, which would count for batch norm

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", capture)
    each, expected = PARTS[name]
    job = make_job(each, 0, () if each.job == "flow" else snippets(each.task))
    trainable(job.module.train(), each)
    before = copy.deepcopy(job.module.state_dict())
    graphs.use_graphs(job, job.batch(range(2)))
    parts = [getattr(job.module, part) if isinstance(part, str) else job.pyramid for part in expected]
    assert captured == parts
    for key, value in job.module.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["flow", "pairs"])
def test_steps_are_those_without_graphs(name, tmp_path):
    each, _ = PARTS[name]
    losses = []
    for use in (True, False):
        data = () if each.job == "flow" else snippets(each.task)
        run = TrainingRun(dataclasses.replace(each, iterations=4), tmp_path, data, 0, "", torch.device("cuda"))
        run.start({}, False, "float32")
        batch = move(run.job.batch(range(each.batch)), lambda tensor: tensor.cuda())
        if use:
            graphs.use_graphs(run.job, batch)
        for _ in range(4):
            run.step(batch)
        losses.append([row["loss"] for row in run.pending])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_graphs_need_a_gpu_one_size_and_one_type():
    gpu = torch.device("cuda")
    toytown = dataclasses.replace(PAIRS, data="toytown")
    assert graphs.fits(toytown, gpu, "float32")
    assert not graphs.fits(toytown, torch.device("cpu"), "float32")
    assert not graphs.fits(toytown, gpu, "bfloat16")
    assert not graphs.fits(dataclasses.replace(PAIRS, data="imagenet_vid"), gpu, "float32")
