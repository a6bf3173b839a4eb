"""The training loop: it learns, logs, stops with a message, and resumes bit by bit from its own checkpoints only."""

import dataclasses
import math

import pytest
import torch
from hand_made import DETECTION, FLOW, SEGMENTATION, SIZE, STILLS, label_map, recipe, snippets, started
from tiny_trainings import equal, log, run
from torch import nn

from dffkit.networks import precision
from dffkit.support.errors import DataError, TrainingError
from dffkit.training import checkpoint, loop
from dffkit.training.assembly import build
from dffkit.training.checkpoint import FINISHED
from dffkit.training.loop import train

pytestmark = pytest.mark.usefixtures("one_thread")


# Learning


def changed(model, tiny, seed=0):
    """Return the parts whose parameters training has changed."""
    before = dict(build(tiny, seed).named_parameters())
    return {name.split(".")[0] for name, now in model.named_parameters() if not torch.equal(now, before[name])}


@pytest.mark.parametrize("task", [SEGMENTATION, DETECTION])
@pytest.mark.parametrize("job", ["frames", "pairs"])
def test_it_learns_a_square(tmp_path, task, job):
    tiny = recipe(job, task, iterations=40, batch=4, optimiser="adamw", lr=0.003)
    model = run(tiny, tmp_path)
    rows = log(tmp_path)
    assert [row["iteration"] for row in rows] == list(range(1, 41))
    first, last = (sum(row["loss"] for row in part) for part in (rows[:5], rows[-5:]))
    assert last < 0.6 * first
    assert changed(model, tiny) == {"feature_network", "task_network", *(("flow_network",) if job == "pairs" else ())}
    assert not model.training
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.csv", FINISHED]


def test_stills_train_all_heads_and_the_statistics(tmp_path):
    model = run(STILLS, tmp_path)
    assert changed(model, STILLS) == {"feature_network", "heads"}
    assert model.feature_network.bn1.running_mean.any()
    assert {"segmentation", "rpn_score", "rpn_box", "score", "box"} < set(log(tmp_path)[0])


def test_parts_start_from_the_given_weights(tmp_path):
    tiny = started(recipe(iterations=0))
    stills, flow = build(STILLS, 5), build(FLOW, 6)
    stills.feature_network.bn1.running_mean.fill_(0.5)
    start = {"feature_network": stills.state_dict(), "flow_network": flow.state_dict()}
    model = run(tiny, tmp_path, start=start)
    assert equal(model.feature_network.state_dict(), stills.feature_network.state_dict())
    assert torch.equal(model.flow_network.flow.weight, flow["flow_network"].flow.weight)
    assert torch.equal(model.task_network.score.weight, build(tiny).task_network.score.weight)
    assert log(tmp_path) == []
    with pytest.raises(ValueError, match=r"start: expected weights for flow_network, got them for \['feature_network"):
        run(tiny, tmp_path / "other", start={"feature_network": stills.state_dict()})


@pytest.mark.parametrize("frozen", [("feature_network",), ("flow_network",), ("feature_network", "task_network")])
def test_frozen_parts_stay_as_they_are(tmp_path, frozen):
    tiny = recipe(freeze=frozen)
    assert changed(run(tiny, tmp_path), tiny) == {"feature_network", "flow_network", "task_network"} - set(frozen)


def test_a_part_of_a_network_can_be_frozen(tmp_path):
    tiny = recipe(freeze=("feature_network.conv1", "feature_network.layer1"))
    model, before = run(tiny, tmp_path), build(tiny)
    assert torch.equal(model.feature_network.conv1.weight, before.feature_network.conv1.weight)
    assert not torch.equal(model.feature_network.reduce.weight, before.feature_network.reduce.weight)


def test_where_i_equals_k_f_does_not_learn(tmp_path):
    tiny = recipe(max_offset=0, weight_decay=0.0)
    assert changed(run(tiny, tmp_path), tiny) == {"feature_network", "task_network"}


def test_seeds_differ(tmp_path):
    models = [run(recipe(), tmp_path / str(seed), seed=seed) for seed in (0, 1)]
    assert not equal(*(model.state_dict() for model in models))


