"""Pictures whose colour encodes their number, and videos of them; the tests of streams and video files share them."""

from fractions import Fraction

import av
import torch

NTSC = Fraction(30000, 1001)
CODECS = {"mp4": "libx264", "mkv": "libx264", "avi": "libx264", "webm": "libvpx-vp9"}
GENERATOR = torch.Generator().manual_seed(0)
# A square of a colour that tells the frame, and noise, so that each frame takes many bytes.
PICTURES = torch.randint(0, 256, (40, 3, 48, 64), dtype=torch.uint8, generator=GENERATOR)
PICTURES[:, :, :32, :32] = (6 * torch.arange(40, dtype=torch.uint8))[:, None, None, None]


def video(path, pictures=PICTURES, rate=NTSC, codec=None, **options):
    """Write a video file of these frames `(n, 3, H, W)`; n may be 0."""
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
    """Return the numbers of frames, read from the colour of their square."""
    return [round(float(frame[:, 4:28, 4:28].float().mean()) / 6) for frame in stream]
