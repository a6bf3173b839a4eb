"""Video files, written so that they play at the times of their source, and also after an interruption."""

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import torch
from av.video.reformatter import ColorRange, Colorspace
from torch import Tensor
from torch.nn import functional as F

from dffkit.support.files import staged

QUALITY = 18  # x264's constant rate factor: lower is better and larger; at 18 hardly anyone sees a difference
MAX_SIDE = 16384  # pixels; x264 takes no more
TICKS = 90000  # least number of time steps a second
LONGEST = 2**30  # ticks; FFmpeg writes no frame of more than twice this into an mp4 file


class VideoWriter:
    """Writes frames as H.264 into an mp4 file, one after another, at their times.

        with VideoWriter("annotated.mp4", stream.fps) as video:
            for timed in stream.timed():
                video.write(annotated(timed.frame), timed.seconds, timed.duration)

    The file appears when the block ends, also by an exception or Ctrl-C, and then holds the frames written so far. A
    program that is killed leaves at most a `.part` file beside it. Without any frame there is no file.

    Args:
        path: path of the file, ending in .mp4; missing folders are made.
        fps: frames a second, for frames without a time; a fraction such as `Fraction(30000, 1001)` is kept exactly.

    Raises:
        ValueError: for another ending, or a rate that is not above 0.
    """

    def __init__(self, path: Path | str, fps: Fraction | float) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise ValueError(f"path: expected a name that ends in .mp4, got {self.path.name!r}")
        self.fps = Fraction(fps or 0).limit_denominator(10**6)
        if not self.fps > 0:
            raise ValueError(f"fps: expected more than 0 frames a second, got {fps!r}")
        # A frame at the constant rate lasts a whole number of ticks, and other times are rounded by at most 6 us.
        numerator = self.fps.numerator
        self._ticks = -(-TICKS // numerator) * numerator if numerator < 10 * TICKS else TICKS  # a second
        self._last, self._end = -1, 0  # start of the last frame and the end of it, in ticks
        self._staging = contextlib.ExitStack()
        self._container, self._stream, self._size, self._picture = None, None, None, None

    def write(self, frame: Tensor, seconds: Fraction | float | None = None, duration: Fraction | None = None) -> None:
        """Append a frame. An odd height or width gets its last row or column twice.

        Args:
            frame: `(3, H, W)` uint8 RGB.
            seconds: start of the frame after the start of the video; None for the end of the frame before. A frame that
                is not later than the one before starts one tick after it.
            duration: seconds until the video ends, if no other frame follows; None for that of the constant rate.

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
        start = self._end if seconds is None else max(round(seconds * self._ticks), self._last + 1)
        self._hold_until(start)
        # In yuv420p four pixels share a colour, so sizes have to be even. Nothing of the frame is cut off.
        even = F.pad(frame.cpu(), (0, size[1] % 2, 0, size[0] % 2), mode="replicate")
        picture = av.VideoFrame.from_ndarray(even.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        self._end = start + max(1, round((duration or 1 / self.fps) * self._ticks))
        self._encode(picture, start)

    def _open(self, size: tuple[int, int]) -> None:
        beside = self._staging.enter_context(staged(self.path))
        options = {"video_track_timescale": str(self._ticks)}
        container = self._staging.enter_context(av.open(beside, "w", format="mp4", options=options))
        stream = container.add_stream("h264", rate=self.fps)
        _configure(stream.codec_context, size, self._ticks)
        self._container, self._stream, self._size = container, stream, size

    def _hold_until(self, end: int) -> None:
        """Repeat the last picture where it is shown for longer than an mp4 file can say of one frame."""
        while self._picture is not None and end - self._last > LONGEST:
            self._encode(self._picture, self._last + LONGEST)

    def _encode(self, picture: av.VideoFrame | None, start: int) -> None:
        """Encode a picture that is shown from `start` on; None at the end of the video."""
        if picture is not None:
            picture.pts, picture.time_base = start, Fraction(1, self._ticks)
            self._picture, self._last = picture, start
        for packet in self._stream.encode(picture):
            if packet.pts == self._last:
                packet.duration = self._end - self._last  # of other frames, the next one's start decides
            self._container.mux(packet)

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is not None:
            with self._staging:
                self._hold_until(self._end)
                self._encode(None, self._end)


def check_encoder(size: tuple[int, int]) -> None:
    """Raise a ValueError if frames of this size `(H, W)` can't be encoded, before any work is done for them."""
    height, width = size
    if max(size) > MAX_SIDE:
        raise ValueError(f"H.264 takes at most {MAX_SIDE} pixels a side, not {width}x{height}; scale them down first")
    try:
        codec = av.CodecContext.create("h264", "w")
        _configure(codec, size, TICKS)
        codec.open()
    except (av.FFmpegError, ValueError) as error:
        raise ValueError(f"PyAV {av.__version__} can't write H.264 of {width}x{height}: {error}") from error


def _configure(codec: av.VideoCodecContext, size: tuple[int, int], ticks: int) -> None:
    codec.height, codec.width = (side + side % 2 for side in size)
    codec.pix_fmt, codec.time_base = "yuv420p", Fraction(1, ticks)
    # Without B-frames the frames are stored in the order of showing, and readers find each one's own duration.
    codec.options = {"crf": str(QUALITY), "bf": "0"}
    # Written into the file, since players otherwise guess by the size: BT.709, 16 to 235.
    codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
    codec.color_primaries = codec.color_trc = 1