def test_mixed_precision_trains_float32_weights(tmp_path):
    # Without F: on frames this small its coarsest map is one cell, and there oneDNN's bfloat16 convolution of stride 2
    # gives weight gradients from memory that nobody wrote (torch 2.15). From 64x128 on they are right.
    models = {}
    for name in ("float32", "bfloat16"):
        tiny = recipe("frames", flow="none", flow_width=0, lr=0.005)
        models[name] = run(tiny, tmp_path / name, precision=name)
    assert all(p.dtype == torch.float32 for p in models["bfloat16"].parameters())
    assert not equal(*(model.state_dict() for model in models.values()))
    losses = [[row["loss"] for row in log(tmp_path / name)] for name in models]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def stopped(tiny, folder, **options):
    """Train until the validation after the first checkpoint stops the run."""

    def stop(model):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny, folder, checkpoint_every=1, validate_every=2, validate=stop, **options)


FRAMES = recipe("frames", flow="none", flow_width=0, iterations=3)


@pytest.mark.parametrize(("units", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_auto_trains_in_the_precision_of_the_machine_and_says_which(tmp_path, monkeypatch, capsys, units, chosen):
    monkeypatch.setattr(precision, "has_bf16_units", lambda device: units)
    monkeypatch.setattr(loop, "device_name", lambda device: "A Xeon")
    model = run(FRAMES, tmp_path / "auto")
    assert f"{FRAMES.name}: precision {chosen}, chosen for A Xeon\n" in capsys.readouterr().err
    named = run(FRAMES, tmp_path / "named", precision=chosen)
    assert equal(model.state_dict(), named.state_dict())
    assert f"precision {chosen}, as asked for\n" in capsys.readouterr().err
    states = [checkpoint.read(tmp_path / name / FINISHED) for name in ("auto", "named")]
    assert [state["precision"] for state in states] == [chosen] * 2
    assert states[0]["identity"] == states[1]["identity"]


def test_a_resumed_run_keeps_its_precision(tmp_path, capsys):
    whole = run(FRAMES, tmp_path / "whole", precision="bfloat16")
    stopped(FRAMES, tmp_path / "stopped", precision="bfloat16")
    capsys.readouterr()
    resumed = run(FRAMES, tmp_path / "stopped", precision="float32")
    message = f"{FRAMES.name}: precision bfloat16, as it began; --fresh begins again in float32\n"
    assert message in capsys.readouterr().err
    assert equal(whole.state_dict(), resumed.state_dict())
    assert checkpoint.read(tmp_path / "stopped" / FINISHED)["precision"] == "bfloat16"
    run(FRAMES, tmp_path / "stopped", precision="float32")  # finished
    assert message in capsys.readouterr().err
    run(FRAMES, tmp_path / "stopped", precision="float32", resume=False)
    assert checkpoint.read(tmp_path / "stopped" / FINISHED)["precision"] == "float32"


def test_a_run_of_an_older_version_resumes_in_its_recipes_precision(tmp_path):
    older = dataclasses.replace(FRAMES, precision="bfloat16")
    whole = run(older, tmp_path / "whole", precision="bfloat16")
    stopped(older, tmp_path / "stopped", precision="bfloat16")
    (path,) = (tmp_path / "stopped").glob("checkpoint-*.pt")
    state = checkpoint.read(path)
    del state["precision"]
    checkpoint.write(path, state)
    assert equal(run(older, tmp_path / "stopped").state_dict(), whole.state_dict())


def test_f_is_pretrained_on_sprites(tmp_path):
    tiny = dataclasses.replace(FLOW, iterations=3)
    model = run(tiny, tmp_path)
    assert changed(model, tiny) == {"flow_network"}
    row = log(tmp_path)[0]
    assert row["loss"] == row["flow"]  # the single levels are only logged
    assert "flow/forward" in row


def test_a_trained_network_labels_frames(tmp_path):
    tiny = recipe("frames", iterations=60, batch=4, flow="none", flow_width=0, optimiser="adamw", lr=0.003)
    model = run(tiny, tmp_path)
    predicted = model.task_network.decode(model(snippets()[0].frames[3][None]), SIZE)[0]
    assert (predicted == label_map(3)).float().mean() > 0.7


# The log and errors


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
    ("part", "message"),
    [
        ("task_network.score.weight", "iteration 2: the loss is not finite: loss nan, segmentation nan. Try a lower"),
        ("flow_network.flow.bias", "iteration 2: flow: expected finite values"),
    ],
)
def test_a_diverged_network_stops_the_run_and_is_named(tmp_path, part, message):
    def spoil(model):
        nn.init.constant_(model.get_parameter(part), math.nan)
        return {}

    with pytest.raises(TrainingError, match=f"^segmentation/pairs: {message}"):
        run(recipe(), tmp_path, validate=spoil, validate_every=2)
    assert not (tmp_path / FINISHED).exists()


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path):
    def spoil(model):
        model.task_network.score.weight.register_hook(lambda gradient: gradient * math.inf)
        return {}

    with pytest.raises(
        TrainingError, match=r"iteration 4: the gradient is not finite: loss [\d.]+, .*gradient (nan|inf)"
    ):
        run(recipe(), tmp_path, validate=spoil, validate_every=4)


