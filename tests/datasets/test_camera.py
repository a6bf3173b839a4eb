"""Frames from a camera, until it is unplugged."""

from itertools import islice

import numpy as np
import pytest
import torch

from dffkit.datasets import streams
from dffkit.datasets.streams import frames
from dffkit.support.errors import DataError


class Camera:
    """Stands in for OpenCV's: a blue picture, as often as `left` says, at 30 frames a second."""

    left = 1_000

    def __init__(self, number):
        self.there = number == 0

    def isOpened(self):
        return self.there

    def get(self, _):
        return 30.0

    def read(self):
        Camera.left -= 1
        return (True, np.full((4, 6, 3), (255, 0, 0), np.uint8)) if Camera.left >= 0 else (False, None)

    def release(self):
        self.there = False


def test_a_camera_gives_frames_until_it_is_unplugged(monkeypatch):
    monkeypatch.setattr(streams.cv2, "VideoCapture", Camera)
    stream = frames("camera:0")
    assert (stream.size, stream.fps, stream.count) == ((4, 6), 30, None)
    blue = torch.tensor([0, 0, 255], dtype=torch.uint8)[:, None, None].expand(3, 4, 6)
    assert all(torch.equal(frame, blue) for frame in islice(stream, 100))
    Camera.left = 3
    with pytest.raises(DataError, match="camera:0: gave no frame after 3 frames"):
        list(stream)
    with pytest.raises(DataError, match="camera:1: can't be opened"):
        frames("camera:1")
    with pytest.raises(ValueError, match="expected a camera's number as in 'camera:0', got 'camera:front'"):
        frames("camera:front")


def test_a_camera_that_is_not_there_is_named():
    with pytest.raises(DataError, match="camera:99: can't be opened; is it plugged in"):
        frames("camera:99")
