"""speed.py: recipes that share a network share its speed; the cost ratio and the table."""

import argparse
import dataclasses
import math
from pathlib import Path

import pandas
import pytest
import torch
from hand_made import DETECTION, SEGMENTATION, recipe

from dffkit.commands import measure as command
from dffkit.complexity import cost_ratio, cost_ratio_approximate, count_costs, table2
from dffkit.experiments import results, speed
from dffkit.experiments.runs import Run
from dffkit.experiments.speed import Architecture, Speed, measure, measured
from dffkit.networks import precision
from dffkit.support.errors import CommandError
from dffkit.support.files import root
from dffkit.training import checkpoint
from dffkit.training.assembly import build
from dffkit.training.recipes import find

TINY = recipe(task=SEGMENTATION)
FRAME = recipe("frames", flow="none", flow_width=0)
HANDHELD_FRAME = recipe("frames", DETECTION, data="handheld", flow="none", flow_width=0)
DRIVE = {"segmentation/dff": TINY, "segmentation/frame": dataclasses.replace(FRAME, name="segmentation/frame")}
HANDHELD = {"handheld/frame": dataclasses.replace(HANDHELD_FRAME, name="handheld/frame")}


def test_training_does_not_change_the_speed():
    dff = Architecture.of(find("toytown/segmentation/dff"))
    assert Architecture.of(find("toytown/segmentation/fix-n")) == dff
    assert Architecture.of(find("toytown/segmentation/frame")) != dff
    for name, field, value in (("without-s", "scale", False), ("sff-dis", "flow", "DIS")):
        assert Architecture.of(find(f"toytown/segmentation/{name}")) != dff
        assert getattr(Architecture.of(find(f"toytown/segmentation/{name}")), field) == value
    for changes in ({"split": 0}, {"small_stem": True}, {"data": "handheld"}):
        assert Architecture.of(dataclasses.replace(TINY, **changes)) != Architecture.of(TINY)


def test_the_stored_table_has_every_network_of_the_drive():
    stored = measured(root() / "data" / "results")
    assert len(stored) == len(results.read_rows(root() / "data" / "results" / "speed.csv"))
    for name in ("detection/frame-half-size", "segmentation/dff-50-inception", "segmentation/split-21"):
        assert Architecture.of(find(f"toytown/{name}")) in stored


def test_frames_per_second_have_their_results():
    network = Speed(45, 5, 5, 100, 10, 0.1)
    assert network.fps(1) == 20
    assert network.fps(5) == pytest.approx(1000 * 5 / (50 + 4 * 10))
    assert network.gflop(5) == pytest.approx(140 / 5)
    assert network.eq7(5) == pytest.approx(5 / 1.4)
    assert math.isnan(network._replace(ratio=math.nan).eq7(5))


def trained():
    return {
        (data, head[0]): build(recipe(task=head)).eval()
        for data, head in (("toytown", SEGMENTATION), ("toytown", DETECTION), ("handheld", DETECTION))
    }


def in_steps(parts, device, repeats, progress):
    """Run every part, and say that each took a millisecond longer than the one before: measured times may be equal."""
    return {part: [float(number + 1)] for number, part in enumerate(parts) if parts[part]() is not None}


def test_every_recipe_gets_its_times_and_its_ratio(monkeypatch):
    monkeypatch.setattr(speed, "times_in_turns", in_steps)
    others = [recipe(task=DETECTION), dataclasses.replace(TINY, flow="DIS", flow_width=0, scale=False)]
    smaller = dataclasses.replace(TINY, flow="none", flow_width=0, shrink=2)
    recipes = [TINY, *others, dataclasses.replace(TINY, flow="none", flow_width=0), smaller]
    rows = measure(recipes, trained(), 1, "cpu", "float32")
    assert [row["task"] for row in rows] == ["segmentation", "detection", *["segmentation"] * 3]
    assert all(min(row["key_ms"], row["current_ms"], row["decode_ms"]) > 0 for row in rows)
    dff, boxes, dis, copy, small = rows
    assert dff["key_ms"] == dis["key_ms"] == copy["key_ms"] != small["key_ms"]  # the same computation
    assert dff["decode_ms"] == dis["decode_ms"] == copy["decode_ms"] != boxes["decode_ms"]
    assert dff["current_ms"] != copy["current_ms"]
    assert 0 < dff["ratio"] < 1
    assert dff["ratio"] == pytest.approx(dff["current_gflop"] / dff["key_gflop"], rel=0.01)
    assert math.isnan(dis["ratio"])
    assert copy["ratio"] < dff["ratio"]


