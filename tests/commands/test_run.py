"""run.py: a video goes in, and the same video with results comes out, whatever happens on the way."""

import dataclasses
import json
from fractions import Fraction
from types import SimpleNamespace

import av
import pytest
import torch
from called import run
from PIL import Image
from torchvision.ops import box_iou

import dffkit
from dffkit.commands import run as run_command
from dffkit.datasets.streams import frames
from dffkit.datasets.toytown import CLASSES, LABELS, WORLDS, Film
from dffkit.datasets.video_writer import VideoWriter
from dffkit.experiments.live_recognition import LiveRecognition
from dffkit.support.errors import CommandError, DataError
from dffkit.support.files import root
from dffkit.training.loop import train
from dffkit.training.recipes import find
from dffkit.video import Recognition


def count(path):
    return sum(1 for _ in frames(path))


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_a_clip_gets_results_drawn_in_and_written_down(tmp_path, clip, task, capsys):
    out, lines = tmp_path / "new" / "out.mp4", tmp_path / "out.jsonl"
    assert run(clip, "--task", task, "-l", 3, "--out", out, "--json", lines) == 0
    stream = frames(out)
    assert (count(out), stream.fps) == (7, 10)
    assert stream.size[1] == 2 * 384  # larger, and below a line of text
    assert stream.size[0] > 2 * 192
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(7))
    assert [row["key_frame"] for row in rows] == [True, False, False, True, False, False, True]
    assert all(row["milliseconds"] > 0 for row in rows)
    if task == "segmentation":
        assert list(rows[0]["shares"]) == list(LABELS)
        assert sum(rows[0]["shares"].values()) == pytest.approx(1, abs=1e-3)
    else:
        assert {box["class"] for row in rows for box in row["boxes"]} <= set(CLASSES)
        assert any(row["boxes"] for row in rows)
    assert "7 frames" in capsys.readouterr().err


def test_a_comparison_is_twice_as_wide_and_prints_the_speedup(tmp_path, clip, capsys):
    assert run(clip, "--compare", "--frames", 3, "--out", tmp_path / "out.mp4", "--json", "-") == 0
    assert frames(tmp_path / "out.mp4").size[1] == 4 * 384
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 3
    assert "speedup" in captured.err
    assert "Frame" in captured.err


INPUTS = root() / "tests" / "border" / "inputs"


def starts(path):
    """Start of each frame of a video file, and the file's end, in seconds."""
    with av.open(path) as container:
        shown = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
        return [*shown, container.duration / av.time_base]


def rows(path, key):
    return [json.loads(line)[key] for line in path.read_text().splitlines()]


def test_video_and_json_keep_the_times_of_the_source(tmp_path):
    times, out, lines = [0, 0.04, 2.04, 2.08], tmp_path / "out.mp4", tmp_path / "out.jsonl"
    with VideoWriter(tmp_path / "clip.mp4", 25) as video:
        for index, seconds in enumerate(times):
            video.write(Film("val", 4).frame(index), seconds, Fraction(3, 2))
    assert run(tmp_path / "clip.mp4", "--out", out, "--json", lines) == 0
    assert starts(out) == pytest.approx([*times, 3.58], abs=1e-5)
    assert rows(lines, "time") == pytest.approx(times, abs=1e-5)


def test_a_folder_of_images_has_the_rate_that_is_given(tmp_path):
    (tmp_path / "images").mkdir()
    for index in range(3):
        picture = Film("val", 4).frame(index).permute(1, 2, 0).numpy()
        Image.fromarray(picture).save(tmp_path / "images" / f"{index}.png")
    out, lines = tmp_path / "out.mp4", tmp_path / "out.jsonl"
    for words, step in (((), 0.04), (("--fps", 0.5), 2)):
        assert run(tmp_path / "images", *words, "--out", out, "--json", lines) == 0
        assert starts(out) == pytest.approx([0, step, 2 * step, 3 * step])
        assert rows(lines, "time") == [0, step, 2 * step]


@pytest.mark.parametrize(
    ("source", "fps", "named"),
    [("clip.mp4", 5, "has its own times"), ("toytown", 5, "has its own rate"), (".", 0, "more than 0")],
)
def test_a_wrong_rate_is_refused(tmp_path, clip, monkeypatch, source, fps, named):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=f"fps: .*{named}"):
        run(source, "--fps", fps)


@pytest.mark.filterwarnings("default::dffkit.datasets.snippets.SkippedRecords")
def test_a_lost_frame_is_told_and_leaves_a_gap_in_the_numbers(tmp_path, capsys):
    lines = tmp_path / "out.jsonl"
    assert run(INPUTS / "glitch.ts", "--out", tmp_path / "out.mp4", "--json", lines) == 0
    assert rows(lines, "frame") == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "frame 6, at 0.24 s" in line] == [said[0]]
    assert "11 frames, 1 lost" in said[1]