def test_an_error_of_the_data_stops_the_run(tmp_path):
    class Broken(list):
        def __getitem__(self, index):
            raise OSError("no such frame")

    data = [dataclasses.replace(snippets()[0], frames=Broken())]
    with pytest.raises(OSError, match="no such frame"):
        train(recipe(), tmp_path, data=data, progress=False)


# Resuming


class Stop(Exception):
    """The exception that stops a run in these tests."""


@pytest.mark.parametrize(
    "tiny", [recipe(), recipe(task=DETECTION, optimiser="adamw"), STILLS, FLOW], ids=lambda r: r.name
)
@pytest.mark.parametrize("workers", [0, 3])
def test_a_stopped_run_resumes_bit_by_bit(tmp_path, tiny, workers):
    whole = run(tiny, tmp_path / "whole", log_every=3, workers=0)

    def stop(model):
        raise Stop

    options = {"checkpoint_every": 2, "log_every": 3, "workers": workers}
    with pytest.raises(Stop):
        run(tiny, tmp_path / "stopped", validate=stop, validate_every=3, **options)
    assert [path.name for path in (tmp_path / "stopped").glob("*.pt")] == ["checkpoint-00000002.pt"]
    resumed = run(tiny, tmp_path / "stopped", **options)
    assert equal(resumed.state_dict(), whole.state_dict())
    assert log(tmp_path / "stopped") == log(tmp_path / "whole")


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = run(recipe(), tmp_path)
    stamp = (tmp_path / FINISHED).stat().st_mtime_ns
    again = run(recipe(), tmp_path)
    assert equal(first.state_dict(), again.state_dict())
    assert not again.training
    assert (tmp_path / FINISHED).stat().st_mtime_ns == stamp


def test_without_resuming_it_begins_again(tmp_path):
    whole = run(recipe(), tmp_path)
    again = run(recipe(), tmp_path, resume=False)
    assert equal(whole.state_dict(), again.state_dict())
    assert len(log(tmp_path)) == 6


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"tiny": recipe(lr=0.06)}, "recipe_hash"),
        ({"seed": 1}, "seed 1, got 0"),
        ({"data_version": "b"}, "data_version 'b', got 'a'"),
    ],
)
def test_the_checkpoints_of_another_run_are_refused(tmp_path, finished, other, named):
    arguments = {"tiny": recipe(), "folder": tmp_path, "data_version": "a", "checkpoint_every": 2}
    run(**arguments)
    if not finished:
        state = checkpoint.read(tmp_path / FINISHED)
        (tmp_path / FINISHED).unlink()
        checkpoint.save(tmp_path, state, 4)
    with pytest.raises(DataError, match=f"another run: expected {named}"):
        run(**{**arguments, **other})
