"""The paper's protocol: pairs that count, frames read once, means over offsets, work shared by processes."""

import math
import sys
from datetime import timedelta

import pytest
import torch
from scored_snippets import CLASSES, SIZE, Counting, assert_close, data, detector, small, some_boxes, video
from torch import distributed, multiprocessing, nn

from dffkit.baselines.without_flow import NoFlow
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.targets import SuspiciousTargets
from dffkit.dff import DeepFeatureFlow
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.segmentation import ScoreMaps
from dffkit.scores import DetectionScores, SegmentationScores, evaluation
from dffkit.scores.evaluation import evaluate


@torch.no_grad()
def by_hand(model, snippets, offset, history=3):
    """Return the scores at one offset from the forward pass of one pair at a time."""
    found = []
    for snippet in snippets:
        for i, target in snippet.targets.items():
            if i < history - 1:
                continue
            key_frame = None if offset == 0 else snippet.frames[i - offset][None]
            maps = model(snippet.frames[i][None], key_frame)
            kind = DetectionScores if isinstance(target, dict) else SegmentationScores
            prediction = model.task_network.decode(maps, SIZE)[0]
            found.append(kind.of(prediction, target, snippet.motion.get(i), num_classes=CLASSES))
    return kind.merge(found).values()


@pytest.mark.parametrize("batch_size", [1, 2, 10])
@pytest.mark.parametrize("split", [0, 1, 2])
def test_offsets_are_the_models_own_pairs(split, batch_size):
    model, snippets = small(split), data()
    result = evaluate(model, snippets, max_duration=3, batch_size=batch_size)
    for offset in range(3):  # offset 0 is per-frame recognition
        assert_close(result.values[offset], by_hand(model, snippets, offset))
    assert result.values[0]["mIoU", "all"] != result.values[2]["mIoU", "all"]


def test_offsets_are_the_models_own_pairs_for_boxes():
    model, snippets = detector(), data(some_boxes)
    result = evaluate(model, snippets, max_duration=3)
    for offset in range(3):
        assert_close(result.values[offset], by_hand(model, snippets, offset))
    assert result.values[0]["mAP", "all"] > 0


def test_labels_of_one_class_and_255_are_told():
    snippet = video("a", [2])
    mask = Snippet("a", 10.0, snippet.frames, {2: torch.where(snippet.targets[2] == 1, 255, 0)})
    with pytest.warns(SuspiciousTargets, match="all labelled pixels are of one class, so mIoU is 1 for"):
        result = evaluate(small(), [mask], max_duration=1)
    assert result.absent == [1, 2, 3]


def test_boxes_in_lists_are_scored_like_those_in_tensors():
    in_tensors = video("a", [2], label=some_boxes)
    target = {name: values.tolist() for name, values in in_tensors.targets[2].items()}
    in_lists = Snippet("a", 10.0, in_tensors.frames, {2: target})
    found, expected = (evaluate(detector(), [each], max_duration=1) for each in (in_lists, in_tensors))
    assert found.score("mAP", duration=1) == expected.score("mAP", duration=1) > 0
    assert found.absent == [3, 4]


def test_only_frames_with_a_full_history_count():
    model = small()
    result = evaluate(model, data(), max_duration=3)
    assert [(each.name, each.frames) for each in result.snippets] == [("a", 1), ("b", 3), ("d", 2)]
    assert (result.frames, result.max_duration) == (6, 3)
    labelled = 6 * (SIZE[0] - 4) * SIZE[1]
    counts = [[int(scores.confusion.sum()) for scores in snippet.offsets] for snippet in result.snippets]
    assert [sum(each) for each in zip(*counts, strict=True)] == [labelled] * 3


def test_per_frame_recognition_is_scored_on_the_same_frames():
    model, snippets = small(), data()
    frame = evaluate(model, snippets, max_duration=1, history=3)
    assert frame.frames == 6
    assert_close(frame.values[0], evaluate(model, snippets, max_duration=3).values[0])
    assert evaluate(model, snippets, max_duration=1).frames == 11


