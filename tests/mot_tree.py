"""A small MOTChallenge, a moving square, as images and as a video file; the tests of the reader share it."""

import warnings

import torch
from PIL import Image

from dffkit.datasets.snippets import SkippedRecords
from dffkit.datasets.video_writer import VideoWriter

HEIGHT, WIDTH = SIZE = (32, 48)
SEQINFO = "[Sequence]\nname=walk\nimDir=img1\nframeRate=14\nseqLength={}\nimWidth={}\nimHeight={}\nimExt=.png\n"


def picture(frame):
    """Return a bright square of 8x8 pixels on black that moves 2 pixels to the right a frame."""
    pixels = torch.zeros(3, *SIZE, dtype=torch.uint8)
    pixels[:, 10:18, 4 + 2 * frame : 12 + 2 * frame] = 255
    return pixels


def square(frame, zoom=1.0, rest="1"):
    """Return the line for the square; MOT counts frames and pixels from 1."""
    return f"{frame + 1},7,{zoom * (4 + 2 * frame) + 1},{zoom * 10 + 1},{zoom * 8},{zoom * 8},{rest}"


def sequence(folder, lines=None, length=12, annotated=(WIDTH, HEIGHT)):
    """Write a sequence's folder, with `lines` of boxes or the square's box in every frame."""
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    for i in range(length):
        Image.fromarray(picture(i).permute(1, 2, 0).numpy()).save(folder / "img1" / f"{i + 1:06d}.png")
    (folder / "seqinfo.ini").write_text(SEQINFO.format(length, *annotated))
    (folder / "gt" / "gt.txt").write_text("\n".join(map(square, range(length)) if lines is None else lines) + "\n")
    return folder


def film(folder, lines=None, length=12):
    """Write the same as a video file."""
    with VideoWriter(folder / "walk.mp4", 10) as writer:
        for i in range(length):
            writer.write(picture(i))
    (folder / "gt.txt").write_text("\n".join(map(square, range(length)) if lines is None else lines) + "\n")
    return folder / "walk.mp4"


def assert_square_in_box(frame, target):
    """Assert that the box surrounds exactly the bright pixels."""
    rows, columns = torch.nonzero(frame[0] > 127, as_tuple=True)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert target["boxes"].tolist() == [expected]


def skipped_warnings(call):
    """Return the texts of a call's warnings about skipped records, without the file's name; each points at the call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    assert all(each.category is SkippedRecords and each.filename == call.__code__.co_filename for each in found)
    return [str(each.message).partition(": ")[2] for each in found]
