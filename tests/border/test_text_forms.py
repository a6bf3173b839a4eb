"""Text files mean the same with or without a byte order mark, with any line ends and with blank lines, everywhere."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from dataset_readers import make_chairs, make_mot, make_vid, make_xml
from places import REPOSITORY

from dffkit.datasets import flying_chairs, mot
from dffkit.datasets.imagenet_vid import snippets, stills
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.vid_annotations import read_annotation
from dffkit.support.errors import DataError

# Text file -> what makes it with all around it, its place, and what is read.
READ: dict[str, tuple[Callable[[Path], Any], str, Callable[[Path], Any]]] = {
    "gt.txt": (make_mot, "gt/gt.txt", lambda root: [mot.snippet(root)]),
    "seqinfo.ini": (make_mot, "seqinfo.ini", lambda root: [mot.snippet(root)]),
    "list of frames": (make_vid, "frames.txt", lambda root: snippets(root, "train", frames=root / "frames.txt")),
    "list of videos": (make_vid, "videos.txt", lambda root: snippets(root, "val", videos=root / "videos.txt")),
    "list of stills": (make_vid, "stills.txt", lambda root: stills(root, root / "stills.txt")),
    "annotation": (make_xml, "video.xml", lambda root: read_annotation(root / "video.xml", True)),
    "split": (make_chairs, flying_chairs.SPLIT_FILE, lambda root: flying_chairs.FlyingChairs(root, "val").files),
}
FORMS: dict[str, Callable[[str], bytes]] = {
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "byte order mark, Windows": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "old Macintosh": lambda text: text.replace("\n", "\r").encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "blank last lines": lambda text: (text + "\n\n \n").encode(),
    "blank lines between": lambda text: text.replace("\n", "\n\n").encode(),
    "spaces at the ends": lambda text: text.replace("\n", "  \n").encode(),
}


def meaning(value: Any) -> Any:
    """Return plain values that are equal if two readings mean the same."""
    if isinstance(value, Snippet):
        targets = {i: meaning(value.targets[i]) for i in value.targets}
        return value.name, value.fps, len(value.frames), targets
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {name: meaning(each) for name, each in value.items()}
    return [meaning(each) for each in value] if isinstance(value, Sequence) and not isinstance(value, str) else value


@pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("file", READ)
def test_form_of_a_text_file_changes_nothing(tmp_path, file, form):
    make, place, read = READ[file]
    make(tmp_path)
    plain = meaning(read(tmp_path))
    path = tmp_path / place
    path.write_bytes(FORMS[form](path.read_text(encoding="utf-8")))
    assert meaning(read(tmp_path)) == plain


@pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
@pytest.mark.parametrize("file", [file for file in READ if file != "annotation"])  # XML says its encoding
def test_other_encoding_is_refused(tmp_path, file, encoding):
    make, place, read = READ[file]
    make(tmp_path)
    path = tmp_path / place
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    with pytest.raises(DataError, match=path.name):
        read(tmp_path)


PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = ["tests", "tests/border"]
from test_text_forms import READ, meaning
for name, (_, _, read) in READ.items():
    meaning(read(Path(sys.argv[1]) / name))
    print(name)
"""


def test_locale_changes_nothing(tmp_path):
    """In a locale of ASCII alone, with names and comments in UTF-8 in the files."""
    for name, (make, place, _) in READ.items():
        root = tmp_path / name
        root.mkdir()
        make(root)
        path = root / place
        text = path.read_text(encoding="utf-8")
        text = text.replace("name=walk", "name=Fußgänger").replace("<folder>somewhere", "<folder>Straße")
        path.write_bytes(text.encode("utf-8"))
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, **ascii_only}, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == list(READ)
