"""run.py with --aggregate K: results come K frames late, and each stands with its own frame."""

import json

import pytest
import torch
from called import run
from small_runs import small

from dffkit.aggregation.stream import aggregate
from dffkit.commands import run as run_command
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.streams import frames
from dffkit.experiments.live_recognition import LiveRecognition
from dffkit.experiments.runs import load_trained
from dffkit.support.errors import CommandError, DataError
from dffkit.training.loop import train

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run whose network finds boxes everywhere."""
    folder = tmp_path_factory.mktemp("runs") / "fgfa"
    frame = torch.zeros(3, 96, 192, dtype=torch.uint8)
    target = {"boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]), "labels": torch.tensor([1])}
    train(
        small("handheld/fgfa", iterations=0), folder, data=[Snippet("film", 30.0, [frame], {0: target})], progress=False
    )
    return folder


@pytest.mark.parametrize("reach", [0, 2, 10])
def test_results_are_those_of_the_library_and_stand_with_their_frames(clip, trained, reach):
    stream = list(frames(clip))
    _, model, _ = load_trained(trained)
    expected = list(aggregate(model, stream, reach))
    live = LiveRecognition(trained, short_side=0, reach=reach)
    steps = [live.step(frame) for frame in stream]
    assert [found is None for found in steps] == [index < reach for index in range(7)]
    found = [each for each in steps if each] + list(live.rest())
    assert [each.index for each in found] == list(range(7))
    for ours, theirs in zip(found, expected, strict=True):
        assert all(torch.equal(ours.output[name], theirs.output[name]) for name in theirs.output)
    assert len(live.milliseconds) == 7
    assert list(live.rest()) == []


@pytest.mark.parametrize("reach", [0, 2, 10])
def test_every_frame_is_written_with_its_result(tmp_path, clip, trained, reach, capsys):
    out, lines = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    assert run(clip, "--weights", trained, "--aggregate", reach, "--out", out, "--json", lines) == 0
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(7))
    assert [row["time"] for row in rows] == pytest.approx([index / 10 for index in range(7)])
    assert sum(1 for _ in frames(out)) == 7
    said = capsys.readouterr().err
    assert "7 frames\n" in said
    assert f"FGFA, K = {reach}" in said


def test_it_is_compared_with_its_own_network_per_frame(tmp_path, clip, trained, monkeypatch, capsys):
    drawn, draw = [], run_command._drawn
    monkeypatch.setattr(
        run_command, "_drawn", lambda frame, found, methods: drawn.append(found) or draw(frame, found, methods)
    )
    assert run(clip, "--weights", trained, "--aggregate", 2, "--compare", "--out", tmp_path / "out.mp4") == 0
    said = capsys.readouterr().err
    assert "FGFA per frame" in said
    assert "speedup" in said
    _, *drawn = drawn  # the first only tries the size
    assert [[each.index for each in found.values()] for found in drawn] == [[index] * 2 for index in range(7)]


def test_where_a_video_breaks_off_the_frames_before_have_results(clip, trained):
    def broken():
        for index, timed in enumerate(run_command.frames(str(clip), None).timed()):
            if index == 5:
                raise DataError("damaged")
            yield timed

    results = run_command._results(broken(), {"FGFA": LiveRecognition(trained, short_side=0, reach=2)})
    found = [next(results) for _ in range(5)]
    assert [(timed.index, each["FGFA"].index) for timed, each in found] == [(index, index) for index in range(5)]
    with pytest.raises(DataError, match="damaged"):
        next(results)


def test_wrong_weights_and_numbers_are_named(tmp_path, clip, trained, capsys):
    out = ("--out", tmp_path / "out.mp4")
    with pytest.raises(
        CommandError, match=r"reach: expected K, as '.*fgfa' is trained for aggregation; .* --aggregate"
    ):
        run(clip, "--weights", trained, *out)
    with pytest.raises(
        CommandError, match=r"expected a network trained for aggregation, as handheld/fgfa is, got 'toy"
    ):
        run(clip, "--aggregate", 3, "--weights", "toytown/detection/dff", *out)
    with pytest.raises(CommandError, match="expected a network that recognizes frames, got 'toytown/stills'"):
        run(clip, "--aggregate", 3, "--weights", "toytown/stills", *out)
    for words, named in (
        (("--aggregate", -1), "a whole number from 0 on"),
        (("--aggregate", 3, "-l", 5), "not allowed"),
    ):
        with pytest.raises(SystemExit):
            run(clip, *words, *out)
        assert named in capsys.readouterr().err


def test_weights_must_be_named_as_none_are_shipped(clip, tmp_path):
    with pytest.raises(
        CommandError, match=r"--aggregate 10: no weights .* --weights, the folder .* handheld/fgfa makes"
    ):
        run(clip, "--aggregate", 10, "--out", tmp_path / "out.mp4")
