"""files.py and video_files.py: frames from whatever people have, and videos that play after an interruption."""

import struct
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest
import torch
from PIL import Image

from dffkit.datasets import avi, files
from dffkit.datasets.files import frames
from dffkit.datasets.video_files import VideoWriter
from dffkit.errors import DataError

NTSC = Fraction(30000, 1001)
CODECS = {"mp4": "libx264", "mkv": "libx264", "avi": "libx264", "webm": "libvpx-vp9"}
GENERATOR = torch.Generator().manual_seed(0)
# A square of a colour that tells the frame, and noise, so that each frame takes many bytes.
PICTURES = torch.randint(0, 256, (40, 3, 48, 64), dtype=torch.uint8, generator=GENERATOR)
PICTURES[:, :, :32, :32] = (6 * torch.arange(40, dtype=torch.uint8))[:, None, None, None]


def video(path, pictures=PICTURES, rate=NTSC, codec=None, **options):
    """A video file of these frames `(n, 3, H, W)`, none too."""
    with av.open(path, "w", options=options) as container:
        stream = container.add_stream(codec or CODECS[path.suffix[1:]], rate=rate)
        stream.height, stream.width = PICTURES.shape[2:]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        container.start_encoding()
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def numbers(stream):
    """Which of the pictures these frames are, by the colour of the square."""
    return [round(float(frame[:, 4:28, 4:28].float().mean()) / 6) for frame in stream]


@pytest.mark.parametrize("ending", CODECS)
def test_every_frame_of_a_video_comes_once_and_in_order(tmp_path, ending):
    stream = frames(video(tmp_path / f"a.{ending}"))
    for _ in range(2):  # a second loop starts again
        assert numbers(stream) == list(range(40))
    assert stream.size == (48, 64)
    assert stream.fps == NTSC
    assert stream.count == (None if ending in ("mkv", "webm") else 40)
    assert all(frame.shape == (3, 48, 64) and frame.dtype == torch.uint8 for frame in stream)


def test_red_is_red(tmp_path):
    red = torch.tensor([200, 60, 30], dtype=torch.uint8)[:, None, None].expand(3, 48, 64)
    (frame,) = frames(video(tmp_path / "a.mp4", [red]))  # one frame is a video too
    assert (frame[:, 24, 32].int() - red[:, 0, 0]).abs().max() <= 4


def test_a_frame_that_is_kept_stays_as_it_is(tmp_path):
    path = video(tmp_path / "a.mp4")
    kept = list(frames(path))
    assert all(torch.equal(one, other) for one, other in zip(kept, frames(path), strict=True))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_telephone_s_video_is_upright(tmp_path, turns):
    """`turns` quarter turns to the right are written into the header, as a telephone does."""
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


def test_a_list_of_arrays_or_tensors_is_a_video():
    arrays = [picture.permute(1, 2, 0).numpy() for picture in PICTURES]
    for source in (arrays, list(PICTURES), PICTURES, np.stack(arrays)):
        stream = frames(source)
        assert (stream.size, stream.fps, stream.count) == ((48, 64), None, 40)
        assert torch.equal(torch.stack(list(stream)), PICTURES)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ([], "has no frame"),
        ([PICTURES[0], PICTURES[0].float()], r"source\[1\]: expected .* got \(3, 48, 64\) torch.float32"),
        ([PICTURES[0], PICTURES[0, 0]], r"source\[1\]: expected .* got \(48, 64\)"),
        ([PICTURES[0].numpy()], r"source\[0\]: expected .* got \(3, 48, 64\) uint8"),
        ([np.zeros((4, 4, 3))], r"source\[0\]: expected .* float64"),
        ([PICTURES[0], "b.png"], r"source\[1\]: expected .* got str"),
        ([PICTURES[0], PICTURES[0, :, :32]], r"source\[1\]: is 64x32, those before it 64x48"),
        (7, "expected a path, 'camera:0' or a list of frames, got int"),
    ],
)
def test_a_list_of_something_else_is_named(source, named):
    with pytest.raises(ValueError, match=named):
        list(frames(source))


