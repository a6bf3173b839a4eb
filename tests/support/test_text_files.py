"""Text files by any editor and on any system: in UTF-8 they are read, in other encodings refused by name."""

import os
import subprocess
import sys

import pytest

from dffkit.support.errors import DataError
from dffkit.support.files import read_lines

# The same lines as editors store them.
STORED = {
    "plain": "für 1\nand 2\n",
    "Windows": "\ufefffür 1\r\nand 2\r\n",
    "old Macintosh": "für 1\rand 2",
    "blanks": "  für 1 \t\n\n \nand 2\n\n\n",
}


@pytest.mark.parametrize("name", STORED)
def test_lines_do_not_depend_on_the_editor(tmp_path, name):
    path = tmp_path / "list.txt"
    path.write_bytes(STORED[name].encode())
    lines = read_lines(path, "get it again")
    assert [line for _, line in lines] == ["für 1", "and 2"]
    assert [number for number, _ in lines] == ([1, 4] if name == "blanks" else [1, 2])


def test_only_line_ends_end_a_line(tmp_path):
    (tmp_path / "a.txt").write_bytes("one\u2028\x85\x0cline\n".encode())
    assert read_lines(tmp_path / "a.txt", "") == [(1, "one\u2028\x85\x0cline")]
    (tmp_path / "a.txt").write_bytes(b"\n")
    assert read_lines(tmp_path / "a.txt", "") == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_other_encodings_are_refused(tmp_path, encoding):
    (tmp_path / "list.txt").write_bytes(STORED["plain"].encode(encoding))
    with pytest.raises(DataError, match=r"list\.txt: is no text in UTF-8: .*; get it again, or save it as UTF-8$"):
        read_lines(tmp_path / "list.txt", "get it again")


def test_text_is_utf8_where_the_system_says_ascii(tmp_path):
    (tmp_path / "a.txt").write_bytes(STORED["Windows"].encode())
    program = "import pathlib, sys; from dffkit.support.files import read_lines; "
    program += "print(ascii(read_lines(pathlib.Path(sys.argv[1]), '')))"
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", program, str(tmp_path / "a.txt")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == r"[(1, 'f\xfcr 1'), (2, 'and 2')]"
