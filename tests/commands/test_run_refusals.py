"""run.py: wrong arguments, outputs that would overwrite, and a full disk are named, and nothing is lost."""

import pytest
from called import run

from dffkit.commands import run as run_command
from dffkit.datasets.video_writer import VideoWriter
from dffkit.support.errors import CommandError, DataError


@pytest.mark.parametrize(("task", "other"), [("segmentation", "detection"), ("detection", "segmentation")])
def test_weights_of_another_task_can_not_be_compared_with(tmp_path, clip, monkeypatch, task, other):
    """The error comes before a frame is read or a file is begun."""
    monkeypatch.setattr(run_command, "frames", lambda name: pytest.fail("the video was opened"))
    for words in (("--task", task), ("--weights", f"toytown/{task}/dff", "--compare")):
        named = (
            f"--compare-with toytown/{other}/frame: its network is for {other}, that of toytown/{task}/dff for {task};"
        )
        with pytest.raises(CommandError, match=f"{named} give weights of one task"):
            run(clip, *words, "--compare-with", f"toytown/{other}/frame", "--out", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_wrong_arguments_are_named(tmp_path, clip):
    with pytest.raises(DataError, match=r"nothing\.mp4: no such file"):
        run(tmp_path / "nothing.mp4")
    with pytest.raises(DataError, match="has no model 'toytown/segmentation/dfff'; did you mean"):
        run(clip, "--weights", "toytown/segmentation/dfff")
    with pytest.raises(CommandError, match="name: expected a network that recognizes frames, got 'toytown/stills'"):
        run(clip, "--weights", "toytown/stills")
    with pytest.raises(DataError, match=r"has no trained\.pt; give the folder of a run that is finished"):
        run(clip, "--weights", tmp_path)
    with pytest.raises(CommandError, match=r"path: expected a name that ends in \.mp4, got 'out\.avi'"):
        run(clip, "--out", tmp_path / "out.avi")


@pytest.mark.parametrize("option", ["--out", "--json"])
def test_the_input_is_never_overwritten(tmp_path, clip, option, monkeypatch):
    before = clip.read_bytes()
    (tmp_path / "link.mp4").symlink_to(clip)
    (tmp_path / "second.mp4").hardlink_to(clip)
    monkeypatch.chdir(tmp_path)
    for name in ("clip.mp4", tmp_path / "x" / ".." / "clip.mp4", "link.mp4", "second.mp4"):
        with pytest.raises(CommandError, match=rf"{option} .*mp4: is the input, which would be overwritten"):
            run(clip, option, name)
    clip.rename("annotated.mp4")  # what --out is by default
    with pytest.raises(CommandError, match=r"--out annotated\.mp4: is the input"):
        run("annotated.mp4")
    assert (tmp_path / "annotated.mp4").read_bytes() == before


def test_results_do_not_overwrite_an_image_of_the_input_nor_each_other(tmp_path, clip):
    (tmp_path / "images").mkdir()
    with pytest.raises(CommandError, match=r"--json .*0\.png: is the input"):
        run(tmp_path / "images", "--json", tmp_path / "images" / "0.png")
    out = tmp_path / "out.mp4"
    with pytest.raises(CommandError, match=r"--json .*out\.mp4: is the file of --out too"):
        run(clip, "--out", out, "--json", out)
    assert not out.exists()


@pytest.mark.parametrize("option", ["--out", "--json"])
def test_an_output_that_can_not_be_written_is_named(tmp_path, clip, option, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "a.mp4").mkdir()
    for place, named in (("a.mp4", "is a folder"), ("file/new/a.mp4", f"{tmp_path / 'file'} is not a folder")):
        with pytest.raises(CommandError, match=f"{option} {tmp_path / place}: {named}; give the name of a file"):
            run(clip, option, tmp_path / place)
    monkeypatch.setattr(run_command.os, "access", lambda path, mode: path not in (tmp_path, tmp_path / "file"))
    for place, named in (("b.mp4", f"the folder {tmp_path} is"), ("file", "is")):
        with pytest.raises(CommandError, match=f"{option} {tmp_path / place}: {named} write-protected"):
            run(clip, option, tmp_path / place)


def test_an_error_while_writing_is_printed_without_a_traceback(tmp_path, clip, monkeypatch):
    def full(self, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(VideoWriter, "write", full)
    with pytest.raises(CommandError, match="No space left on device: the results can't be written; is there room"):
        run(clip, "--out", tmp_path / "out.mp4")
