"""Video files: each frame at its time; a damaged one gives the frames before the damage."""

import struct
from fractions import Fraction

import av
import pytest
import torch
from numbered_pictures import PICTURES, numbers, video

from dffkit.datasets import streams, video_files
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