def test_the_loss_of_the_sound_is_told(tmp_path, capsys):
    assert run(INPUTS / "audio.mp4", "--frames", 1, "--out", tmp_path / "out.mp4") == 0
    assert "out.mp4 will have no sound; that of" in capsys.readouterr().err


@pytest.mark.parametrize("size", [(1800, 16), (2048, 64), (1, 1), (16, 400)])
@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_strips_and_points_are_written(tmp_path, size, task):
    (tmp_path / "images").mkdir()
    Image.new("RGB", size, "gray").save(tmp_path / "images" / "0.png")
    out, words = tmp_path / "out.mp4", ("--task", task, "--compare", "--short-side", 0)
    assert run(tmp_path / "images", *words, "--out", out) == 0
    assert count(out) == 1
    assert frames(out).size[1] <= 2 * 2048


@pytest.mark.parametrize(("size", "words"), [((16400, 16), ()), ((9000, 16), ("--compare",))])
def test_a_size_beyond_the_encoders_is_known_before_the_work(tmp_path, monkeypatch, size, words):
    monkeypatch.setattr(LiveRecognition, "step", lambda *_: pytest.fail("a frame was recognized"))
    (tmp_path / "images").mkdir()
    Image.new("RGB", size, "gray").save(tmp_path / "images" / "0.png")
    with pytest.raises(CommandError, match=r"H\.264 takes at most 16384 pixels a side, not 1[68]"):
        run(tmp_path / "images", *words, "--out", tmp_path / "out.mp4")


def test_methods_of_the_same_classes_share_a_legend():
    frame = Film("val", 4).frame(0)

    def height(*names):
        methods = {str(i): SimpleNamespace(fps=1.0, names=each) for i, each in enumerate(names)}
        found = dict.fromkeys(methods, Recognition(0, False, torch.zeros(frame.shape[1:], dtype=torch.uint8)))
        return run_command._drawn(frame, found, methods).shape[1]

    classes = tuple(f"class {index}" for index in range(12))
    assert height(classes, classes[:1]) < height(classes, classes) < height(classes)  # none; one over both; one


def titles(capsys):
    """Titles of the lines of the summary."""
    return {line[:14].strip() for line in capsys.readouterr().err.splitlines()}


def test_a_run_of_ones_own_is_compared_with_itself_or_with_other_weights(tmp_path, clip, capsys):
    folder = tmp_path / "run"
    recipe = dataclasses.replace(find("toytown/segmentation/separate"), name="mine/dff", depth=14, start=())
    film = Film("val", 4)
    train(recipe, folder, data=[dffkit.Snippet("a", 17.0, [film.frame(0)], {0: film.labels(0)})], progress=False)
    words = (clip, "--weights", folder, "--frames", 2, "--out", tmp_path / "out.mp4", "--compare")
    assert run(*words) == 0
    assert {"DFF per frame", "DFF, l = 5"} <= titles(capsys)
    assert run(*words, "-l", 1) == 0
    assert {"DFF per frame", "DFF, l = 1", "speedup"} <= titles(capsys)
    assert run(*words, "--compare-with", "toytown/segmentation/frame") == 0
    assert "Frame " in capsys.readouterr().err


def test_a_run_on_ones_own_data_is_used_where_the_data_is_not(tmp_path, monkeypatch):
    """The module that the file names is not imported, since the file may come from anybody."""
    (tmp_path / "strange_clips.py").write_text("raise SystemExit('it was imported')")
    monkeypatch.chdir(tmp_path)
    head = (("segmentation", (("num_classes", 2),)),)
    recipe = find("toytown/segmentation/separate")
    recipe = dataclasses.replace(recipe, name="mine/dff", depth=14, start=(), heads=head, data="strange_clips:dataset")
    data = [dffkit.Snippet("a", 17.0, [Film("val", 4).frame(0)], {0: (Film("val", 4).labels(0) > 3).byte()})]
    train(recipe, tmp_path / "run", data=data, names=("road", "sky"), progress=False)
    assert LiveRecognition(tmp_path / "run").names == ("road", "sky")
    train(recipe, tmp_path / "old", data=data, progress=False)
    message = "does not say what the classes of strange_clips:dataset are called, .*; train again with --fresh"
    with pytest.raises(DataError, match=message):
        LiveRecognition(tmp_path / "old")


