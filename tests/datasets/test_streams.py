"""Frames from a video file, a folder or a camera, and errors for anything else."""

import shlex
import struct
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numbered_pictures import CODECS, NTSC, PICTURES, numbers, video
from PIL import Image

from dffkit.datasets import streams
from dffkit.datasets.snippets import SkippedRecords
from dffkit.datasets.streams import frames
from dffkit.support.errors import DataError

INPUTS = Path(__file__).parents[1] / "border" / "inputs"


@pytest.mark.parametrize("ending", CODECS)
def test_every_frame_of_a_video_comes_once_and_in_order(tmp_path, ending):
    stream = frames(video(tmp_path / f"a.{ending}"))
    for _ in range(2):  # a second loop starts again
        assert numbers(stream) == list(range(40))
    assert stream.size == (48, 64)
    assert stream.fps == NTSC
    assert stream.count == (None if ending in ("mkv", "webm") else 40)
    assert all(frame.shape == (3, 48, 64) and frame.dtype == torch.uint8 for frame in stream)


def test_colours_survive_decoding(tmp_path):
    red = torch.tensor([200, 60, 30], dtype=torch.uint8)[:, None, None].expand(3, 48, 64)
    (frame,) = frames(video(tmp_path / "a.mp4", [red]))  # one frame is a video
    assert (frame[:, 24, 32].int() - red[:, 0, 0]).abs().max() <= 4


def test_kept_frame_does_not_change(tmp_path):
    path = video(tmp_path / "a.mp4")
    kept = list(frames(path))
    assert all(torch.equal(one, other) for one, other in zip(kept, frames(path), strict=True))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_rotated_video_of_a_telephone_is_upright(tmp_path, turns):
    """Like a telephone, the test writes `turns` quarter turns to the right into the header."""
    path = video(tmp_path / "a.mp4", PICTURES[-1:])
    content = bytearray(path.read_bytes())
    where = content.index(struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30), content.index(b"tkhd"))
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][turns]
    matrix = [65536 * value for value in (cos, sin, 0, -sin, cos, 0, 0, 0)]
    stored = next(iter(frames(path)))
    content[where : where + 36] = struct.pack(">9i", *matrix, 1 << 30)
    path.write_bytes(content)
    stream = frames(path)
    assert stream.size == ((48, 64) if turns % 2 == 0 else (64, 48))
    assert torch.equal(next(iter(stream)), torch.rot90(stored, -turns, (1, 2)))


def test_folder_is_a_video_in_natural_order(tmp_path):
    for index in range(6, 12):
        Image.fromarray(PICTURES[index].permute(1, 2, 0).numpy()).save(tmp_path / f"frame{index}.png")
    stream = frames(str(tmp_path))
    assert numbers(stream) == list(range(6, 12))
    assert (stream.size, stream.fps, stream.count) == ((48, 64), None, 6)
    (tmp_path / "frame12.png").write_bytes(b"no image")
    seen = []
    with pytest.raises(DataError, match=r"frame12\.png: is no image"):
        seen.extend(numbers([frame]) for frame in frames(tmp_path))
    assert len(seen) == 6  # images are read on access


def test_rotated_photographs_of_a_folder_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    pixels = PICTURES[0].permute(1, 2, 0).numpy()
    for index in range(2):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png", exif=exif)
    stream = frames(tmp_path)
    assert stream.size == (64, 48)
    assert torch.equal(list(stream)[1], torch.rot90(PICTURES[0], -1, (1, 2)))


def test_images_of_different_sizes_are_refused(tmp_path):
    for name, size in (("1.png", (8, 6)), ("2.png", (8, 6)), ("3.png", (6, 8))):
        Image.new("RGB", size).save(tmp_path / name)
    with pytest.raises(DataError, match=r"3\.png: is 6x8, those before it 8x6; scale"):
        list(frames(tmp_path))


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_video_without_a_frame_is_refused(tmp_path, ending):
    path = video(tmp_path / f"a.{ending}", [])
    with pytest.raises(DataError, match=rf"a\.{ending}: (has no|is no video)"):
        frames(path)


