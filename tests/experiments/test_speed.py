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
from dffkit.experiments import speed
from dffkit.experiments.speed import Architecture, Speed, measure, measured
from dffkit.networks import precision
from dffkit.training.assembly import build
from dffkit.training.recipes import find

TINY = recipe(task=SEGMENTATION)


def test_training_does_not_change_the_speed():
    dff = Architecture.of(find("toytown/segmentation/dff"))
    assert Architecture.of(find("toytown/segmentation/fix-n")) == dff
    assert Architecture.of(find("toytown/segmentation/frame")) != dff
    for name, field, value in (("without-s", "scale", False), ("sff-dis", "flow", "DIS")):
        assert Architecture.of(find(f"toytown/segmentation/{name}")) != dff
        assert getattr(Architecture.of(find(f"toytown/segmentation/{name}")), field) == value
    assert Architecture.of(dataclasses.replace(TINY, split=0)) != Architecture.of(TINY)


def test_frames_per_second_have_their_results():
    network = Speed(45, 5, 5, 100, 10, 0.1)
    assert network.fps(1) == 20
    assert network.fps(5) == pytest.approx(1000 * 5 / (50 + 4 * 10))
    assert network.gflop(5) == pytest.approx(140 / 5)
    assert network.eq7(5) == pytest.approx(5 / 1.4)
    assert math.isnan(network._replace(ratio=math.nan).eq7(5))


def trained():
    return {
        task: build(recipe(task=head)).eval()
        for task, head in (("segmentation", SEGMENTATION), ("detection", DETECTION))
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


def test_the_precision_is_that_of_the_machine_or_the_one_asked_for(tmp_path, monkeypatch):
    seen, convolution = set(), torch.nn.Conv2d.forward

    def forward(layer, maps):
        seen.add(convolution(layer, maps).dtype)
        return convolution(layer, maps)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", forward)
    monkeypatch.setattr(command.weights, "load", lambda name: trained()[name.split("/")[1]])
    monkeypatch.setattr(command, "RECIPES", {TINY.name: TINY})
    parser, out = argparse.ArgumentParser(), tmp_path / "speed.csv"
    command.add_speed_arguments(parser)
    for units, words, expected in ((False, (), "float32"), (True, (), "bfloat16"), (True, ("float32",), "float32")):
        monkeypatch.setattr(precision, "has_bf16_units", lambda device, units=units: units)
        words = [*(f"--precision={word}" for word in words), "--repeats=1", "--device=cpu", f"--out={out}"]
        seen.clear()
        command.speed_main(parser.parse_args(words))
        assert set(pandas.read_csv(out).precision) == {expected}
        assert (torch.bfloat16 in seen) == (expected == "bfloat16")
    assert len(measured(tmp_path)) == 1


def test_the_command_replaces_the_table_at_out(tmp_path, monkeypatch, capsys):
    frozen = dataclasses.replace(TINY, name="frozen", freeze=("feature_network",))
    exact = dataclasses.replace(TINY, name="exact", flow="exact", flow_width=0)  # rendering is not recognition
    monkeypatch.setattr(command.weights, "load", lambda name: trained()[name.split("/")[1]])
    monkeypatch.setattr(command, "RECIPES", {each.name: each for each in (TINY, frozen, exact)})
    parser = argparse.ArgumentParser()
    command.add_speed_arguments(parser)
    assert parser.get_default("out") == Path("build/results/speed.csv"), "not the table that ships"
    out = tmp_path / "new" / "times.csv"
    for _ in range(2):
        assert command.speed_main(parser.parse_args(["--repeats", "1", "--device", "cpu", "--out", str(out)])) == 0
    table = pandas.read_csv(out)
    assert len(table) == 1
    assert {"device", "threads", "torch", "commit"} <= set(table.columns)
    assert f"1 networks measured: {out}" in capsys.readouterr().out