def test_a_folder_is_a_video_in_natural_order(tmp_path):
    for index in (0, 1, 2, 9, 10, 11):
        Image.fromarray(PICTURES[index].permute(1, 2, 0).numpy()).save(tmp_path / f"frame{index}.png")
    stream = frames(str(tmp_path))
    assert numbers(stream) == [0, 1, 2, 9, 10, 11]
    assert (stream.size, stream.fps, stream.count) == ((48, 64), None, 6)
    (tmp_path / "frame12.png").write_bytes(b"no image")
    seen = []
    with pytest.raises(DataError, match=r"frame12\.png: is no image"):
        seen.extend(numbers([frame]) for frame in frames(tmp_path))
    assert len(seen) == 6  # images are not read before they are asked for


def test_a_folder_s_photographs_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    pixels = PICTURES[0].permute(1, 2, 0).numpy()
    for index in range(2):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png", exif=exif)
    stream = frames(tmp_path)
    assert stream.size == (64, 48)
    assert torch.equal(list(stream)[1], torch.rot90(PICTURES[0], -1, (1, 2)))


def test_images_of_different_sizes_are_no_video(tmp_path):
    for name, size in (("1.png", (8, 6)), ("2.png", (8, 6)), ("3.png", (6, 8))):
        Image.new("RGB", size).save(tmp_path / name)
    with pytest.raises(DataError, match=r"3\.png: is 6x8, those before it 8x6; scale"):
        list(frames(tmp_path))


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_a_video_without_a_frame_is_refused(tmp_path, ending):
    path = video(tmp_path / f"a.{ending}", [])
    with pytest.raises(DataError, match=rf"a\.{ending}: (has no|is no video)"):
        frames(path)


def test_what_is_no_video_or_not_there_is_refused(tmp_path):
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


@pytest.mark.parametrize(("ending", "options"), [("mp4", {"movflags": "faststart"}), ("mkv", {}), ("avi", {})])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_of_a_cut_video_the_frames_before_come_first(tmp_path, ending, options, share):
    path = video(tmp_path / f"a.{ending}", **options)
    content, whole = path.read_bytes(), list(frames(path))
    with av.open(path) as container:
        ends = [packet.pos + packet.size for packet in container.demux() if packet.size]
    path.write_bytes(content[: int(share * len(content))])
    complete = sum(end <= share * len(content) for end in ends)
    seen = []
    with pytest.raises(DataError, match=rf"a\.{ending}: is damaged after \d+ frames.*damaged='stop'") as error:
        seen.extend(frames(path))
    assert len(seen) == complete < 40
    assert all(torch.equal(*pair) for pair in zip(seen, whole, strict=False))
    assert f"after {len(seen)} frames" in str(error.value)
    with pytest.warns(UserWarning, match=rf"the frames end early: .*after {len(seen)} frames"):
        assert len(list(frames(path, damaged="stop"))) == len(seen)


def test_a_cut_between_two_frames_is_seen_too(tmp_path):
    """Nothing in such a file is broken; it only has less than it says."""
    path = tmp_path / "a.avi"
    video(path, PICTURES, codec="mjpeg")
    content = path.read_bytes()
    starts = [i for i in range(len(content)) if content[i : i + 4] == b"00dc"]
    path.write_bytes(content[: starts[31]])  # the first is in the header
    with pytest.raises(DataError, match="after 30 frames: it says that it has 40"):
        list(frames(path))


def with_drops(path, codec, kept):
    """An AVI file of these of the pictures; the writer leaves an empty piece for each that is not among them."""
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
def test_frames_that_a_recorder_has_dropped_are_no_damage_but_a_cut_is(tmp_path, codec):
    """The header counts them, and the file has an empty piece for each."""
    path, kept = tmp_path / "a.avi", [index for index in range(40) if index not in (10, 11, 20)]
    with_drops(path, codec, kept)
    assert frames(path).count == 40
    assert numbers(frames(path)) == kept
    with av.open(path) as container:
        starts = [packet.pos for packet in container.demux() if packet.size]
    path.write_bytes(path.read_bytes()[: starts[-1] - 8])  # the last frame's name and length go too
    with pytest.raises(DataError, match="after 36 frames: it says that it has 40"):
        list(frames(path))


def drop_last(path):
    """Make the last piece of video an empty one, as a recorder does that drops a frame."""
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
def test_dropped_frames_at_the_end_are_no_damage_either_but_a_cut_is(tmp_path, codec):
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
        with pytest.raises(DataError, match="it says that it has 40"):
            list(frames(path))


