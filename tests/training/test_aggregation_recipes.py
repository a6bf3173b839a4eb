"""Training of aggregation by the common loop: it learns, resumes bit by bit, and leaves frozen parts alone."""

import pytest
import torch
from hand_made import DETECTION, SEGMENTATION, recipe, snippets
from tiny_trainings import equal, log, run

from dffkit.training.assembly import build
from dffkit.training.graphs import fits
from dffkit.training.jobs import make_job
from dffkit.training.pairs import Neighbours

pytestmark = pytest.mark.usefixtures("one_thread")


def tiny(task=SEGMENTATION, **changes):
    return recipe("aggregate", task, **{"max_offset": 3} | changes)


def changed(model, each):
    """Return the parts whose parameters training has changed."""
    before = dict(build(each).named_parameters())
    return {name.split(".")[0] for name, now in model.named_parameters() if not torch.equal(now, before[name])}


@pytest.mark.parametrize("task", [SEGMENTATION, DETECTION])
def test_it_learns_a_square(tmp_path, task):
    each = tiny(task, iterations=40, batch=4, optimiser="adamw", lr=0.003)
    model = run(each, tmp_path)
    first, last = (sum(row["loss"] for row in part) for part in (log(tmp_path)[:5], log(tmp_path)[-5:]))
    assert last < 0.6 * first
    assert changed(model, each) == {"feature_network", "flow_network", "task_network", "embedding"}


def test_a_job_draws_as_many_neighbours_as_its_recipe_says():
    job = make_job(tiny(neighbours=5), 0, snippets())
    assert isinstance(job.pairs, Neighbours)
    assert job.batch(range(2)).key_frames.shape[:2] == (2, 5)
    assert job.pairs.reach == 3


def test_the_embedding_alone_can_be_trained(tmp_path):
    each = tiny(freeze=("feature_network", "flow_network", "task_network"))
    assert changed(run(each, tmp_path), each) == {"embedding"}


def test_a_plain_mean_has_neither_flow_nor_embedding_to_train(tmp_path):
    each = tiny(weighting="equal", flow="none", flow_width=0)
    assert changed(run(each, tmp_path), each) == {"feature_network", "task_network"}


def test_a_stopped_run_ends_with_the_same_weights(tmp_path):
    whole = run(tiny(), tmp_path / "whole")

    def stop(model):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny(), tmp_path / "stopped", checkpoint_every=1, validate_every=4, validate=stop)
    assert equal(run(tiny(), tmp_path / "stopped").state_dict(), whole.state_dict())


def test_the_loss_of_a_batch_is_the_mean_of_its_samples():
    job = make_job(tiny(DETECTION), 0, snippets("detection"))
    with torch.no_grad():
        whole, *parts = (job.loss(job.forward(b), b) for b in map(job.batch, (range(4), *([n] for n in range(4)))))
    for name in whole:
        torch.testing.assert_close(whole[name], torch.stack([part[name] for part in parts]).mean())


def test_no_graph_is_captured_as_the_number_of_flow_fields_differs():
    device = torch.device("cuda")
    assert fits(recipe("pairs", DETECTION), device, "float32")
    assert not fits(tiny(DETECTION), device, "float32")