def test_results_are_those_of_the_library(clip):
    live, stream = LiveRecognition("toytown/segmentation/dff", 3), list(frames(clip))
    mine = [live.step(frame) for frame in stream]
    theirs = list(dffkit.recognize(dffkit.load(), stream, dffkit.FixedInterval(3)))
    assert all(torch.equal(a.output, b.output) for a, b in zip(mine, theirs, strict=True))
    assert [each.is_key_frame for each in mine] == [each.is_key_frame for each in theirs]


@pytest.mark.parametrize(
    ("words", "units", "precision"),
    [((), False, "float32"), ((), True, "bfloat16"), (("--precision", "float32"), True, "float32")],
)
def test_frames_are_recognized_in_the_precision_of_the_machine(
    tmp_path, clip, monkeypatch, capsys, words, units, precision
):
    monkeypatch.setattr(dffkit.networks.precision, "has_bf16_units", lambda device: units)
    assert run(clip, "--frames", 2, "--compare", *words, "--out", tmp_path / "out.mp4") == 0
    assert capsys.readouterr().err.count(f"frames per second in {precision}\n") == 2


def test_bfloat16_gives_the_results_of_the_librarys_mixed_precision(clip):
    live, stream = LiveRecognition("toytown/segmentation/dff", 2, precision="bfloat16"), list(frames(clip))[:3]
    theirs = dffkit.recognize(dffkit.load(), stream, dffkit.FixedInterval(2), autocast=torch.bfloat16)
    assert all(torch.equal(live.step(frame).output, their.output) for frame, their in zip(stream, theirs, strict=True))


def test_results_of_scaled_frames_are_in_the_frames_own_pixels():
    frame = Film("val", 13, 30.0, WORLDS["detection"]).frame(0)
    large = frame.repeat_interleave(2, 1).repeat_interleave(2, 2)
    boxes, twice = (LiveRecognition("toytown/detection/dff", 5).step(each).output for each in (frame, large))
    assert box_iou(2 * boxes["boxes"][:3], twice["boxes"]).amax(1)[:2].min() > 0.9  # scaling back blurs a little
    labels = LiveRecognition("toytown/segmentation/dff", 5).step(large).output
    assert labels.shape == large.shape[1:]
    own_size = LiveRecognition("toytown/segmentation/dff", 5, short_side=0).step(large).output
    assert not torch.equal(labels, own_size)


def test_an_interruption_leaves_what_was_done(tmp_path, clip, monkeypatch, capsys):
    step, calls = LiveRecognition.step, []

    def interrupted(self, frame):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return step(self, frame)

    monkeypatch.setattr(LiveRecognition, "step", interrupted)
    assert run(clip, "--out", tmp_path / "out.mp4") == 130
    assert count(tmp_path / "out.mp4") == 3
    assert "3 frames, then interrupted" in capsys.readouterr().err


def test_a_damaged_end_leaves_what_was_before_it(tmp_path, capsys):
    broken = tmp_path / "broken.avi"
    with av.open(broken, "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = 192, 384, "yuvj420p"
        for index in range(6):
            picture = Film("val", 4).frame(index).permute(1, 2, 0).numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.copy(), format="rgb24")))
    broken.write_bytes(broken.read_bytes()[: int(0.6 * broken.stat().st_size)])
    assert run(broken, "--out", tmp_path / "out.mp4") == 1
    done = count(tmp_path / "out.mp4")
    assert 0 < done < 6
    said = capsys.readouterr().err
    assert f"{done} frames, then {broken}: is damaged" in said
    assert "get the file again, or use the frames before the damage\n" in said


def test_the_rendered_street_needs_no_file(tmp_path):
    assert run("--frames", 2, "--out", tmp_path / "out.mp4") == 0
    assert count(tmp_path / "out.mp4") == 2


@pytest.mark.parametrize(
    ("weights", "street"),
    [
        ("toytown/segmentation/dff", Film("val", 4)),
        ("toytown/detection/dff", Film("val", 4, 30.0, WORLDS["detection"])),
    ],
)
def test_the_rendered_street_is_of_the_world_that_the_weights_are_for(tmp_path, monkeypatch, weights, street):
    seen, step = [], LiveRecognition.step
    monkeypatch.setattr(LiveRecognition, "step", lambda self, frame: seen.append(frame) or step(self, frame))
    assert run("--frames", 2, "--weights", weights, "--out", tmp_path / "out.mp4") == 0
    assert all(torch.equal(frame, street.frame(index)) for index, frame in enumerate(seen))
    with pytest.raises(CommandError, match=f"--weights {weights}: its network is for .*; leave --task out"):
        run("--weights", weights, "--task", {"s": "detection", "d": "segmentation"}[weights[8]])
