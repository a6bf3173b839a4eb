"""Aggregation as a stream: equal to the computation with all frames at hand, K frames late, in flat memory."""

import itertools
import weakref

import pytest
import torch
from small_aggregation import small, video

from dffkit.aggregation.stream import aggregate, around
from dffkit.networks.detection import RFCN

pytestmark = pytest.mark.usefixtures("one_thread")


def maps_of(model):
    """Let the model return its maps instead of labels, so that results are compared to float tolerance."""
    model.task_network.decode = lambda maps, size: maps
    return model


@torch.no_grad()
def directly(model, frames, index, reach):
    """Return the maps of one frame with all frames at hand."""
    window = around(index, reach, len(frames))
    current, others = model.extract(frames[index][None]), model.extract(torch.stack([frames[j] for j in window]))
    carried = model.carry(current, others, torch.tensor([j == index for j in window]))
    return model.task_network(model.combine(*carried, current.embedding))[0]


@pytest.mark.parametrize("options", [{}, {"embed_first": True}, {"embedding": None}], ids=str)
@pytest.mark.parametrize(("count", "reach"), [(9, 2), (9, 0), (5, 4), (3, 4), (2, 6), (1, 3)])
def test_the_stream_is_the_direct_computation_at_both_ends_and_for_short_clips(count, reach, options):
    model, frames = maps_of(small(**options)), video(count)
    results = list(aggregate(model, frames, reach))
    assert [result.index for result in results] == list(range(count))
    assert all(result.is_key_frame for result in results)
    for result in results:
        expected = directly(model, frames, result.index, reach)
        torch.testing.assert_close(result.output, expected, rtol=1e-4, atol=1e-5)


def test_missing_frames_are_the_first_and_the_last():
    assert around(1, 3, 4) == [0, 0, 0, 1, 2, 3, 3]
    assert around(0, 0, 1) == [0]


def test_with_reach_0_it_is_per_frame_recognition():
    model, frames = maps_of(small()), video(3)
    with torch.no_grad():
        expected = model.task_network(model.feature_network(torch.stack(frames)))
    for result in aggregate(model, frames, 0):
        torch.testing.assert_close(result.output, expected[result.index], rtol=1e-4, atol=1e-5)


def test_detections_come_out():
    model = small(task_network=RFCN(in_channels=64, num_classes=2, bins=2, anchor_scales=(1,), proposals=5))
    results = list(aggregate(model, video(4), 1))
    assert [set(result.output) for result in results] == [{"boxes", "labels", "scores"}] * 4


@pytest.mark.parametrize("embed_first", [False, True])
def test_each_network_runs_as_often_as_it_must(embed_first):
    model, runs = small(embed_first=embed_first), {"feature_network": [], "flow_network": [], "embedding": []}
    for name, found in runs.items():
        model.get_submodule(name).register_forward_hook(lambda *words, found=found: found.append(len(words[1][0])))
    list(itertools.islice(aggregate(model, itertools.cycle(video(9)), 2), 10))  # 12 frames are read
    assert runs["feature_network"] == [1] * 12
    assert runs["flow_network"] == [2, *[4] * 9]  # all that stand in for frames before the first are the first itself
    assert sorted(runs["embedding"]) == [1] * 12 + ([] if embed_first else [2, *[4] * 9])


def test_results_come_reach_frames_late_and_frames_are_released():
    alive, read, values = weakref.WeakSet(), [], weakref.WeakSet()

    def endless():
        for i in itertools.count():
            frame = torch.full((3, 32, 32), i % 256, dtype=torch.uint8)
            alive.add(frame)
            read.append(i)
            yield frame
            del frame

    model = small()
    model.feature_network.register_forward_hook(lambda module, inputs, output: values.add(output))
    for result in itertools.islice(aggregate(model, endless(), 3), 30):
        assert read[-1] == result.index + 3
        assert len(alive) <= 2
        assert len(values) <= 8


def test_results_of_frames_before_a_bad_frame_come_first():
    stream = aggregate(small(), [*video(3), video(1, 32, 32)[0]], 2)
    assert [next(stream).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"frame 3: expected the size of the frames before, \(3, 48, 64\)"):
        next(stream)


def test_bfloat16_is_close():
    model, frames = maps_of(small()), video(4)
    pairs = zip(aggregate(model, frames, 2), aggregate(model, frames, 2, autocast=torch.bfloat16), strict=True)
    for full, half in pairs:
        assert (full.output - half.output).norm() < 0.05 * full.output.norm()


@pytest.mark.parametrize("reach", [-1, 1.5, True])
def test_a_wrong_reach_is_refused(reach):
    with pytest.raises(ValueError, match=f"reach: expected a whole number of frames, at least 0, got {reach}"):
        aggregate(small(), video(1), reach)


def test_an_empty_video_and_a_model_in_training_are_refused():
    with pytest.raises(ValueError, match="got an empty video"):
        list(aggregate(small(), [], 2))
    with pytest.raises(ValueError, match="in eval mode"):
        aggregate(small().train(), video(1), 2)