def test_a_small_stem_is_counted(monkeypatch):
    monkeypatch.setattr(speed, "times_in_turns", lambda parts, *_, **__: {part: [1.0] for part in parts})
    pair, frame = find("handheld/dff-50-inception"), find("handheld/frame-50")
    (row,) = measure([pair], {("handheld", "detection"): build(frame).eval()}, 1, "cpu", "float32")
    costs = count_costs(build(pair), pair.size)
    printed = table2().set_index(["features", "flow"]).inverse["ResNet-50", "FlowNet Inception"]
    assert 1 / cost_ratio_approximate(costs) == pytest.approx(printed, rel=0.10)
    assert row["ratio"] == pytest.approx(cost_ratio(costs), abs=1e-5)
    assert row["ratio"] == pytest.approx(row["current_gflop"] / row["key_gflop"], abs=1e-4)
    assert row["small_stem"]


@pytest.fixture
def workspace(bare_workspace, monkeypatch):
    """A workspace of its own for the command, which knows a few tiny recipes."""
    monkeypatch.setattr(command, "default_workspace", lambda device: bare_workspace)
    monkeypatch.setattr(command, "RECIPES", DRIVE)
    monkeypatch.setattr(command, "HANDHELD", HANDHELD)
    return bare_workspace


def finish(frame, workspace):
    """Store random weights as the finished run of a recipe."""
    run = Run(frame)
    state = {"identity": run.measurement("train")._asdict(), "module": build(frame).state_dict()}
    checkpoint.write(run.folder(workspace) / checkpoint.FINISHED, state)


def run_speed(*words):
    """Run the command with one repetition on the CPU."""
    parser = argparse.ArgumentParser()
    command.add_speed_arguments(parser)
    return command.speed_main(parser.parse_args(["--repeats=1", "--device=cpu", *words]))


def test_the_precision_is_that_of_the_machine_or_the_one_asked_for(workspace, tmp_path, monkeypatch):
    seen, convolution = set(), torch.nn.Conv2d.forward

    def forward(layer, maps):
        seen.add(convolution(layer, maps).dtype)
        return convolution(layer, maps)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    finish(DRIVE["segmentation/frame"], workspace)
    out = tmp_path / "speed.csv"
    for units, words, expected in ((False, (), "float32"), (True, (), "bfloat16"), (True, ("float32",), "float32")):
        monkeypatch.setattr(precision, "has_bf16_units", lambda device, units=units: units)
        seen.clear()
        run_speed(*(f"--precision={word}" for word in words), f"--out={out}")
        assert set(pandas.read_csv(out).precision) == {expected}
        assert (torch.bfloat16 in seen) == (expected == "bfloat16")
    assert len(measured(tmp_path)) == 2


def test_the_command_replaces_the_table_at_out(workspace, tmp_path, monkeypatch, capsys):
    frozen = dataclasses.replace(TINY, name="frozen", freeze=("feature_network",))
    exact = dataclasses.replace(TINY, name="exact", flow="exact", flow_width=0)  # rendering is not recognition
    monkeypatch.setattr(command, "RECIPES", DRIVE | {each.name: each for each in (frozen, exact)})
    parser = argparse.ArgumentParser()
    command.add_speed_arguments(parser)
    assert parser.get_default("out") == Path("build/results/speed.csv"), "not the table that ships"
    finish(DRIVE["segmentation/frame"], workspace)
    out = tmp_path / "new" / "times.csv"
    for _ in range(2):
        assert run_speed(f"--out={out}") == 0
    table = pandas.read_csv(out)
    assert len(table) == 2
    assert {"device", "threads", "torch", "commit"} <= set(table.columns)
    assert f"2 networks measured: {out}" in capsys.readouterr().out


def test_worlds_without_a_trained_frame_are_left_out_and_named(workspace, tmp_path, capsys):
    missing = r"is not trained yet\. Train it with:  python -m dffkit train"
    with pytest.raises(CommandError, match=f"segmentation/frame.* {missing} segmentation/frame"):
        run_speed(f"--out={tmp_path / 'speed.csv'}")
    finish(DRIVE["segmentation/frame"], workspace)
    run_speed(f"--out={tmp_path / 'speed.csv'}")
    assert {network.data for network in measured(tmp_path)} == {"toytown"}
    assert "left out: handheld/frame is not trained" in capsys.readouterr().err
    with pytest.raises(CommandError, match=f"{missing} handheld/frame"):
        run_speed("--data", "handheld")
    finish(HANDHELD["handheld/frame"], workspace)
    run_speed(f"--out={tmp_path / 'speed.csv'}")
    assert {network.data for network in measured(tmp_path)} == {"toytown", "handheld"}
    assert "left out" not in capsys.readouterr().err
    handheld, before = Architecture.of(HANDHELD["handheld/frame"]), measured(tmp_path)
    run_speed("--data=handheld", f"--out={tmp_path / 'speed.csv'}")
    after = measured(tmp_path)
    assert list(after) == list(before)
    assert [before[each] == after[each] for each in before if each != handheld] == [True] * (len(before) - 1)
