"""Algorithm 1 as a stream."""

import copy
import itertools
import weakref

import pytest
import torch
from torch import nn

from dffkit.complexity import count_costs
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.precision import in_lower_precision
from dffkit.networks.segmentation import ScoreMaps
from dffkit.schedules import FixedInterval, FrameDifference
from dffkit.video import recognize


def video(count=11, height=48, width=64):
    """Random frames that differ from each other."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator) for _ in range(count)]


def small(task=None):
    """A small whole network, with a scale field that is not 1."""
    task = task or ScoreMaps(in_channels=128, num_classes=5)
    flow = flownet(width=0.0625, scale_channels=128)
    nn.init.normal_(flow.scale.weight, std=0.1)
    return DeepFeatureFlow(FeatureNetwork(14, width=0.125), flow, task).eval()


def by_hand(model, frames, key_frames):
    """Compute every result by the forward pass of a pair, without a stream."""
    size = frames[0].shape[1:]
    for frame, key in zip(frames, key_frames, strict=True):
        maps = model(frame[None], frames[key][None], torch.tensor([frame is frames[key]]))
        yield model.task_network.decode(maps, size)[0]


def assert_same(ours, expected):
    """Compare label maps except for ties, and boxes within a tolerance."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            torch.testing.assert_close(ours[name], value, rtol=1e-3, atol=1e-3)
    else:
        assert (ours == expected).float().mean() > 0.999


@pytest.mark.parametrize("look_ahead", [1, 2, 3, 100])
@pytest.mark.parametrize("duration", [1, 4])
@torch.no_grad()
def test_the_stream_is_the_pairs_one_by_one(look_ahead, duration):
    model, frames = small(), video()
    results = list(recognize(model, frames, FixedInterval(duration), look_ahead=look_ahead))
    assert [r.index for r in results] == list(range(11))
    assert [r.is_key_frame for r in results] == [i % duration == 0 for i in range(11)]
    for result, expected in zip(results, by_hand(model, frames, [i - i % duration for i in range(11)]), strict=True):
        assert result.output.shape == (48, 64)
        assert_same(result.output, expected)


@torch.no_grad()
def test_look_ahead_equals_streaming_for_detection():
    model, frames = small(RFCN(in_channels=128, num_classes=2, bins=3, proposals=20)), video()
    streamed = recognize(model, frames, FixedInterval(4))
    for ours, expected in zip(recognize(model, frames, FixedInterval(4), look_ahead=3), streamed, strict=True):
        assert ours[:2] == expected[:2]
        assert_same(ours.output, expected.output)


@torch.no_grad()
def test_a_schedule_may_decide_by_content():
    frames = [torch.full((3, 48, 64), 200 if i in (3, 4) else 10, dtype=torch.uint8) for i in range(7)]
    for look_ahead in (1, 4):
        results = recognize(small(), frames, FrameDifference(20.0), look_ahead=look_ahead)
        assert [r.index for r in results if r.is_key_frame] == [0, 3, 5]


def test_the_first_frame_is_a_key_frame_for_every_schedule():
    results = recognize(small(), video(3), lambda index, frame: False)
    assert [r.is_key_frame for r in results] == [True, False, False]


def test_the_expensive_network_runs_on_key_frames_only():
    model, runs = small(), []
    model.feature_network.register_forward_hook(lambda *_: runs.append(1))
    prepared = []
    prepare = model.flow_network.prepare
    model.flow_network.prepare = lambda frames: prepared.append(len(frames)) or prepare(frames)
    list(recognize(model, video(10), FixedInterval(5), look_ahead=4))
    assert len(runs) == 2
    assert prepared == [1, 4, 1, 4]  # each frame once, key frames too


@pytest.mark.parametrize("look_ahead", [1, 3])
def test_results_come_as_early_as_possible_and_frames_are_released(look_ahead):
    alive = weakref.WeakSet()
    read = []

    def endless():
        for i in itertools.count():
            frame = torch.full((3, 32, 32), i % 256, dtype=torch.uint8)
            alive.add(frame)
            read.append(i)
            yield frame
            del frame

    stream = recognize(small(), endless(), FixedInterval(4), look_ahead=look_ahead)
    for result in itertools.islice(stream, 40):
        assert read[-1] - result.index < look_ahead
        assert len(alive) <= look_ahead + 2


