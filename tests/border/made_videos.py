"""Videos made by their properties: what is right about each is known before it is read.

A new kind is a line: a value in one of the tables below, and in `is_possible` the files that can't have it.
"""

import contextlib
import itertools
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.stream import Disposition
from pairwise import pairwise

HEIGHT, WIDTH = 48, 64
COUNT = 6  # frames of a video
RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
MILLISECOND = Fraction(1, 1000)
NONE = Disposition(0)
Track = tuple[av.stream.Stream, Iterator[av.frame.Frame]]

# (codec, container)
FORMATS = (
    ("libx264", "mp4"), ("libx264", "mkv"), ("libx264", "mov"),
    ("libx264", "avi"), ("libx264", "ts"),
    ("libvpx", "webm"), ("libvpx", "mkv"), ("libvpx-vp9", "webm"),
    ("libvpx-vp9", "mp4"), ("libsvtav1", "mp4"), ("libsvtav1", "webm"),
    ("mpeg4", "mp4"), ("mpeg4", "avi"), ("mpeg4", "mkv"),
    ("mjpeg", "avi"), ("mjpeg", "mov"), ("mjpeg", "mkv"),
    ("libx264", "flv"), ("mpeg4", "3gp"), ("prores", "mov"), ("mpeg2video", "ts"),
    ("ffv1", "mkv"), ("ffv1", "avi"), ("gif", "gif"),
)  # fmt: skip
PIXELS = {"mjpeg": "yuvj420p", "ffv1": "bgr0", "prores": "yuv422p10le", "gif": "rgb8"}  # others in yuv420p

OPTIONS = {"libsvtav1": {"preset": "12"}}
os.environ.setdefault("SVT_LOG", "1")  # errors only

# PyAV writes a shape of pixels for these only. (MPEG-2 has one of four shapes of the picture.)
SHAPED = [each for each in FORMATS if each[1] in ("mp4", "mov", "gif") or each[0] in ("libx264", "mpeg4")]
SHAPED += [("mjpeg", "mkv")]

# Times of the frames in units of the number that follows them, in seconds.
RATES: dict[str, tuple[tuple[int, ...], Fraction]] = {
    "25": (tuple(range(COUNT)), Fraction(1, 25)),
    "ntsc": (tuple(range(COUNT)), Fraction(1001, 30000)),
    "gap": ((0, 1, 2, 67, 68, 69), Fraction(1, 25)),
    "variable": ((0, 40, 80, 580, 1080, 1093), MILLISECOND),
    "slowing": ((0, 4, 8, 208, 212, 412), Fraction(1, 100)),  # as delays of a GIF
    "hourly": ((0, 1, 2, 3, 4, 5), Fraction(3600)),
}

# Name -> the picture shown, made of the stored one, and a b c d of the display matrix: x' = ax + cy, y' = bx + dy.
Turn = Callable[[np.ndarray], np.ndarray]
ORIENTATIONS: dict[str, tuple[Turn, tuple[int, int, int, int]]] = {
    "upright": (lambda p: p, (1, 0, 0, 1)),
    "mirrored": (lambda p: p[:, ::-1], (-1, 0, 0, 1)),
    "half turn": (lambda p: p[::-1, ::-1], (-1, 0, 0, -1)),
    "upside down": (lambda p: p[::-1], (1, 0, 0, -1)),
    "transposed": (lambda p: p.swapaxes(0, 1), (0, 1, 1, 0)),
    "right turn": (lambda p: np.rot90(p, -1), (0, 1, -1, 0)),
    "transversed": (lambda p: np.rot90(p.swapaxes(0, 1), 2), (0, -1, -1, 0)),
    "left turn": (lambda p: np.rot90(p), (0, -1, 1, 0)),
}
# The containers that carry a display matrix: the newer versions of PyAV write it, the header of the others is changed.
TURNED_BY = {"mp4": "header", "mov": "header"}
if hasattr(av.VideoStream, "set_display_matrix"):
    TURNED_BY |= {"mkv": "PyAV", "webm": "PyAV"}
INVERSE = {"right turn": "left turn", "left turn": "right turn"}  # the others are their own
EXIF = dict(enumerate(ORIENTATIONS, 1))

