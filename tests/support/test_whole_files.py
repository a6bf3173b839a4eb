"""Whole or absent files, folders held by one process, and names of settings."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dffkit.support import files
from dffkit.support.errors import CommandError


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for text in ("one\n", "two\n"):
        assert files.write(path, text) == path
        assert path.read_bytes() == text.encode()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("no room"), KeyboardInterrupt()], ids=["full disk", "Ctrl-C"])
@pytest.mark.parametrize("step", ["write", "rename"])
def test_a_failed_write_leaves_the_old_file_alone(tmp_path, monkeypatch, error, step):
    path = files.write(tmp_path / "a.txt", "old")
    whole = Path.write_bytes

    def fails(*arguments):
        if step == "write":
            whole(arguments[0], b"ne")
        raise error

    monkeypatch.setattr(*((Path, "write_bytes") if step == "write" else (files.os, "replace")), fails)
    with pytest.raises(type(error)):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a.txt"
    with files.staged(path) as one, files.staged(path) as other:
        assert one.parent == other.parent == tmp_path
        assert one != other
        one.write_text("one")
        other.write_text("other")
        assert not path.exists()
    assert path.read_text() == "one"  # the outer block ended last
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_goes_with_its_process(tmp_path):
    code = "import os, sys; from pathlib import Path; from dffkit.support.files import locked\n"
    code += "with locked(Path(sys.argv[1]), busy='held'): os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code, tmp_path], check=False).returncode == -9
    with (
        files.locked(tmp_path, busy="held by the test before"),
        pytest.raises(CommandError, match="a second holder"),
        files.locked(tmp_path, busy="a second holder"),
    ):
        pass
    with files.locked(tmp_path, busy="still held after the block"):
        pass


def test_without_a_message_the_second_holder_waits(tmp_path):
    order = []

    def second():
        with files.locked(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    with files.locked(tmp_path):
        thread.start()
        thread.join(timeout=0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_fingerprint_names_settings_in_any_order():
    for settings in ({"b": [1, None], "a": 0.5}, {"a": 0.5, "b": [1, None]}):
        assert files.fingerprint(settings) == "b9ed64369410"
    assert files.fingerprint({"a": 0.5}) != files.fingerprint({"a": 0.25})