def test_bfloat16_is_close_and_leaves_the_model_alone():
    torch.manual_seed(0)
    model, frames = small(), video(8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    exact = [r.output for r in recognize(model, frames, FixedInterval(4))]
    rough = [r.output for r in recognize(model, frames, FixedInterval(4), autocast=torch.bfloat16)]
    agreement = [(a == b).float().mean().item() for a, b in zip(exact, rough, strict=True)]
    assert min(agreement) > 0.9
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not torch.is_autocast_enabled("cpu")


def test_lower_precision_keeps_flow_and_scale_predictions_in_float32():
    low = in_lower_precision(small())
    assert low.flow_network.flow.weight.dtype == low.flow_network.scale.weight.dtype == torch.float32
    assert low.feature_network.conv1.weight.dtype == low.flow_network.deconvs[0].weight.dtype == torch.bfloat16


def test_a_compiled_network_in_lower_precision_is_not_copied_and_gives_the_same():
    torch._dynamo.reset()
    low, frames = in_lower_precision(small()), video(4)
    assert in_lower_precision(low) is low
    expected = [r.output for r in recognize(low, frames, FixedInterval(2), autocast=torch.bfloat16)]
    low.compile(backend="aot_eager")
    for result, output in zip(recognize(low, frames, FixedInterval(2), autocast=torch.bfloat16), expected, strict=True):
        assert (result.output == output).float().mean() > 0.95


def test_the_modes_of_the_stream_do_not_reach_its_consumer():
    stream = recognize(small(), video(3), FixedInterval(2), autocast=torch.bfloat16)
    next(stream)
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("how", ["in place", "wrapped"])
def test_a_compiled_model_gives_the_same(how):
    torch._dynamo.reset()
    model, frames = small(), video(6)
    expected = [r.output for r in recognize(model, frames, FixedInterval(3), look_ahead=2)]
    if how == "in place":
        model.compile(backend="aot_eager")
        compiled = model
    else:
        compiled = torch.compile(model, backend="aot_eager")
    for result, output in zip(recognize(compiled, frames, FixedInterval(3), look_ahead=2), expected, strict=True):
        assert_same(result.output, output)
    with torch.no_grad():
        pair = torch.stack(frames[:2])
        assert compiled(pair, pair).shape == (2, 5, 3, 4)


@pytest.mark.parametrize(("height", "width"), [(601, 999), (17, 33)])
def test_odd_sizes(height, width):
    for result in recognize(small(), video(3, height, width), FixedInterval(2)):
        assert result.output.shape == (height, width)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], "frames: expected at least one frame, got an empty video"),
        ([*video(2), video(1, 32, 64)[0]], r"frame 2: expected the size of the frames before, \(3, 48, 64\)"),
        ([*video(2), video(1)[0].float()], "frame 2: expected frames of dtype torch.uint8"),
        ([*video(1), video(1)[0][:1]], r"frame 1: expected RGB frames .* got \(1, 1, 48, 64\); a grayscale"),
        ([video(1)[0][0]], r"frame 0: expected a frame \(3, H, W\), got \(48, 64\); a grayscale frame"),
        ([video(1)[0] / 255], r"frame 0: .* got torch.float32; values in 0..1"),
        ([video(1)[0].permute(1, 2, 0)], "frame 0: .* the channels come last: use frames.movedim"),
        ([video(1)[0].numpy()], "frame 0: expected a uint8 tensor .* got ndarray"),
        (
            [torch.stack(video(2))],
            r"frame 0: expected a frame .* got \(2, 3, 48, 64\); give a batch's frames one by one",
        ),
    ],
)
def test_bad_frames_are_named_by_index(frames, message):
    with pytest.raises(ValueError, match=message):
        list(recognize(small(), frames, FixedInterval(2)))


@pytest.mark.parametrize("look_ahead", [1, 8])
def test_the_results_before_an_error_still_come(look_ahead):
    def breaks():
        yield from video(3)
        raise OSError("the camera is gone")

    cases = ((breaks(), OSError, "the camera is gone"), ([*video(3), None], ValueError, "frame 3: expected a uint8"))
    for frames, error, message in cases:
        stream = recognize(small(), frames, FixedInterval(5), look_ahead=look_ahead)
        assert [result.index for result in itertools.islice(stream, 3)] == [0, 1, 2]
        with pytest.raises(error, match=message):
            next(stream)


def test_autocast_runs_on_converted_weights():
    model, seen = small(), set()
    model.feature_network.conv1.register_forward_pre_hook(lambda module, _: seen.add(module.weight.dtype))
    list(recognize(model, video(2), FixedInterval(1), autocast=torch.bfloat16))
    assert seen == {torch.bfloat16}


def test_a_copy_of_a_compiled_model_uses_its_own_weights():
    model = small()
    model.compile(backend="aot_eager")
    other = copy.deepcopy(model)
    nn.init.zeros_(other.task_network.score.weight)
    other.task_network.score.bias.data[3] = 1
    assert all((r.output == 3).all() for r in recognize(other, video(3), FixedInterval(2)))
    assert count_costs(model, (32, 32)).task > 0


def test_compiling_compiles_both_steps():
    torch._dynamo.reset()
    graphs = []
    model = small()
    model.compile(backend=lambda graph, _inputs: graphs.append(graph) or graph.forward)
    list(recognize(model, video(1), FixedInterval(2)))
    for_key_frames = len(graphs)
    list(recognize(model, video(2), FixedInterval(2)))
    assert 0 < for_key_frames < len(graphs)


def test_bad_options_are_named_at_once():
    for look_ahead in (0, 2.5):
        with pytest.raises(ValueError, match=f"look_ahead: expected a whole number .* got {look_ahead}"):
            recognize(small(), video(), FixedInterval(2), look_ahead=look_ahead)
    with pytest.raises(ValueError, match=r"schedule: expected a schedule such as FixedInterval\(10\), got 10"):
        recognize(small(), video(), 10)
    for autocast in ("bfloat16", True, torch.float64):
        with pytest.raises(ValueError, match=r"autocast: expected torch.bfloat16"):
            recognize(small(), video(), FixedInterval(2), autocast=autocast)
    with pytest.raises(ValueError, match=r"model: expected a model in eval mode.*model.eval\(\)"):
        recognize(small().train(), video(), FixedInterval(2))
