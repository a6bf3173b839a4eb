"""Video files, read frame by frame, each with its time."""

import re
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from torch import Tensor

from dffkit.datasets.images import channels_first
from dffkit.support.errors import DataError


class TimedFrame(NamedTuple):
    """A frame and when a viewer sees it.

    Attributes:
        index: the source's own number of the frame, from 0; lost frames leave a gap.
        frame: `(3, H, W)` uint8 RGB, upright, square pixels.
        seconds: start of the frame after the start of the first frame.
        duration: seconds for which the frame is shown; None where the source does not know, as a camera.
    """

    index: int
    frame: Tensor
    seconds: Fraction
    duration: Fraction | None


def at_rate(frames: Iterable[Tensor], fps: Fraction | int) -> Iterator[TimedFrame]:
    """Yield the frames with their times at a constant rate."""
    return (TimedFrame(i, frame, i / Fraction(fps), 1 / Fraction(fps)) for i, frame in enumerate(frames))


def facts(path: Path) -> tuple[Fraction | None, int | None, bool]:
    """Return frames a second and number of frames as the file states them, or None, and whether it has sound.

    Raises:
        DataError: as `read`.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        return stream.average_rate or stream.guessed_rate, stream.frames or None, bool(container.streams.audio)


def read(path: Path) -> Iterator[TimedFrame]:
    """Yield the frames of a video file with their times, in the order in which they are shown.

    Raises:
        DataError: if there is no such file, or no video in it; after the frames before the damage, if the file is
            damaged or ends too early.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        count, end, chunk, damage, first = 0, Fraction(0), Fraction(0), None, None
        try:
            for frame in _decoded(container, stream):
                if frame.is_corrupt:
                    damage = "the next frame is incomplete"
                    break
                pixels = frame.to_ndarray(format="rgb24")
                upright = channels_first(np.rot90(pixels, round(frame.rotation / 90)))  # both count turns to the left
                start = (frame.pts or 0) * stream.time_base
                first = start if first is None else first
                yield TimedFrame(count, upright, start - first, (frame.duration or 0) * stream.time_base or None)
                count += 1
                end = max(end, ((frame.pts or 0) + (frame.duration or 0)) * stream.time_base)
                chunk = max(chunk, (frame.dts or 0) * stream.time_base)
        except av.FFmpegError as error:
            damage = error.strerror
        damage = damage or (_missing(stream, end, chunk) if count else None)
    if damage:
        remedy = "get the file again, or use the frames before the damage" if count else "get the file again"
        raise DataError(f"{path}: is damaged after {count} frames: {damage}; {remedy}")


def _opened(path: Path) -> av.container.InputContainer:
    try:
        # Titles and other metadata are not read here, and may be in any encoding.
        container = av.open(path, metadata_errors="replace")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the path right?") from None
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"{path}: is no video that can be read ({error.strerror}); get the file again") from error
    # FFmpeg takes any text for terminal art and would render it.
    if not container.streams.video or container.format.name == "tty":
        container.close()
        raise DataError(f"{path}: has no video in it; is this the right file?")
    return container


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """Yield the frames; before an error also those that the decoder still holds back to sort them."""
    try:
        yield from container.decode(stream)
    except av.FFmpegError:
        yield from stream.decode(None)
        raise


def _missing(stream: av.VideoStream, end: Fraction, chunk: Fraction) -> str | None:
    """Return what a file promises and lacks, or None. Where an mp4 file is cut, FFmpeg itself raises an error.

    Args:
        stream: the video.
        end: end of the last frame that was shown, in seconds.
        chunk: start of the last frame in storage order, in seconds.
    """
    # The AVI header also counts frames that a recorder dropped, and keeps their time: they are no sign of damage. Its
    # times are those of storage, since the times of showing start later where frames wait for others.
    avi = stream.container.format.name == "avi"
    early = avi and stream.average_rate and chunk < (stream.frames - 1.5) / stream.average_rate
    # Frames dropped at the end leave no gap in the times, but each has its empty piece, unless the file is cut.
    if early and avi_video_pieces(Path(stream.container.name), stream.index) < stream.frames:
        return f"its header counts {stream.frames}"
    # Matroska and WebM state a duration instead of a number of frames.
    duration = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if duration and stream.average_rate:
        hours, minutes, seconds = map(float, duration.groups())
        short = 3600 * hours + 60 * minutes + seconds - float(end)
        if short > 0.5 / stream.average_rate:
            return f"it ends {short:.2f} s before its stated end"
    return None


def avi_video_pieces(path: Path, stream: int) -> int:
    """Return the number of whole pieces of video of a stream in an AVI file; a dropped frame has an empty piece.

    FFmpeg passes over empty pieces. A piece is its name, its length and its content; a list is read as its pieces.
    """
    names = (b"%02ddc" % stream, b"%02ddb" % stream)  # compressed, or not
    count, place, size = 0, 0, path.stat().st_size
    with path.open("rb") as file:
        while place + 8 <= size:
            file.seek(place)
            name, length = struct.unpack("<4sI", file.read(8))
            if name in (b"RIFF", b"LIST"):
                place += 12  # name, length and kind of the list, then its first piece
                continue
            place += 8 + length
            count += name in names and place <= size
            place += length % 2
    return count
