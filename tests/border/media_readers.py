"""Small valid videos and images, and their readers."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import made_videos
import numpy as np
from PIL import Image
from right_form import check_frame, check_timed

from dffkit.datasets import streams, video_files
from dffkit.datasets.images import image_size, read_frame


def make_videos(folder: Path) -> list[Path]:
    base = made_videos.Video("libx264", "mp4", "25", "upright", "1:1", "one", "at zero", "whole")
    kinds = [
        base,
        base._replace(container="mov", codec="mjpeg", orientation="transposed", shape="2:1"),
        base._replace(container="mkv", rate="variable", streams="thumbnail"),
        base._replace(container="webm", codec="libvpx", shape="16:15"),
        base._replace(container="avi", codec="mpeg4", rate="gap"),
        base._replace(container="ts", codec="mpeg2video", start="late"),
        base._replace(container="flv"),
        base._replace(container="mp4", codec="libvpx-vp9", end="streamed"),
        base._replace(container="gif", codec="gif", rate="slowing"),
    ]
    folders = [folder / str(number) for number in range(len(kinds))]
    for each in folders:
        each.mkdir()
    return [made_videos.make(kind, each) for kind, each in zip(kinds, folders, strict=True)]


def read_video(path: Path) -> None:
    check_timed(video_files.read(path))


def read_stream(path: Path) -> None:
    stream = streams.frames(path)
    assert min(stream.size) > 0
    assert stream.fps is None or stream.fps > 0
    check_timed(stream.timed())


def make_images(folder: Path) -> list[Path]:
    exif = Image.Exif()
    exif[0x0112] = 5
    picture = Image.fromarray(made_videos.picture(9))
    clear = picture.convert("RGBA")
    clear.putalpha(128)
    kinds = {
        "a.png": (picture, {"exif": exif}), "b.png": (clear, {}), "c.png": (picture.quantize(8), {"transparency": 3}),
        "a.jpg": (picture, {"exif": exif}), "b.jpg": (picture.convert("L"), {}), "a.bmp": (picture, {}),
        "a.ppm": (picture, {}), "a.gif": (picture, {}), "a.webp": (picture, {"lossless": True, "exif": exif}),
        "a.tif": (picture, {"compression": "tiff_lzw"}), "a.avif": (picture, {}), "a.jp2": (picture, {}),
    }  # fmt: skip
    for name, (image, options) in kinds.items():
        image.save(folder / name, **options)
    return [folder / name for name in kinds]


def read_image(path: Path) -> None:
    size = image_size(path)
    assert min(size) > 0
    for upright in (False, True):
        frame = read_frame(path, upright=upright)
        check_frame(frame)
        assert sorted(frame.shape[1:]) == sorted(size)


def make_folder(folder: Path) -> list[Path]:
    for name, number in (("frame1.png", 1), ("frame2.jpg", 2)):
        Image.fromarray(made_videos.picture(number)).save(folder / name)
    return sorted(folder.iterdir())


def make_labels(folder: Path) -> list[Path]:
    values = np.tile(np.array([0, 1, 3, 11], np.uint8), (8, 4))
    grey, palette = Image.fromarray(values), Image.fromarray(values)
    palette.putpalette(bytes(range(256)) * 3)
    kinds = {"a.png": grey, "b.png": palette, "c.png": grey.point(bool).convert("1"), "a.pgm": grey, "a.tif": grey}
    for name, image in kinds.items():
        image.save(folder / name)
    return [folder / name for name in kinds]


def inside_png(content: bytes, _: Random) -> tuple[bytes, Callable[[bytes], bytes]]:
    return content, with_right_checksums


def with_right_checksums(content: bytes) -> bytes:
    """Return a PNG with the checksum of each chunk made again; another file as it is."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    new, place = bytearray(content), 8
    while place + 12 <= len(new):
        (length,) = struct.unpack_from(">I", new, place)
        if place + 12 + length > len(new):
            break
        struct.pack_into(">I", new, place + 8 + length, zlib.crc32(new[place + 4 : place + 8 + length]))
        place += 12 + length
    return bytes(new)