def test_missing_file_or_file_without_video_is_refused(tmp_path):
    (tmp_path / "text.txt").write_text("not a video\n" * 99)
    (tmp_path / "text.mp4").write_text("not a video\n" * 99)
    (tmp_path / "empty.avi").write_bytes(b"")
    with av.open(tmp_path / "sound.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    for name, named in (
        ("text.txt", "has no video in it"), ("text.mp4", "is no video"), ("empty.avi", "is no video"),
        ("sound.wav", "has no video in it"), ("missing.mp4", "no such file"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=f"{name}: {named}"):
            frames(tmp_path / name)


def test_real_video_has_all_its_frames(real_data):
    stream = frames(real_data("pets09") / "vtest.avi")
    assert (stream.size, stream.fps, stream.count) == ((360, 480), 10, 795)
    assert sum(1 for _ in stream) == 795


class Camera:
    """Stands in for OpenCV's camera: gives a blue picture `left` times, at 30 frames a second."""

    left = 1_000

    def __init__(self, number):
        self.there = number == 0

    def isOpened(self):
        return self.there

    def get(self, _):
        return 30.0

    def read(self):
        Camera.left -= 1
        return (True, np.full((4, 6, 3), (255, 0, 0), np.uint8)) if Camera.left >= 0 else (False, None)

    def release(self):
        self.there = False


@pytest.mark.parametrize("fps", [0, -1, float("inf"), float("nan")])
def test_a_rate_that_is_none_is_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="fps: expected more than 0 frames a second, got"):
        frames(tmp_path, fps)


def test_camera_gives_frames_until_it_is_unplugged(monkeypatch):
    monkeypatch.setattr(streams.cv2, "VideoCapture", Camera)
    stream = frames("camera:0")
    assert (stream.size, stream.fps, stream.count) == ((4, 6), 30, None)
    blue = torch.tensor([0, 0, 255], dtype=torch.uint8)[:, None, None].expand(3, 4, 6)
    assert all(torch.equal(frame, blue) for frame in islice(stream, 100))
    at_rate = islice(frames("camera:0", 50).timed(), 2)
    assert [(each.seconds, each.duration) for each in at_rate] == [(0, Fraction(1, 50)), (Fraction(1, 50),) * 2]
    Camera.left = 3
    with pytest.raises(DataError, match="camera:0: gave no frame after 3 frames"):
        list(stream)
    with pytest.raises(DataError, match="camera:1: can't be opened"):
        frames("camera:1")
    with pytest.raises(ValueError, match="expected a camera's number as in 'camera:0', got 'camera:front'"):
        frames("camera:front")


def test_missing_camera_is_reported():
    with pytest.raises(DataError, match="camera:99: can't be opened; is it plugged in"):
        frames("camera:99")


@pytest.mark.parametrize("name", ["a:b.mp4", "clip%03d.mp4", "it's.mkv", "\u00e4\u6f22.mp4"])
def test_name_of_a_file_is_never_an_address_or_a_pattern(tmp_path, name):
    assert numbers(frames(video(tmp_path / name, PICTURES[:3]))) == [0, 1, 2]


@pytest.mark.parametrize("address", ["rtsp://camera/1", "http://a/b.mp4", "udp://@239.0.0.1:1234", "HTTPS://a/b c.mp4"])
def test_address_is_refused_with_the_command_that_saves_it(address):
    with pytest.raises(DataError, match="is an address, which is not read from") as error:
        frames(address)
    assert shlex.split(str(error.value).rpartition(": ")[2]) == ["ffmpeg", "-i", address, "-t", "60", "clip.mp4"]


LISTS = {
    "a.m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\na.ts\n#EXT-X-ENDLIST\n",
    "far.m3u8": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a\n#EXT-X-ENDLIST\n",
    "a.ffconcat": "ffconcat version 1.0\nfile a.ts\n",
    "a.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_file_that_only_names_others_is_refused(tmp_path, name):
    video(tmp_path / "a.ts", PICTURES[:3], codec="libx264")
    (tmp_path / name).write_text(LISTS[name])
    with pytest.raises(DataError, match=f"{name}: (only names other files|is no video that can be read)"):
        frames(tmp_path / name)


def test_sources_that_are_no_files_are_refused():
    with pytest.raises(DataError, match="/dev/null: is no regular file"):
        frames("/dev/null")
    with pytest.raises(DataError, match="-: no such file"):
        frames("-")
    with pytest.raises(ValueError, match=r"source: expected a video file, .* got an empty name"):
        frames("")


def test_cover_of_a_sound_is_no_video_and_a_thumbnail_not_the_video():
    with pytest.raises(DataError, match=r"cover\.mp3: has no video in it"):
        frames(INPUTS / "cover.mp3")
    with pytest.warns(SkippedRecords, match="1 other videos are left out; stream 1 is the default one"):
        assert len(list(frames(INPUTS / "first_stream_is_a_still.mkv"))) == 12
    assert [frames(INPUTS / name).has_sound for name in ("audio.mp4", "vfr.mp4")] == [True, False]


def test_mirrored_and_wide_pixels_are_shown_as_players_do():
    first = next(iter(frames(INPUTS / "hflip.mp4")))
    green, red = first[:, 20, 20], first[:, 20, -20]  # stored the other way round
    assert green[1] > 150 > 60 > green[0]
    assert red[0] > 150 > 60 > red[1]
    assert frames(INPUTS / "sar.mp4").size == (96, 320)
