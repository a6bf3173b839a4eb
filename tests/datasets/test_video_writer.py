"""Video files that are written: read again, at their times, and left playable by an interruption."""

from fractions import Fraction
from types import SimpleNamespace

import av
import pytest
import torch
from numbered_pictures import NTSC, PICTURES, numbers

from dffkit.datasets import video_writer
from dffkit.datasets.streams import frames
from dffkit.datasets.video_writer import VideoWriter
from dffkit.support.errors import DataError


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1)])
def test_written_frames_are_read_again(tmp_path, size):
    path = tmp_path / "new folder" / "a.mp4"
    smooth = torch.arange(63, -1, -1, dtype=torch.uint8).expand(3, 48, 64) * torch.tensor([2, 3, 1])[:, None, None]
    picture = smooth[:, : size[0], : size[1]].to(torch.uint8)
    with VideoWriter(path, NTSC) as writer:
        for _ in range(5):
            writer.write(picture)
    stream = frames(path)
    assert stream.fps == NTSC
    assert stream.size == tuple(side + side % 2 for side in size)
    assert [path.name for path in path.parent.iterdir()] == ["a.mp4"]
    for frame in stream:
        assert (frame[:, : size[0], : size[1]].int() - picture).abs().float().mean() < 3
    assert len(list(stream)) == 5


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, DataError])
def test_interrupted_video_has_the_frames_before(tmp_path, interruption):
    path = tmp_path / "a.mp4"
    path.write_text("an older one")

    def interrupted():
        with VideoWriter(path, 25) as writer:
            for index, picture in enumerate(PICTURES):
                if index == 30:
                    assert path.read_text() == "an older one"  # an unfinished file is not visible
                    raise interruption
                writer.write(picture)

    with pytest.raises(interruption):
        interrupted()
    assert numbers(frames(path)) == list(range(30))
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_frame_there_is_no_file(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 25):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (PICTURES[0].float(), r"\(3, 48, 64\) torch.float32"),
        (PICTURES[0, 0], r"\(48, 64\)"),
        (PICTURES[0, :1], r"\(1, 48, 64\)"),
        (PICTURES[0, :, :32], r"the first one's size \(48, 64\), got \(32, 64\)"),
    ],
)
def test_wrong_frame_is_reported(tmp_path, wrong, named):
    with VideoWriter(tmp_path / "a.mp4", 25) as writer:
        writer.write(PICTURES[0])
        with pytest.raises(ValueError, match=f"frame: expected .*{named}"):
            writer.write(wrong)
    assert numbers(frames(tmp_path / "a.mp4")) == [0]


@pytest.mark.parametrize(("path", "fps", "named"), [("a.avi", 25, "path"), ("a.mp4", 0, "fps"), ("a.mp4", None, "fps")])
def test_wrong_arguments_of_the_writer_are_reported(path, fps, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        VideoWriter(path, fps)


def written(path, fps, times, last=None):
    """Write a frame at each time; return start and duration of each frame of the file in seconds, and its length."""
    with VideoWriter(path, fps) as writer:
        for index, seconds in enumerate(times):
            writer.write(PICTURES[index % len(PICTURES)], seconds, last)
    with av.open(path) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert [packet.dts for packet in packets] == [packet.pts for packet in packets]
        shown = [(packet.pts * packet.time_base, packet.duration * packet.time_base) for packet in packets]
        return shown, container.streams.video[0].duration * packets[0].time_base


@pytest.mark.parametrize(
    ("times", "last"),
    [
        ([0, Fraction(40, 1000), Fraction(2040, 1000)], Fraction(1, 2)),  # the delays of an animation
        ([Fraction(ms, 1000) for ms in (0, 1, 35, 66, 67, 1301)], Fraction(1, 30)),  # a browser's recording
        ([0, Fraction(1, 25), Fraction(2, 25) + Fraction(26, 10)], None),  # a still end
        ([3600 * hour for hour in range(4)], 3600),
        ([0], 7),
    ],
)
@pytest.mark.parametrize("fps", [25, NTSC, 1000, Fraction(1, 3600)])
def test_frames_are_shown_at_their_times(tmp_path, times, last, fps):
    shown, length = written(tmp_path / "a.mp4", fps, times, last)
    ends = [*times[1:], times[-1] + (last or 1 / Fraction(fps))]
    for (start, duration), expected, end in zip(shown, times, ends, strict=True):
        assert abs(start - expected) < 1e-5
        assert abs(start + duration - end) < 1e-5
    assert abs(length - ends[-1]) < 1e-5


@pytest.mark.parametrize("fps", [25, NTSC, 29.97, 30000 / 1001, Fraction(120000, 1001), 7.5, Fraction(1, 3600), 1000])
@pytest.mark.parametrize("timed", [False, True])
def test_a_constant_rate_is_exact(tmp_path, fps, timed):
    exact = Fraction(fps).limit_denominator(1001 if fps >= 1 else 3600)
    times = [index / exact if timed else None for index in range(9)]
    shown, length = written(tmp_path / "a.mp4", fps, times)
    assert shown == [(index / exact, 1 / exact) for index in range(9)]
    assert length == 9 / exact


def test_times_that_do_not_advance_are_moved_by_less_than_a_millisecond(tmp_path):
    times = [0, 0, Fraction(1, 25), Fraction(1, 50), Fraction(3, 25)]
    shown, length = written(tmp_path / "a.mp4", 25, times)
    starts = [start for start, _ in shown]
    assert starts == sorted(set(starts))
    assert [round(float(start), 3) for start in starts] == [0, 0, 0.04, 0.04, 0.12]
    assert length == Fraction(4, 25)


def test_a_picture_is_repeated_where_it_is_shown_for_days(tmp_path):
    shown, length = written(tmp_path / "a.mp4", 25, [0, 86400, 5 * 86400], 86400)
    assert {0, 86400, 5 * 86400} < {start for start, _ in shown}
    assert all(duration < 12000 for _, duration in shown)
    assert length == 6 * 86400


def test_colours_are_stored_as_the_file_says(tmp_path):
    """BT.709 in 16 to 235, as almost all players expect of high definition."""
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [200, 60, 30]])
    with VideoWriter(tmp_path / "a.mp4", 25) as writer:
        writer.write(colours.T.byte()[:, None].repeat_interleave(32, 1).repeat_interleave(32, 2))
    with av.open(tmp_path / "a.mp4") as container:
        codec = container.streams.video[0].codec_context
        assert (codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range) == (1, 1, 1, 1)
        luma = next(container.decode(video=0)).to_ndarray()[16, 16:192:32]
    expected = 16 + 219 / 255 * colours @ torch.tensor([0.2126, 0.7152, 0.0722])
    assert (torch.from_numpy(luma.astype(float)) - expected).abs().max() < 2


@pytest.mark.parametrize("size", [(1, 1), (16, 16384), (16384, 16), (64, 2048)])
def test_sizes_that_can_be_encoded_pass(size):
    video_writer.check_encoder(size)


@pytest.mark.parametrize("size", [(16, 16385), (16385, 16)])
def test_a_size_beyond_the_encoders_is_named(size):
    with pytest.raises(ValueError, match=f"takes at most 16384 pixels a side, not {size[1]}x{size[0]}"):
        video_writer.check_encoder(size)


def test_a_missing_encoder_is_named(monkeypatch):
    def unknown(name, mode):
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(video_writer.av, "CodecContext", SimpleNamespace(create=unknown))
    with pytest.raises(ValueError, match=r"PyAV [\d.]+ can't write H.264 of 64x48: h264"):
        video_writer.check_encoder((48, 64))
