"""atomic.py: a file is there as a whole or not at all, and nothing else is left."""

from pathlib import Path

import pytest

from dffkit.support import files


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
