"""Video files: read frame by frame until the first damage, and written so that they play after an interruption."""

import contextlib
import re
import struct
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import torch
from av.video.reformatter import Colorspace
from torch import Tensor
from torch.nn import functional as F

from dffkit.datasets.images import channels_first
from dffkit.support.errors import DataError
from dffkit.support.files import staged

QUALITY = 18  # x264's constant rate factor: lower is better and larger; at 18 hardly anyone sees a difference


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


class VideoWriter:
    """Writes frames as H.264 into an mp4 file, one after another.

        with VideoWriter("annotated.mp4", stream.fps) as video:
            for frame in stream:
                video.write(annotated(frame))

    The file appears when the block ends, also by an exception or Ctrl-C, and then holds the frames written so far. A
    program that is killed leaves at most a `.part` file beside it. Without any frame there is no file.

    Args:
        path: path of the file, ending in .mp4; missing folders are made.
        fps: frames a second; a fraction such as `Fraction(30000, 1001)` is kept exactly.

    Raises:
        ValueError: for another ending, or a rate that is not above 0.
    """

    def __init__(self, path: Path | str, fps: Fraction | float) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"path: expected a name that ends in .mp4, got {self.path.name!r}")
        if fps is None or not fps > 0:
            raise ValueError(f"fps: expected more than 0 frames a second, got {fps!r}")
        self.fps = Fraction(fps).limit_denominator(1001)
        self._staging = contextlib.ExitStack()
        self._container, self._stream, self._size = None, None, None

    def write(self, frame: Tensor) -> None:
        """Append a frame `(3, H, W)` uint8 RGB. An odd height or width gets its last row or column twice.

        Raises:
            ValueError: if the frame is no such tensor, or has another size than the first.
        """
        if frame.dtype != torch.uint8 or frame.ndim != 3 or frame.shape[0] != 3:
            raise ValueError(f"frame: expected (3, H, W) torch.uint8, got {tuple(frame.shape)} {frame.dtype}")
        size = tuple(frame.shape[1:])
        if self._container is None:
            self._open(size)
        if size != self._size:
            raise ValueError(f"frame: expected the first one's size {self._size}, got {size}")
        # In yuv420p four pixels share a colour, so sizes have to be even. Nothing of the frame is cut off.
        even = F.pad(frame.cpu(), (0, size[1] % 2, 0, size[0] % 2), mode="replicate")
        picture = av.VideoFrame.from_ndarray(even.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
        self._container.mux(self._stream.encode(picture))

    def _open(self, size: tuple[int, int]) -> None:
        beside = self._staging.enter_context(staged(self.path))
        container = self._staging.enter_context(av.open(beside, "w", format="mp4"))
        stream = container.add_stream("h264", rate=self.fps, options={"crf": str(QUALITY)})
        stream.height, stream.width = (side + side % 2 for side in size)
        stream.pix_fmt = "yuv420p"
        # Written into the file, since players otherwise guess by the size.
        stream.codec_context.colorspace = Colorspace.ITU709
        self._container, self._stream, self._size = container, stream, size

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is not None:
            with self._staging:
                self._container.mux(self._stream.encode(None))
