"""Every video that is made has its truth: its frames in order, upright, in their shape, at their times."""

import itertools
import struct
import warnings
from fractions import Fraction

import av
import made_videos
import numpy as np
import pytest
import torch
from made_videos import HEIGHT, MILLISECOND, STREAMS, WIDTH, Video, number_of, picture
from pairwise import pairwise
from torch.nn import functional as F

from dffkit.datasets import video_files
from dffkit.datasets.snippets import SkippedRecords
from dffkit.datasets.video_writer import VideoWriter
from dffkit.support.errors import DataError

CASES = made_videos.cases()
ROUNDING = {"gif": Fraction(1, 100), "ts": Fraction(1, 90000)}  # others count in milliseconds, or exactly


def shown(frame: torch.Tensor) -> np.ndarray:
    """Return a frame as pixels of the picture that was drawn, whatever its shape of pixels is."""
    drawn = F.interpolate(frame[None].float(), (HEIGHT, WIDTH), mode="area")
    return drawn[0].permute(1, 2, 0).numpy()


def test_few_cases_have_every_pair_of_values():
    product = [case for case in itertools.product("abc", range(4), range(5), "xy") if case[:2] != ("a", 3)]
    few = pairwise(product)
    pairs = [{p for case in cases for p in itertools.combinations(enumerate(case), 2)} for cases in (product, few)]
    assert pairs[0] == pairs[1]
    assert len(few) <= 2 * 4 * 5


@pytest.mark.parametrize("video", CASES, ids=str)
def test_made_video_is_read_as_a_viewer_sees_it(tmp_path, video: Video):
    path = made_videos.make(video, tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", SkippedRecords)
        frames = list(video_files.read(path))
    if video.streams != "cover":  # an attached picture belongs to the file, but not every container can attach one
        is_alone = {"other", "still"}.isdisjoint(STREAMS[video.streams])
        assert any("left out" in str(each.message) for each in said) != is_alone
    assert [number_of(shown(each.frame)) for each in frames] == list(range(made_videos.COUNT))
    assert [each.index for each in frames] == list(range(made_videos.COUNT))
    for number, each in enumerate(frames):
        assert np.abs(shown(each.frame) - picture(number)).mean() < 12
        height, width = each.frame.shape[1:]
        assert abs(width - height * video.aspect) <= max(1, video.aspect) / 2  # a pixel of either side
    rounding = ROUNDING.get(video.container, MILLISECOND)
    for each, seconds in zip(frames, video.seconds, strict=True):
        assert abs(each.seconds - seconds) <= rounding
    for each, (here, there) in zip(frames, zip(video.seconds, video.seconds[1:], strict=False), strict=False):
        if each.duration is not None:
            assert abs(each.duration - (there - here)) <= 2 * rounding


@pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")
@pytest.mark.parametrize("video", CASES, ids=str)
def test_written_video_plays_at_the_times_of_the_made_one(tmp_path, video: Video):
    frames = list(video_files.read(made_videos.make(video, tmp_path)))
    with VideoWriter(tmp_path / "written.mp4", 25) as writer:
        for each in frames:
            writer.write(each.frame, each.seconds, each.duration)
    with av.open(tmp_path / "written.mp4") as container:
        stream = container.streams.video[0]
        again = list(container.decode(stream))
        pictures = [torch.from_numpy(each.to_ndarray(format="rgb24")).permute(2, 0, 1) for each in again]
        assert [number_of(shown(each)) for each in pictures] == list(range(made_videos.COUNT))
        # A frame's time is rounded by the file that is read, and by the one that is written.
        rounding = ROUNDING.get(video.container, MILLISECOND) + Fraction(1, 90000)
        for each, seconds in zip(again, video.seconds, strict=True):
            assert abs(each.pts * stream.time_base - seconds) <= rounding
        end = max((each.pts + each.duration) * stream.time_base for each in again)
        assert frames[-1].duration is None or abs(end - frames[-1].seconds - frames[-1].duration) <= rounding


@pytest.mark.parametrize("shape", [(100_000, 1), (1, 100_000), (2**31 - 1, 1)])
def test_shape_of_pixels_that_no_camera_has_is_refused(tmp_path, shape):
    """Else a flipped bit would make frames of gigabytes."""
    path = made_videos.make(Video("libx264", "mp4", "25", "upright", "2:1", "one", "at zero", "whole"), tmp_path)
    content = path.read_bytes()
    place = content.index(b"pasp") + 4
    path.write_bytes(content[:place] + struct.pack(">2I", *shape) + content[place + 8 :])
    with pytest.raises(DataError, match=r"video\.mp4: has pixels .* times as wide as high"):
        next(video_files.read(path))
