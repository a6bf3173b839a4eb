"""Video files: read frame after frame until the first damage, and written so that they play whatever happens."""

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import Colorspace
from torch import Tensor
from torch.nn import functional as F

from dffkit.datasets.avi import video_pieces
from dffkit.support.errors import DataError

QUALITY = 18  # x264's constant rate factor: lower is better and larger; at 18 hardly anyone sees a difference
STOP = "use what is there: frames(..., damaged='stop')"


def facts(path: Path) -> tuple[Fraction | None, int | None]:
    """Frames a second, and how many there are: what the file says of itself, None where it says nothing.

    Raises:
        DataError: as `read`.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        return stream.average_rate or stream.guessed_rate, stream.frames or None


def read(path: Path) -> Iterator[Tensor]:
    """The frames of a video file, `(3, H, W)` uint8 RGB, in the order in which they are shown, and upright.

    Raises:
        DataError: if there is no such file or no video in it, or if it is damaged or ends too early: after the frames
            before.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        count, end, chunk, damage = 0, Fraction(0), Fraction(0), None
        try:
            for frame in _decoded(container, stream):
                if frame.is_corrupt:
                    damage = "the next frame is incomplete"
                    break
                yield _upright(frame)
                count += 1
                end = max(end, ((frame.pts or 0) + (frame.duration or 0)) * stream.time_base)
                chunk = max(chunk, (frame.dts or 0) * stream.time_base)
        except av.FFmpegError as error:
            damage = error.strerror
        damage = damage or (_missing(stream, end, chunk) if count else None)
    if damage:
        remedy = f"get the file again, or {STOP}" if count else "get the file again"
        raise DataError(f"{path}: is damaged after {count} frames: {damage}; {remedy}")


def channels_first(pixels: np.ndarray) -> Tensor:
    """`(H, W, 3)` -> `(3, H, W)`, in memory of its own: what decodes the next frame may use the old again."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def _opened(path: Path) -> av.container.InputContainer:
    try:
        # Titles and the like are not read here, and may be in any encoding.
        container = av.open(path, metadata_errors="replace")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; is the path right?") from None
    except (av.FFmpegError, OSError) as error:
        raise DataError(f"{path}: is no video that can be read ({error.strerror}); get the file again") from error
    # FFmpeg takes any text for terminal art and would draw it.
    if not container.streams.video or container.format.name == "tty":
        container.close()
        raise DataError(f"{path}: has no video in it; is this the right file?")
    return container


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    """The frames; before an error those that the decoder still holds back for their order."""
    try:
        yield from container.decode(stream)
    except av.FFmpegError:
        yield from stream.decode(None)
        raise


def _missing(stream: av.VideoStream, end: Fraction, chunk: Fraction) -> str | None:
    """What a file promises and does not have. Where an mp4 file is cut, FFmpeg itself says so.

    `end` is when the last frame that is shown ends, `chunk` when the last one that is stored begins, in seconds.
    """
    # AVI counts frames that a recorder has dropped too, and keeps their time: they are no sign of damage. Its times
    # are those of storing, since those of showing begin later where frames wait for others.
    avi = stream.container.format.name == "avi"
    early = avi and stream.average_rate and chunk < (stream.frames - 1.5) / stream.average_rate
    # Those dropped at the end leave no gap in the times; but, other than where a file is cut, each has its empty piece.
    if early and video_pieces(Path(stream.container.name), stream.index) < stream.frames:
        return f"it says that it has {stream.frames}"
    # Matroska and WebM don't count frames.
    duration = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if duration and stream.average_rate:
        hours, minutes, seconds = map(float, duration.groups())
        short = 3600 * hours + 60 * minutes + seconds - float(end)
        if short > 0.5 / stream.average_rate:
            return f"it ends {short:.2f} s before the time that it says"
    return None


def _upright(frame: av.VideoFrame) -> Tensor:
    pixels = frame.to_ndarray(format="rgb24")
    return channels_first(np.rot90(pixels, round(frame.rotation / 90)))  # both count turns to the left


class VideoWriter:
    """Writes frames as H.264 into an mp4 file, one after another.

        with VideoWriter("annotated.mp4", stream.fps) as video:
            for frame in stream:
                video.write(annotated(frame))

    The file appears when the block ends, also by an exception or Ctrl-C, and then holds the frames until there. A
    program that is killed leaves at worst a `.part` file beside it. Without any frame there is no file.

    Args:
        path: of the file, ending in .mp4; missing folders are made.
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
        self._beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        self._container, self._stream, self._size = None, None, None

    def write(self, frame: Tensor) -> None:
        """Append a frame `(3, H, W)` uint8 RGB. An odd height or width gets its last row or column twice.

        Raises:
            ValueError: if it is no such tensor, or has another size than the first.
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

    def close(self) -> None:
        """Finish the file. The end of a `with` block does that."""
        if self._container is None:
            return
        container, self._container = self._container, None
        try:
            container.mux(self._stream.encode(None))
        finally:
            container.close()
        os.replace(self._beside, self.path)

    def _open(self, size: tuple[int, int]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._size, self._container = size, av.open(self._beside, "w", format="mp4")
        self._stream = self._container.add_stream("h264", rate=self.fps, options={"crf": str(QUALITY)})
        self._stream.height, self._stream.width = (side + side % 2 for side in size)
        self._stream.pix_fmt = "yuv420p"
        # Said in the file, since players guess otherwise, by the size.
        self._stream.codec_context.colorspace = Colorspace.ITU709

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