def test_every_frame_is_read_once_and_its_features_are_computed_once():
    model, snippet = small(), video("e", [2, 3, 4, 7])
    frames, extracted = Counting(snippet.frames), []
    model.feature_network.register_forward_hook(lambda _, inputs, __: extracted.append(len(inputs[0])))
    evaluate(model, [Snippet("e", 10.0, frames, snippet.targets)], max_duration=3, batch_size=2)
    assert sorted(frames.reads) == list(range(8))
    assert sum(extracted) == 8
    assert max(extracted) == 2


def test_only_key_frames_that_are_still_needed_are_held(monkeypatch):
    held, store = [], evaluation._store

    def counted(keys, *new):
        store(keys, *new)
        held.append(len(keys))

    monkeypatch.setattr(evaluation, "_store", counted)
    evaluate(small(), [video("f", range(2, 20), count=20)], max_duration=3, batch_size=4)
    assert max(held) == 3


@pytest.mark.parametrize("size", [(48, 64), (33, 50), (1, 17)])
def test_no_flow_copies_the_key_frames_features(size):
    model = DeepFeatureFlow(FeatureNetwork(14, width=1 / 16), NoFlow(), ScoreMaps(in_channels=64, num_classes=2)).eval()
    current, key = torch.randint(0, 256, (2, 2, 3, *size), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(model(current, key), model(key))
        assert torch.equal(
            model.on_current_frame(current, model.key_frame(key[:1])), model(key[:1]).expand(2, -1, -1, -1)
        )


def test_the_model_is_evaluated_in_eval_mode_and_gets_its_own_back():
    model, seen = small(), []
    model.train()
    model.feature_network.eval()
    modes = [module.training for module in model.modules()]
    model.task_network.register_forward_hook(lambda module, *_: seen.append(module.training))
    evaluate(model, data(), max_duration=2)
    assert seen
    assert not any(seen)
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(ValueError, match="got none"):
        evaluate(model, [], max_duration=2)
    assert [module.training for module in model.modules()] == modes


def test_mixed_precision_gives_nearly_the_same_scores():
    model, snippets = small(), data()
    full = evaluate(model, snippets, max_duration=2)
    half = evaluate(model, snippets, max_duration=2, autocast=torch.bfloat16)
    assert half.values != full.values
    assert half.score("mIoU", duration=2) == pytest.approx(full.score("mIoU", duration=2), abs=0.02)
    assert next(model.parameters()).dtype == torch.float32


def test_a_bar_is_shown_only_if_asked_for(capsys):
    evaluate(small(), data(), max_duration=2)
    assert capsys.readouterr().err == ""
    evaluate(small(), data(), max_duration=2, progress=True)
    assert "4/4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_duration": 0}, "max_duration: expected a whole number, at least 1, got 0"),
        ({"max_duration": 2.0}, r"max_duration: expected a whole number, at least 1, got 2\.0"),
        ({"batch_size": 0}, "batch_size: expected a whole number, at least 1, got 0"),
        ({"max_duration": 3, "history": 2}, "history: expected a whole number, at least 3, got 2"),
        ({"max_duration": 20}, "snippets: expected an annotated frame with all its history before it, got none"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(small(), data(), **options)


def test_two_snippets_of_one_name_are_named():
    with pytest.raises(ValueError, match="snippets: expected names that differ, got a more than once"):
        evaluate(small(), [video("a", [2]), video("b", [2]), video("a", [3])], max_duration=2)


def test_a_durations_score_is_the_mean_over_its_offsets():
    result = evaluate(small(), data(), max_duration=3)
    scores = [values["mIoU", "all"] for values in result.values]
    assert result.score("mIoU", duration=1) == scores[0]
    assert result.score("mIoU", duration=3) == pytest.approx(sum(scores) / 3)
    fast = [values["mIoU", "fast"] for values in result.values]
    assert result.score("mIoU", "fast", duration=2) == pytest.approx(sum(fast[:2]) / 2)


def test_a_perfect_model_scores_1():
    class Colours(nn.Module):
        channels = 3

        def forward(self, frames):
            return nn.functional.avg_pool2d(frames.float(), 16)

    class Brightest(nn.Module):
        out_channels = num_classes = 3

        def forward(self, features):
            return features

        def decode(self, maps, size):
            return maps.argmax(1).repeat_interleave(16, 1).repeat_interleave(16, 2).to(torch.uint8)

    target = torch.randint(0, 3, (3, 4)).repeat_interleave(16, 0).repeat_interleave(16, 1).to(torch.uint8)
    still = (nn.functional.one_hot(target.long(), 3) * 200).permute(2, 0, 1).to(torch.uint8)
    model = DeepFeatureFlow(Colours(), NoFlow(), Brightest())
    standing = Snippet("standing", 10.0, [still] * 5, {4: target}, {4: torch.zeros(SIZE, dtype=torch.uint8)})
    for values in evaluate(model, [standing], max_duration=4).values:
        assert values["mIoU", "all"] == values["mIoU", "slow"] == 1
    # If the world moves by a cell a frame, a copy is right at offset 0 only.
    rolled = [still.roll(16 * (i - 4), 2) for i in range(5)]
    moving = evaluate(model, [Snippet("moving", 10.0, rolled, {4: target})], max_duration=4)
    assert moving.score("mIoU", duration=1) == 1 > moving.score("mIoU", duration=2)


def test_a_perfect_detector_scores_1():
    class Perfect(nn.Module):
        in_channels, out_channels, num_classes = 64, 64, CLASSES

        def forward(self, features):
            return features

        def decode(self, maps, size):
            return [{**target, "scores": torch.rand(3)} for _ in maps]

    target, motion = some_boxes(torch.Generator().manual_seed(0))
    model = small(task=Perfect())
    snippet = Snippet("a", 10.0, video("a", []).frames, dict.fromkeys([3, 4], target), dict.fromkeys([3, 4], motion))
    result = evaluate(model, [snippet], max_duration=3)
    for metric, subset in [("mAP", "all"), ("mAP", "slow"), ("mAP", "fast"), ("AP", "2")]:
        assert result.score(metric, subset, duration=3) == 1
    assert math.isnan(result.score("mAP", "medium", duration=3))


@pytest.mark.parametrize("duration", [0, 4])
def test_a_duration_that_was_not_evaluated_is_named(duration):
    result = evaluate(small(), data(), max_duration=3)
    with pytest.raises(ValueError, match=rf"duration: expected 1\.\.3, as evaluated, got {duration}"):
        result.score("mIoU", duration=duration)


def both_tasks():
    """Return the snippets that were read and the scores, of both tasks, as plain values."""
    snippets = Counting(data()), Counting(data(some_boxes))
    pairs = zip((small(), detector()), snippets, strict=True)
    results = [evaluate(model, each, max_duration=3) for model, each in pairs]
    return [each.reads for each in snippets], [
        (name, frames, [vars(scores) for scores in offsets])
        for result in results
        for name, frames, offsets in result.snippets
    ]


def in_process(rank, folder):
    """One of two processes: evaluate together, then leave the result in a file."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # in the convolutions' sums the last bit depends on it
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2, timeout=timedelta(minutes=15)
    )
    try:
        torch.save(both_tasks(), f"{folder}/{rank}.pt")
    finally:
        distributed.destroy_process_group()
        torch.set_num_threads(threads)


@pytest.mark.skipif(sys.platform != "linux", reason="the processes meet at a path as Linux writes it")
def test_processes_share_the_work_and_all_return_what_one_does(tmp_path):
    threads = torch.get_num_threads()
    other = multiprocessing.get_context("spawn").Process(target=in_process, args=(1, str(tmp_path)))
    other.start()
    in_process(0, str(tmp_path))
    other.join()
    torch.set_num_threads(1)
    reads, expected = both_tasks()
    torch.set_num_threads(threads)
    assert reads == [(0, 1, 2, 3)] * 2
    for rank in range(2):
        read, ours = torch.load(tmp_path / f"{rank}.pt")
        assert read == [(rank, rank + 2)] * 2
        assert [each[:2] for each in ours] == [each[:2] for each in expected]
        for mine, one in zip(ours, expected, strict=True):
            torch.testing.assert_close(mine[2], one[2], rtol=0, atol=0, equal_nan=True)
