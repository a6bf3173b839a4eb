"""The benchmark: its rows, and its reference network, which has our layers. No test here depends on a time."""

import argparse

import pandas
import pytest
import torch
from torch import nn

from dffkit.aggregation.model import Aggregation
from dffkit.commands import measure as command
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments import benchmark
from dffkit.networks import precision
from dffkit.networks.features import FeatureNetwork
from dffkit.support import machine
from dffkit.support.errors import CommandError

UNSHOWN = ("height", "width", "duration", "look_ahead", "seed")


def arguments(*words):
    parser = argparse.ArgumentParser()
    command.add_benchmark_arguments(parser)
    return parser.parse_args(words)


def test_a_row_for_each_combination_with_all_parts(tmp_path):
    out = tmp_path / "new" / "rows.csv"
    words = ["--size", "33", "64", "-l", "3", "--depth", "50", "--flow", "FlowNet Inception", "--repeats", "1"]
    words += ["--precision", "float32", "bfloat16"]
    assert command.benchmark_main(arguments(*words, "--device", "cpu", "--out", str(out))) == 0
    rows = pandas.read_csv(out)
    assert list(zip(rows.precision, rows.task, strict=True)) == [
        ("float32", "segmentation"),
        ("float32", "detection"),
        ("bfloat16", "segmentation"),
        ("bfloat16", "detection"),
    ]
    times = rows.filter(like="_ms")
    assert set(times) == {
        f"{part}_ms"
        for part in (
            *("bare", "frame", "cycle", "live", "features", "flow", "warp", "task", "decode", "current"),
            *("warp_grid_sample", "current_grid_sample"),
        )
    }
    assert (times > 0).all(axis=None)
    assert rows.of_eq7.tolist() == pytest.approx((rows.speedup / rows.eq7).tolist())
    assert (rows.eq7 < rows.eq7_eq6).all()
    assert not list(out.parent.glob("*.part"))
    assert set(machine.describe()) <= set(rows.columns)


@pytest.mark.parametrize(
    ("words", "units", "precisions"),
    [
        ((), False, ["float32"]),
        ((), True, ["float32", "bfloat16"]),
        (("--precision", "bfloat16"), False, ["bfloat16"]),
        (("--precision", "auto", "float32", "bfloat16"), False, ["float32", "bfloat16"]),
    ],
)
def test_bfloat16_is_measured_where_there_are_units_or_it_is_asked_for(tmp_path, monkeypatch, words, units, precisions):
    monkeypatch.setattr(precision, "has_bf16_units", lambda device: units)
    monkeypatch.setattr(benchmark, "measure", lambda arguments, *case: dict.fromkeys(UNSHOWN, 0) | {"case": case})
    out, small = tmp_path / "rows.csv", ("--task", "detection", "--depth", "50", "--flow", "FlowNet", "--device", "cpu")
    command.benchmark_main(arguments(*small, *words, "--out", str(out)))
    assert [row.split("'")[1] for row in pandas.read_csv(out).case] == precisions


@pytest.mark.parametrize("depth", [50, 101])
def test_the_reference_network_has_our_layers(depth):
    def layers(network):
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
        return [(tuple(m.weight.shape), m.stride, m.padding, m.dilation) for m in convolutions]

    with torch.device("meta"):
        assert layers(benchmark.torchvision_resnet(depth)) == layers(FeatureNetwork(depth))


def test_streams_are_of_deep_feature_flow_or_of_aggregation(monkeypatch):
    given = []
    monkeypatch.setattr(benchmark, "aggregate", lambda model, frames, reach: given.append((model, reach)) or frames)
    monkeypatch.setattr(benchmark, "recognize", lambda model, frames, *_, **options: given.append(model) or frames)
    benchmark.stream_memory(2, size=(32, 32))
    benchmark.stream_memory(2, reach=3, size=(32, 32))
    assert isinstance(given[0], DeepFeatureFlow)
    assert isinstance(given[1][0], Aggregation)
    assert given[1][1] == 3


def test_aggregation_is_for_streams_only():
    with pytest.raises(CommandError, match="--aggregate: goes with --stream N"):
        command.benchmark_main(arguments("--aggregate", "2", "--device", "cpu"))


def test_streaming_memory_is_reported():
    for reach in (None, 0, 2, 10):
        memory = benchmark.stream_memory(5, reach=reach, size=(32, 32))
        assert len(memory) == 5
        assert min(memory) > 1
    assert "+100.00%" in benchmark.report_memory([1.0] * 200 + [2.0])
    assert "201 frames" in benchmark.report_memory([1.0] * 200 + [2.0])