SHAPES = {"1:1": Fraction(1), "2:1": Fraction(2), "1:2": Fraction(1, 2), "16:15": Fraction(16, 15)}  # width : height
STREAMS = {
    "one": ["main"], "sound": ["main", "sound"], "sound first": ["sound", "main"], "thumbnail": ["still", "main"],
    "cover": ["main", "cover"], "second is default": ["other", "main"], "first is default": ["main", "other"],
}  # fmt: skip
STARTS = {"at zero": Fraction(0), "late": Fraction(10)}
# Options of the container: a file that is written to the end, or one that can be sent while it is written, as browsers'
# recordings are: without a duration, an index or the number of frames.
ENDS = {
    "whole": {},
    "streamed": {
        "mp4": {"movflags": "frag_keyframe+delay_moov+default_base_moof"},
        "mov": {"movflags": "frag_keyframe+delay_moov+default_base_moof"}, "mkv": {"live": "1"}, "webm": {"live": "1"},
    },
}  # fmt: skip
SOUND = {"mkv": "flac", "webm": "libopus", "avi": "pcm_s16le", "ts": "mp2"}  # others: aac
SOUND_RATE = 48000


class Video(NamedTuple):
    """What a video is like: a value of each property."""

    codec: str
    container: str
    rate: str
    orientation: str
    shape: str
    streams: str
    start: str
    end: str

    @property
    def seconds(self) -> list[Fraction]:
        """Times of the frames after the first one."""
        units, unit = RATES[self.rate]
        return [number * unit for number in units]

    @property
    def aspect(self) -> Fraction:
        """Width : height as a viewer sees it."""
        stored = Fraction(*stored_picture(0, self.orientation).shape[1::-1]) * SHAPES[self.shape]
        return 1 / stored if ORIENTATIONS[self.orientation][1][0] == 0 else stored

    def __str__(self) -> str:
        return "-".join(self).replace(" ", "_")


