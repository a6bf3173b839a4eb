"""your_data.py: the example in files, and the kit's commands run on it."""

import pytest

from dffkit.datasets.images import read_labels
from dffkit.datasets.toytown import Film
from dffkit.lessons import your_data


def test_the_example_has_clips_of_which_the_last_frame_is_labelled(tmp_path, monkeypatch):
    monkeypatch.setattr(your_data, "root", lambda: tmp_path)
    monkeypatch.setattr(your_data, "CLIPS", {"train": (0,), "val": (4,)})
    folder = your_data.example_folder()
    clips = folder / "clips"
    assert sorted(path.name for path in clips.glob("*/*")) == ["street0", "street4"]
    names = sorted(path.name for path in (clips / "val" / "street4").iterdir())
    assert names == [*(f"{i:04}.jpg" for i in range(your_data.FRAMES)), f"{your_data.FRAMES - 1:04}.png"]
    labels = read_labels(clips / "val" / "street4" / names[-1])
    assert (labels == Film("val", 4).labels(your_data.STEP * (your_data.FRAMES - 1))).all()


def test_commands_run_in_the_folder_and_fail_with_what_they_said(tmp_path):
    assert "toytown/segmentation/dff" in your_data.command(tmp_path, "train")
    with pytest.raises(RuntimeError, match=r"train nothing: .*no 'nothing'"):
        your_data.command(tmp_path, "train nothing")
