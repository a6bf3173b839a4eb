"""Video files: written and read again; a damaged one gives the frames before the damage."""

import struct
from fractions import Fraction

import av
import pytest
import torch
from numbered_pictures import NTSC, PICTURES, numbers, video

from dffkit.datasets import streams, video_files
from dffkit.datasets.streams import frames
from dffkit.datasets.video_files import VideoWriter
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
    video_files.check_encoder(size)


@pytest.mark.parametrize("size", [(16, 16385), (16385, 16)])
def test_a_size_beyond_the_encoders_is_named(size):
    with pytest.raises(ValueError, match=f"takes at most 16384 pixels a side, got {size[1]}x{size[0]}"):
        video_files.check_encoder(size)


def test_a_missing_encoder_is_named(monkeypatch):
    def unknown(name, mode):
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(video_files.av.CodecContext, "create", unknown)
    with pytest.raises(ValueError, match=r"the FFmpeg of PyAV [\d.]+ can't write H.264 of 64x48: h264"):
        video_files.check_encoder((48, 64))


@pytest.mark.parametrize(("ending", "options"), [("mp4", {"movflags": "faststart"}), ("mkv", {}), ("avi", {})])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_cut_video_gives_the_frames_before_the_cut(tmp_path, ending, options, share):
    path = video(tmp_path / f"a.{ending}", **options)
    content, whole = path.read_bytes(), list(frames(path))
    with av.open(path) as container:
        ends = [packet.pos + packet.size for packet in container.demux() if packet.size]
    path.write_bytes(content[: int(share * len(content))])
    complete = sum(end <= share * len(content) for end in ends)
    seen = []
    with pytest.raises(DataError, match=rf"a\.{ending}: is damaged after \d+ frames.*use the frames before") as error:
        seen.extend(frames(path))
    assert len(seen) == complete < 40
    assert all(torch.equal(*pair) for pair in zip(seen, whole, strict=False))
    assert f"after {len(seen)} frames" in str(error.value)


def test_cut_between_two_frames_is_noticed(tmp_path):
    """All pieces of the file are whole; there are only fewer than its header counts."""
    path = tmp_path / "a.avi"
    video(path, PICTURES, codec="mjpeg")
    content = path.read_bytes()
    starts = [i for i in range(len(content)) if content[i : i + 4] == b"00dc"]
    path.write_bytes(content[: starts[31]])  # the first is in the header
    with pytest.raises(DataError, match="after 30 frames: its header counts 40"):
        list(frames(path))


