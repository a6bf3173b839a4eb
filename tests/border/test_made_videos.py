"""Every video that is made has its truth: its frames in order, upright, in their shape, at their times."""

from fractions import Fraction

import made_videos
import numpy as np
import pytest
import torch
from made_videos import HEIGHT, MILLISECOND, WIDTH, Video, number_of, picture
from torch.nn import functional as F

from dffkit.datasets import video_files

CASES = made_videos.cases()
ROUNDING = {"gif": Fraction(1, 100), "ts": Fraction(1, 90000)}  # others count in milliseconds, or exactly


def shown(frame: torch.Tensor) -> np.ndarray:
    """Return a frame as pixels of the picture that was drawn, whatever its shape."""
    drawn = F.interpolate(frame[None].float(), (HEIGHT, WIDTH), mode="area")
    return drawn[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("video", CASES, ids=str)
def test_made_video_is_read_as_a_viewer_sees_it(tmp_path, video: Video):
    frames = list(video_files.read(made_videos.make(video, tmp_path)))
    assert [number_of(shown(each.frame)) for each in frames] == list(range(made_videos.COUNT))
    assert [each.index for each in frames] == list(range(made_videos.COUNT))
    for number, each in enumerate(frames):
        assert np.abs(shown(each.frame) - picture(number)).mean() < 12
        height, width = each.frame.shape[1:]
        assert abs(width - height * video.aspect) <= max(1, video.aspect) / 2  # a pixel of either side
        assert min(height, width) >= HEIGHT
    rounding = ROUNDING.get(video.container, MILLISECOND)
    for each, seconds in zip(frames, video.seconds, strict=True):
        assert abs(each.seconds - seconds) <= rounding
    for each, (here, there) in zip(frames, zip(video.seconds, video.seconds[1:], strict=False), strict=False):
        if each.duration is not None:
            assert abs(each.duration - (there - here)) <= 2 * rounding
