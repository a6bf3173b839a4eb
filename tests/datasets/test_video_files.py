"""video_files.py: what is written is read again, and plays after an interruption."""

import pytest
import torch
from numbered_pictures import NTSC, PICTURES, numbers

from dffkit.datasets.streams import frames
from dffkit.datasets.video_files import VideoWriter
from dffkit.support.errors import DataError


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (1, 1)])
def test_what_is_written_is_read_again(tmp_path, size):
    path = tmp_path / "new folder" / "a.mp4"
    smooth = torch.arange(63, -1, -1, dtype=torch.uint8).expand(3, 48, 64) * torch.tensor([2, 3, 1])[:, None, None]
    picture = smooth[:, : size[0], : size[1]].to(torch.uint8)
    with VideoWriter(path, NTSC) as writer:
        for _ in range(5):
            writer.write(picture)
    stream = frames(path)
    assert stream.fps == NTSC
    assert stream.size == tuple(side + side % 2 for side in size)
    assert [path.name for path in path.parent.iterdir()] == ["a.mp4"]
    for frame in stream:
        assert (frame[:, : size[0], : size[1]].int() - picture).abs().float().mean() < 3
    assert len(list(stream)) == 5


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, DataError])
def test_an_interrupted_video_plays_until_there(tmp_path, interruption):
    path = tmp_path / "a.mp4"
    path.write_text("an older one")

    def interrupted():
        with VideoWriter(path, 25) as writer:
            for index, picture in enumerate(PICTURES):
                if index == 30:
                    assert path.read_text() == "an older one"  # no file looks finished that is not
                    raise interruption
                writer.write(picture)

    with pytest.raises(interruption):
        interrupted()
    assert numbers(frames(path)) == list(range(30))
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_frame_there_is_no_file(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 25):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (PICTURES[0].float(), r"\(3, 48, 64\) torch.float32"),
        (PICTURES[0, 0], r"\(48, 64\)"),
        (PICTURES[0, :1], r"\(1, 48, 64\)"),
        (PICTURES[0, :, :32], r"the first one's size \(48, 64\), got \(32, 64\)"),
    ],
)
def test_a_wrong_frame_is_named(tmp_path, wrong, named):
    with VideoWriter(tmp_path / "a.mp4", 25) as writer:
        writer.write(PICTURES[0])
        with pytest.raises(ValueError, match=f"frame: expected .*{named}"):
            writer.write(wrong)
    assert numbers(frames(tmp_path / "a.mp4")) == [0]


@pytest.mark.parametrize(("path", "fps", "named"), [("a.avi", 25, "path"), ("a.mp4", 0, "fps"), ("a.mp4", None, "fps")])
def test_wrong_arguments_of_the_writer_are_named(path, fps, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        VideoWriter(path, fps)
