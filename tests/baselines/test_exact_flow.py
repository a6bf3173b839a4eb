"""The data set's own flow in the place of a flow network."""

import dataclasses

import pytest
import torch
from hand_made import SIZE, flow, recipe, snippets

from dffkit.baselines.exact_flow import REACH, ExactFlow
from dffkit.scores.evaluation import evaluate
from dffkit.training.assembly import build
from dffkit.training.jobs import make_job
from dffkit.warp import flow_to_cells


@pytest.fixture
def registered():
    module, data = ExactFlow(), snippets(count=2)
    module.register(data)
    return module, data


def test_it_recognizes_frames_of_several_snippets_in_one_batch(registered):
    module, data = registered
    current = torch.stack([data[0].frames[9], data[1].frames[5], data[1].frames[5]])
    key = torch.stack([data[0].frames[2], data[1].frames[4], data[1].frames[5]])
    fields, scale = module(module.prepare(current), module.prepare(key))
    assert scale is None
    expected = torch.stack([flow_to_cells(flow(i, k)[0][None])[0] for i, k in ((9, 2), (5, 4), (5, 5))])
    assert torch.equal(fields, expected)
    assert expected[0].abs().max() > 0.3
    assert (expected[2] == 0).all()


def test_mirrored_frames_have_mirrored_flow(registered):
    module, data = registered
    i, k = (data[0].frames[index][None] for index in (9, 2))
    field, mirrored = module(i, k)[0], module(i.flip(-1), k.flip(-1))[0]
    assert torch.equal(mirrored[:, 0], -field[:, 0].flip(-1))
    assert torch.equal(mirrored[:, 1], field[:, 1].flip(-1))


@pytest.mark.parametrize("width", [64, 50])
def test_frames_that_cut_their_last_cells(width):
    (snippet,) = snippets(count=1)
    field, mask = flow(9, 2)
    narrow = dataclasses.replace(
        snippet,
        frames=[frame[..., :30, :width] for frame in snippet.frames],
        flow=lambda i, k: (flow(i, k)[0][..., :30, :width], mask),
    )
    module = ExactFlow()
    module.register([narrow])
    i, k = (narrow.frames[index][None] for index in (9, 2))
    assert torch.equal(module(i, k)[0], flow_to_cells(field[None, :, :30, :width]))
    if width % 16:  # the cells of the mirror image are others
        with pytest.raises(ValueError, match=f"frame: expected a width that 16 divides for mirrored flow, got {width}"):
            module(i.flip(-1), k.flip(-1))
    else:
        mirrored = flow_to_cells(field[None, :, :30, :width].flip(-1)) * torch.tensor([-1.0, 1.0]).view(2, 1, 1)
        torch.testing.assert_close(module(i.flip(-1), k.flip(-1))[0], mirrored)


def test_one_key_frame_serves_all_current_frames(registered):
    module, data = registered
    fields, _ = module(torch.stack([data[0].frames[index] for index in (3, 4)]), data[0].frames[1][None])
    assert fields.shape == (2, 2, SIZE[0] // 16, SIZE[1] // 16)
    assert torch.equal(fields[1], flow_to_cells(flow(4, 1)[0][None])[0])


def test_flow_is_computed_once_a_pair():
    asked = []

    def counted(i, k):
        asked.append((i, k))
        return flow(i, k)

    (snippet,) = snippets(count=1)
    module = ExactFlow()
    module.register([dataclasses.replace(snippet, flow=counted)])
    for _ in range(2):
        module(snippet.frames[7][None], snippet.frames[3][None])
    assert sorted(asked) == [(7, k) for k in range(8)]


def test_an_unregistered_frame_is_refused(registered):
    module, data = registered
    with pytest.raises(ValueError, match="frame: expected one of the 24 that `register` was given, got another"):
        module(data[0].frames[1][None] + 1, data[0].frames[0][None])


@pytest.mark.parametrize(("snippet", "index"), [(0, 6), (1, 4)])
def test_a_key_frame_of_the_future_or_of_another_snippet_is_refused(registered, snippet, index):
    module, data = registered
    expected = rf"key: expected a frame at most {REACH} before 5 of snippet 0, got {index} of snippet {snippet}"
    with pytest.raises(ValueError, match=expected):
        module(data[0].frames[5][None], data[snippet].frames[index][None])


def test_a_snippet_without_exact_flow_is_refused():
    (snippet,) = snippets(count=1)
    with pytest.raises(ValueError, match="snippets: expected exact flow, got none in snippet 0"):
        ExactFlow().register([dataclasses.replace(snippet, flow=None)])


def test_training_and_evaluation_on_it():
    data = snippets(count=2)
    exact = recipe(flow="exact", flow_width=0, scale=False)
    job = make_job(exact, 0, data)
    batch = job.batch(range(8))
    losses = job.loss(job.forward(batch), batch)
    assert all(value.isfinite() for value in losses.values())
    job.module.flow_network.register(data)
    copied = build(dataclasses.replace(exact, flow="none"))
    scores = [evaluate(model, data, max_duration=10) for model in (job.module, copied)]
    first, last = ([each.values[offset]["mIoU", "all"] for each in scores] for offset in (0, 9))
    assert first[0] == first[1]  # the same N, and no flow at the key frame
    assert last[0] != last[1]
