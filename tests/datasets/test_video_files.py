"""Video files: each frame at its time; damaged ones give what is whole, and say what is not."""

import itertools
import shlex
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numbered_pictures import NTSC, PICTURES, numbers, video
from PIL import Image

from dffkit.datasets import streams
from dffkit.datasets.snippets import SkippedRecords
from dffkit.datasets.streams import frames
from dffkit.support.errors import DataError


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
    first = content.index(empty, content.index(b"movi"))
    for cut in (end, end - 1, end - 8, end - 24, first):  # no index, and the last pieces are missing
        path.write_bytes(content[:cut])
        with pytest.raises(DataError, match="its header counts 40"):
            list(frames(path))


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


def timed(path):
    """Return the index and the start of each frame of a video, and its end."""
    found = list(frames(path).timed())
    for one, after in itertools.pairwise(found):
        assert one.duration == after.seconds - one.seconds > 0
    return [each.index for each in found], [each.seconds for each in found], found[-1].seconds + found[-1].duration


def at(path, times, codec="libx264", tick=1000, form=None, alpha=None, **options):
    """Write the pictures at these times, in ticks a second; `alpha` is the opacity of their left half."""
    with av.open(path, "w", format=form) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = PICTURES.shape[2:]
        stream.pix_fmt = "yuv420p" if alpha is None else {"png": "rgba"}.get(codec, "yuva420p")
        stream.codec_context.time_base = Fraction(1, tick)
        for picture, time in zip(PICTURES, times, strict=False):
            opacity = torch.full((1, 48, 64), 255, dtype=torch.uint8)
            opacity[:, :, :32] = 255 if alpha is None else alpha
            pixels = torch.cat((picture, opacity)).permute(1, 2, 0).contiguous().numpy()
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
            frame.pts, frame.time_base = time, Fraction(1, tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


INPUTS = Path(__file__).parents[1] / "border" / "inputs"


@pytest.mark.parametrize(
    ("name", "times", "end"),
    [
        ("still_end.mkv", [0.04 * i for i in range(11)] + [3], 3.04),
        ("vfr.mp4", [0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.72, 1.24, 1.72, 2.24, 2.72], 2.76),
        ("delays.gif", [0, 0.04, 0.08, 0.12, 2.12, 4.12], 4.16),
    ],
)
def test_each_frame_is_shown_at_its_time(name, times, end):
    indices, found, stop = timed(INPUTS / name)
    assert indices == list(range(len(times)))
    assert found == pytest.approx(times)
    assert stop == pytest.approx(end)


def test_recording_of_a_browser_lasts_as_long_as_it_was_recorded():
    stream = frames(INPUTS / "mediarecorder_1k.webm")
    _, found, end = timed(INPUTS / "mediarecorder_1k.webm")
    assert stream.fps is None
    assert (len(found), found[-1]) == (40, Fraction(1293, 1000))
    assert 1.293 < end < 1.35


@pytest.mark.parametrize("ending", ["mkv", "webm"])
def test_times_rounded_to_milliseconds_are_exact_at_a_constant_rate(tmp_path, ending):
    path = video(tmp_path / f"a.{ending}")
    assert timed(path)[1:] == ([i / NTSC for i in range(40)], 40 / NTSC)


@pytest.mark.parametrize("ending", ["h264", "m4v"])
def test_stream_without_times_has_its_nominal_rate(tmp_path, ending):
    codec, form = {"h264": ("libx264", "h264"), "m4v": ("mpeg4", "m4v")}[ending]
    path = at(tmp_path / f"a.{ending}", range(10), codec, tick=25, form=form)
    assert timed(path) == (list(range(10)), [Fraction(i, 25) for i in range(10)], Fraction(2, 5))


@pytest.mark.parametrize("first", [0, 10_000, 95_443.6])  # seconds; the clock of MPEG-TS starts again at 95,443.7
def test_time_counts_from_the_first_frame(tmp_path, first):
    path = at(tmp_path / "a.ts", [int(first * 90_000) + 3600 * i for i in range(20)], tick=90_000)
    assert timed(path)[1] == [Fraction(i, 25) for i in range(20)]


@pytest.mark.parametrize("first", [0, 10_000])
def test_files_joined_end_to_end_are_refused_with_the_command_that_orders_them(tmp_path, first):
    parts = [
        at(tmp_path / f"{number}.ts", [start * 90_000 + 3600 * i for i in range(10)], tick=90_000)
        for number, start in enumerate((first, 0))
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(DataError, match=r"both\.ts: its time stamps start again near 0\.\d\d s") as error:
        timed(path)
    assert str(error.value).endswith(f"ffmpeg -i {path} converted.mp4")


def test_image_of_an_animation_without_a_delay_is_shown_as_long_as_in_browsers(tmp_path):
    pictures = [Image.fromarray(picture.permute(1, 2, 0).numpy()) for picture in PICTURES[:4]]
    for ending in ("gif", "png"):
        path = tmp_path / f"a.{ending}"
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[0, 40, 500, 40])
        _, found, end = timed(path)
        assert [*found, end] == pytest.approx([0, 0.1, 0.14, 0.64, 0.68])


def overwrite(path, number):
    """Overwrite the data of one frame, by its number in the order of storage."""
    with av.open(path) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][number]
        content, start, size = bytearray(path.read_bytes()), packet.pos + 8, packet.size - 8
    content[start : start + size] = np.random.default_rng(1).bytes(size)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("ending", "codec"),
    [("mp4", None), ("mkv", None), ("avi", "libx264"), ("avi", "mjpeg"), ("mkv", "mpeg2video"), ("webm", "libvpx")],
)
def test_lost_frame_is_named_and_later_frames_keep_their_numbers(tmp_path, ending, codec):
    path = video(tmp_path / f"a.{ending}", rate=25, codec=codec)
    overwrite(path, 15)
    with pytest.warns(SkippedRecords, match=r"frame 15, at 0\.60 s, can't be decoded \("):
        indices, found, end = timed(path)
    assert indices == [*range(15), *range(16, 40)]
    assert (found, end) == ([Fraction(i, 25) for i in indices], Fraction(40, 25))


