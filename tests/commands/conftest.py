"""A workspace of its own for runs and results, and a short clip."""

import pytest
from tiny_queue import workspace  # noqa: F401  a fixture

from dffkit.datasets.toytown import Film
from dffkit.datasets.video_writer import VideoWriter


@pytest.fixture
def clip(tmp_path):
    """Write seven frames of a street to a file."""
    film, path = Film("val", 4), tmp_path / "clip.mp4"
    with VideoWriter(path, 10) as video:
        for index in range(7):
            video.write(film.frame(index))
    return path
