"""Video files, read frame by frame as players show them; damaged ones as far as they are whole."""

import contextlib
import math
import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from torch import Tensor

from dffkit.datasets.frame_times import Clock, TimedFrame, ffmpeg_command
from dffkit.datasets.images import channels_first
from dffkit.datasets.snippets import warn_skipped
from dffkit.support.errors import DataError

# Streams of video that only belong to others: covers, thumbnails, tiles of a photograph.
PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent
LISTS = ("hls", "concat", "dash", "sdp", "rtsp", "imf")  # FFmpeg's formats of files that only name other files


def facts(path: Path) -> tuple[Fraction | None, int | None, bool] | None:
    """Return what a video states of frames a second and their number, and whether it has sound; None for an image.

    Raises:
        DataError: as `read`.
    """
    with _opened(path) as stream:
        kind = stream.container.format.name
        if kind == "image2" or kind.endswith("_pipe"):
            return None
        # Where a file states no rate, FFmpeg guesses one frame a tick; only streams without times need the guess.
        rate = stream.guessed_rate if stream.start_time is None else stream.average_rate
        return rate, stream.frames or None, bool(stream.container.streams.audio)


def read(path: Path) -> Iterator[TimedFrame]:
    """Yield the frames of a video file as players show them, in the order and at the times of showing.

    Of several videos in a file, the default one is read. Transparent pixels are shown over black. More than 8 bits a
    colour are rounded to 8, and HDR is not mapped to the range of a screen. A warning names the place of lost frames.

    Raises:
        DataError: if there is no such file, or no video in it that can be decoded; after the frames before the damage,
            if no frame comes after it.
    """
    with _opened(path) as stream:
        clock, held, count, cut = Clock(path, stream), None, 0, None
        shape = stream.codec_context.sample_aspect_ratio
        try:
            for frame in _decoded(stream, clock):
                now = stream.codec_context.sample_aspect_ratio
                ratio = (stream.sample_aspect_ratio if shape in (None, now) else now) or 1  # None: PyAV 17 at first
                timed = clock.show(frame)._replace(frame=_viewed(path, frame, ratio))
                if held:
                    yield held._replace(duration=timed.seconds - held.seconds)
                held, count = timed, count + 1
        except av.FFmpegError as error:
            cut = error.strerror
        if held:  # the last frame is shown until Matroska's stated end, or as long as others on average
            stated = stream.container.duration if stream.container.format.name == "matroska,webm" else None
            rest = max(Fraction(stated or 0, av.time_base) - clock.end, 0)
            yield held._replace(duration=held.duration or rest or (held.seconds / max(1, held.index)) or None)
        elif clock.damage and not cut:
            kind = f"{stream.codec_context.name} in {stream.container.format.name}: {clock.damage}"
            remedy = f"convert it where it plays: {ffmpeg_command(path)}"
            raise DataError(f"{path}: can't be decoded by FFmpeg ({kind}); {remedy}")
        cut = cut or (clock.damage if clock.breaks_off() else held and _missing(stream, clock))
    if cut:
        remedy = "get the file again, or use the frames before the damage" if count else "get the file again"
        raise DataError(f"{path}: is damaged after {count} frames: {cut}; {remedy}")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[av.VideoStream]:
    """Open a file and choose its video."""
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is no regular file; save the video as one, or name a camera as camera:0")
    try:
        # "file:" and the options keep FFmpeg from taking a name for an address or numbered images and from the network;
        # images of an animation without a time last 0.1 s, as in browsers. Metadata may be in any encoding.
        options = {"protocol_whitelist": "file", "pattern_type": "none", "default_fps": "10"}
        container = av.open(f"file:{path}", container_options=options, metadata_errors="replace")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the path right?") from None
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"{path}: is no video that can be read ({error.strerror}); get the file again") from error
    with container:
        kind, stream = container.format.name, container.streams.best("video")
        if kind in LISTS:
            raise DataError(f"{path}: only names other files; make one video of them by ffmpeg, or take one of them")
        # FFmpeg takes any text for terminal art and would render it.
        if stream is None or stream.disposition & PICTURES or kind == "tty":
            raise DataError(f"{path}: has no video in it; is this the right file?")
        if stream.codec_context is None:
            raise DataError(f"{path}: has a codec that FFmpeg can't decode; convert it to H.264 where it plays")
        others = sum(not other.disposition & PICTURES for other in container.streams.video) - 1
        warn_skipped(path, f"other videos are left out; stream {stream.index} is the default one", others)
        yield stream