def test_pieces_of_video_are_told_from_others_and_from_cut_ones(tmp_path):
    def piece(name, content=b""):
        return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)

    sound, ours, theirs = piece(b"01wb", b"00dc"), piece(b"00dc", b"odd"), piece(b"02dc", b"even")
    group = piece(b"LIST", b"rec " + ours + sound + piece(b"00db", b"raw"))
    movi = piece(b"LIST", b"movi" + group + theirs + piece(b"00dc") + ours)
    whole = piece(b"RIFF", b"AVI " + movi + piece(b"idx1", b"00dc" * 4)) + piece(b"RIFF", b"AVIX" + ours)
    path = tmp_path / "a.avi"
    for content, expected in ((whole, 5), (whole[:-2], 4), (whole[:-12], 4), (whole[:30], 0), (b"", 0), (b"RIFF", 0)):
        path.write_bytes(content)
        assert avi.video_pieces(path, 0) == expected
    path.write_bytes(whole)
    assert avi.video_pieces(path, 2) == 1


def test_a_title_in_another_encoding_is_no_matter(tmp_path):
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


def test_a_video_damaged_at_its_first_frame_has_nothing_to_use(tmp_path, monkeypatch):
    def broken(*_):
        raise av.InvalidDataError(1, "Invalid data")
        yield

    path = video(tmp_path / "a.mp4")
    monkeypatch.setattr(files.video_files, "_decoded", broken)
    with pytest.raises(DataError, match=r"a\.mp4: is damaged after 0 frames: Invalid data; get the file again$"):
        frames(path)


def test_a_video_that_changes_its_size_is_refused_there(tmp_path):
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


class Camera:
    """Stands in for OpenCV's: a blue picture, as often as `left` says, at 30 frames a second."""

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


def test_a_camera_gives_frames_until_it_is_unplugged(monkeypatch):
    monkeypatch.setattr(files.cv2, "VideoCapture", Camera)
    stream = frames("camera:0")
    assert (stream.size, stream.fps, stream.count) == ((4, 6), 30, None)
    blue = torch.tensor([0, 0, 255], dtype=torch.uint8)[:, None, None].expand(3, 4, 6)
    assert all(torch.equal(frame, blue) for frame in islice(stream, 100))
    Camera.left = 3
    with pytest.raises(DataError, match="camera:0: gave no frame after 3 frames"):
        list(stream)
    with pytest.raises(DataError, match="camera:1: can't be opened"):
        frames("camera:1")
    with pytest.raises(ValueError, match="expected a camera's number as in 'camera:0', got 'camera:front'"):
        frames("camera:front")


def test_a_camera_that_is_not_there_is_named():
    with pytest.raises(DataError, match="camera:99: can't be opened; is it plugged in"):
        frames("camera:99")


def test_a_wrong_option_is_named(tmp_path):
    with pytest.raises(ValueError, match="damaged: expected 'raise' or 'stop', got 'skip'"):
        frames(tmp_path, damaged="skip")


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1)])
def test_what_is_written_is_read_again(tmp_path, size):
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
def test_an_interrupted_video_plays_until_there(tmp_path, interruption):
    path = tmp_path / "a.mp4"
    path.write_text("an older one")

    def interrupted():
        with VideoWriter(path, 25) as writer:
            for index, picture in enumerate(PICTURES):
                if index == 30:
                    assert path.read_text() == "an older one"  # no file looks finished that is not
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
def test_a_wrong_frame_is_named(tmp_path, wrong, named):
    with VideoWriter(tmp_path / "a.mp4", 25) as writer:
        writer.write(PICTURES[0])
        with pytest.raises(ValueError, match=f"frame: expected .*{named}"):
            writer.write(wrong)
    assert numbers(frames(tmp_path / "a.mp4")) == [0]


@pytest.mark.parametrize(("path", "fps", "named"), [("a.avi", 25, "path"), ("a.mp4", 0, "fps"), ("a.mp4", None, "fps")])
def test_wrong_arguments_of_the_writer_are_named(path, fps, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        VideoWriter(path, fps)


def test_a_real_video(real_data):
    stream = frames(real_data("pets09") / "vtest.avi")
    assert (stream.size, stream.fps, stream.count) == ((360, 480), 10, 795)
    assert sum(1 for _ in stream) == 795