def test_frames_missing_from_a_broadcast_are_named():
    with pytest.warns(SkippedRecords, match=r"glitch\.ts: frame 6, at 0\.24 s"):
        assert timed(INPUTS / "glitch.ts")[0] == [*range(6), *range(7, 12)]


def test_video_that_no_decoder_reads_is_not_called_damaged(tmp_path):
    path = video(tmp_path / "it's.mp4", rate=25)
    for number in range(40):
        overwrite(path, number)
    with pytest.raises(DataError, match=r"can't be decoded by FFmpeg .*h264 in mov.* convert it") as error:
        frames(path)
    assert "damaged" not in str(error.value)
    assert f"ffmpeg -i {shlex.quote(str(path))} converted.mp4" in str(error.value)


@pytest.mark.parametrize(("ending", "codec"), [("mov", "png"), ("webm", "libvpx"), ("webm", "libvpx-vp9")])
def test_transparent_pixels_are_shown_over_black(tmp_path, ending, codec):
    options = {} if codec == "png" else {"auto-alt-ref": "0"}
    path = at(tmp_path / f"a.{ending}", range(0, 120, 40), codec, alpha=0, **options)
    with pytest.warns(SkippedRecords, match="transparent pixels are shown over black"):
        found = list(frames(path))
    assert max(int(frame[:, :, :28].max()) for frame in found) <= 8
    assert min(float(frame[:, :, 36:].float().mean()) for frame in found) > 60


def test_shape_of_pixels_may_not_change_within_a_video(tmp_path):
    content = b""
    for shape in (1, 2):
        path = tmp_path / "a.h264"
        with av.open(path, "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            stream.codec_context.sample_aspect_ratio = Fraction(shape)
            for picture in PICTURES[:3]:
                rgb = picture.permute(1, 2, 0).contiguous().numpy()
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            container.mux(stream.encode(None))
        content += path.read_bytes()
    path.write_bytes(content)
    seen = []
    with pytest.raises(DataError, match=r"frame \d: is 128x48, those before it 64x48"):
        seen.extend(frames(path))
    assert {tuple(frame.shape) for frame in seen} == {(3, 48, 64)}