def _decoded(stream: av.VideoStream, clock: Clock) -> Iterator[av.VideoFrame]:
    """Yield the whole frames in the order of showing; before an error also those that the decoder holds back."""
    codec = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1":  # FFmpeg's own decoders of VP8 and VP9 pass over transparency
        codec = av.CodecContext.create({"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(codec.name, codec.name), "r")
    try:
        for packet in stream.container.demux(stream):
            clock.read(packet)
            if packet.is_corrupt:
                clock.fail("incomplete data")
            try:
                found = codec.decode(packet)
            except av.FFmpegError as error:
                clock.fail(error.strerror)
                continue
            for frame in found:
                if frame.is_corrupt:
                    clock.fail("an incomplete picture")
                else:
                    yield frame
    except av.FFmpegError:
        yield from (frame for frame in codec.decode(None) if not frame.is_corrupt)
        raise


def _viewed(path: Path, frame: av.VideoFrame, ratio: Fraction) -> Tensor:
    """Return a frame as a viewer sees it, `(3, H, W)` uint8; `ratio` is the width of a stored pixel by its height."""
    if not 1 / 20 <= ratio <= 20:
        remedy = f"expected 1/20 to 20; if they are square, run: {ffmpeg_command(path, '-vf setsar=1')}"
        raise DataError(f"{path}: has pixels {float(ratio):g} times as wide as high, {remedy}")
    transparent = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
    size = {"width": max(1, round(frame.width * ratio)), "height": frame.height}
    pixels = frame.to_ndarray(format="rgba" if transparent else "rgb24", **size)
    if transparent:
        pixels, alpha = pixels[..., :3], pixels[..., 3:].astype(np.uint16)
        warn_skipped(path, "transparent pixels are shown over black", None if alpha.min() < 255 else 0)
        pixels = ((pixels * alpha + 127) // 255).astype(np.uint8)
    # A point (x, y) is shown at (a * x + c * y, b * x + d * y), from the left and from above.
    a, b, _, c, d = _display_matrix(frame)[:5]
    if abs(b) > abs(a):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return channels_first(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _display_matrix(frame: av.VideoFrame) -> tuple[float, ...]:
    try:
        stored = frame.side_data.get("DISPLAYMATRIX")
        return struct.unpack("9i", bytes(stored)) if stored else (1, 0, 0, 0, 1)
    except ValueError:  # PyAV does not know all kinds of data beside a frame; then it still knows turns
        turn = math.radians(frame.rotation)  # to the left
        return math.cos(turn), -math.sin(turn), 0, math.sin(turn), math.cos(turn)


def _missing(stream: av.VideoStream, clock: Clock) -> str | None:
    """Return what a file promises and lacks, or None. Where an mp4 file is cut, FFmpeg itself raises an error."""
    step = 1 / stream.average_rate if stream.average_rate else math.inf
    if stream.container.format.name == "avi" and (clock.stored or 0) * stream.time_base < (stream.frames - 1.5) * step:
        # The header also counts frames that a recorder dropped; only a cut file is shorter than stated.
        path = Path(stream.container.name.removeprefix("file:"))
        with path.open("rb") as file:
            (size,) = struct.unpack("<4xI", file.read(8))
        return f"its header counts {stream.frames}" if path.stat().st_size < 8 + size else None
    # Matroska and WebM state a duration instead of a number of frames.
    stated = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    hours, minutes, seconds = map(float, stated.groups()) if stated else (0, 0, 0)
    short = 3600 * hours + 60 * minutes + seconds - clock.end
    return f"it ends {short:.2f} s before its stated end" if short > step / 2 else None
