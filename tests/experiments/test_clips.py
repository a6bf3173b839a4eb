"""Films as a whole: Seq-NMS for each kind of model, and schedules simulated as `recognize` runs them."""

import dataclasses

import pytest
import torch
from hand_made import DETECTION, recipe, snippets

from dffkit.aggregation.key_frames import FlowChange
from dffkit.datasets.snippets import Snippet
from dffkit.experiments import clips, key_frames, queue, results
from dffkit.experiments.key_frames import Clip, learned_weights, mean_rate, parameter_for
from dffkit.experiments.runs import Run
from dffkit.schedules import FixedInterval, FrameDifference
from dffkit.support.errors import CommandError
from dffkit.training.assembly import build
from dffkit.training.handheld_recipes import DATA
from dffkit.training.recipe import Measurement
from dffkit.video import recognize

pytestmark = pytest.mark.usefixtures("one_thread")

WHERE = Measurement("hash", 0, "version", "val")
PAIRS = recipe("pairs", DETECTION, iterations=0)


def films(count=3):
    """Films with boxes of known motion in every frame."""
    made = snippets("detection", count=count)
    return [
        Snippet(each.name, each.fps, each.frames, each.targets, dict.fromkeys(range(12), torch.tensor([0.5])))
        for each in made
    ]


def network(job="pairs"):
    made = build(recipe(job, DETECTION, **({"flow": "none", "flow_width": 0} if job == "frames" else {})), 1).eval()
    torch.manual_seed(0)
    torch.nn.init.normal_(made.feature_network.reduce.weight, std=0.1)
    return made


@pytest.mark.parametrize(("job", "duration"), [("frames", 1), ("pairs", 10), ("aggregate", None)])
def test_every_kind_of_model_is_scored_with_and_without_seq_nms(job, duration):
    found = clips.seq_nms_scores(network(job), job, films(), 9, WHERE)
    assert {row.metric for row in found} == {
        "mAP of clips", "mAP of clips, Seq-NMS mean", "mAP of clips, Seq-NMS max"
    }  # fmt: skip
    assert {row.duration for row in found} == {duration}
    assert {row.frames for row in found} == {3}


def test_the_first_key_frame_depends_on_the_film():
    model = network()
    for number in (0, 3):
        keys = [result.index for result in clips._results(model, "pairs", films()[0], number) if result.is_key_frame]
        assert keys == sorted({0, number, number + 10} & set(range(12)))


@pytest.fixture(scope="module")
def clip():
    return Clip(network(), films(1)[0], range(12))


@pytest.mark.parametrize("threshold", [0.0, 0.02, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("policy", ["frame difference", "flow length", "carried error", "learned"])
def test_simulated_key_frames_are_those_of_recognize(clip, policy, threshold):
    model, weights = network(), (key_frames.WEIGHTS | {"learned": (0.1, 0.2, 0.3)})[policy]
    schedule = FrameDifference(threshold) if weights is None else FlowChange(model.flow_network, threshold, weights)
    streamed = list(recognize(model, clip.film.frames, schedule))
    keys = clip.key_frames(policy, threshold, weights)
    assert [i for i, k in enumerate(keys) if i == k] == [result.index for result in streamed if result.is_key_frame]
    for i, k in enumerate(keys):
        for name, values in streamed[i].output.items():
            torch.testing.assert_close(clip.from_key(k)[1][i][name], values, rtol=1e-3, atol=1e-3)


def test_fixed_and_random_key_frames(clip):
    fixed = [i for i, key in enumerate(clip.key_frames("fixed", 5)) if i == key]
    assert fixed == [i for i in range(12) if FixedInterval(5)(i, None)]
    assert set(clip.key_frames("random", 0.0)) == {0}
    assert clip.key_frames("random", 1.0) == list(range(12))


@pytest.mark.parametrize("policy", key_frames.POLICIES)
def test_parameters_give_the_rate_of_a_fixed_duration(policy):
    chosen = [Clip(network(), film, ()) for film in films(4)]
    for speed, each in enumerate(chosen, 1):
        each.changes = lambda k, _, speed=speed: [0.1 * speed * i for i in range(1, 12 - k)]
    weights = key_frames.WEIGHTS.get(policy, (0.1, 0.1, 0.0))
    rate = mean_rate(chosen, policy, parameter_for(chosen, policy, 4, weights), weights)
    assert rate == pytest.approx(3 / 12, abs=0.13)


def test_learned_weights_predict_the_loss():
    """All boxes are lost from the fifth frame after the key frame on, and the first signal says so."""
    clip = Clip(network(), films(1)[0], range(12))
    lose = 5

    def from_key(k):
        after = torch.arange(1.0, 12 - k)
        signals = torch.stack([(after >= 5).float(), torch.ones_like(after), 2 - after % 2], 1)
        found = {
            i: {**clip.film.targets[i], "scores": torch.tensor([0.1 if i - k >= lose else 1.0])} for i in range(12)
        }
        return signals, found

    clip.from_key = from_key
    assert learned_weights([clip]) == pytest.approx((1, 0, 0), abs=1e-5)
    lose = 99
    assert learned_weights([clip]) == key_frames.WEIGHTS["flow length"]


def test_the_command_scores_a_run_into_a_table_of_its_own(workspace, monkeypatch):
    monkeypatch.setattr(clips, "labelled_films", lambda split, count, folder, progress: films(2))
    monkeypatch.setattr(clips.sources, "longest_duration", lambda recipe, found: 10)
    monkeypatch.setattr(key_frames, "DURATIONS", (2, 3))
    run = Run(dataclasses.replace(PAIRS, data=DATA))
    queue.train_run(run, workspace)
    found = queue.evaluate_run(run, workspace, split="test", of_clips=True)
    stored = results.read(workspace.results / "clips.csv")
    assert len(stored) == len(found) == 3 * 4 + 6 * 2 * 5
    rates = {row.duration: row.value for row in stored if row.metric == "rate, key frames: fixed"}
    assert rates == {2: 6 / 12, 3: 4 / 12}
    assert not (workspace.results / "evaluation.csv").exists()
    with pytest.raises(CommandError, match="--clips: expected a recipe for boxes of the handheld world"):
        clips.score(Run(PAIRS), None, workspace, split="test")