def with_drops(path, codec, kept):
    """Write the pictures numbered `kept` as an AVI file; FFmpeg writes an empty piece for each other picture."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25, options={"bf": "0"} if codec == "libx264" else {})
        stream.height, stream.width = PICTURES.shape[2:]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in kept:
            pixels = PICTURES[index].permute(1, 2, 0).contiguous().numpy()
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("codec", ["mjpeg", "libx264"])
def test_dropped_frames_are_no_damage_but_a_cut_is(tmp_path, codec):
    """The header counts dropped frames, and the file has an empty piece for each."""
    path, kept = tmp_path / "a.avi", [index for index in range(40) if index not in (10, 11, 20)]
    with_drops(path, codec, kept)
    assert frames(path).count == 40
    assert numbers(frames(path)) == kept
    with av.open(path) as container:
        starts = [packet.pos for packet in container.demux() if packet.size]
    path.write_bytes(path.read_bytes()[: starts[-1] - 8])  # the last frame's name and length go too
    with pytest.raises(DataError, match="after 36 frames: its header counts 40"):
        list(frames(path))


def drop_last(path):
    """Make the last piece of video empty, like a recorder that drops a frame."""
    content = path.read_bytes()
    index = content.rindex(b"idx1")
    entry = index + 8 + struct.unpack_from("<I", content, index + 4)[0] - 16  # name, flags, place, length
    movi = content.index(b"movi")
    start = movi + struct.unpack_from("<I", content, entry + 8)[0]
    length = struct.unpack_from("<I", content, start + 4)[0]
    gone = length + length % 2
    new = bytearray(content[: start + 8] + content[start + 8 + gone :])
    for place, less in ((4, gone), (movi - 4, gone), (start + 4, length), (entry - gone + 12, length)):
        struct.pack_into("<I", new, place, struct.unpack_from("<I", new, place)[0] - less)
    path.write_bytes(new)


@pytest.mark.parametrize("codec", ["mjpeg", "libx264"])
def test_dropped_frames_at_the_end_are_no_damage_but_a_cut_is(tmp_path, codec):
    path, kept = tmp_path / "a.avi", [index for index in range(40) if index not in (10, 37, 38)]
    with_drops(path, codec, kept)
    drop_last(path)
    assert frames(path).count == 40
    assert numbers(frames(path)) == kept[:-1]
    content, empty = path.read_bytes(), b"00dc\0\0\0\0"
    end = content.rindex(b"idx1")
    assert content[end - 24 : end] == 3 * empty
    path.write_bytes(content[:end])  # without an index, but every frame has its piece
    assert numbers(frames(path)) == kept[:-1]
    first = content.index(empty, content.index(b"movi"))
    for cut in (end - 1, end - 8, end - 24, first):  # no index, and the last pieces are missing
        path.write_bytes(content[:cut])
        with pytest.raises(DataError, match="its header counts 40"):
            list(frames(path))


def test_whole_pieces_of_one_video_stream_are_counted(tmp_path):
    def piece(name, content=b""):
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    sound, ours, theirs = piece(b"01wb", b"00dc"), piece(b"00dc", b"odd"), piece(b"02dc", b"even")
    group = piece(b"LIST", b"rec " + ours + sound + piece(b"00db", b"raw"))
    movi = piece(b"LIST", b"movi" + group + theirs + piece(b"00dc") + ours)
    whole = piece(b"RIFF", b"AVI " + movi + piece(b"idx1", b"00dc" * 4)) + piece(b"RIFF", b"AVIX" + ours)
    path = tmp_path / "a.avi"
    for content, expected in ((whole, 5), (whole[:-2], 4), (whole[:-12], 4), (whole[:30], 0), (b"", 0), (b"RIFF", 0)):
        path.write_bytes(content)
        assert video_files.avi_video_pieces(path, 0) == expected
    path.write_bytes(whole)
    assert video_files.avi_video_pieces(path, 2) == 1


def test_title_in_another_encoding_is_ignored(tmp_path):
    path = tmp_path / "a.avi"
    with av.open(path, "w") as container:
        container.metadata["title"] = "Strasse"
        stream = container.add_stream("mjpeg", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(PICTURES[0].permute(1, 2, 0).numpy().copy())))
    content = path.read_bytes()
    assert content.count(b"Strasse") == 1
    path.write_bytes(content.replace(b"Strasse", b"Stra\xdfe!"))
    assert len(list(frames(path))) == 1


def test_video_damaged_at_its_first_frame_is_refused(tmp_path, monkeypatch):
    def broken(*_):
        raise av.InvalidDataError(1, "Invalid data")
        yield

    path = video(tmp_path / "a.mp4")
    monkeypatch.setattr(streams.video_files, "_decoded", broken)
    with pytest.raises(DataError, match=r"a\.mp4: is damaged after 0 frames: Invalid data; get the file again$"):
        frames(path)


def test_video_that_changes_its_size_is_refused_at_the_change(tmp_path):
    path = tmp_path / "a.h264"
    parts = [PICTURES[:4], PICTURES[:2, :, :32, :32]]
    content = b""
    for part in parts:
        with av.open(path, "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = *part.shape[2:], "yuv420p"
            for picture in [*part, None]:
                rgb = None if picture is None else picture.permute(1, 2, 0).contiguous().numpy()
                container.mux(stream.encode(None if rgb is None else av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        content += path.read_bytes()
    path.write_bytes(content)
    seen = []
    with pytest.raises(DataError, match=r"a\.h264: frame 4: is 32x32, those before it 64x48; scale"):
        seen.extend(frame.shape for frame in frames(path))
    assert seen == [(3, 48, 64)] * 4