def picture(number: int) -> np.ndarray:
    """Return four coloured quarters, and the number in five bits, black and white, across the middle."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    (top, bottom), (left, right) = ((slice(0, side // 2), slice(side // 2, None)) for side in (HEIGHT, WIDTH))
    pixels[top, left], pixels[top, right], pixels[bottom, left], pixels[bottom, right] = RED, GREEN, BLUE, YELLOW
    for bit in range(5):
        pixels[20:28, 12 + 8 * bit : 20 + 8 * bit] = 255 * (number >> bit & 1)
    return pixels


OTHER = [255 - picture(31)]  # what is not to be shown


def number_of(pixels: np.ndarray) -> int:
    """Read the number of a picture `(HEIGHT, WIDTH, 3)`."""
    return sum((pixels[22:26, 14 + 8 * bit : 18 + 8 * bit].mean() > 127) << bit for bit in range(5))


def stored_picture(number: int, orientation: str) -> np.ndarray:
    """Return the picture that is `picture(number)` when it is shown in the orientation."""
    turn, _ = ORIENTATIONS[INVERSE.get(orientation, orientation)]
    return np.ascontiguousarray(turn(picture(number)))


def is_possible(video: Video) -> bool:
    """Return False for what no file can be."""
    codec, container, rate, orientation, shape, streams, start, end = video
    if orientation != "upright" and container not in TURNED_BY:
        return False
    if container == "gif" and (rate not in ("25", "slowing", "gap") or streams != "one" or start == "late"):
        return False  # whole hundredths of a second, no sound
    if container in ("avi", "ts", "flv", "3gp") and streams not in ("one", "sound", "sound first"):
        return False  # no disposition
    if end == "streamed" and container not in ENDS["streamed"]:
        return False
    if container == "webm" and streams == "cover":
        return False
    if container == "avi" and (rate in ("variable", "slowing", "hourly") or start == "late"):
        return False  # one rate in its header, from zero on, of which frames may be left out
    if codec == "mpeg2video" and rate not in ("25", "ntsc", "gap"):
        return False
    if shape != "1:1" and (codec, container) not in SHAPED:
        return False
    if (container, rate) == ("flv", "hourly"):
        return False  # frames wait for others by at most two hours
    if (codec, container, rate) == ("libx264", "avi", "gap"):
        return False  # the header has the times of storage only, in another order than that of showing
    return not (rate == "hourly" and streams in ("sound", "sound first"))  # hours of sound


def cases() -> list[Video]:
    """Return some hundred videos, with every pair of values of two properties that a video can have."""
    tables = RATES, ORIENTATIONS, SHAPES, STREAMS, STARTS, ENDS
    products = itertools.product(FORMATS, *tables)
    possible = [Video(*first, *others) for first, *others in products if is_possible(Video(*first, *others))]
    # Codec and container are one property here.
    return [Video(*first, *others) for first, *others in pairwise((each[:2], *each[2:]) for each in possible)]


def make(video: Video, folder: Path) -> Path:
    """Write a video file with these properties."""
    path = folder / f"video.{video.container}"
    with _same_scheduling(), av.open(path, "w", options=ENDS[video.end].get(video.container, {})) as container:
        tracks = [TRACKS[name](container, video) for name in STREAMS[video.streams]]
        container.start_encoding()
        for stream, frames in tracks:
            for frame in (*frames, None):
                container.mux(stream.encode(frame))
    if TURNED_BY.get(video.container) == "header":
        _set_matrix(path, STREAMS[video.streams].index("main"), display_matrix(video))
    return path


@contextlib.contextmanager
def _same_scheduling() -> Iterator[None]:
    """Undo what SVT-AV1 does for root on Linux: it makes the process real-time, and a browser that it starts later."""
    before = (os.sched_getscheduler(0), os.sched_getparam(0)) if hasattr(os, "sched_setscheduler") else ()
    yield
    if before:
        os.sched_setscheduler(0, *before)


def display_matrix(video: Video) -> list[int]:
    """Return the nine numbers of the display matrix."""
    a, b, c, d = (65536 * side for side in ORIENTATIONS[video.orientation][1])
    return [a, b, 0, c, d, 0, 0, 0, 1 << 30]


def _main(container: av.container.OutputContainer, video: Video) -> Track:
    pictures = [stored_picture(number, video.orientation) for number in range(COUNT)]
    stream, frames = _track(container, video, pictures, Disposition.default)
    if video.orientation != "upright" and TURNED_BY[video.container] == "PyAV":
        stream.set_display_matrix(display_matrix(video))
    return stream, frames


def _other(container: av.container.OutputContainer, video: Video) -> Track:
    """Return a whole video that is not the one to show."""
    return _track(container, video, OTHER * COUNT)


def _still(container: av.container.OutputContainer, video: Video) -> Track:
    """Return a single picture before the video."""
    return _track(container, video if video.container == "webm" else video._replace(codec="mjpeg"), OTHER)


def _cover(container: av.container.OutputContainer, video: Video) -> Track:
    return _track(container, video._replace(codec="mjpeg"), OTHER, Disposition.attached_pic)


def _track(
    container: av.container.OutputContainer,
    video: Video,
    pictures: Sequence[np.ndarray],
    disposition: Disposition = NONE,
) -> Track:
    """Return a stream of video and its frames, at the video's times."""
    units, unit = RATES[video.rate]
    if unit > 1:  # no codec counts in hours
        units, unit = [int(number * unit / MILLISECOND) for number in units], MILLISECOND
    first = round(STARTS[video.start] / unit)
    # Whole numbers of a unit are the times. Where they vary, encoders plan for some rate.
    rate = 1 / unit if unit > MILLISECOND * 20 else 25
    stream = container.add_stream(video.codec, rate=rate, options=OPTIONS.get(video.codec, {}))
    stream.height, stream.width = pictures[0].shape[:2]
    stream.pix_fmt = PIXELS.get(video.codec, "yuv420p")
    stream.codec_context.thread_count = 1
    stream.codec_context.time_base = unit
    stream.codec_context.sample_aspect_ratio = SHAPES[video.shape]
    stream.disposition = disposition.value  # PyAV 15 takes a number only

    def frames() -> Iterator[av.VideoFrame]:
        for number, pixels in zip(units, pictures, strict=False):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = first + number, unit
            yield frame

    return stream, frames()


def _sound(container: av.container.OutputContainer, video: Video) -> Track:
    """Return a stream of silence that is as long as the video."""
    stream = container.add_stream(SOUND.get(video.container, "aac"), rate=SOUND_RATE)
    length, start = (round(time * SOUND_RATE) for time in (video.seconds[-1], STARTS[video.start]))

    def frames() -> Iterator[av.AudioFrame]:
        for first in range(0, length, 4800):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, start + first, Fraction(1, SOUND_RATE)
            yield frame

    return stream, frames()


def _set_matrix(path: Path, track: int, matrix: list[int]) -> None:
    """Write a display matrix into the header of a track of an mp4 or mov file."""
    content, place = bytearray(path.read_bytes()), 0
    for _ in range(track + 1):
        place = content.index(b"tkhd", place) + 4
    content[place + 40 : place + 76] = struct.pack(">9i", *matrix)
    path.write_bytes(content)


TRACKS = {"main": _main, "other": _other, "still": _still, "cover": _cover, "sound": _sound}
